"""What may be done to a job: made, leased, kept, told about, closed, given back, cancelled, forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Float, case, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from shared import telemetry
from shared.database import Database, UnitOfWork
from shared.errors import AttuneError
from shared.jobs.table import OPEN, JobState, jobs
from shared.jobs.turns import next_of
from shared.telemetry import metrics
from shared.telemetry.metrics import Readings, Series

LEASE = timedelta(seconds=12)
PUT_OFF = timedelta(minutes=2)  # longer than any retry waits


@dataclass(frozen=True)
class Job:
    """One attempt at a job, as its worker holds it."""

    id: UUID
    episode_id: UUID
    kind: str
    subject_id: UUID
    on_behalf_of: UUID | None
    spec: dict[str, Any]
    attempts: int
    silent: list[UUID]
    token: UUID
    not_before: datetime
    trace: dict[str, str] = field(repr=False)
    waited: float  # seconds since it was made


class LeaseLost(AttuneError):
    """Another attempt holds the job, or nobody may: whatever this attempt made is to be thrown away."""


class HandBack(AttuneError):
    """The job could not be done now through no fault of its own; it costs no attempt."""

    def __init__(self, reason: str, *, pause: bool = False, delay: float = 2.0) -> None:
        super().__init__(reason)
        self.reason, self.pause, self.delay = reason, pause, delay


_COLUMNS = [jobs.c[name] for name in Job.__dataclass_fields__ if name != "waited"]
_WAITED = func.extract("epoch", func.clock_timestamp() - jobs.c.created_at).cast(Float).label("waited")


async def enqueue(
    uow: UnitOfWork,
    kind: str,
    subject_id: UUID,
    *,
    spec: dict[str, Any],
    about: Sequence[UUID] = (),
    on_behalf_of: UUID | None = None,
    priority: int = 0,
    outlives: bool = False,
    delay: timedelta = timedelta(),
) -> UUID:
    """Make the job; where one of this kind is open for the subject already, that one's id is returned.

    about: the recordings without which it is not to be done. delay: before that nobody begins with it.
    """
    is_it = (jobs.c.kind == kind, jobs.c.subject_id == subject_id, jobs.c.state.in_(OPEN))
    found: UUID | None = await uow.session.scalar(select(jobs.c.id).where(*is_it))
    if found:
        return found
    job_id = uuid7()
    await uow.session.execute(
        jobs.insert().values(
            id=job_id,
            episode_id=uow.wire.key,
            kind=kind,
            subject_id=subject_id,
            spec=spec,
            about=list(about),
            on_behalf_of=on_behalf_of,
            priority=priority,
            outlives=outlives,
            not_before=func.clock_timestamp() + delay,
            trace=telemetry.headers(),
        )
    )
    return job_id


async def claim(database: Database, kinds: list[str], worker: str, scratch: str | None = None) -> Job | None:
    """Lease the next job; one whose worker fell silent is taken up again."""
    now = func.clock_timestamp()
    fell_silent = (jobs.c.state == JobState.RUNNING, func.array_append(jobs.c.silent, jobs.c.token))
    leased = (
        update(jobs)
        .where(jobs.c.id == next_of(*kinds).scalar_subquery())
        .values(
            state=JobState.RUNNING,
            token=uuid4(),
            leased_until=now + LEASE,
            worker=worker,
            scratch=_with(scratch) if scratch else jobs.c.scratch,
            progress=None,
            attempts=jobs.c.attempts + 1,
            silent=case(fell_silent, else_=jobs.c.silent),
        )
        .returning(*_COLUMNS, _WAITED)
    )
    async with database.sessions.begin() as session:
        row = (await session.execute(leased)).one_or_none()
    return Job(**row._mapping) if row else None


async def until_due(database: Database, kinds: list[str], longest: float) -> float:
    """Seconds until the next of these jobs may be claimed, as things stand, and at most so many."""
    due = func.min(case((jobs.c.state == JobState.RUNNING, jobs.c.leased_until), else_=jobs.c.not_before))
    left = select(func.extract("epoch", due - func.clock_timestamp()).cast(Float))
    at_it = jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING))
    async with database.sessions() as session:
        found = await session.scalar(left.where(jobs.c.kind.in_(kinds), at_it))
    return longest if found is None else min(longest, found)


def _with(scratch: str) -> Any:
    return func.array_append(func.array_remove(jobs.c.scratch, scratch), scratch)


def _mine(job: Job) -> tuple[Any, ...]:
    return jobs.c.id == job.id, jobs.c.token == job.token, jobs.c.state == JobState.RUNNING


async def _touch(database: Database, job: Job, **values: Any) -> bool:
    async with database.sessions.begin() as session:
        touched = await session.execute(update(jobs).where(*_mine(job)).values(**values).returning(jobs.c.id))
        return touched.one_or_none() is not None


async def heartbeat(database: Database, job: Job) -> bool:
    """Keep the lease; False when it is lost."""
    return await _touch(database, job, leased_until=func.clock_timestamp() + LEASE)


async def progress(database: Database, job: Job, done: dict[str, Any]) -> None:
    """Write down how far the attempt is. Raises LeaseLost."""
    if not await _touch(database, job, progress=done):
        raise LeaseLost(str(job.id))


async def held(uow: UnitOfWork, job: Job) -> None:
    """Before an act that cannot be taken back: raises LeaseLost unless this attempt still holds the job."""
    if await uow.session.scalar(select(jobs.c.id).where(*_mine(job))) is None:
        raise LeaseLost(str(job.id))


async def is_worked_on(session: AsyncSession, kind: str, subject_id: UUID) -> bool:
    """Whether an attempt holds the job of this kind for a subject, as far as its lease tells."""
    is_it = (jobs.c.kind == kind, jobs.c.subject_id == subject_id)
    runs = (jobs.c.state == JobState.RUNNING, jobs.c.leased_until >= func.clock_timestamp())
    return await session.scalar(select(jobs.c.id).where(*is_it, *runs)) is not None


async def trace_of(session: AsyncSession, kind: str, subject_id: UUID) -> dict[str, str] | None:
    """The context of the span that made the open job of this kind for a subject."""
    is_it = (jobs.c.kind == kind, jobs.c.subject_id == subject_id, jobs.c.state.in_(OPEN))
    found: dict[str, str] | None = await session.scalar(select(jobs.c.trace).where(*is_it))
    return found


async def progress_of(session: AsyncSession, subject_id: UUID) -> dict[str, Any] | None:
    """How far the newest job for a subject is or came, as its worker last said."""
    asked = select(jobs.c.progress).where(jobs.c.subject_id == subject_id)
    found: dict[str, Any] | None = await session.scalar(asked.order_by(jobs.c.created_at.desc()).limit(1))
    return found


async def finish(uow: UnitOfWork, job: Job) -> None:
    """Close the job with the result that this unit of work writes. Raises LeaseLost, and then nothing is written."""
    await _close(uow, job, JobState.DONE, None)


async def fail(uow: UnitOfWork, job: Job, code: str, detail: str) -> None:
    """Close the job as failed. Raises LeaseLost."""
    await _close(uow, job, JobState.FAILED, {"code": code, "detail": detail[:2000]})


async def _close(uow: UnitOfWork, job: Job, state: JobState, failure: dict[str, str] | None) -> None:
    closed = await uow.session.execute(
        update(jobs)
        .where(*_mine(job))
        .values(state=state, failure=failure, closed_at=func.clock_timestamp(), leased_until=None)
        .returning(jobs.c.id)
    )
    if closed.one_or_none() is None:
        raise LeaseLost(str(job.id))


async def hand_back(
    database: Database, job: Job, *, pause: bool = False, delay: float = 2.0, costs: bool = False
) -> None:
    """Give the lease up, so that the job is tried again after `delay` seconds, or once its episode is reinstated."""
    hurried = jobs.c.not_before > job.not_before  # by somebody, since it was claimed
    paused = case((hurried, JobState.QUEUED.value), else_=JobState.PAUSED.value)
    await _touch(
        database,
        job,
        state=paused if pause else JobState.QUEUED,
        token=None,
        leased_until=None,
        attempts=jobs.c.attempts if costs else jobs.c.attempts - 1,
        silent=[],  # this one lives; what is never given up would else never be tried again
        not_before=case((hurried, jobs.c.not_before), else_=func.clock_timestamp() + timedelta(seconds=delay)),
    )


async def lives(database: Database, job: Job) -> None:
    """The worker of an attempt that lost its lease lives: the database was away, or the process was stopped.

    So the job has not taken it down; the attempt is neither counted nor, where nobody took the job up, waited for.
    """
    await hand_back(database, job)
    async with database.sessions.begin() as session:
        await session.execute(
            update(jobs)
            .where(jobs.c.id == job.id, jobs.c.silent.contains([job.token]))
            .values(silent=func.array_remove(jobs.c.silent, job.token), attempts=jobs.c.attempts - 1)
        )


async def dismiss(database: Database, job: Job) -> None:
    """Close a job that has become needless; nothing is written for it."""
    await _touch(database, job, state=JobState.CANCELLED, closed_at=func.clock_timestamp(), leased_until=None)


async def needless(uow: UnitOfWork, recording: UUID) -> None:
    """Nothing is left to do about a recording: its open jobs count as done. Their workers notice."""
    await uow.session.execute(
        update(jobs)
        .where(*_of(uow, recording), jobs.c.state.in_(OPEN))
        .values(state=JobState.DONE, closed_at=func.clock_timestamp(), leased_until=None)
    )


async def wiped(database: Database, scratch: str) -> None:
    """The folder is empty again: its worker has wiped it, or the next process that starts on it."""
    async with database.sessions.begin() as session:
        await session.execute(
            update(jobs)
            .where(jobs.c.scratch.contains([scratch]))
            .values(scratch=func.array_remove(jobs.c.scratch, scratch))
        )


def _of(uow: UnitOfWork, recording: UUID | None) -> tuple[Any, ...]:
    """The jobs that go with the episode, or with one recording of it; not those that outlive it."""
    of_it = (jobs.c.episode_id == uow.wire.key, ~jobs.c.outlives)
    return (*of_it, jobs.c.about.contains([recording])) if recording else of_it


async def cancel(uow: UnitOfWork, recording: UUID | None = None) -> int:
    """Cancel the open jobs of the episode, or of one recording, but for those that outlive it.

    Their workers notice at the next heartbeat. Returns how many.
    """
    cancelled = await uow.session.execute(
        update(jobs)
        .where(*_of(uow, recording), jobs.c.state.in_(OPEN))
        .values(state=JobState.CANCELLED, closed_at=func.clock_timestamp(), leased_until=None)
        .returning(jobs.c.id)
    )
    return len(cancelled.all())


async def scratch_left(uow: UnitOfWork, recording: UUID | None = None) -> bool:
    """Whether jobs of the episode, or of one recording, have scratch that nobody has wiped."""
    left = select(jobs.c.id).where(*_of(uow, recording), func.cardinality(jobs.c.scratch) > 0).limit(1)
    return await uow.session.scalar(left) is not None


async def forget(uow: UnitOfWork, recording: UUID | None = None) -> int:
    """Delete the closed jobs of the episode, or of one recording. Returns how many of them had been cancelled."""
    gone = await uow.session.scalars(
        delete(jobs).where(*_of(uow, recording), jobs.c.state.not_in(OPEN)).returning(jobs.c.state)
    )
    return gone.all().count(JobState.CANCELLED)


async def resume(uow: UnitOfWork) -> None:
    """Queue again what was paused while the episode was suspended; what is about to be paused is not."""
    theirs = jobs.c.episode_id == uow.wire.key
    await hurry(uow, theirs)
    await uow.session.execute(
        update(jobs)
        .where(theirs, jobs.c.state == JobState.PAUSED)
        .values(state=JobState.QUEUED, not_before=func.clock_timestamp())
    )


async def hurry(uow: UnitOfWork, *where: Any) -> None:
    """What some jobs (of any episode) waited for may be there: look now, or, where somebody just looks, look again."""
    at_it = jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING))
    await uow.session.execute(update(jobs).where(at_it, *where).values(not_before=func.clock_timestamp()))


async def observe(database: Database, kinds: list[str]) -> Readings:
    """How many jobs of each kind wait, and how old the oldest open one is.

    Those that wait on purpose are none of them: for their episode's reinstatement, or for a time that was set.
    """
    now = func.clock_timestamp()
    age = func.extract("epoch", now - func.min(jobs.c.created_at)).cast(Float)
    waiting = func.count().filter(jobs.c.state == JobState.QUEUED)
    due = jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING)) & (jobs.c.not_before <= now + PUT_OFF)
    asked = select(jobs.c.kind, waiting, age).where(due).group_by(jobs.c.kind)
    async with database.sessions() as session:
        found = {kind: (count, oldest) for kind, count, oldest in await session.execute(asked)}
    readings: Readings = {}
    for kind in kinds:
        count, oldest = found.get(kind, (0, 0.0))
        readings |= {
            Series(metrics.JOBS_WAITING, "kind", kind): count,
            Series(metrics.JOBS_OLDEST, "kind", kind): oldest,
        }
    return readings
