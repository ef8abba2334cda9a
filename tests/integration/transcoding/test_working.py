"""From a job to what counts, and what is left of an attempt that is refused, loses its lease, fails or dies."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest
from sqlalchemy import text

from deploy.local.stack import Stack
from deploy.local.supervisor import CHECKOUT
from services.transcoding import operations, scratch
from services.transcoding.api import Status
from services.transcoding.cores import Share, cores
from services.transcoding.failures import MEANINGS, Code, Failure, MediaFailed
from services.transcoding.jailed import Progress
from services.transcoding.model import Cut, Make, look_of
from services.transcoding.telling import WEIGHTS, Stage, Telling
from services.transcoding.workers import ATTEMPTS, Worker
from shared import jobs
from shared.contracts.transcoding import ClipCut, PreparationFailed, RecordingReady, StillFailed, StillMade
from shared.database import unit_of_work
from shared.identity import Identity, Role
from shared.media_store import ArtefactWriter, NewArtefact, Refused, StandingPermit, Store
from shared.settings import HorizonSettings
from tests import films
from tests.integration.transcoding.world import World, store_settings
from tests.patience import PATIENCE_SECONDS


def children() -> set[int]:
    """Of this process, threads' too."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


async def made_ready_and_cut(world: World, film: Path) -> tuple[UUID, UUID]:
    """A recording, and a clip of 20 frames of it."""
    recording, clip = await world.recording(film), uuid4()
    async with world.working():
        await world.becomes(recording, "done")
        review_film = (await world.made(recording))["review_film"]
        await world.ask(Make.CLIP, clip, [recording], [Cut(recording, review_film, 10, 30)])
        await world.becomes(clip, "done")
    return recording, clip


async def test_a_film_is_made_ready_and_a_clip_of_it_cut(world: World, short: Path) -> None:
    recording, clip = await made_ready_and_cut(world, short)
    film = (await world.made(recording))["review_film"]
    ready, cut = await world.told()
    assert isinstance(ready, RecordingReady) and ready.frames == 50
    assert isinstance(cut, ClipCut) and cut.frames == 20
    made = {*(await world.made(recording)).values(), *(await world.made(clip)).values()}
    assert {one.artefact_id for one in ready.artefacts} | {cut.artefact_id} == made == await world.stored()
    assert (await world.plain(film))[4:8] == b"ftyp"
    assert (await world.job(recording)).progress == {"frames": 50, "of": 50, "fraction": 1.0}
    assert await world.row("SELECT * FROM attempts") is None
    assert list((world.folder / "worker").iterdir()) == []


