"""What notification does: owes a message, finds who that is and where they may be reached, and says how it went.

A message is owed to an audience; who that is may be heard of later, from another topic. It waits in its row, and each
attempt to send it looks anew.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Delete, delete, exists, literal, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from services.notification import people, tables
from services.notification.model import (
    AUDIENCE,
    LOOK_AGAIN,
    OUTLIVES,
    OWED,
    Audience,
    Channel,
    ContactPoint,
    Delivery,
    DeliveryState,
    Failure,
    Template,
    chosen,
    leads,
)
from services.notification.tables import assignees, deliveries
from shared import care_team, jobs
from shared.care_team import care_team_of
from shared.contracts.consent import CareTeamChanged
from shared.contracts.notification import NotificationSent, NotificationUndeliverable
from shared.database import (
    Database,
    EpisodeEnded,
    UnitOfWork,
    episodes,
    erasure_work,
    lock,
    open_erasures,
    unit_of_work,
)
from shared.participant import Scope

MAIL = "mail"  # the kind of job: one message to one person
LISTED = 500


# what is owed


async def owe(uow: UnitOfWork, template: Template, about: UUID, cause: UUID, person_id: UUID | None = None) -> None:
    """Owe the message to its audience because of the event `cause`; a second call changes nothing.

    person_id: who that is, where the event names them.
    """
    if not await uow.session.scalar(
        select(exists().where(deliveries.c.cause == cause, deliveries.c.template == template))
    ):
        await _owe(uow, template, about, cause, person_id)


async def _owe(uow: UnitOfWork, template: Template, about: UUID, cause: UUID, person_id: UUID | None) -> None:
    delivery = Delivery(uuid7(), cause, template, AUDIENCE[template], uow.family_id, uow.episode_id, about, person_id)
    uow.session.add(delivery)
    await jobs.enqueue(uow, MAIL, delivery.id, spec={}, about=[about], outlives=template in OUTLIVES)


async def narrowed(uow: UnitOfWork, withdrawal_id: UUID, cause: UUID) -> None:
    """One purpose was withdrawn: told once, though each person whose consent it was has an event."""
    once = (deliveries.c.about == withdrawal_id) & (deliveries.c.about != uow.episode_id)
    if not await uow.session.scalar(select(exists().where(once))):
        await owe(uow, Template.REQUEST_RECEIVED, withdrawal_id, cause)


async def preparation_failed(uow: UnitOfWork, recording_id: UUID, retryable: bool, cause: UUID) -> None:
    """Who has it on the work list can try again; if that is no use, the team lead is told too."""
    await owe(uow, Template.FAILED_TRY_AGAIN if retryable else Template.FAILED, recording_id, cause)
    if not retryable:
        await owe(uow, Template.NEEDS_A_PERSON, recording_id, cause)


async def assign(uow: UnitOfWork, recording_id: UUID, person_id: UUID) -> None:
    """The recording's review task is this person's; what waits for whoever has it waits no longer."""
    row = {"recording_id": recording_id, "episode_id": uow.episode_id, "person_id": person_id}
    await uow.session.execute(
        postgresql.insert(assignees).values(row).on_conflict_do_update(index_elements=["recording_id"], set_=row)
    )
    await _look_now(uow, deliveries.c.about == recording_id)


async def care_team_changed(uow: UnitOfWork, event: CareTeamChanged) -> None:
    """What waits for the family's team lead waits no longer."""
    await care_team.changed(event, uow)
    await _look_now(uow, deliveries.c.family_id == uow.family_id)


async def reachable_anew(uow: UnitOfWork, person_id: UUID) -> None:
    """The person's contact points or needs have changed: what waits for safe hours may wait no longer."""
    await _look_now(uow, deliveries.c.person_id == person_id)


async def _look_now(uow: UnitOfWork, *where: ColumnElement[bool]) -> None:
    waiting = select(deliveries.c.id).where(deliveries.c.state == DeliveryState.WAITING, *where)
    await jobs.hurry(uow, jobs.jobs.c.kind == MAIL, jobs.jobs.c.subject_id.in_(waiting))


