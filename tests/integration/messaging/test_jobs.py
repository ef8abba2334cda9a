"""Leased jobs: one attempt at a time counts, a worker that dies is replaced, what lost its lease writes nothing."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, text, update

from shared import jobs
from shared.database import Database, unit_of_work
from shared.jobs import HandBack, Job, JobState, LeaseLost, queue
from shared.jobs import working as working_off
from shared.jobs.turns import next_of
from tests.integration.messaging.conftest import Members, eventually
from tests.integration.messaging.world import World, attempts, effects

TOPICS = False
KIND = "job"


@dataclass
class Episode:
    """Whose jobs they are, and what was done."""

    database: Database
    episode_id: UUID = field(default_factory=uuid4)

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Any]:
        async with unit_of_work(self.database, self.episode_id, family_id=UUID(int=1)) as uow:
            yield uow

    async def enqueue(self, subject: UUID | None = None, **given: Any) -> UUID:
        async with self.work() as uow:
            return await jobs.enqueue(uow, KIND, subject or uuid4(), spec={"a": 1}, **given)

    async def row(self, job_id: UUID) -> Any:
        async with self.database.sessions() as session:
            return (await session.execute(select(jobs.jobs).where(jobs.jobs.c.id == job_id))).one()

    async def becomes(self, job_id: UUID, state: JobState) -> Any:
        async def is_it() -> Any:
            row = await self.row(job_id)
            return row if row.state == state else None

        return await eventually(is_it)

    async def set(self, job_id: UUID, **values: Any) -> None:
        async with self.database.sessions.begin() as session:
            await session.execute(update(jobs.jobs).where(jobs.jobs.c.id == job_id).values(**values))

    async def finish(self, job: Job) -> None:
        """The effect and the end of the job in one."""
        async with self.work() as uow:
            effect = insert(effects).values(episode_id=self.episode_id, number=job.attempts, event_id=job.subject_id)
            await uow.session.execute(effect)
            await jobs.finish(uow, job)

    async def effects(self) -> Counter[UUID]:
        async with self.database.sessions() as session:
            return Counter(await session.scalars(select(effects.c.event_id)))

    async def give_up(self, job: Job, code: str, detail: str) -> None:
        async with self.work() as uow:
            await jobs.fail(uow, job, code, detail)


@pytest.fixture
def episode(reader: Database) -> Episode:
    return Episode(reader)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LEASE", timedelta(seconds=3))
    monkeypatch.setattr(working_off, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(working_off, "IDLE_SECONDS", 0.05)


@asynccontextmanager
async def working(
    episode: Episode, work: Callable[[Job], Awaitable[None]], worker: str = "worker", **given: Any
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(jobs.work_off(episode.database, [KIND], worker, work, episode.give_up, **given))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_two_workers_share_the_jobs_and_do_each_once(episode: Episode, hasty: None) -> None:
    ids = [await episode.enqueue() for _ in range(20)]
    by: Counter[str] = Counter()

    def of(worker: str) -> Callable[[Job], Awaitable[None]]:
        async def work(job: Job) -> None:
            by[worker] += 1
            await asyncio.sleep(0.02)
            await episode.finish(job)

        return work

    async with working(episode, of("one"), "one"), working(episode, of("two"), "two"):
        for job_id in ids:
            await episode.becomes(job_id, JobState.DONE)
    assert set((await episode.effects()).values()) == {1}
    assert len(await episode.effects()) == sum(by.values()) == 20
    assert set(by) == {"one", "two"}


async def test_the_most_urgent_comes_first_then_the_oldest_and_none_before_its_time(episode: Episode) -> None:
    late, first = await episode.enqueue(), await episode.enqueue()
    await episode.set(late, not_before=text("clock_timestamp() + interval '1 hour'"))
    second, urgent = await episode.enqueue(), await episode.enqueue(priority=1)
    order = [job.id for _ in range(3) if (job := await jobs.claim(episode.database, [KIND], "worker"))]
    assert order == [urgent, first, second]
    assert await jobs.claim(episode.database, [KIND], "worker") is None
    assert await jobs.claim(episode.database, ["another"], "worker") is None


async def claimed(episode: Episode) -> Job:
    job = await jobs.claim(episode.database, [KIND], "worker")
    assert job
    return job


async def test_who_brings_many_at_once_does_not_keep_the_others_waiting(episode: Episode) -> None:
    many, few, one = uuid4(), uuid4(), uuid4()
    for person, count in ((many, 4), (few, 2), (one, 1)):
        for _ in range(count):
            await episode.enqueue(on_behalf_of=person)
    served = []
    for _ in range(7):  # by one worker: whoever was served the longest ago
        job = await claimed(episode)
        served.append(job.on_behalf_of)
        await episode.finish(job)
    assert served == [many, few, one, many, few, many, many]


async def test_the_person_with_the_fewest_running_comes_first_of_equal_priority(episode: Episode) -> None:
    many, few = uuid4(), uuid4()
    many_of = [await episode.enqueue(on_behalf_of=many) for _ in range(4)]
    few_of = [await episode.enqueue(on_behalf_of=few) for _ in range(3)]
    for _ in range(2):
        await episode.finish(await claimed(episode))  # one of each; `few` was served last
    urgent = await episode.enqueue(on_behalf_of=many, priority=1)
    order = [(await claimed(episode)).id for _ in range(6)]
    assert order == [urgent, few_of[1], many_of[1], few_of[2], many_of[2], many_of[3]]


async def test_a_job_whose_worker_fell_silent_is_taken_up_before_what_waits(episode: Episode) -> None:
    many, few = uuid4(), uuid4()
    left = await episode.enqueue(on_behalf_of=many)
    assert (await claimed(episode)).id == left
    await episode.enqueue(on_behalf_of=few)
    kept = await episode.enqueue(on_behalf_of=many, priority=1)
    assert (await claimed(episode)).id == kept
    await episode.set(left, leased_until=text("clock_timestamp()"))
    assert (await claimed(episode)).id == left


def test_a_silent_workers_job_is_looked_for_within_15_seconds() -> None:
    assert queue.LEASE.total_seconds() + working_off.IDLE_SECONDS < 15
    assert queue.LEASE.total_seconds() > 2 * working_off.HEARTBEAT_SECONDS  # one beat may go astray


WAITING_AND_DONE = """
INSERT INTO jobs (id, episode_id, kind, subject_id, on_behalf_of, spec, state, trace, closed_at)
SELECT gen_random_uuid(), gen_random_uuid(), 'job', gen_random_uuid(), md5((n % 100)::text)::uuid, '{}',
       CASE WHEN n <= 2000 THEN 'queued' ELSE 'done' END, '{}', CASE WHEN n > 2000 THEN clock_timestamp() END