async def test_a_still_is_made_under_its_own_purpose_or_says_that_it_may_not(world: World, short: Path) -> None:
    recording, still, refused = await world.recording(short), uuid4(), uuid4()
    async with world.working():
        await world.becomes(recording, "done")
        film = (await world.made(recording))["review_film"]
        before = len(world.giver.asked)
        await world.ask(Make.STILL, still, [recording], [Cut(recording, film, 7, 8)])
        await world.becomes(still, "done")
        asked = world.giver.asked[before:]
        assert {one["purpose"] for one in asked} == {"stills"} and asked[0]["read"] == [str(film)]
        assert [new["kind"] for new in asked[0]["write"]] == ["still"]
        world.giver.refusing = "no_consent"
        await world.ask(Make.STILL, refused, [recording], [Cut(recording, film, 8, 9)])
        await world.becomes(refused, "failed")
    made = (await world.made(still))["still"]
    assert (await world.told())[-2:] == [
        StillMade(still_id=still, artefact_id=made),
        StillFailed(still_id=refused, code="not_allowed", retryable=True),
    ]
    world.giver.refusing = None
    (world.folder / "still.jpg").write_bytes(await world.plain(made))
    assert films.numbers(world.folder / "still.jpg") == [7]
    assert made in await world.stored() and await world.row("SELECT * FROM attempts") is None


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Longer in the making than a permit lives."""
    return films.make(tmp_path_factory.mktemp("films") / "long.mp4", 1500, 50, "640x360")


@pytest.mark.parametrize(
    ("reason", "ends"), [("no_consent", "failed"), ("suspended", "paused"), ("ended", "cancelled")]
)
async def test_a_refusal_in_the_middle_stops_everything(world: World, long: Path, reason: str, ends: str) -> None:
    world.giver.seconds = 1
    recording, before = await world.recording(long), children()
    async with world.working():
        async with asyncio.timeout(60):
            while not ((await world.job(recording)).progress or {}).get("frames"):
                await asyncio.sleep(0.02)
        for pid in (at_it := children() - before):
            os.kill(pid, signal.SIGSTOP)  # ffmpeg, which from now on tells nothing and does not end by itself
        assert at_it
        world.giver.refusing = reason
        await asyncio.to_thread(world.giver.refused.wait, 60)
        stood = (await world.job(recording)).progress
        job = await world.becomes(recording, ends)
        assert job.progress == stood
        assert children() - before == set()
        assert await world.stored() == set()
        assert list((world.folder / "worker").iterdir()) == []
        told = await world.told()
        if ends == "failed":
            assert told == [PreparationFailed(recording_id=recording, code="not_allowed", retryable=True)]
            assert job.failure == {"code": "not_allowed", "detail": reason}
        else:
            assert told == [] and job.attempts == (0 if ends == "paused" else 1)


async def test_nothing_is_noted_of_work_that_is_refused(world: World) -> None:
    recording, worker = uuid4(), world.worker()
    await world.ask(Make.REVIEW_FILM, recording, [recording])
    job = await jobs.claim(world.database, list(Make), "worker")
    assert job
    new = [NewArtefact(uuid4(), world.episode, "review_film")]
    permit = worker.permits.standing("review", world.practitioner, write=new)
    await worker._telling(job, permit, Stage.CODING).coded(Progress(1, 10))
    assert (await world.job(recording)).progress["frames"] == 1
    held, world.giver.refusing = await permit.current(), "no_consent"
    permit.drop(held)
    with pytest.raises(Refused):
        await worker._telling(job, permit, Stage.CODING).coded(Progress(2, 10))
    assert (await world.job(recording)).progress["frames"] == 1


async def test_a_film_waits_for_room_and_one_that_never_fits_is_refused_at_once(
    world: World, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording, worker, other = await world.recording(short), world.worker(), world.folder / "other"
    for folder in (worker.scratch, other):
        scratch.empty(folder)
    half = scratch.room(other) // 2
    monkeypatch.setattr(scratch, "FILM", 1.5 * half / short.stat().st_size)
    assert scratch.reserve(other, half)
    job = await jobs.claim(world.database, list(Make), "worker")
    assert job
    with pytest.raises(jobs.HandBack):
        await worker.work(job)
    assert list(worker.scratch.iterdir()) == []
    scratch.empty(other)
    await jobs.hand_back(world.database, job)
    async with world.working(worker):
        await world.becomes(recording, "done")
        monkeypatch.setattr(scratch, "FILM", 2.0 * scratch.whole(other) / short.stat().st_size)
        failed = await world.becomes(await world.recording(short), "failed")
    assert (failed.failure["code"], failed.attempts) == ("no_room", 1)


async def test_a_scratch_that_is_full_is_no_failure_on_our_side(
    world: World, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("shared.media_store.ArtefactReader.copy_to", full)
    recording, worker = await world.recording(short), world.worker()
    await worker.wipe()
    for attempt in (1, ATTEMPTS):
        await world.sql("UPDATE jobs SET attempts = :before", before=attempt - 1)
        job = await jobs.claim(world.database, list(Make), "worker")
        assert job
        if attempt < ATTEMPTS:
            with pytest.raises(MediaFailed, match="no_room"):
                await worker.work(job)
            await jobs.hand_back(world.database, job, delay=0)
        else:
            await worker.work(job)
    assert (await world.job(recording)).failure["code"] == "no_room"
    assert await world.told() == [PreparationFailed(recording_id=recording, code="no_room", retryable=True)]


async def test_all_that_a_job_does_is_told_of_in_one_number_that_rises_to_its_end(
    world: World, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.transcoding.telling.SECONDS", 0.0)  # the machine may be quick
    monkeypatch.setitem(ArtefactWriter.__init__.__kwdefaults__ or {}, "segment_bytes", 64 * 1024)
    for statement in STANDS:
        await world.sql(statement)
    recording, clip = await made_ready_and_cut(world, short)
    for id, stages in ((recording, list(Stage)), (clip, [Stage.CODING, Stage.SEALING])):
        async with world.database.sessions() as session:
            told = text("SELECT stand FROM stands WHERE job = :job ORDER BY at")
            stands = list(await session.scalars(told, {"job": (await world.job(id)).id}))
        fractions = [stand["fraction"] for stand in stands]
        assert fractions == sorted(fractions) and fractions[-1] == 1
        assert fractions.count(1) == 1  # and not before the last byte is stored and read back
        whole, done = sum(WEIGHTS[stage] for stage in stages), 0
        for stage in stages:
            done += WEIGHTS[stage]
            assert [one for one in fractions if (done - WEIGHTS[stage]) / whole < one <= done / whole], stage
        assert [stand["frames"] for stand in stands] == sorted(stand["frames"] for stand in stands)
    assert stands[-1]["frames"] == 20


async def test_what_was_refused_is_tried_again_anew_and_closes_well(world: World, short: Path) -> None:
    recording = await world.recording(short)
    registered = [set(world.giver.episodes)]
    world.giver.refusing = "no_consent"
    async with world.working():
        await world.becomes(recording, "failed")
        world.giver.refusing = None
        await world.again(recording)
        await world.becomes(recording, "done")
    made = set((await world.made(recording)).values())
    assert made == await world.stored() == set(map(UUID, world.giver.episodes)) - set(map(UUID, *registered))
    failed, ready = await world.told()
    assert isinstance(failed, PreparationFailed) and isinstance(ready, RecordingReady)
    assert (await world.row("SELECT failure FROM works")).failure is None


async def test_an_attempt_without_the_store_is_none_even_where_another_left_something(
    world: World, short: Path
) -> None:
    recording, left = await world.recording(short), uuid4()
    job = await jobs.claim(world.database, list(Make), "worker")
    assert job
    async with unit_of_work(world.database, world.episode) as uow:
        await operations.began(uow, job, [left])
    nowhere = store_settings(world.s3, "transcoding").model_copy(update={"endpoint": "127.0.0.1:9"})
    async with Store(nowhere, HorizonSettings()) as away:
        with pytest.raises(jobs.HandBack):
            await replace(world.worker(), store=away).work(job)
    await jobs.hand_back(world.database, job)
    async with world.working():
        await world.becomes(recording, "done")
    assert left not in await world.stored() and await world.row("SELECT * FROM attempts") is None


STANDS = (
    "CREATE TABLE stands (job uuid, stand jsonb, at bigserial)",
    """CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO stands VALUES (NEW.id, NEW.progress); RETURN NEW; END $$""",
    """CREATE TRIGGER told BEFORE UPDATE OF progress ON jobs FOR EACH ROW
    WHEN (jsonb_typeof(NEW.progress) = 'object') EXECUTE FUNCTION told()""",
)


class Loser(Worker):
    """Loses its lease when all its artefacts are in the store and it is about to say so; once."""

    lost = False

    async def _seal(self, permit: StandingPermit, artefact_id: UUID, path: Path, telling: Telling) -> None:
        await super()._seal(permit, artefact_id, path, telling)
        if path.name == "waveform.png" and not Loser.lost:
            Loser.lost = True
            taken = "UPDATE jobs SET token = gen_random_uuid(), leased_until = now() - interval '1 second'"
            async with self.database.sessions.begin() as session:
                await session.execute(text(taken))


async def test_what_the_loser_wrote_is_purged_and_changes_nothing(world: World, short: Path) -> None:
    recording = await world.recording(short)
    async with world.working(world.worker(kind=Loser)):
        await world.becomes(recording, "done")
    assert Loser.lost
    made, registered = set((await world.made(recording)).values()), set(map(UUID, world.giver.episodes)) - {recording}
    assert made < registered and len(registered) == 2 * len(made)
    assert await world.stored() == made
    assert await world.row("SELECT * FROM attempts") is None
    (ready,) = await world.told()
    assert isinstance(ready, RecordingReady) and {one.artefact_id for one in ready.artefacts} == made


async def test_a_killed_workers_job_is_taken_up_by_another_and_its_scratch_wiped_by_the_next(
    world: World, stack: Stack, short: Path
) -> None:
    recording = await world.recording(short)
    scratch = world.folder / "killed"
    async with _process(world, stack, scratch, failpoint="permit-before-put:kill:3") as killed:  # that of the poster
        assert await asyncio.wait_for(killed.wait(), 120) == -signal.SIGKILL
    assert any(scratch.iterdir())  # the film, plain
    first = await world.stored()
    assert len(first) == 1  # its review film
    await world.sql("UPDATE jobs SET leased_until = now() - interval '1 second'")
    async with world.working(world.worker("another")):
        job = await world.becomes(recording, "done")
        assert job.attempts == 2
        async with asyncio.timeout(60):
            while str(world.folder / "another") in (await world.job(recording)).scratch:
                await asyncio.sleep(0.02)  # it wipes its own only now
    made = set((await world.made(recording)).values())
    assert await world.stored() == made and not made & first
    assert await world.row("SELECT * FROM attempts") is None
    assert (await world.job(recording)).scratch == [str(scratch / "films")]  # so no purge is acknowledged yet
    async with _process(world, stack, scratch), asyncio.timeout(120):
        while (await world.job(recording)).scratch:
            await asyncio.sleep(0.05)
    assert list((scratch / "films").iterdir()) == []


PROMISED = timedelta(seconds=15)
CLAIMS = (
    "CREATE TABLE claims (worker text NOT NULL, at timestamptz NOT NULL)",
    """CREATE FUNCTION claimed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO claims VALUES (NEW.worker, clock_timestamp()); RETURN NEW; END $$""",
    """CREATE TRIGGER claimed BEFORE UPDATE OF attempts ON jobs FOR EACH ROW WHEN (NEW.attempts > OLD.attempts)
    EXECUTE FUNCTION claimed()""",
)


async def test_a_killed_workers_job_is_taken_up_within_15_seconds_where_there_is_another(
    world: World, stack: Stack, short: Path, long: Path
) -> None:
    """By the database's clock, from the kill to the claim, and not before the lease has run out."""
    for statement in CLAIMS:
        await world.sql(statement)
    late = 0.0

    async def machine() -> None:
        """By how much it comes late itself: to wake up and ask the database, as who takes up a job does."""
        nonlocal late
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.1
            await asyncio.sleep(0.1)
            await world.row("SELECT 1")
            late = max(late, loop.time() - due)

    async with _process(world, stack, world.folder / "one") as one, asyncio.timeout(2 * PATIENCE_SECONDS):
        recording = await world.recording(long)
        while not (at_it := _ffmpeg_under(one.pid)):
            await asyncio.sleep(0.02)
        for program in at_it:
            program.suspend()  # it does not end by itself
        async with _process(world, stack, world.folder / "two"):
            await world.becomes(await world.recording(short), "done")  # by the other, which has nothing to do now
            beside = asyncio.create_task(machine())
            killed = (await world.row("SELECT clock_timestamp()"))[0]
            one.kill()
            await one.wait()
            leased_until = (await world.job(recording)).leased_until
            while (job := await world.job(recording)).attempts < 2:
                await asyncio.sleep(0.1)
            beside.cancel()
    taken_up = (await world.row("SELECT at FROM claims WHERE worker = 'two/films' ORDER BY at DESC")).at
    assert job.worker == "two/films"
    assert leased_until <= taken_up <= killed + PROMISED + timedelta(seconds=late)


