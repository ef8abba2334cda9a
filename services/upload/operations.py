"""What can happen to an upload, one function each: decides, writes, tells."""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, false, func, or_, select, true
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from services.upload.model import Kind, Rejection, State, Upload
from services.upload.tables import cards, segments, uploads
from shared import jobs
from shared.containers import Container
from shared.contracts.upload import CardWiped, RecordingReceived, RecordingRejected
from shared.database import UnitOfWork
from shared.errors import AttuneError
from shared.jobs import Job
from shared.media_store import Segment
from shared.participant import Scope

VERIFY = "verify"  # once it has come wholly
FOLLOW = "follow"  # the same while it still comes, where somebody has time for it
LISTED = 200


class Unknown(AttuneError):
    """There is no such upload, or no longer."""


@dataclass(frozen=True)
class Announced:
    """What is said of a film before its first byte."""

    episode_id: UUID
    kind: Kind
    people: tuple[UUID, ...]
    filmed_on: date
    happy_to_film: bool
    length: int


async def find(session: AsyncSession, upload_id: UUID) -> Upload:
    """Raises Unknown."""
    upload = await session.get(Upload, upload_id)
    if upload is None:
        raise Unknown(str(upload_id))
    return upload


async def segments_of(session: AsyncSession, upload_id: UUID, since: int = 0) -> tuple[Segment, ...]:
    """What counts, in order; of that all but the first so many."""
    columns = select(segments.c.id, segments.c.length, segments.c.sha256).where(segments.c.upload_id == upload_id)
    rows = await session.execute(columns.order_by(segments.c.start).offset(since))
    return tuple(Segment(*row) for row in rows)


async def begin(
    uow: UnitOfWork, upload_id: UUID, announced: Announced, by: UUID, now: datetime, life: timedelta
) -> Upload:
    """Expect a film that consent has been asked about."""
    upload = Upload(
        id=upload_id,
        family_id=uow.family_id,
        episode_id=uow.episode_id,
        uploaded_by=by,
        kind=announced.kind,
        people=list(announced.people),
        filmed_on=announced.filmed_on,
        happy_to_film=announced.happy_to_film,
        length=announced.length,
        created_at=now,
        expires_at=now + life,
    )
    uow.session.add(upload)
    await uow.session.flush()
    return upload


async def take_over(
    uow: UnitOfWork, upload_id: UUID, token: UUID, offset: int, now: datetime, life: timedelta
) -> tuple[Upload, tuple[Segment, ...]]:
    """Give a request the upload, whoever had it, and its segments. Raises Over, Complete, WrongOffset, Unknown."""
    upload = await find(uow.session, upload_id)
    upload.take_over(offset, token, now, life)
    return upload, await segments_of(uow.session, upload_id)


async def add_segment(
    uow: UnitOfWork, upload_id: UUID, token: UUID, segment: Segment, container: Container | None
) -> None:
    """Count a segment that the store has. Raises Superseded, Unknown.

    From the first on the sealed copy may be read back as it grows; who does so has a while to finish it after the last.
    """
    upload = await find(uow.session, upload_id)
    start = upload.offset
    last = upload.add(segment.length, token, container)
    row = {"upload_id": upload_id, "start": start, "id": segment.id, "length": segment.length, "sha256": segment.sha256}
    await uow.session.execute(segments.insert().values(row))
    work = functools.partial(
        jobs.enqueue, uow, subject_id=upload_id, spec={}, about=[upload_id], on_behalf_of=upload.uploaded_by
    )
    if last:
        followed = await jobs.is_worked_on(uow.session, FOLLOW, upload_id)
        if not followed:
            await jobs.needless(uow, upload_id)
        await work(kind=VERIFY, delay=jobs.LEASE if followed else timedelta())
    elif start == 0:
        await work(kind=FOLLOW)


async def not_a_film(uow: UnitOfWork, upload_id: UUID, token: UUID, now: datetime) -> None:
    """Its first bytes say so, if they come from the request that has the upload. Raises Superseded, Unknown."""
    upload = await find(uow.session, upload_id)
    upload.held(token)
    await reject(uow, upload_id, Rejection.NOT_A_FILM, now)


async def received(uow: UnitOfWork, job: Job, sha256: bytes, now: datetime) -> None:
    """Every byte is sealed and verified: it is a recording."""
    await jobs.finish(uow, job)
    await jobs.needless(uow, job.subject_id)  # whoever else reads it back
    upload = await find(uow.session, job.subject_id)
    if upload.received(sha256, now) and upload.container:
        uow.publish(
            RecordingReceived(
                recording_id=upload.id,
                kind=upload.kind,
                filmed_on=upload.filmed_on,
                filmed_by=upload.uploaded_by,
                bytes=upload.length,
                container=upload.container,
            )
        )


async def damaged(uow: UnitOfWork, job: Job, detail: str, now: datetime) -> None:
    """The sealed copy is not what was stored: the film has to be uploaded anew."""
    await jobs.fail(uow, job, Rejection.DAMAGED, detail)
    await reject(uow, job.subject_id, Rejection.DAMAGED, now)


async def reject(uow: UnitOfWork, upload_id: UUID, code: Rejection, now: datetime) -> None:
    """It ends without a recording, once. Raises Unknown."""
    upload = await find(uow.session, upload_id)
    if upload.reject(code, now):
        await jobs.cancel(uow, upload_id)
        uow.publish(RecordingRejected(recording_id=upload_id, code=code, filmed_by=upload.uploaded_by))


