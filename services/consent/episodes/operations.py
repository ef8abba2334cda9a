"""What can happen to a consent episode."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from services.consent import clock
from services.consent.episodes.model import (
    Cause,
    ConsentEpisode,
    EpisodeState,
    HoldKind,
    Reinstatement,
    Route,
    Suspension,
    ends_by,
    takes_back,
)
from services.consent.episodes.tables import consent_episodes, holds, suspensions
from services.consent.erasures.model import Erasure
from services.consent.erasures.operations import open_erasure
from services.consent.erasures.tables import erasures
from services.consent.keys import Wrapping, new_key
from services.consent.permits.register import destroy_keys
from shared import telemetry
from shared.contracts.consent import ConsentEnded, ConsentReinstated, ConsentSuspended, RecordingDiscarded
from shared.database import UnitOfWork
from shared.errors import AttuneError
from shared.failpoints import Failpoint, reach
from shared.settings import ConsentSettings, HorizonSettings


class NotSuspended(AttuneError):
    """Only a suspended episode can be reinstated."""


class NotTheirsToTakeBack(AttuneError):
    """Somebody withdrew who has not said that they take it back."""


class AlreadyDiscarded(AttuneError):
    """The recording was discarded before."""


class HoldStands(AttuneError):
    """Nothing of the episode may be destroyed while a hold stands."""


@dataclass(frozen=True)
class Withdrawal:
    """Of all consent. Who decided it and how they said so; and who wrote it down."""

    decided_by: UUID
    route: Route
    confirmed_by_family: bool
    recorded_by: UUID

    @property
    def cause(self) -> Cause:
        return Cause.WITHDRAWAL_CONFIRMED if self.confirmed_by_family else Cause.WITHDRAWAL_REPORTED


def cooling_off(cause: Cause, settings: ConsentSettings) -> timedelta:
    """How long a suspension of this cause may still be undone before the episode ends by itself."""
    match cause:
        case Cause.WITHDRAWAL_CONFIRMED:
            return timedelta(seconds=settings.cooling_off_confirmed_seconds)
        case Cause.WITHDRAWAL_REPORTED:
            return timedelta(seconds=settings.cooling_off_reported_seconds)


async def open_episode(uow: UnitOfWork, master: Wrapping) -> None:
    """Begin the episode whose unit of work this is, with a key of its own."""
    uow.session.add(
        ConsentEpisode(
            id=uow.episode_id,
            family_id=uow.family_id,
            key=master.wrap(new_key(), uow.episode_id),
            opened_at=await clock.now(uow.session),
        )
    )
    await uow.session.flush()


async def withdraw(
    uow: UnitOfWork, withdrawal: Withdrawal, settings: ConsentSettings, horizon: HorizonSettings
) -> ConsentEpisode:
    """Suspend at once; end in the same commit where there is no cooling-off and no hold."""
    episode = await _episode(uow)
    now = await clock.now(uow.session)
    cause = withdrawal.cause
    held = bool(await standing_holds(uow.session, episode.id))
    said_before = any(one.cause is cause for one in await standing_suspensions(uow.session, episode.id))
    await uow.session.execute(
        insert(suspensions).values(
            id=uuid7(),
            episode_id=episode.id,
            cause=cause,
            decided_by=withdrawal.decided_by,
            route=withdrawal.route,
            confirmed_by_family=withdrawal.confirmed_by_family,
            recorded_by=withdrawal.recorded_by,
            suspended_at=now,
            end_due_at=now + cooling_off(cause, settings),
            trace=telemetry.headers(),
        )
    )
    if episode.suspend() or (held and not said_before):
        uow.publish(ConsentSuspended(cause=cause, held=held))
    await end_if_due(uow, horizon)
    return episode


async def end_if_due(uow: UnitOfWork, horizon: HorizonSettings) -> UUID | None:
    """The one place where an episode ends; holds are looked at in the same transaction. Returns the erasure's id."""
    episode = await _episode(uow)
    now = await clock.now(uow.session)
    held = bool(await standing_holds(uow.session, episode.id))
    by = ends_by(episode, await standing_suspensions(uow.session, episode.id), held, now)
    if by is None:
        return None
    erasure_id = uuid7()
    episode.end(by.cause, now)
    await uow.end_episode()
    uow.publish(ConsentEnded(erasure_id=erasure_id, cause=by.cause))
    await reach(Failpoint.ENDED_NOT_OPENED)
    await open_erasure(
        uow,
        erasure_id,
        horizon,
        artefacts=await destroy_keys(uow),
        cause=by.cause,
        decided_by=by.decided_by,
        route=by.route,
        key_destroyed_at=now,
    )
    return erasure_id


