"""A whole stack of its own, with short H, and a browser."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from joserfc.jwk import OKPKey
from playwright.sync_api import Browser

from deploy.local.stack import Stack
from deploy.system import DEVELOPMENT_ISSUER
from shared.identity.tokens import Role, mint
from tests import films
from tests.browser.browsing import GONE, Person, browsing
from tests.stack import Databases, joined_folder

SHORT = {"ATTUNE_PERMIT_SECONDS": "5", "ATTUNE_PUT_SECONDS": "5", "ATTUNE_CLOCK_SKEW_SECONDS": "2"}
FRAMES, RATE = 150, 25


@dataclass(frozen=True)
class Running:
    """The running product, as its people reach it."""

    stack: Stack

    def token(self, role: Role, person: UUID, family: UUID | None = None) -> str:
        key = OKPKey.import_key(json.loads(self.stack.instance.key_file(DEVELOPMENT_ISSUER).read_text()))
        return mint(key, str(person), role, datetime.now(UTC), timedelta(hours=1), family)

    @property
    def first_looks(self) -> set[str]:
        """Their ids. One goes when the film is there, also while somebody loads it: the page then shows the film."""
        return set(Databases(self.stack).sql("SELECT id FROM artefacts WHERE kind = 'first_look'", "consent").split())

    @property
    def hosts(self) -> set[str]:
        """Of which alone a page may ask anything."""
        return {self.stack.url(name) + "/" for name in ("portal", "upload", "curation")}


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Stack(joined_folder() or tmp_path_factory.mktemp("browser")) as stack:
        if not stack.running:
            stack.start(without=["traces"], env=SHORT)
        yield Running(stack)


@pytest.fixture(scope="module")  # while it is open, its loop runs, and no other test's can
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture
def person(running: Running, browser: Browser) -> Iterator[Callable[[], Person]]:
    """Somebody at a browser of their own; a page that complains fails the test. `ATTUNE_SHOTS`: where pictures go."""
    shots = Path(os.environ["ATTUNE_SHOTS"]) if "ATTUNE_SHOTS" in os.environ else None
    people: list[Person] = []

    def make() -> Person:
        people.append(Person(browser, running.stack.url("portal"), running.hosts, shots))
        return people[-1]

    yield make
    complaints = [complaint for one in people for complaint in one.complaints]
    gone = {one: found[1] for one in complaints if (found := GONE.search(one))}
    looks = running.first_looks if gone else set()
    complaints = [one for one in complaints if gone.get(one) not in looks]
    for one in people:
        one.context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each picture carries its number."""
    return films.make(tmp_path_factory.mktemp("film") / "IMG_0042.mp4", FRAMES, RATE, "640x360")