async def test_a_clip_waits_for_no_film_and_for_no_look_at_one(
    world: World, stack: Stack, short: Path, tmp_path: Path
) -> None:
    coded = films.make(tmp_path / "old.mp4", 1500, 50, encoder=("-c:v", "mpeg4", "-q:v", "5"))  # so its look is, too
    recording = await world.recording(short)
    async with world.working():
        await world.becomes(recording, "done")
    film = (await world.made(recording))["review_film"]
    async with _process(world, stack, world.folder / "both") as process, asyncio.timeout(2 * PATIENCE_SECONDS):
        other, at_it = await world.recording(coded), list[psutil.Process]()
        for begun in (1, 2):
            while len(at_it) < begun:
                await asyncio.sleep(0.02)
                for one in set(_ffmpeg_under(process.pid)) - set(at_it):
                    one.suspend()  # and it does not end by itself
                    at_it.append(one)
            if begun == 1:
                await world.ask(Make.FIRST_LOOK, look_of(other), [other])
        await world.ask(Make.CLIP, (clip := uuid4()), [recording], [Cut(recording, film, 10, 30)])
        await world.becomes(clip, "done")
        assert {(await world.job(one)).state for one in (other, look_of(other))} == {"running"}
        words = [one.cmdline() for one in at_it]
        threads = [int(said[said.index("-threads") + 1]) for said in words]
        with (share := Share(cores())).threads(film=True) as whole, share.threads(film=False) as beside:
            assert threads == [whole, beside]