async def reinstate(uow: UnitOfWork, reinstatement: Reinstatement) -> ConsentEpisode:
    """Undo what suspended it. Raises NotSuspended, NotTheirsToTakeBack."""
    episode = await _episode(uow)
    if not takes_back(reinstatement.asked_by, await standing_suspensions(uow.session, episode.id)):
        raise NotTheirsToTakeBack(str(episode.id))
    if not episode.reinstate():
        raise NotSuspended(str(episode.id))
    await uow.session.execute(
        update(suspensions)
        .where(suspensions.c.episode_id == episode.id, suspensions.c.reinstated_at.is_(None))
        .values(
            reinstated_by=reinstatement.recorded_by,
            reinstated_at=func.clock_timestamp(),
            reinstatement_asked_by=reinstatement.asked_by,
            reinstatement_route=reinstatement.route,
            reinstatement_reason=reinstatement.reason,
        )
    )
    uow.publish(ConsentReinstated())
    return episode


async def place_hold(uow: UnitOfWork, kind: HoldKind, reason: str, review_on: date, placed_by: UUID) -> UUID:
    """A reason not to end this episode yet, nor to discard any of it; of one still open too."""
    hold_id, first = uuid7(), not await standing_holds(uow.session, uow.episode_id)
    await uow.session.execute(
        insert(holds).values(
            id=hold_id, episode_id=uow.episode_id, kind=kind, reason=reason, review_on=review_on, placed_by=placed_by
        )
    )
    standing = await standing_suspensions(uow.session, uow.episode_id)
    if first and standing:  # a withdrawal was received, and now it waits
        uow.publish(ConsentSuspended(cause=standing[-1].cause, held=True))
    return hold_id


async def lift_hold(uow: UnitOfWork, hold_id: UUID, lifted_by: UUID, horizon: HorizonSettings) -> bool:
    """Whether it stood; what waited for it ends now."""
    lifted = await uow.session.execute(
        update(holds)
        .where(holds.c.id == hold_id, holds.c.episode_id == uow.episode_id, holds.c.lifted_at.is_(None))
        .values(lifted_by=lifted_by, lifted_at=func.clock_timestamp())
        .returning(holds.c.id)
    )
    if lifted.one_or_none() is None:
        return False
    await end_if_due(uow, horizon)
    return True


async def discard(
    uow: UnitOfWork, recording_id: UUID, reason_code: str, decided_by: UUID, horizon: HorizonSettings
) -> UUID:
    """One recording, and everything made from it, goes: its keys now, the rest as in any erasure.

    Raises HoldStands, AlreadyDiscarded.
    """
    if await standing_holds(uow.session, uow.episode_id):
        raise HoldStands(str(uow.episode_id))
    now = await clock.now(uow.session)
    gone = await destroy_keys(uow, recording_id)
    if not gone:
        raise AlreadyDiscarded(str(recording_id))
    erasure_id = uuid7()
    uow.publish(RecordingDiscarded(recording_id=recording_id, erasure_id=erasure_id, reason_code=reason_code))
    await open_erasure(
        uow,
        erasure_id,
        horizon,
        artefacts=gone,
        recording_id=recording_id,
        cause=reason_code,
        decided_by=decided_by,
        route=Route.PAGE,
        key_destroyed_at=now,
    )
    return erasure_id


