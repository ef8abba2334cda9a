"""What can be recorded of what was said and agreed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from services.consent import clock
from services.consent.episodes.model import EpisodeState, Route
from services.consent.episodes.operations import episode_of, last_ended_at, open_episode
from services.consent.episodes.tables import ONE_EPISODE
from services.consent.families.operations import people_of
from services.consent.keys import Wrapping
from services.consent.records.model import (
    Authority,
    Method,
    Narrowing,
    Statement,
    Unacceptable,
    purposes_now,
    unacceptable,
)
from services.consent.records.tables import consent_records, evidence, narrowings, rights_conversations
from shared.contracts.consent import ConsentGiven, ConsentNarrowed
from shared.database import Database, EpisodeEnded, UnitOfWork, unit_of_work
from shared.errors import AttuneError
from shared.settings import ConsentSettings


@dataclass(frozen=True)
class NewRecord:
    """A consent record as it is entered."""

    person_id: UUID
    given_by: UUID
    authority: Authority
    disputed: bool
    purposes: tuple[str, ...]
    method: Method
    evidence_id: UUID | None
    witness: str | None
    notice_version: str
    language: str
    format: str
    interpreter: bool
    valid_until: date | None
    given_on: date


async def record_rights_conversation(
    uow: UnitOfWork,
    *,
    held_on: date,
    points: Sequence[Mapping[str, Any]],
    language: str,
    format: str,
    interpreter: bool,
    recorded_by: UUID,
) -> UUID:
    """Rights and responsibilities were talked through, these points in these versions."""
    conversation_id = uuid7()
    await uow.session.execute(
        insert(rights_conversations).values(
            id=conversation_id,
            family_id=uow.family_id,
            held_on=held_on,
            points=list(points),
            language=language,
            format=format,
            interpreter=interpreter,
            recorded_by=recorded_by,
        )
    )
    return conversation_id


@dataclass(frozen=True)
class Given:
    record_id: UUID
    episode_id: UUID


class NotAcceptable(AttuneError):
    """A consent record that cannot be entered as it is."""

    def __init__(self, reasons: list[Unacceptable]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = reasons


async def give_consent(
    database: Database, master: Wrapping, settings: ConsentSettings, family_id: UUID, new: NewRecord, recorded_by: UUID
) -> Given:
    """Record it in the family's episode; the first opens one, and so does the first after an end.

    Raises NotAcceptable.
    """
    while True:
        async with database.sessions() as session:
            episode = await episode_of(session, family_id)
        if wrong := await _wrong(database, settings, family_id, new):  # after it: an end that we saw is counted
            raise NotAcceptable(wrong)
        begun = episode is not None and episode.state is not EpisodeState.ENDED
        episode_id = episode.id if episode and begun else uuid7()
        try:
            async with unit_of_work(database, episode_id, family_id=family_id) as uow:
                if not begun:
                    await open_episode(uow, master)
                return Given(await record_consent(uow, new, recorded_by), episode_id)
        except EpisodeEnded:
            continue  # it ended in the meantime
        except IntegrityError as error:
            if ONE_EPISODE not in str(error.orig):
                raise
            # another first record was quicker: this one belongs to the episode that it opened


async def _wrong(database: Database, settings: ConsentSettings, family_id: UUID, new: NewRecord) -> list[Unacceptable]:
    async with database.sessions() as session:
        people = await people_of(session, family_id)
        ended_at = await last_ended_at(session, family_id)
        has_evidence = (
            await is_stored_evidence(session, family_id, new.evidence_id) if new.evidence_id is not None else None
        )
    return list(
        unacceptable(
            person_id=new.person_id,
            given_by=new.given_by,
            authority=new.authority,
            purposes=new.purposes,
            method=new.method,
            has_evidence=has_evidence,
            has_witness=new.witness is not None,
            given_on=new.given_on,
            valid_until=new.valid_until,
            people=people,
            known_purposes=settings.purposes,
            earliest_day=ended_at.date() if ended_at else None,
            latest_day=await latest_day(database),
        )
    )


async def latest_day(database: Database) -> date:
    """Today, wherever the family is: an hour or two ahead of UTC it may be tomorrow already."""
    async with database.sessions() as session:
        return (await clock.now(session)).date() + timedelta(days=1)


async def record_consent(uow: UnitOfWork, new: NewRecord, recorded_by: UUID) -> UUID:
    """Add the next version of this person's consent in the episode."""
    previous = (
        await uow.session.execute(
            select(consent_records.c.id, consent_records.c.version)
            .where(consent_records.c.episode_id == uow.episode_id, consent_records.c.person_id == new.person_id)
            .order_by(consent_records.c.version.desc())
            .limit(1)
        )
    ).one_or_none()
    record_id = uuid7()
    await uow.session.execute(
        insert(consent_records).values(
            id=record_id,
            episode_id=uow.episode_id,
            family_id=uow.family_id,
            version=previous.version + 1 if previous else 1,
            supersedes=previous.id if previous else None,
            recorded_by=recorded_by,
            **{**vars(new), "purposes": sorted(set(new.purposes))},
        )
    )
    uow.publish(
        ConsentGiven(
            consent_record_id=record_id,
            person_id=new.person_id,
            purposes=tuple(sorted(set(new.purposes))),
            valid_until=new.valid_until,
            given_by=new.given_by,
        )
    )
    return record_id