# who, where and when


async def address(uow: UnitOfWork, delivery: Delivery, now: datetime) -> ContactPoint | datetime | None:
    """Where to send it now, or when to look again; none: it is not to be sent."""
    if delivery.state is not DeliveryState.WAITING:
        return None
    if delivery.person_id is None or delivery.audience is Audience.ASSIGNEE:  # a task may change hands meanwhile
        found = await _who(uow.session, delivery)
        if found is None:
            return now + LOOK_AGAIN
        delivery.person_id = min(found, default=None)
        for other in found - {delivery.person_id}:
            await _owe(uow, delivery.template, delivery.about, delivery.cause, other)
    point = chosen(await people.contact_points_of(uow.session, delivery.person_id)) if delivery.person_id else None
    if point is None:
        await cannot_be_sent(uow, delivery, Failure.NO_SAFE_CONTACT_POINT)
        return None
    if delivery.audience is Audience.FAMILY and delivery.person_id:
        needs = await people.needs_of(uow.session, [delivery.person_id])
        if not all(one.met_by_mail for one in needs.values()):
            await cannot_be_sent(uow, delivery, Failure.NOT_BY_MAIL)
            return None
    safe = point.next_safe(now)
    return point if safe <= now else safe


async def _who(session: AsyncSession, delivery: Delivery) -> set[UUID] | None:
    """The people of the audience; none: nobody has told us yet. Of a family: whoever is known of it."""
    match delivery.audience:
        case Audience.ASSIGNEE:
            wanted = select(assignees.c.person_id).where(assignees.c.recording_id == delivery.about)
            assignee = await session.scalar(wanted)
            return {assignee} if assignee else None
        case Audience.TEAM_LEAD:
            return leads((await care_team_of(session, delivery.family_id)).members) or None
        case Audience.FILMED_BY:
            return {delivery.person_id} if delivery.person_id else None
        case Audience.FAMILY:
            theirs = select(tables.people.c.id).where(tables.people.c.family_id == delivery.family_id)
            return set(await session.scalars(theirs))


# how it went


async def sent(uow: UnitOfWork, delivery: Delivery, now: datetime) -> None:
    delivery.sent(now)
    uow.publish(NotificationSent(delivery_id=delivery.id, cause=delivery.cause, channel=Channel.MAIL))
    await close(uow)


async def cannot_be_sent(uow: UnitOfWork, delivery: Delivery, failure: Failure) -> None:
    """Somebody must tell them in person, and the team lead is told so: but not that a message to a team lead failed."""
    delivery.cannot_be_sent(failure)
    undeliverable = uow.publish(
        NotificationUndeliverable(delivery_id=delivery.id, cause=delivery.cause, channel=Channel.MAIL, code=failure)
    )
    if delivery.audience is not Audience.TEAM_LEAD:
        await owe(uow, Template.TELL_IN_PERSON, delivery.about, undeliverable)


async def told(uow: UnitOfWork, delivery: Delivery, now: datetime) -> bool:
    """Somebody told them in person. False where nobody had to."""
    if not delivery.told(now):
        return False
    await close(uow)
    return True


async def deliveries_of(
    session: AsyncSession, families: Collection[UUID] | None, state: DeliveryState | None = None
) -> Sequence[Delivery]:
    """Of these families, or of all; those that somebody must tell in person first, then the newest; LISTED at most."""
    wanted = select(Delivery).order_by(
        deliveries.c.state != DeliveryState.IN_PERSON, deliveries.c.created_at.desc(), deliveries.c.id
    )
    if families is not None:
        wanted = wanted.where(deliveries.c.family_id.in_(families))
    if state:
        wanted = wanted.where(deliveries.c.state == state)
    return (await session.scalars(wanted.limit(LISTED))).all()


# erasure


async def erasure_stalled(uow: UnitOfWork, erasure_id: UUID, cause: UUID) -> None:
    """The team lead is told, unless it has come to its end meanwhile."""
    if await uow.session.scalar(select(exists().where(open_erasures.c.id == erasure_id))):
        await owe(uow, Template.NOT_FINISHED, erasure_id, cause)