async def _episode(uow: UnitOfWork) -> ConsentEpisode:
    episode = await uow.session.get(ConsentEpisode, uow.episode_id)
    if episode is None:
        raise LookupError("a locked episode has a row")
    return episode


async def standing_suspensions(session: AsyncSession, episode_id: UUID) -> list[Suspension]:
    """Why the episode is suspended now."""
    standing = select(suspensions).where(suspensions.c.episode_id == episode_id, suspensions.c.reinstated_at.is_(None))
    return [
        Suspension(row.id, Cause(row.cause), row.decided_by, Route(row.route), row.suspended_at, row.end_due_at)
        for row in await session.execute(standing.order_by(suspensions.c.suspended_at))
    ]


@dataclass(frozen=True)
class Hold:
    """A reason not to end a suspended episode yet, that stands."""

    hold_id: UUID
    kind: HoldKind
    reason: str
    review_on: date
    placed_by: UUID
    placed_at: datetime


async def standing_holds(session: AsyncSession, episode_id: UUID) -> list[Hold]:
    found = await session.execute(
        select(holds).where(holds.c.episode_id == episode_id, holds.c.lifted_at.is_(None)).order_by(holds.c.placed_at)
    )
    return [Hold(row.id, HoldKind(row.kind), row.reason, row.review_on, row.placed_by, row.placed_at) for row in found]


async def due(session: AsyncSession) -> Sequence[tuple[UUID, dict[str, str]]]:
    """Episodes that may end now, each with the trace of what suspended it."""
    held = select(holds.c.id).where(holds.c.episode_id == suspensions.c.episode_id, holds.c.lifted_at.is_(None))
    found = await session.execute(
        select(suspensions.c.episode_id, suspensions.c.trace)
        .join(consent_episodes, consent_episodes.c.id == suspensions.c.episode_id)
        .where(
            consent_episodes.c.state == EpisodeState.SUSPENDED,
            suspensions.c.reinstated_at.is_(None),
            suspensions.c.end_due_at <= func.clock_timestamp(),
            ~held.exists(),
        )
        .ext(postgresql.distinct_on(suspensions.c.episode_id))
        .order_by(suspensions.c.episode_id, suspensions.c.end_due_at)
    )
    return [(row.episode_id, row.trace) for row in found]


async def episodes_of(session: AsyncSession, families: Collection[UUID]) -> dict[UUID, ConsentEpisode]:
    """Of each family that ever consented, the episode that has not ended, else the one that ended last."""
    found = await session.scalars(
        select(ConsentEpisode)
        .where(consent_episodes.c.family_id.in_(families))
        .ext(postgresql.distinct_on(consent_episodes.c.family_id))
        .order_by(consent_episodes.c.family_id, consent_episodes.c.ended_at.desc().nulls_first())
    )
    return {episode.family_id: episode for episode in found}


async def episode_of(session: AsyncSession, family_id: UUID) -> ConsentEpisode | None:
    return (await episodes_of(session, [family_id])).get(family_id)


async def last_ended_at(session: AsyncSession, family_id: UUID) -> datetime | None:
    """When consent of this family ended last, if it ever did."""
    ended_at: datetime | None = await session.scalar(
        select(func.max(consent_episodes.c.ended_at)).where(consent_episodes.c.family_id == family_id)
    )
    return ended_at


async def family_of(session: AsyncSession, episode_id: UUID) -> UUID | None:
    found: UUID | None = await session.scalar(
        select(consent_episodes.c.family_id).where(consent_episodes.c.id == episode_id)
    )
    return found


async def erasures_of(session: AsyncSession, episode_id: UUID) -> list[Erasure]:
    """All that were ever opened over it, the first first."""
    found = await session.scalars(
        select(Erasure).where(erasures.c.episode_id == episode_id).order_by(erasures.c.opened_at)
    )
    return list(found)