async def narrow(
    uow: UnitOfWork, purpose: str, person_id: UUID | None, *, decided_by: UUID, route: Route, recorded_by: UUID
) -> int:
    """One person (without `person_id`, everybody) agrees to one purpose no more; permits for it end at once.

    Returns for how many people that is new."""
    people = [person.id for person in await people_of(uow.session, uow.family_id) if person_id in (None, person.id)]
    agreed, withdrawal_id = await purposes_of(uow.session, uow.episode_id, people), uuid7()
    narrower = [person for person in people if purpose in agreed[person]]
    for person in narrower:
        await uow.session.execute(
            insert(narrowings).values(
                id=uuid7(),
                episode_id=uow.episode_id,
                person_id=person,
                purpose=purpose,
                decided_by=decided_by,
                route=route,
                recorded_by=recorded_by,
                withdrawal_id=withdrawal_id,
            )
        )
        uow.publish(ConsentNarrowed(person_id=person, purpose=purpose, withdrawal_id=withdrawal_id))
    return len(narrower)


@dataclass(frozen=True)
class Recorded:
    """A consent record as people may see it."""

    consent_record_id: UUID
    episode_id: UUID
    person_id: UUID
    version: int
    supersedes: UUID | None
    given_by: UUID
    authority: Authority
    disputed: bool
    purposes: list[str]
    method: Method
    evidence_id: UUID | None
    witness: str | None
    notice_version: str
    language: str
    format: str
    interpreter: bool
    valid_until: date | None
    given_on: date
    recorded_by: UUID
    recorded_at: datetime


async def records_of(session: AsyncSession, family_id: UUID) -> list[Recorded]:
    """Every version of every consent record of a family, the oldest first."""
    found = await session.execute(
        select(consent_records.c.id.label("consent_record_id"), consent_records)
        .where(consent_records.c.family_id == family_id)
        .order_by(consent_records.c.recorded_at, consent_records.c.id)
    )
    return [Recorded(**{name: row._mapping[name] for name in Recorded.__dataclass_fields__}) for row in found]


async def purposes_of(session: AsyncSession, episode_id: UUID, people: Collection[UUID]) -> dict[UUID, frozenset[str]]:
    """What each of these people agrees to now."""
    records = await session.execute(select(consent_records).where(consent_records.c.episode_id == episode_id))
    statements = [
        Statement(
            row.person_id,
            row.version,
            frozenset(row.purposes),
            row.given_on,
            row.valid_until,
            row.disputed,
            row.recorded_at,
        )
        for row in records
    ]
    narrowed = await session.execute(select(narrowings).where(narrowings.c.episode_id == episode_id))
    narrower = [Narrowing(row.person_id, row.purpose, row.narrowed_at) for row in narrowed]
    today = (await clock.now(session)).date()
    return {person: purposes_now(person, statements, narrower, today) for person in people}


async def had_rights_conversation(session: AsyncSession, family_id: UUID) -> bool:
    """Whether one was held since their consent ended last: who agrees anew is talked with anew."""
    held = select(func.count()).where(rights_conversations.c.family_id == family_id)
    if ended_at := await last_ended_at(session, family_id):
        since = (rights_conversations.c.recorded_at > ended_at) & (rights_conversations.c.held_on >= ended_at.date())
        held = held.where(since)
    return bool(await session.scalar(held))


async def is_stored_evidence(session: AsyncSession, family_id: UUID, evidence_id: UUID) -> bool:
    """Whether it is this family's, and every byte of it is in the store."""
    found = await session.scalar(
        select(evidence.c.id).where(
            evidence.c.id == evidence_id, evidence.c.family_id == family_id, evidence.c.stored_at.is_not(None)
        )
    )
    return found is not None
