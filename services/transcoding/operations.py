"""What can happen to work on a film, one function each: decides, writes, tells."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.transcoding.failures import Failure
from services.transcoding.model import PRIORITY, Cut, Make, State, Work, look_of
from services.transcoding.plan import Plan
from services.transcoding.tables import attempts, works
from shared import jobs
from shared.contracts.transcoding import (
    ClipCut,
    ClipCutFailed,
    FirstLookReady,
    PreparationFailed,
    Rate,
    RecordingReady,
    ReelFailed,
    ReelReady,
    Rendition,
    StillFailed,
    StillMade,
)
from shared.database import UnitOfWork
from shared.errors import AttuneError
from shared.jobs import Job
from shared.participant import Scope

if TYPE_CHECKING:  # the process that answers HTTP has no ffmpeg in its image
    from services.transcoding.film import Film


class Unknown(AttuneError):
    """There is no such work, or no longer."""


class Overtaken(AttuneError):
    """The review film is there: nobody needs a first look any more."""


async def find(session: AsyncSession, work_id: UUID) -> Work:
    """Raises Unknown."""
    work = await session.get(Work, work_id)
    if work is None:
        raise Unknown(str(work_id))
    return work


async def ask(
    uow: UnitOfWork, make: Make, work_id: UUID, on_behalf_of: UUID, made_from: Sequence[UUID], cuts: Sequence[Cut] = ()
) -> None:
    """Have it made; asking a second time changes nothing."""
    if await uow.session.get(Work, work_id):
        return
    work = Work(
        id=work_id,
        make=make,
        family_id=uow.family_id,
        episode_id=uow.episode_id,
        on_behalf_of=on_behalf_of,
        made_from=list(dict.fromkeys(made_from)),
        cuts=[{"film_id": str(cut.film_id), "first": cut.first, "end": cut.end} for cut in cuts],
    )
    uow.session.add(work)
    await uow.session.flush()
    await _enqueue(uow, work)


async def again(uow: UnitOfWork, work_id: UUID) -> None:
    """Try once more what has failed. Raises Unknown, NotFailed."""
    work = await find(uow.session, work_id)
    work.again()
    await _enqueue(uow, work)


async def _enqueue(uow: UnitOfWork, work: Work) -> None:
    priority = PRIORITY[work.make]
    await jobs.enqueue(
        uow, work.make, work.id, spec={}, about=work.made_from, on_behalf_of=work.on_behalf_of, priority=priority
    )


async def began(uow: UnitOfWork, job: Job, artefact_ids: Sequence[UUID]) -> None:
    """Note what this attempt may write, before it does."""
    rows = [
        {"artefact_id": artefact, "episode_id": job.episode_id, "work_id": job.subject_id, "job_id": job.id}
        for artefact in artefact_ids
    ]
    await uow.session.execute(attempts.insert(), rows)


async def prepared(uow: UnitOfWork, job: Job, plan: Plan, film: "Film", made: dict[str, UUID]) -> None:
    """The recording is ready: its review film and what goes with it are those of this attempt. Raises LeaseLost."""
    await jobs.finish(uow, job)
    work = await find(uow.session, job.subject_id)
    work.plan = plan.model_dump(mode="json")
    work.done([{"artefact_id": str(artefact), "kind": kind} for kind, artefact in made.items()])
    await _keep(uow, work, list(made.values()))
    await _look_is_over(uow, job, work.id)
    uow.publish(
        RecordingReady(
            recording_id=work.id,
            duration_ms=round(film.duration * 1000),
            frames=film.frames,
            rate=Rate(numerator=film.rate.numerator, denominator=film.rate.denominator),
            artefacts=tuple(Rendition(artefact_id=artefact, kind=kind) for kind, artefact in made.items()),
        )
    )


async def looked(uow: UnitOfWork, job: Job, plan: Plan, artefact_id: UUID, *, last: bool) -> None:
    """The recording, or its opening, can be looked at until its review film is there. Raises LeaseLost, Overtaken."""
    await (jobs.finish if last else jobs.held)(uow, job)
    work = await find(uow.session, job.subject_id)
    [recording_id] = work.made_from
    if await film_is_made(uow.session, recording_id):
        raise Overtaken(str(recording_id))
    work.plan = plan.model_dump(mode="json")
    work.done([*work.artefacts, {"artefact_id": str(artefact_id), "kind": Make.FIRST_LOOK}])
    await _keep(uow, work, [artefact_id])
    uow.publish(
        FirstLookReady(
            recording_id=recording_id,
            artefact_id=artefact_id,
            duration_ms=round(plan.duration * 1000),
            frames=plan.frames,
            rate=Rate(numerator=plan.rate.numerator, denominator=plan.rate.denominator),
        )
    )


async def no_look(uow: UnitOfWork, job: Job, why: str) -> None:
    """There is no first look, or no longer; the review film is not touched by that. Raises LeaseLost."""
    await jobs.finish(uow, job)
    work = await find(uow.session, job.subject_id)
    work.plan = {"reasons": [why]}
    work.done([])


async def film_is_made(session: AsyncSession, recording_id: UUID) -> bool:
    made = select(works.c.id).where(works.c.id == recording_id, works.c.state == State.MADE)
    return await session.scalar(made) is not None


async def look_is_waited_for(session: AsyncSession, recording_id: UUID) -> bool:
    """Whether the recording is to have a first look, and there is nothing to be looked at yet."""
    waiting = select(works.c.id).where(works.c.id == look_of(recording_id), works.c.state == State.WAITING)
    return await session.scalar(waiting) is not None


async def _look_is_over(uow: UnitOfWork, job: Job, recording_id: UUID) -> None:
    """What was to be looked at meanwhile is no more than an attempt that came to nothing: its next job purges it."""
    look = await uow.session.get(Work, look_of(recording_id))
    if look is None or not look.artefacts:
        return
    gone = [UUID(made["artefact_id"]) for made in look.artefacts]
    rows = [
        {"artefact_id": artefact, "episode_id": look.episode_id, "work_id": look.id, "job_id": job.id}
        for artefact in gone
    ]
    await uow.session.execute(attempts.insert(), rows)
    look.done([])
    await _enqueue(uow, look)


async def cut(uow: UnitOfWork, job: Job, frames: int, artefact_id: UUID) -> None:
    """The clip, reel or still, of so many frames, is that of this attempt. Raises LeaseLost."""
    await jobs.finish(uow, job)
    work = await find(uow.session, job.subject_id)
    work.done([{"artefact_id": str(artefact_id), "kind": work.make}])
    await _keep(uow, work, [artefact_id])
    match work.make:
        case Make.CLIP:
            uow.publish(ClipCut(clip_id=work.id, artefact_id=artefact_id, frames=frames))
        case Make.REEL:
            uow.publish(ReelReady(reel_id=work.id, artefact_id=artefact_id, frames=frames))
        case Make.STILL:
            uow.publish(StillMade(still_id=work.id, artefact_id=artefact_id))


async def failed(uow: UnitOfWork, job: Job, failure: Failure) -> None:
    """It could not be made, and why. Raises LeaseLost."""
    await jobs.fail(uow, job, failure.code, failure.detail)
    work = await find(uow.session, job.subject_id)
    work.failed(failure.model_dump(mode="json"))
    match work.make:
        case Make.FIRST_LOOK:
            pass  # the review film comes anyway
        case Make.REVIEW_FILM:
            uow.publish(PreparationFailed(recording_id=work.id, code=failure.code, retryable=failure.retry))
        case Make.CLIP:
            uow.publish(ClipCutFailed(clip_id=work.id, code=failure.code, retryable=failure.retry))
        case Make.REEL:
            uow.publish(ReelFailed(reel_id=work.id, code=failure.code, retryable=failure.retry))
        case Make.STILL:
            uow.publish(StillFailed(still_id=work.id, code=failure.code, retryable=failure.retry))


async def _keep(uow: UnitOfWork, work: Work, artefact_ids: Sequence[UUID]) -> None:
    await uow.session.execute(
        delete(attempts).where(attempts.c.work_id == work.id, attempts.c.artefact_id.in_(list(artefact_ids)))
    )


async def abandoned(session: AsyncSession, work_id: UUID) -> list[UUID]:
    """Artefacts that earlier attempts at the work began and that did not become current."""
    return list(await session.scalars(select(attempts.c.artefact_id).where(attempts.c.work_id == work_id)))


async def swept(session: AsyncSession, artefact_ids: Sequence[UUID]) -> None:
    """Their bytes are gone."""
    await session.execute(delete(attempts).where(attempts.c.artefact_id.in_(artefact_ids)))


async def forget(uow: UnitOfWork, scope: Scope) -> int:
    """Delete the rows about media that the erasure names. Returns how many."""
    which: ColumnElement[bool] = works.c.episode_id == scope.episode_id
    if scope.recording_id:
        which &= works.c.made_from.contains([scope.recording_id])
    ids = list(await uow.session.scalars(delete(works).where(which).returning(works.c.id)))
    begun = await uow.session.execute(delete(attempts).where(attempts.c.work_id.in_(ids)).returning(attempts.c.work_id))
    return len(ids) + len(begun.all())