FROM generate_series(1, 20000) n"""


async def test_a_claim_looks_at_what_waits_and_not_at_all_that_was_ever_done(episode: Episode) -> None:
    async with episode.database.sessions.begin() as session:
        await session.execute(text(WAITING_AND_DONE))
    async with episode.database.sessions.begin() as session:
        await session.execute(text("ANALYZE jobs"))
        statement = next_of(KIND).compile(episode.database.engine, compile_kwargs={"literal_binds": True})
        plan = list(await session.scalars(text(f"EXPLAIN (ANALYZE, TIMING OFF) {statement}")))
    assert not [line for line in plan if "Seq Scan on jobs" in line], "\n".join(plan)


async def test_a_subject_has_one_open_job_of_a_kind(episode: Episode) -> None:
    subject = uuid4()
    first = await episode.enqueue(subject)
    assert await episode.enqueue(subject) == first
    job = await jobs.claim(episode.database, [KIND], "worker")
    assert job
    assert await episode.enqueue(subject) == first
    await episode.finish(job)
    assert await episode.enqueue(subject) != first


async def test_the_job_of_a_killed_worker_is_done_by_another(
    episode: Episode, world: World, members: Members, hasty: None
) -> None:
    job_id = await episode.enqueue()
    killed = await members.start("work", 1)

    async def begun() -> bool:
        async with episode.database.sessions() as session:
            return bool(await session.scalar(select(attempts.c.member)))

    await eventually(begun)
    killed.send_signal(signal.SIGKILL)
    await killed.wait()
    async with working(episode, episode.finish):
        row = await episode.becomes(job_id, JobState.DONE)
    assert (row.attempts, len(row.silent), row.worker) == (2, 1, "worker")


async def test_a_frozen_worker_that_wakes_finds_its_lease_lost(
    episode: Episode, world: World, members: Members, hasty: None
) -> None:
    job_id = await episode.enqueue()
    frozen = await members.start("work", 1)

    async def begun() -> bool:
        async with episode.database.sessions() as session:
            return bool(await session.scalar(select(attempts.c.member)))

    await eventually(begun)
    frozen.send_signal(signal.SIGSTOP)
    async with working(episode, episode.finish):
        await episode.becomes(job_id, JobState.DONE)
    frozen.send_signal(signal.SIGCONT)
    second = await episode.enqueue()
    async with episode.database.sessions.begin() as session:
        await session.execute(text("DELETE FROM attempts"))
    await eventually(begun)  # it has let go of the first and takes the next
    assert (await episode.row(second)).worker == "worker-1"
    done = await episode.row(job_id)
    assert (done.worker, done.silent, done.attempts) == ("worker", [], 1)  # it was not the job that stopped it


async def test_an_attempt_that_lost_its_lease_writes_nothing(episode: Episode) -> None:
    job_id = await episode.enqueue()
    first = await jobs.claim(episode.database, [KIND], "first")
    assert first
    await episode.set(job_id, leased_until=text("clock_timestamp() - interval '1 second'"))
    second = await jobs.claim(episode.database, [KIND], "second")
    assert second
    assert first.token != second.token
    assert not await jobs.heartbeat(episode.database, first)
    with pytest.raises(LeaseLost):
        await jobs.progress(episode.database, first, {"frames": 1})
    await jobs.hand_back(episode.database, first)
    with pytest.raises(LeaseLost):
        await episode.finish(first)
    with pytest.raises(LeaseLost):
        await episode.give_up(first, "code", "detail")
    assert await episode.effects() == Counter()
    assert (await episode.row(job_id)).state == JobState.RUNNING
    await episode.finish(second)
    assert (await episode.effects()).total() == 1


async def test_a_worker_whose_lease_was_taken_is_stopped_at_the_next_heartbeat(episode: Episode, hasty: None) -> None:
    job_id, stopped = await episode.enqueue(), asyncio.Event()

    async def work(job: Job) -> None:
        await episode.set(job_id, token=uuid4())
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with working(episode, work):
        async with asyncio.timeout(60):
            await stopped.wait()
        follows = await episode.enqueue()  # and it goes on with what comes next
        await episode.becomes(follows, JobState.RUNNING)


async def test_to_hand_back_costs_no_attempt_and_to_fail_does(episode: Episode, hasty: None) -> None:
    seen: list[int] = []

    async def work(job: Job) -> None:
        seen.append(job.attempts)
        if len(seen) <= 3:
            raise HandBack("not now", delay=0.01)
        await jobs.hand_back(episode.database, job, delay=0.01, costs=True)

    await episode.enqueue()
    async with working(episode, work):

        async def enough() -> bool:
            return len(seen) >= 6

        await eventually(enough)
    assert seen[:6] == [1, 1, 1, 1, 2, 3]


async def test_after_its_attempts_a_job_has_failed_with_a_code(episode: Episode, hasty: None) -> None:
    async def work(job: Job) -> None:
        raise RuntimeError("a secret that must not be told")

    job_id = await episode.enqueue()
    async with working(episode, work, attempts=2):
        row = await episode.becomes(job_id, JobState.FAILED)
    assert (row.attempts, row.failure) == (2, {"code": "unexpected", "detail": "RuntimeError"})


async def test_a_job_that_took_two_workers_down_is_given_up(episode: Episode, hasty: None) -> None:
    job_id = await episode.enqueue()
    for _ in range(2):
        assert await jobs.claim(episode.database, [KIND], "dies")
        await episode.set(job_id, leased_until=text("clock_timestamp()"))

    async def work(job: Job) -> None:
        raise AssertionError("it would take a third one down")

    async with working(episode, work):
        row = await episode.becomes(job_id, JobState.FAILED)
    assert row.failure["code"] == "took_workers_down"


async def test_workers_that_the_database_left_alone_are_not_counted_as_lost(episode: Episode, hasty: None) -> None:
    """Two outages longer than a lease, and in the second nobody else is there to take the job up."""
    outages = 0

    async def work(job: Job) -> None:
        nonlocal outages
        if outages == 2:
            return await episode.finish(job)
        outages += 1
        await episode.set(job_id, leased_until=text("clock_timestamp()"))
        if outages == 1:
            assert await jobs.claim(episode.database, [KIND], "another")
            await episode.set(job_id, leased_until=text("clock_timestamp() + interval '1 second'"))
        raise LeaseLost("the heart could not beat")

    job_id = await episode.enqueue()
    async with working(episode, work, attempts=1):
        row = await episode.becomes(job_id, JobState.DONE)
    assert outages == 2
    assert len(row.silent) <= 1  # the other, who claimed it and was never heard of again


async def test_an_outage_of_the_database_costs_no_attempt(episode: Episode, hasty: None) -> None:
    async def work(job: Job) -> None:
        seen.append(job.attempts)
        if len(seen) > 3:
            return await episode.finish(job)
        async with episode.database.sessions.begin() as session:
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    seen: list[int] = []
    job_id = await episode.enqueue()
    async with working(episode, work, attempts=1):
        row = await episode.becomes(job_id, JobState.DONE)
    assert (seen, row.attempts) == ([1, 1, 1, 1], 1)


async def test_a_paused_job_waits_until_it_is_resumed(episode: Episode, hasty: None) -> None:
    suspended = True

    async def work(job: Job) -> None:
        if suspended:
            raise HandBack("suspended", pause=True)
        await episode.finish(job)

    job_id = await episode.enqueue()
    async with working(episode, work):
        await episode.becomes(job_id, JobState.PAUSED)
        assert await jobs.claim(episode.database, [KIND], "another") is None
        suspended = False
        async with episode.work() as uow:
            await jobs.resume(uow)
        row = await episode.becomes(job_id, JobState.DONE)
    assert row.attempts == 1


async def test_a_job_that_is_paused_after_the_episode_was_reinstated_goes_on(episode: Episode, hasty: None) -> None:
    """Its worker was refused, and stopped before it could say so."""
    refused = 0

    async def work(job: Job) -> None:
        nonlocal refused
        if refused:
            return await episode.finish(job)
        refused += 1
        async with episode.work() as uow:
            await jobs.resume(uow)
        raise HandBack("suspended", pause=True)

    job_id = await episode.enqueue()
    async with working(episode, work):
        await episode.becomes(job_id, JobState.DONE)
    assert refused == 1


async def test_an_episodes_end_cancels_its_jobs_and_stops_their_workers_but_not_what_outlives_it(
    episode: Episode, hasty: None
) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def work(job: Job) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    running, waiting = await episode.enqueue(), await episode.enqueue()
    outliving = await episode.enqueue(outlives=True)
    stranger = Episode(episode.database)
    strangers = await stranger.enqueue()
    await episode.set(outliving, not_before=text("clock_timestamp() + interval '1 hour'"))
    await episode.set(strangers, not_before=text("clock_timestamp() + interval '1 hour'"))
    async with working(episode, work), asyncio.timeout(60):
        await begun.wait()
        async with episode.work() as uow:
            assert await jobs.cancel(uow) == 2
        await stopped.wait()
    states = [(await episode.row(job_id)).state for job_id in (running, waiting, outliving, strangers)]
    assert states == [JobState.CANCELLED, JobState.CANCELLED, JobState.QUEUED, JobState.QUEUED]


async def test_what_is_forgotten_is_the_closed_jobs_of_the_recording_and_those_cancelled_are_counted(
    episode: Episode,
) -> None:
    recording, another = uuid4(), uuid4()
    done = await episode.enqueue(about=[recording])
    job = await jobs.claim(episode.database, [KIND], "worker")
    assert job
    await episode.finish(job)
    cancelled = await episode.enqueue(about=[another, recording])
    kept = [await episode.enqueue(about=[another]), await episode.enqueue(about=[recording], outlives=True)]
    async with episode.work() as uow:
        assert await jobs.forget(uow, recording) == 0  # the done one; the open one is nobody's to forget
        assert await jobs.cancel(uow, recording) == 1
    async with episode.work() as uow:
        assert await jobs.forget(uow, recording) == 1
        assert await jobs.forget(uow, recording) == 0
    async with episode.database.sessions() as session:
        assert set(await session.scalars(select(jobs.jobs.c.id))) == set(kept)
    assert not {done, cancelled} & set(kept)


async def test_what_was_waited_for_is_looked_at_now(episode: Episode) -> None:
    job_id = await episode.enqueue()
    await episode.set(job_id, not_before=text("clock_timestamp() + interval '1 hour'"))
    async with episode.work() as uow:
        await jobs.hurry(uow, jobs.jobs.c.id == job_id)
    assert await jobs.claim(episode.database, [KIND], "worker")


async def test_what_comes_while_it_is_looked_for_is_looked_at_again(episode: Episode) -> None:
    job_id = await episode.enqueue()
    for hurried in (False, True):
        job = await jobs.claim(episode.database, [KIND], "worker")
        assert job
        if hurried:
            async with episode.work() as uow:
                await jobs.hurry(uow, jobs.jobs.c.id == job_id)
        await jobs.hand_back(episode.database, job, delay=3600.0)
        assert ((await jobs.claim(episode.database, [KIND], "worker")) is not None) == hurried
        await episode.set(job_id, state=JobState.QUEUED, not_before=text("clock_timestamp()"))


async def test_it_is_known_whether_somebody_works_on_a_job(episode: Episode) -> None:
    subject = uuid4()
    job_id = await episode.enqueue(subject, delay=timedelta(hours=1))

    async def worked_on() -> bool:
        async with episode.database.sessions() as session:
            assert await jobs.trace_of(session, KIND, subject) == {}
            return await jobs.is_worked_on(session, KIND, subject)

    assert await jobs.claim(episode.database, [KIND], "worker") is None
    await episode.set(job_id, not_before=text("clock_timestamp()"))
    assert not await worked_on()
    await claimed(episode)
    assert await worked_on()
    await episode.set(job_id, leased_until=text("clock_timestamp()"))
    assert not await worked_on()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks by itself within the time of a test."""
    monkeypatch.setattr(working_off, "IDLE_SECONDS", 86400.0)