def _ffmpeg_under(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [one for one in psutil.Process(pid).children(recursive=True) if one.name().startswith("ffmpeg")]
    return []


@asynccontextmanager
async def _process(
    world: World, stack: Stack, scratch: Path, failpoint: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker as it is run, on our database and with our giver of permits."""
    settings = stack.env_of("transcoding-worker") | {
        "ATTUNE_DATABASE_URL": world.database.dsn,
        "ATTUNE_CONSENT_URL": world.giver.url,
        "ATTUNE_SCRATCH_FOLDER": str(scratch),
        "ATTUNE_FAILPOINT": failpoint,
        "ATTUNE_HTTP_PORT": "0",
        "OTEL_TRACES_EXPORTER": "none",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.transcoding.workers"),
        cwd=CHECKOUT,
        env=os.environ | settings,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.mark.parametrize("code", Code)
async def test_a_failure_is_a_sentence_to_one_and_a_detail_to_another(world: World, code: Code) -> None:
    detail = "ffprobe: exit 234, moov atom not found"
    await world.ask(Make.REVIEW_FILM, (recording := uuid4()), [recording])
    job = await jobs.claim(world.database, list(Make), "worker")
    assert job
    async with unit_of_work(world.database, world.episode) as uow:
        await operations.failed(uow, job, Failure(code=code, detail=detail, subject="prores"))
        work = await operations.find(uow.session, recording)

    def shown_to(role: Role) -> Any:
        return Status.of(work, None, Identity(str(uuid4()), role)).model_dump(mode="json")

    shown = shown_to(Role.PRACTITIONER)
    assert shown["failure"] == {
        "code": code,
        "sentence": Failure(code=code, detail="", subject="prores").sentence,
        "retryable": MEANINGS[code].retry,
    }
    assert shown["technical"] is None and "moov" not in str(shown)
    assert shown_to(Role.OPERATOR)["technical"] == {"detail": detail, "plan": None}
    assert (await world.job(recording)).failure == {"code": code, "detail": detail}
    assert await world.told() == [PreparationFailed(recording_id=recording, code=code, retryable=MEANINGS[code].retry)]
