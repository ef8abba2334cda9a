"""The consent service, and everybody who talks to it."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from joserfc.jwk import OKPKey
from sqlalchemy import text

from deploy.local.stack import Stack
from deploy.local.stack import Store as StoreKeys
from services.consent import ticker
from services.consent.erasures import operations as erasures
from services.consent.erasures import verifying
from services.consent.records.rights import POINTS
from services.consent.resources import Resources
from services.consent.verifier import Verifier
from shared.contracts import PARTICIPANTS, Event, cloudevents
from shared.contracts.consent import ErasureAcknowledged
from shared.database import Database, ending
from shared.identity import Role
from shared.identity.tokens import PERSON_LIFE, SERVICE_LIFE, mint
from shared.settings import (
    HorizonSettings,
    StoreSettings,
)

TODAY = datetime.now(UTC).date()
HORIZON = HorizonSettings(permit_seconds=2, put_seconds=0, clock_skew_seconds=0)  # H: two seconds


@dataclass
class Family:
    """A family as a test uses it."""

    id: UUID
    parent: UUID
    baby: UUID
    practitioner: UUID
    episode: UUID = field(default_factory=uuid4)


@dataclass
class Consent:
    """The service, and everybody who talks to it."""

    held: Resources
    http: httpx.AsyncClient
    stack: Stack

    @property
    def database(self) -> Database:
        return self.held.database

    # who asks

    def person(self, role: Role, subject: UUID, family_id: UUID | None = None) -> dict[str, str]:
        return self._bearer("development", str(subject), role, PERSON_LIFE, family_id)

    def service(self, name: str) -> dict[str, str]:
        return self._bearer(name, name, Role.SERVICE, SERVICE_LIFE, None)

    def _bearer(self, kid: str, subject: str, role: Role, life: timedelta, family_id: UUID | None) -> dict[str, str]:
        key = OKPKey.import_key(json.loads(self.stack.instance.key_file(kid).read_text()))
        return {"Authorization": f"Bearer {mint(key, subject, role, datetime.now(UTC), life, family_id)}"}

    async def ask(self, method: str, path: str, who: dict[str, str], body: Any = None, **more: Any) -> httpx.Response:
        return await self.http.request(method, f"/v1{path}", headers=who | more.pop("headers", {}), json=body, **more)

    async def done(self, method: str, path: str, who: dict[str, str], body: Any = None, **more: Any) -> Any:
        answer = await self.ask(method, path, who, body, **more)
        assert answer.is_success, (answer.status_code, answer.text)
        return answer.json() if answer.content else None

    # families

    async def registered(self, practitioner: UUID | None = None) -> Family:
        practitioner = practitioner or uuid4()
        made = await self.done(
            "POST",
            "/families",
            self.person(Role.PRACTITIONER, practitioner),
            {
                "people": [
                    {"role": "parent", "name": "Ada Canary-Parent"},
                    {"role": "baby", "name": "Bea Canary-Baby", "born": "2026-08-01"},
                ],
                "care_team": [{"person_id": str(practitioner), "role": "practitioner"}],
            },
        )
        parent, baby = (UUID(one["person_id"]) for one in made["people"])
        return Family(UUID(made["family_id"]), parent, baby, practitioner)

    def practitioner(self, family: Family) -> dict[str, str]:
        return self.person(Role.PRACTITIONER, family.practitioner)

    async def talked(self, family: Family, held_on: date = TODAY) -> None:
        await self.done(
            "POST",
            f"/families/{family.id}/rights-conversations",
            self.practitioner(family),
            {
                "held_on": str(held_on),
                "points": [{"point": one.point, "version": one.version} for one in POINTS],
                "language": "en",
                "format": "spoken",
                "interpreter": False,
            },
        )

    async def agreed(
        self,
        family: Family,
        person: UUID,
        purposes: Iterable[str] = ("film", "review"),
        given_on: date = TODAY,
        **more: Any,
    ) -> None:
        made = await self.done(
            "POST",
            f"/families/{family.id}/consent-records",
            self.practitioner(family),
            self.record(family, person, purposes, given_on) | more,
        )
        family.episode = UUID(made["episode_id"])

    @staticmethod
    def record(
        family: Family, person: UUID, purposes: Iterable[str] = ("film", "review"), given_on: date = TODAY
    ) -> dict[str, Any]:
        return {
            "person_id": str(person),
            "given_by": str(family.parent),
            "authority": "self" if person == family.parent else "parental_responsibility",
            "purposes": list(purposes),
            "method": "e_sign",
            "notice_version": "1",
            "language": "en",
            "format": "easy_read",
            "interpreter": False,
            "given_on": str(given_on),
        }

    async def ready_to_film(self, practitioner: UUID | None = None) -> Family:
        """A family that has talked and agreed to everything."""
        family = await self.registered(practitioner)
        await self.talked(family)
        for person in (family.parent, family.baby):
            await self.agreed(family, person)
        return family

    # permits

    @staticmethod
    def recording(family: Family, recording: UUID | None = None, **more: Any) -> dict[str, Any]:
        return {
            "artefact_id": str(recording or uuid4()),
            "episode_id": str(family.episode),
            "kind": "recording",
            "people": [str(family.parent), str(family.baby)],
            "filmed_on": str(TODAY),
            "happy_to_film": True,
        } | more

    async def permit(
        self,
        service: str,
        purpose: str,
        on_behalf_of: UUID,
        read: Iterable[UUID | str] = (),
        write: Iterable[dict[str, Any]] = (),
    ) -> httpx.Response:
        question = {
            "purpose": purpose,
            "on_behalf_of": str(on_behalf_of),
            "read": [str(one) for one in read],
            "write": list(write),
        }
        return await self.ask("POST", "/permits", self.service(service), question)

    async def filmed(self, family: Family, **more: Any) -> UUID:
        """A registered recording."""
        recording = self.recording(family, **more)
        answer = await self.permit("upload", "film", family.practitioner, write=[recording])
        assert answer.status_code == 200, answer.text
        return UUID(recording["artefact_id"])

    async def made(self, family: Family, kind: str, *sources: UUID) -> UUID:
        """A registered artefact made from these."""
        made = uuid4()
        new = {
            "artefact_id": str(made),
            "episode_id": str(family.episode),
            "kind": kind,
            "made_from": [str(one) for one in sources],
        }
        answer = await self.permit("transcoding", "review", family.practitioner, read=sources, write=[new])
        assert answer.status_code == 200, answer.text
        return made

    async def refused(self, *args: Any, **more: Any) -> str:
        """Why a permit was refused."""
        answer = await self.permit(*args, **more)
        assert answer.status_code == 403, (answer.status_code, answer.text)
        problem = answer.json()
        assert problem["detail"].endswith(".")
        reason: str = problem["reason"]
        return reason

    # the end

    async def withdrawn(self, family: Family, *, confirmed: bool = True, scope: Any = "all") -> dict[str, Any]:
        said = {"by": str(family.parent), "route": "phone", "confirmed_by_family": confirmed, "scope": scope}
        answer: dict[str, Any] = await self.done(
            "POST", f"/episodes/{family.episode}/withdrawals", self.practitioner(family), said
        )
        return answer

    async def acknowledges(self, family: Family, erasure: UUID, round: int, participant: str, **counts: Any) -> None:
        """As the consumer would hand it over."""
        event = ErasureAcknowledged(
            erasure_id=erasure,
            round=round,
            participant=participant,
            **({"objects": 1, "bytes": 10, "rows": 2, "jobs_cancelled": 0} | counts),
        )
        async with ending(self.database, family.episode, family.id) as uow:
            await erasures.acknowledged(uow, event)

    async def all_acknowledge(self, family: Family, erasure: UUID, round: int) -> None:
        for participant in PARTICIPANTS:
            await self.acknowledges(family, erasure, round, participant)

    async def tick(self) -> None:
        await ticker.end_what_is_due(self.held)
        await ticker.advance_erasures(self.held)

    @property
    def verifier(self) -> Verifier:
        """With the verifier's own credential."""
        settings = store_settings(self.stack.store, "verifier")
        return Verifier(self.database, settings, self.held.buckets, self.held.horizon)

    async def verify(self) -> None:
        """One look of the verifier."""
        async with self.database.sessions() as session:
            waiting = await verifying.waiting(session)
        await self.verifier.look(waiting)

    async def erasure(self, erasure: UUID | str) -> dict[str, Any]:
        shown: dict[str, Any] = await self.done("GET", f"/erasures/{erasure}", self.person(Role.OPERATOR, uuid4()))
        return shown

    async def told(self, *types: type[Event]) -> list[Event]:
        """What the outbox holds, in order; of these types, if any are named."""
        async with self.database.sessions() as session:
            rows = await session.execute(
                text("SELECT headers ->> 'ce_type' AS type, value FROM outbox ORDER BY sequence")
            )
            events = [cloudevents.decode(row.type, row.value)[0] for row in rows]
        return [one for one in events if not types or isinstance(one, types)]

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.sessions.begin() as session:
            result = await session.execute(text(statement), values)
            return list(result) if statement.startswith("SELECT") else []


def store_settings(store: StoreKeys, user: str) -> StoreSettings:
    access, secret = store.keys[user]
    return StoreSettings(
        endpoint=store.endpoint, secure=False, region=store.region, access_key=access, secret_key=secret
    )


def key_of(answer: httpx.Response, artefact: UUID | str) -> bytes:
    return base64.b64decode(answer.json()["artefacts"][str(artefact)]["key"])
