"""CloudEvents 1.0 in Kafka's binary mode: attributes are `ce_` headers, the value is JSON."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.contracts.event import REGISTRY, Event, Wire

CONTENT_TYPE = "application/json"


class UnknownType(Exception):
    """An event type this version does not know; a later one may."""


class Malformed(Exception):
    """Not a CloudEvent of ours; no version will ever read it."""


@dataclass(frozen=True)
class Attributes:
    """The CloudEvents attributes of one record."""

    id: UUID
    type: str
    source: str
    causation_id: UUID | None


def encode(event: Event, wire: Wire) -> bytes:
    """The record's value."""
    return json.dumps({**wire.model_dump(mode="json"), **event.model_dump(mode="json")}).encode()


def headers(event: Event, wire: Wire, *, id: UUID, source: str, time: datetime, cause: UUID | None) -> dict[str, str]:
    """The record's headers, but for the trace context."""
    subject = getattr(event, event.subject, None) or getattr(wire, event.subject, None)
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": str(id),
        "ce_type": event.type,
        "ce_source": f"/attune/{source}",
        "ce_time": time.isoformat(),
        "ce_subject": str(subject),
        "ce_causationid": str(cause) if cause else None,
        "content-type": CONTENT_TYPE,
    }
    return {name: value for name, value in attributes.items() if value is not None}


def text(raw: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Headers as text that a database takes; the first of a name wins, what is no text is marked, never raised over."""
    read: dict[str, str] = {}
    for name, value in raw:
        read.setdefault(name, (value or b"").decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}"))
    return read


def attributes(headers: Mapping[str, str]) -> Attributes:
    """Raises Malformed where the id or type is missing or no UUID."""
    try:
        cause = headers.get("ce_causationid")
        return Attributes(
            id=UUID(headers["ce_id"]),
            type=headers["ce_type"],
            source=headers.get("ce_source", ""),
            causation_id=UUID(cause) if cause else None,
        )
    except (KeyError, ValueError) as error:
        raise Malformed("without a readable ce_id and ce_type") from error


def decode(type: str, value: bytes) -> tuple[Event, Wire]:
    """The event and what stands beside it.

    Raises UnknownType, or pydantic.ValidationError for a value that its model cannot read.
    """
    if type not in REGISTRY:
        raise UnknownType(type)
    return REGISTRY[type].model_validate_json(value), Wire.model_validate_json(value)


def value_schema(model: type[Event]) -> dict[str, Any]:
    """JSON Schema (2020-12) of a record's value: the payload with the wire's fields beside it."""
    merged = type(model.__name__, (model, Wire), {"__doc__": model.__doc__, "model_config": model.model_config})
    return merged.model_json_schema(mode="serialization")  # type: ignore[attr-defined,no-any-return]
