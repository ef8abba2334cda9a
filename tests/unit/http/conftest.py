"""A small service with one of everything, to try on it what holds for all."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from shared.errors import AttuneError
from shared.http import Caller, Conflict, NotFound, Problem, Router, authorise, create_app, documented
from shared.identity import Action, Relation, Role
from shared.identity.tokens import DEVELOPMENT, mint
from tests.unit.identity.conftest import Issuers, new_key
from tests.unit.telemetry.conftest import collector as collector
from tests.unit.telemetry.conftest import exported as exported

CANARY = "Jane Doe 9434765919"
FAMILY = UUID("6f2f6c7e-0d4c-4d9a-9a77-0f6f4b1d2a11")
PORTAL, COOKIE = "https://portal.example", "attune-test-media"


@pytest.fixture(scope="session")
def issuers() -> Issuers:
    return Issuers({kid: new_key(kid) for kid in [DEVELOPMENT, "upload"]})


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=20)
    born: date


class Family(BaseModel):
    family_id: UUID
    people: int


class AlreadyThere(Conflict):
    code, title = "already-there", "This family is registered"
    detail = "Look it up instead."


class Broken(AttuneError):
    pass


routes = Router(prefix="/v1")


@routes.post("/families", status_code=201, responses=documented(AlreadyThere))
async def register(caller: Caller, people: list[Person]) -> Family:
    authorise(caller, Action.REGISTER_FAMILY)
    if len(people) > 3:
        raise AlreadyThere(family_id=str(FAMILY))
    return Family(family_id=FAMILY, people=len(people))


@routes.get("/families/{family_id}", responses=documented(NotFound))
async def family(caller: Caller, family_id: UUID, page: Annotated[int, Query(ge=1, le=9)] = 1) -> Family:
    authorise(caller, Action.READ_FAMILY, Relation.CARE_TEAM)
    if family_id != FAMILY:
        raise NotFound
    return Family(family_id=family_id, people=page)


@routes.delete("/families/{family_id}", status_code=204, responses=documented(NotFound))
async def end(caller: Caller, family_id: UUID) -> None:
    authorise(caller, Action.END_INVOLVEMENT, Relation.CARE_TEAM)
    if family_id != FAMILY:
        raise NotFound


failures = Router(prefix="/fail")


@failures.get("/{kind}", include_in_schema=False)
async def fail(caller: Caller, kind: Annotated[str, Path()]) -> None:
    raise {
        "stranger": ValueError(CANARY),
        "ours": Broken("A rule of ours is broken"),
        "away": ConnectionRefusedError(CANARY),
        "peer": httpx.ReadTimeout(CANARY),
        "problem": Problem("Say this."),
    }[kind]


@failures.patch("/stream", include_in_schema=False)
async def stream(caller: Caller, request: Request) -> int:
    return sum([len(chunk) async for chunk in request.stream()])


public = Router(prefix="/public", anonymous=True)


@public.get("/organisation")
async def organisation() -> dict[str, str]:
    return {"name": "A trust"}


@pytest.fixture
def app(issuers: Issuers) -> FastAPI:
    return create_app("Sample", [routes, failures, public], keys=issuers.public, origins=[PORTAL], cookie=COOKIE)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sample") as client:
        yield client


@pytest.fixture
def token(issuers: Issuers) -> str:
    return mint(issuers.private[DEVELOPMENT], str(uuid4()), Role.PRACTITIONER, datetime.now(UTC), timedelta(hours=1))


@pytest.fixture
async def practitioner(client: httpx.AsyncClient, token: str) -> httpx.AsyncClient:
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def problem(response: httpx.Response) -> dict[str, Any]:
    """The problem that this answer is, held against what every problem has."""
    assert response.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = response.json()
    assert said["status"] == response.status_code
    assert said["type"] == f"urn:attune:problem:{said['code']}"
    assert said["title"]
    assert said["detail"].endswith(".")
    assert len(said["reference"]) == 8
    assert "Jane" not in response.text
    assert "9434765919" not in response.text
    return said