async def erasure_complete(uow: UnitOfWork, erasure_id: UUID, cause: UUID) -> None:
    """Tell the family that what they asked for is done: the last message owed, for which the door stays open.

    One recording that was discarded is none of it: that was talked about when it happened.
    """
    if not await uow.open_erasure(erasure_id):
        return
    recording = select(open_erasures.c.recording_id).where(open_erasures.c.id == erasure_id)
    if await uow.session.scalar(recording):
        await uow.close_erasure(erasure_id)
        return
    await owe(uow, Template.REQUEST_COMPLETE, erasure_id, cause)


async def forget(uow: UnitOfWork, scope: Scope) -> int:
    """Rows about media go; of an ended episode what is still owed to a person stays until they are told."""
    about = [deliveries.c.episode_id == scope.episode_id, assignees.c.episode_id == scope.episode_id]
    if scope.recording_id:
        about = [deliveries.c.about == scope.recording_id, assignees.c.recording_id == scope.recording_id]
    still_owed = deliveries.c.template.in_(OUTLIVES) & deliveries.c.state.in_(OWED)
    kept = still_owed | (deliveries.c.template == Template.REQUEST_COMPLETE)
    return await _gone(uow, delete(deliveries).where(about[0], ~kept)) + await _gone(
        uow, delete(assignees).where(about[1])
    )


async def _gone(uow: UnitOfWork, deleting: Delete) -> int:
    deleted = await uow.session.execute(deleting.returning(literal(1)))
    return len(deleted.all())


async def close(uow: UnitOfWork) -> None:
    """Once an erasure is complete: what is known of the family goes when no word is owed to it.

    The door is then shut; it waits for what is owed to staff too. What stays is that, and when, the family was told.
    """
    await uow.session.flush()
    here = deliveries.c.episode_id == uow.episode_id
    erasures = select(deliveries.c.about).where(here, deliveries.c.template == Template.REQUEST_COMPLETE)
    complete = set(await uow.session.scalars(erasures))
    if not complete:
        return
    owed = set(await uow.session.scalars(select(deliveries.c.audience).where(here, deliveries.c.state.in_(OWED))))
    if not await _still_reached(uow):
        await uow.session.execute(delete(tables.people).where(tables.people.c.family_id == uow.family_id))
    if not owed:
        await uow.session.execute(delete(deliveries).where(here, deliveries.c.template != Template.REQUEST_COMPLETE))
        for erasure_id in complete:
            await uow.close_erasure(erasure_id)


async def _still_reached(uow: UnitOfWork) -> bool:
    """Whether a word is owed to the family, or will be, by whichever episode; or it has agreed again meanwhile."""
    await lock(uow.session, uow.family_id, uow.family_id)  # else two that close at once leave it to each other
    owed = (deliveries.c.audience == Audience.FAMILY) & deliveries.c.state.in_(OWED)
    again = (episodes.c.id != uow.family_id) & episodes.c.ended_at.is_(None)
    told = exists().where(deliveries.c.about == open_erasures.c.id, deliveries.c.template == Template.REQUEST_COMPLETE)
    goes_on = (open_erasures.c.episode_id == episodes.c.id) & open_erasures.c.recording_id.is_(None) & ~told
    any_of_them = or_(
        exists().where(deliveries.c.family_id == uow.family_id, owed),
        exists().where(episodes.c.family_id == uow.family_id, again),
        exists().where(episodes.c.family_id == uow.family_id, goes_on),
    )
    return await uow.session.scalar(select(any_of_them)) or False


@asynccontextmanager
async def door(database: Database, episode_id: UUID) -> AsyncIterator[UnitOfWork]:
    """The episode's unit of work; after its end that of its erasure, by which the last messages owed go out."""
    async with AsyncExitStack() as stack:
        try:
            uow = await stack.enter_async_context(unit_of_work(database, episode_id))
        except EpisodeEnded:
            uow = await stack.enter_async_context(erasure_work(database, episode_id))
        yield uow
