"""The loop of a worker: claim, work, close, one job at a time."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any, TypeVar

from shared import telemetry
from shared.database import Database, EpisodeEnded, is_outage
from shared.jobs import queue
from shared.jobs.queue import HandBack, Job, LeaseLost

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 4.0
IDLE_SECONDS = 2.0  # between two looks of whom nobody wakes
AT_ONCE_SECONDS = 0.1  # between two looks at a job that is due, and that somebody else has just locked
NEW_TRACE_AFTER_SECONDS = 120
PARKED_AFTER = 2  # workers that a job may take down with it

T = TypeVar("T")


@asynccontextmanager
async def _leased(database: Database, job: Job) -> AsyncIterator[None]:
    """Heartbeats while the block runs; cancels it, as LeaseLost, when the lease is lost."""
    working = asyncio.current_task()
    lost = False

    async def beat() -> None:
        nonlocal lost
        silent = 0.0
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                with telemetry.quietly():
                    kept = await queue.heartbeat(database, job)
                silent = 0.0
            except Exception:  # the database is away: the lease runs out by itself
                silent += HEARTBEAT_SECONDS
                kept = silent < queue.LEASE.total_seconds()
            if not kept and working:
                lost = True
                working.cancel()
                return

    beating = asyncio.create_task(beat())
    try:
        yield
    except asyncio.CancelledError:
        if lost and working:
            working.uncancel()
            raise LeaseLost(str(job.id)) from None
        raise
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)  # a cancellation of our own is not swallowed with it


async def work_off(
    database: Database,
    kinds: list[str],
    worker: str,
    work: Callable[[Job], Awaitable[None]],
    give_up: Callable[[Job, str, str], Awaitable[None]],
    *,
    attempts: int = 3,
    scratch: str | None = None,
    wipe: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Claim and work, one job at a time, for ever.

    work: does the job and closes it in a unit of work; may raise HandBack or LeaseLost.
    give_up(job, code, detail): closes it as failed, after `attempts` errors, or when it took PARKED_AFTER workers down.
    wipe: empties the scratch folder after each job.
    """
    async with database.jobs.told() as told:
        while True:
            job = await _next(database, kinds, worker, scratch, told)
            try:
                with _traced(job):
                    kept = await _attempt(database, job, work, give_up, attempts)
            finally:
                if wipe:  # and if this process ends here, the next on this folder says that it is empty
                    await wipe()
            if scratch:
                await _said(queue.wiped, database, scratch)
            if not kept:
                await _said(queue.lives, database, job)


async def _next(database: Database, kinds: list[str], worker: str, scratch: str | None, told: asyncio.Event) -> Job:
    """The next job, however long it is waited for: until one is told of, or is due."""
    while True:
        told.clear()
        due = IDLE_SECONDS
        try:
            with telemetry.quietly():
                job = await queue.claim(database, kinds, worker, scratch)
                if job:
                    return job
                due = await queue.until_due(database, kinds, IDLE_SECONDS)
        except Exception:
            log.warning("jobs: the database cannot be asked", exc_info=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(due, AT_ONCE_SECONDS)):  # `wait_for` may swallow a cancellation
                await told.wait()


async def _said(what: Callable[[Database, T], Awaitable[None]], database: Database, of: T) -> None:
    """However long the database is away."""
    while True:
        try:
            with telemetry.quietly():
                return await what(database, of)
        except Exception:
            log.warning("jobs: the database cannot be told", exc_info=True)
            await asyncio.sleep(IDLE_SECONDS)


def _traced(job: Job) -> AbstractContextManager[Any]:
    """The attempt goes on with the trace that made the job; after a wait of minutes it begins a new one, linked."""
    if job.waited > NEW_TRACE_AFTER_SECONDS:
        return telemetry.linked_root(f"job {job.kind}", job.trace, job=job.id)
    return telemetry.span(f"job {job.kind}", job.trace, job=job.id)


async def _attempt(
    database: Database,
    job: Job,
    work: Callable[[Job], Awaitable[None]],
    give_up: Callable[[Job, str, str], Awaitable[None]],
    attempts: int,
) -> bool:
    """Whether the job was closed or given back; else this attempt has lost it, or the database could not be told."""
    try:
        if len(job.silent) >= PARKED_AFTER:
            await give_up(job, "took_workers_down", f"{len(job.silent)} workers fell silent while they did this job")
            return True
        async with _leased(database, job):
            await work(job)
        return True
    except (LeaseLost, EpisodeEnded):
        log.info("job %s: the lease is lost; what this attempt made is thrown away", job.id)
        return False
    except HandBack as back:
        log.info("job %s: handed back, %s", job.id, back.reason)
        return await _could(queue.hand_back(database, job, pause=back.pause, delay=back.delay))
    except Exception as error:
        if is_outage(error) or not await database.answers():
            log.warning("job %s: the database went away", job.id, exc_info=True)
            return False
        log.exception("job %s: attempt %d failed", job.id, job.attempts)
        if job.attempts < attempts:
            return await _could(queue.hand_back(database, job, delay=2.0**job.attempts, costs=True))
        return await _could(give_up(job, "unexpected", type(error).__name__))


async def _could(closing: Awaitable[None]) -> bool:
    try:
        await closing
    except Exception:
        log.warning("jobs: it could not be closed", exc_info=True)
        return False
    return True