async def test_who_waits_for_a_job_is_told_of_it_also_after_the_connection_was_lost(
    episode: Episode, patient: None
) -> None:
    async with working(episode, episode.finish):
        await episode.becomes(await episode.enqueue(), JobState.DONE)
        for _ in range(2):

            async def ended() -> bool:
                async with episode.database.sessions() as session:
                    listening = "FROM pg_stat_activity WHERE application_name LIKE 'attune-%-jobs'"
                    mine = f"SELECT pg_terminate_backend(pid) {listening} AND datname = current_database()"
                    return bool(await session.scalar(text(mine)))

            await eventually(ended)
            await episode.becomes(await episode.enqueue(), JobState.DONE)
        await episode.becomes(await episode.enqueue(), JobState.DONE)


async def test_a_job_with_a_time_is_done_at_that_time_though_nobody_tells_of_it(
    episode: Episode, patient: None
) -> None:
    handed_back: list[float] = []

    async def work(job: Job) -> None:
        if handed_back:
            return await episode.finish(job)
        handed_back.append(1.0)
        raise HandBack("not now", delay=1.0)

    async with working(episode, work):
        row = await episode.becomes(await episode.enqueue(), JobState.DONE)
    assert row.closed_at >= row.created_at + timedelta(seconds=1)


async def test_scratch_is_remembered_until_it_is_wiped(episode: Episode, hasty: None) -> None:
    wiped: list[str] = []

    async def wipe() -> None:
        wiped.append("now")

    async def work(job: Job) -> None:
        async with episode.work() as uow:
            assert await jobs.scratch_left(uow)
        await episode.finish(job)

    job_id = await episode.enqueue()
    async with working(episode, work, scratch="/scratch/1", wipe=wipe):

        async def clean() -> bool:
            return bool((await episode.row(job_id)).scratch == [])

        await episode.becomes(job_id, JobState.DONE)
        await eventually(clean)
    assert wiped


async def test_a_worker_that_is_stopped_as_its_job_ends_stops(episode: Episode, hasty: None) -> None:
    """The cancellation arrives while the heartbeat is being stopped, and must not be swallowed with it."""
    await episode.enqueue()

    async def work(job: Job) -> None:
        await episode.finish(job)
        asyncio.get_running_loop().call_soon(task.cancel)

    async with working(episode, work) as task:
        async with asyncio.timeout(60):
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