async def cancel(uow: UnitOfWork, upload_id: UUID, now: datetime) -> None:
    """Who began it does not want it after all. Raises Over, Complete, Unknown."""
    upload = await find(uow.session, upload_id)
    upload.open_to_bytes(now)
    await reject(uow, upload_id, Rejection.CANCELLED, now)


async def abandon(uow: UnitOfWork, upload_id: UUID, now: datetime) -> None:
    """Nobody goes on with it. Raises Unknown."""
    if (await find(uow.session, upload_id)).expired(now):
        await reject(uow, upload_id, Rejection.ABANDONED, now)


async def wait_longer(uow: UnitOfWork, upload_id: UUID, now: datetime, life: timedelta) -> None:
    """Nobody may go on with it now. Raises Unknown."""
    upload = await find(uow.session, upload_id)
    if upload.expired(now):
        upload.expires_at = now + life


async def discarded(uow: UnitOfWork, recording_id: UUID, now: datetime) -> None:
    """Consent has opened its erasure: nothing more is done with it; the purge takes what there is."""
    upload = await uow.session.get(Upload, recording_id)
    if upload:
        await reject(uow, recording_id, Rejection.DISCARDED, now)


async def card_wiped(uow: UnitOfWork, recording_id: UUID, device_label: str, on: date) -> Upload:
    """The camera's card no longer holds the film, says who filmed. Raises NotReceived, Unknown."""
    upload = await find(uow.session, recording_id)
    if upload.card_wiped(device_label, on):
        uow.publish(CardWiped(recording_id=recording_id, on=on))
    return upload


async def kept_card_wiped(uow: UnitOfWork, recording_id: UUID, on: date) -> None:
    """The same of a film that was erased before: nothing is left to be kept of it. Raises Unknown."""
    kept = delete(cards).where(cards.c.recording_id == recording_id).returning(cards.c.recording_id)
    if await uow.session.scalar(kept) is None:
        raise Unknown(str(recording_id))
    uow.publish(CardWiped(recording_id=recording_id, on=on))


@dataclass(frozen=True)
class Card:
    """Of a camera, that may still hold a film."""

    recording_id: UUID
    family_id: UUID
    filmed_on: date
    erased: bool


async def cards_of(session: AsyncSession, families: Collection[UUID], filmed_by: UUID | None = None) -> Sequence[Card]:
    """Not confirmed as wiped: of films that are safe or erased, of these families or filmed by this person."""
    safe = select(uploads.c.id.label("recording_id"), uploads.c.family_id, uploads.c.filmed_on, false().label("erased"))
    safe = safe.where(
        uploads.c.state == State.RECEIVED,
        uploads.c.card_wiped_on.is_(None),
        or_(uploads.c.family_id.in_(families), uploads.c.uploaded_by == filmed_by),
    )
    erased = select(cards.c.recording_id, cards.c.family_id, cards.c.filmed_on, true().label("erased"))
    erased = erased.where(or_(cards.c.family_id.in_(families), cards.c.filmed_by == filmed_by))
    both = safe.union_all(erased).subquery()
    found = await session.execute(select(both).order_by(both.c.filmed_on.desc(), both.c.recording_id).limit(LISTED))
    return [Card(*row) for row in found]


async def swept(uow: UnitOfWork, upload_id: UUID, now: datetime) -> None:
    """The bytes of one that is over are gone."""
    upload = await find(uow.session, upload_id)
    upload.swept_at = now
    await uow.session.execute(delete(segments).where(segments.c.upload_id == upload_id))


async def cards_not_wiped(session: AsyncSession, scope: Scope) -> tuple[UUID, ...]:
    """Which films of what is erased, now or in a round before, may still be on a camera's card."""
    here = await _cards_here(session, scope)
    kept = select(cards.c.recording_id).where(cards.c.episode_id == scope.episode_id)
    if scope.recording_id:
        kept = kept.where(cards.c.recording_id == scope.recording_id)
    return tuple(sorted({upload.id for upload in here} | set(await session.scalars(kept))))


async def _cards_here(session: AsyncSession, scope: Scope) -> list[Upload]:
    return [one for one in await session.scalars(select(Upload).where(*_within(scope))) if one.card_may_hold_it]


async def forget(uow: UnitOfWork, scope: Scope) -> int:
    """Remove every row about the media; how many there were. What may be on a card is written down first."""
    for upload in await _cards_here(uow.session, scope):
        row = {
            "recording_id": upload.id,
            "family_id": upload.family_id,
            "episode_id": upload.episode_id,
            "filmed_by": upload.uploaded_by,
            "filmed_on": upload.filmed_on,
        }
        await uow.session.execute(postgresql.insert(cards).values(row).on_conflict_do_nothing())
    ids = select(uploads.c.id).where(*_within(scope))
    counted = await uow.session.scalar(select(func.count()).where(segments.c.upload_id.in_(ids)))
    gone = await uow.session.scalars(delete(uploads).where(*_within(scope)).returning(uploads.c.id))
    return len(gone.all()) + (counted or 0)


def _within(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    every = (uploads.c.episode_id == scope.episode_id,)
    return every if scope.recording_id is None else (*every, uploads.c.id == scope.recording_id)
