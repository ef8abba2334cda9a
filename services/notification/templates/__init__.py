"""What the messages say: plain text, a file each. Never what they are about: the reference is enough."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.notification.model import Template
from shared import telemetry
from shared.settings import Organisation

_files = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701  (plain text)
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Message:
    subject: str
    text: str


def message(template: Template, about: UUID, organisation: Organisation, portal_url: str) -> Message:
    """The message about a recording, an erasure or an episode; only its short reference is said."""
    said = _files.get_template(f"{template}.txt")
    given = {"organisation": organisation, "portal_url": portal_url, "reference": telemetry.reference(about)}
    subject: str = said.make_module(given).subject  # type: ignore[attr-defined]
    return Message(subject, said.render(given))
