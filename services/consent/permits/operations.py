"""Permits: consent's answers, each written down.

A permit that only uses what is registered is one plain SELECT. One that registers is a unit of work: under the
episode's lock nothing can end between the decision and the commit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.consent.keys import Wrapping, new_key
from services.consent.permits.facts import Found, Keys, find
from services.consent.permits.model import (
    Facts,
    Granted,
    Question,
    Reason,
    Refused,
    decide,
)
from services.consent.permits.tables import artefacts, permit_log
from shared.database import Database, EpisodeEnded, EpisodeUnknown, UnitOfWork, unit_of_work


@dataclass(frozen=True)
class Grant:
    """What a permit says of one artefact."""

    episode_id: UUID
    key: bytes = field(repr=False)
    manifest_id: UUID


@dataclass(frozen=True)
class Permit:
    granted_at: datetime
    family_id: UUID
    artefacts: Mapping[UUID, Grant]


_log = insert(permit_log)


async def ask(database: Database, master: Wrapping, question: Question) -> Permit | Refused:
    """Consent's answer, written down whichever way it goes."""
    async with database.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        found = await find(plain, question, locked=False)
        unregistered = [new for new in question.write if new.id not in found.facts.artefacts]
        if not unregistered:
            decision = decide(question, found.facts)
            answer = _permit(decision, found, master, found.keys) if isinstance(decision, Granted) else decision
            await plain.execute(_log, _entry(question, found.facts, answer))
            return answer
    return await _register(database, master, question, unregistered[0].episode_id)


async def _register(database: Database, master: Wrapping, question: Question, episode_id: UUID) -> Permit | Refused:
    """Decide under the lock, register what is new, answer."""
    answer: Permit | Refused
    try:
        async with unit_of_work(database, episode_id) as uow:
            found = await find(await uow.session.connection(), question, locked=True)
            decision = decide(question, found.facts)
            if isinstance(decision, Granted):
                registered = await _write_down(uow, question, decision, found, master)
                answer = _permit(decision, found, master, {**found.keys, **registered})
            else:
                answer = decision
            await uow.session.execute(_log, _entry(question, found.facts, answer))
        return answer
    except EpisodeEnded:
        answer = Refused(Reason.ENDED)
    except EpisodeUnknown:
        answer = Refused(Reason.UNKNOWN_EPISODE)
    async with database.sessions.begin() as session:
        await session.execute(_log, _entry(question, None, answer))
    return answer


async def _write_down(
    uow: UnitOfWork, question: Question, granted: Granted, found: Found, master: Wrapping
) -> dict[UUID, Keys]:
    """Register what is not registered yet, each with a random key of its own."""
    made_from = {new.id: new.made_from for new in question.write}
    registered = {}
    for one in granted.artefacts:
        if one.id in found.keys:
            continue
        wrapped = _episode_key(found, one.episode_id, master).wrap(new_key(), one.id)
        registered[one.id] = Keys(wrapped, uuid4())
        await uow.session.execute(
            insert(artefacts).values(
                id=one.id,
                episode_id=one.episode_id,
                kind=one.kind,
                registered_by=one.registered_by,
                on_behalf_of=question.on_behalf_of,
                made_from=list(made_from[one.id]),
                recordings=sorted(one.recordings),
                people=sorted(one.people),
                filmed_on=one.filmed_on,
                happy_to_film=one.happy_to_film,
                key=wrapped,
                manifest_id=registered[one.id].manifest_id,
            )
        )
    return registered


def _permit(granted: Granted, found: Found, master: Wrapping, keys: Mapping[UUID, Keys]) -> Permit:
    if found.granted_at is None:
        raise LookupError("nothing is granted where nothing is known")
    grants = {}
    for one in granted.artefacts:
        wrapped = keys[one.id].wrapped
        if wrapped is None:
            raise LookupError("an artefact that may be used has a key")
        key = _episode_key(found, one.episode_id, master).unwrap(wrapped, one.id)
        grants[one.id] = Grant(one.episode_id, key, keys[one.id].manifest_id)
    return Permit(found.granted_at, granted.family_id, grants)


def _episode_key(found: Found, episode_id: UUID, master: Wrapping) -> Wrapping:
    wrapped = found.episode_keys[episode_id]
    if wrapped is None:
        raise LookupError("an episode that has not ended has a key")
    return Wrapping(master.unwrap(wrapped, episode_id))


def _entry(question: Question, facts: Facts | None, answer: Permit | Refused) -> dict[str, Any]:
    families = {episode.family_id for episode in facts.episodes.values()} if facts else set()
    return {
        "service": question.service,
        "purpose": question.purpose,
        "on_behalf_of": question.on_behalf_of,
        "family_id": families.pop() if len(families) == 1 else None,
        "read": list(question.read),
        "written": [new.id for new in question.write],
        "outcome": answer.reason if isinstance(answer, Refused) else "granted",
    }


@dataclass(frozen=True)
class Answered:
    """One line of the log of permits."""

    at: datetime
    service: str
    purpose: str
    on_behalf_of: UUID
    read: list[UUID]
    written: list[UUID]
    outcome: str


async def answered_of(session: AsyncSession, family_id: UUID, limit: int) -> list[Answered]:
    """What was granted and refused about a family's things, the latest first."""
    found = await session.execute(
        select(permit_log).where(permit_log.c.family_id == family_id).order_by(permit_log.c.number.desc()).limit(limit)
    )
    return [Answered(**{name: row._mapping[name] for name in Answered.__dataclass_fields__}) for row in found]
