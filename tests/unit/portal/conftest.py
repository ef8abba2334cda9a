"""The portal as it answers, and services that answer as a test says."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from services.portal.app import portal
from services.portal.pages import Site
from services.portal.visitor import Peers
from shared.identity import Role
from shared.identity.tokens import DEVELOPMENT, mint
from shared.settings import DevelopmentSettings, Environment, Organisation, PeerSettings, PublicSettings
from tests.unit.identity.conftest import Issuers, new_key

PORTAL = "https://attune.example"
ORGANISATION = Organisation(
    name="Example Trust",
    team="Parent-Infant Team",
    site="Children's Centre",
    phone="01632 960100",
    mail="team@example.org",
    complaints="PALS, 01632 960101",
)


@dataclass
class Answers:
    """What the services answer, by method and path; whatever else is asked of them is not found."""

    asked: list[httpx.Request] = field(default_factory=list)
    said: dict[tuple[str, str], httpx.Response] = field(default_factory=dict)

    def say(self, method: str, path: str, status: int = 200, **options: Any) -> None:
        self.said[method, path] = httpx.Response(status, **options)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        found = self.said.get((request.method, request.url.path))
        return found or httpx.Response(404, json={"title": "There is no such thing", "detail": "Check the id."})


class MadeUpPeers(Peers):
    """Every service is the test itself."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(PeerSettings())
        self._clients = {
            name: httpx.AsyncClient(base_url=f"http://{name}", transport=httpx.MockTransport(answers))
            for name in self._clients
        }


@dataclass
class World:
    answers: Answers
    issuers: Issuers
    folder: Path

    def app(self, *, development: bool = True) -> FastAPI:
        public = PublicSettings(portal_url=PORTAL, upload_url=PORTAL, playback_url=f"{PORTAL}:8443")
        key = self.folder / "development.jwk"
        key.write_text(json.dumps(self.issuers.private[DEVELOPMENT].as_dict(private=True)))
        environment = Environment.DEVELOPMENT if development else Environment.PRODUCTION
        tokens = DevelopmentSettings(environment=environment, development_key_file=key)
        site = Site("attune-test", ORGANISATION, public, development, tokens if development else None)
        return portal(site, MadeUpPeers(self.answers), self.issuers.public, self.folder, ["film", "review"])

    def token(self, role: Role = Role.PRACTITIONER, family: UUID | None = None, hours: int = 1) -> str:
        now = datetime.now(UTC) - timedelta(hours=2 if hours < 0 else 0)
        life = timedelta(hours=1)
        return mint(self.issuers.private[DEVELOPMENT], str(uuid4()), role, now, life, family)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(Answers(), Issuers({DEVELOPMENT: new_key(DEVELOPMENT)}), tmp_path)


@pytest.fixture
async def browse(world: World) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """Somebody at the pages; `development=False` as in production."""
    opened: list[httpx.AsyncClient] = []

    def make(**options: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(world.app(**options), raise_app_exceptions=False)
        opened.append(httpx.AsyncClient(base_url=PORTAL, transport=transport, headers={"Origin": PORTAL}))
        return opened[-1]

    yield make
    for one in opened:
        await one.aclose()
