"""Permits: consent's leave to read or write named artefacts for one purpose, for seconds, with their keys."""

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, TypeAlias, TypeVar
from uuid import UUID

import httpx
from annotated_types import Len
from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, PositiveInt, ValidationError

from shared.media_store.errors import PermitExpired, Refused, Unavailable
from shared.media_store.sealing import Key
from shared.telemetry import metrics

ASK_SECONDS = 5.0  # how long consent may take to answer
PAUSES = (0.2, 1.0)  # seconds between attempts at what was unavailable
T = TypeVar("T")


def elapsed() -> float:
    """Seconds on a clock that never goes back and also counts while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Grant:
    """What a permit says about one artefact: where it lies, its key, and the segment that is its manifest."""

    episode_id: UUID
    key: Key
    manifest_id: UUID


@dataclass(frozen=True)
class Permit:
    """Leave to use these artefacts from `granted_at` (the database's clock, what the store checks) for `seconds`;
    `expires_at` is the same end, or a little before it, on this process's `elapsed()` clock."""

    granted_at: datetime
    seconds: int
    expires_at: float
    artefacts: Mapping[UUID, Grant]
    family_id: UUID | None = None  # whose they are

    def valid(self, now: float) -> bool:
        return now < self.expires_at

    async def current(self) -> "Permit":
        """This permit as long as it is valid. Raises PermitExpired."""
        if not self.valid(elapsed()):
            raise PermitExpired("the permit ran out")
        return self

    def drop(self, permit: "Permit") -> None:
        """Nothing: a single permit is not asked for again."""


@dataclass(frozen=True)
class NewArtefact:
    """An artefact to register: what it is made from, who is in it; a recording: when it was filmed, whether happily."""

    artefact_id: UUID
    episode_id: UUID
    kind: str
    made_from: Sequence[UUID] = ()
    people: Sequence[UUID] = ()
    filmed_on: date | None = None
    happy_to_film: bool | None = None


class Permits:
    """Asks consent. `consent` is a client with its base_url and this service's token (`auth=ServiceToken(...)`)."""

    def __init__(self, consent: httpx.AsyncClient) -> None:
        if consent.base_url.scheme != "https" and not _loopback(consent.base_url.host):
            raise ValueError("keys travel only over TLS, loopback excepted")
        self._consent = consent

    async def ask(
        self, purpose: str, on_behalf_of: UUID, read: Sequence[UUID] = (), write: Sequence[NewArtefact] = ()
    ) -> Permit:
        """A permit for all of these artefacts. Raises Refused or Unavailable."""
        try:
            permit = await self._ask(purpose, on_behalf_of, read, write)
        except (Refused, Unavailable) as error:
            metrics.PERMITS.add(1, {"outcome": "refused" if isinstance(error, Refused) else "unavailable"})
            raise
        metrics.PERMITS.add(1, {"outcome": "granted"})
        return permit

    def standing(
        self, purpose: str, on_behalf_of: UUID, read: Sequence[UUID] = (), write: Sequence[NewArtefact] = ()
    ) -> "StandingPermit":
        """A permit that is asked for when it is first needed, and again before it runs out."""
        return StandingPermit(lambda: self.ask(purpose, on_behalf_of, read, write))

    async def _ask(
        self, purpose: str, on_behalf_of: UUID, read: Sequence[UUID], write: Sequence[NewArtefact]
    ) -> Permit:
        question = {
            "purpose": purpose,
            "on_behalf_of": str(on_behalf_of),
            "read": [str(artefact_id) for artefact_id in read],
            "write": [_as_json(artefact) for artefact in write],
        }
        asked_at = elapsed()  # before the question leaves: the answer may have been granted at any moment since
        try:
            async with asyncio.timeout(ASK_SECONDS):
                response = await self._consent.post("/v1/permits", json=question)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unavailable("consent did not answer") from error
        if response.status_code == 403 and (reason := _reason(response)):
            raise Refused(reason)
        if response.status_code != 200:
            raise Unavailable(f"consent answered {response.status_code}")
        try:
            answer = _Answer.model_validate_json(response.content)
        except ValidationError:
            raise Unavailable("consent answered what is no permit") from None  # the original may quote a key
        if answer.artefacts.keys() != {*read, *(artefact.artefact_id for artefact in write)}:
            raise Unavailable("consent answered for other artefacts")
        grants = {id: Grant(a.episode_id, Key(a.key), a.manifest_id) for id, a in answer.artefacts.items()}
        return Permit(answer.granted_at, answer.seconds, asked_at + answer.seconds, grants, answer.family_id)


class StandingPermit:
    """A permit kept fresh for as long as somebody uses it; its users share one question."""

    def __init__(self, ask: Callable[[], Awaitable[Permit]]) -> None:
        self._ask = ask
        self._permit: Permit | None = None
        self._asking: asyncio.Task[Permit] | None = None

    async def current(self) -> Permit:
        """A valid permit. Raises Refused or Unavailable."""
        permit = self._permit
        if permit and permit.valid(elapsed() + permit.seconds / 3):
            return permit
        if self._asking is None:
            self._asking = asyncio.create_task(self._renew())
        try:
            # shielded, because others may be waiting for the same answer
            permit = await asyncio.shield(self._asking)
        except Unavailable:
            if not (permit and self._permit is permit and permit.valid(elapsed())):
                raise
        if not permit.valid(elapsed()):
            raise PermitExpired("the answer came too late")
        return permit

    def drop(self, permit: Permit) -> None:
        """Use this permit no more (the store says that it ran out): the next use asks again."""
        if self._permit is permit:
            self._permit = None

    async def _renew(self) -> Permit:
        try:
            self._permit = await self._ask()
            return self._permit
        except Refused:
            self._permit = None
            raise
        finally:
            self._asking = None


AnyPermit: TypeAlias = Permit | StandingPermit


async def under(permit: AnyPermit, act: Callable[[Permit], Awaitable[T]]) -> T:
    """Do something under a valid permit: again if it ran out meanwhile, a few times if the store was unavailable."""
    for pause in PAUSES:
        current = await permit.current()
        try:
            return await act(current)
        except PermitExpired:
            permit.drop(current)
        except Unavailable:
            await asyncio.sleep(pause)
    return await act(await permit.current())


class _Artefact(BaseModel):
    episode_id: UUID
    key: Annotated[Base64Bytes, Len(32, 32)]
    manifest_id: UUID


class _Answer(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    granted_at: AwareDatetime
    seconds: PositiveInt
    family_id: UUID | None = None
    artefacts: dict[UUID, _Artefact]


def _as_json(artefact: NewArtefact) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "artefact_id": str(artefact.artefact_id),
        "episode_id": str(artefact.episode_id),
        "kind": artefact.kind,
        "made_from": [str(id) for id in artefact.made_from],
        "people": [str(id) for id in artefact.people],
    }
    if artefact.kind == "recording":
        asked["filmed_on"] = artefact.filmed_on and artefact.filmed_on.isoformat()
        asked["happy_to_film"] = artefact.happy_to_film
    return asked


def _reason(response: httpx.Response) -> str | None:
    try:
        problem = response.json()
    except ValueError:
        return None
    reason = problem.get("reason") if isinstance(problem, dict) else None
    return reason if isinstance(reason, str) else None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
