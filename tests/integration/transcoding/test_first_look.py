"""A first look: there before the review film, gone with it, and never in its way."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.transcoding import look as look_at
from services.transcoding.failures import Code, MediaFailed
from services.transcoding.model import Make, look_of
from services.transcoding.workers import Worker
from shared import jobs
from shared.contracts.transcoding import FirstLookReady, PreparationFailed, RecordingReady
from shared.media_store import ArtefactWriter
from tests import films
from tests.integration.transcoding.world import World


async def looked_at(world: World, film: Path) -> tuple[UUID, UUID]:
    """A recording of which both are asked for, and the work on its first look."""
    recording = await world.recording(film)
    await world.ask(Make.FIRST_LOOK, look_of(recording), [recording])
    return recording, look_of(recording)


async def test_a_first_look_comes_first_and_goes_when_the_film_is_there(world: World, short: Path) -> None:
    recording, look = await looked_at(world, short)
    async with world.working():
        await world.becomes(look, "done")
        seen = (await world.made(look))["first_look"]
        assert (await world.plain(seen))[4:8] == b"ftyp"
        assert (await world.job(recording)).state != "done"
        await world.becomes(recording, "done")
        await world.becomes(look, "done")
    first, ready = await world.told()
    assert isinstance(first, FirstLookReady)
    assert isinstance(ready, RecordingReady)
    assert (first.recording_id, first.artefact_id) == (recording, seen)
    assert (first.frames, first.duration_ms, first.rate) == (ready.frames, ready.duration_ms, ready.rate)
    assert await world.made(look) == {}
    assert await world.stored() == set((await world.made(recording)).values())
    assert await world.row("SELECT * FROM attempts") is None
    assert list((world.folder / "worker").iterdir()) == []


async def test_a_first_look_that_comes_after_the_film_is_none(world: World, short: Path) -> None:
    recording, look = await looked_at(world, short)
    await world.sql("UPDATE jobs SET not_before = now() + interval '1 hour' WHERE kind = 'first_look'")
    await world.sql("UPDATE jobs SET created_at = now() - interval '1 minute'")  # so long it is not waited for
    async with world.working():
        await world.becomes(recording, "done")
        await world.sql("UPDATE jobs SET not_before = now() WHERE kind = 'first_look'")
        await world.becomes(look, "done")
    assert [type(event) for event in await world.told()] == [RecordingReady]
    assert await world.made(look) == {}
    assert await world.stored() == set((await world.made(recording)).values())


@pytest.mark.parametrize("head", [0.8, 2])
async def test_browsers_play_no_hevc_so_the_opening_is_coded(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: float
) -> None:
    """And the whole is not staged for that, where the film's beginning and end will do."""
    encoder = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-crf", "30")
    film = films.make(tmp_path / "hevc.mp4", 200, 25, encoder=encoder, sound=False)
    monkeypatch.setattr("services.transcoding.look.HEAD", int(film.stat().st_size * head))
    monkeypatch.setattr("services.transcoding.look.TAIL", 1)
    monkeypatch.setattr("services.transcoding.look.OPENING", 3)
    monkeypatch.setitem(ArtefactWriter.__init__.__kwdefaults__ or {}, "segment_bytes", 64 * 1024)
    recording, look = await looked_at(world, film)
    async with world.working():
        await world.becomes(look, "done")
        seen = (await world.made(look))["first_look"]
        (tmp_path / "look.mp4").write_bytes(await world.plain(seen))
        await world.becomes(recording, "done")
        await world.becomes(look, "done")
    first, ready = await world.told()
    assert isinstance(first, FirstLookReady)
    assert isinstance(ready, RecordingReady)
    assert (first.artefact_id, first.frames, first.rate) == (seen, 75, ready.rate)
    assert films.numbers(tmp_path / "look.mp4") == list(range(75))
    assert await world.stored() == set((await world.made(recording)).values())


async def test_of_what_is_refused_there_is_no_first_look(world: World, tmp_path: Path) -> None:
    films.ffmpeg(*("-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", tmp_path / "sound.mp4"))
    recording, look = await looked_at(world, tmp_path / "sound.mp4")
    async with world.working():
        await world.becomes(look, "done")
        await world.becomes(recording, "failed")
    assert [type(event) for event in await world.told()] == [PreparationFailed]
    plan = (await world.row("SELECT plan FROM works WHERE id = :id", id=look)).plan
    assert plan == {"reasons": ["no video stream with packets, 1 with sound"]}
    assert await world.stored() == set()


async def test_a_first_look_that_fails_is_no_failure_of_the_recording(
    world: World, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise MediaFailed(Code.DAMAGED, "not to be copied")

    monkeypatch.setattr("services.transcoding.look.first_look", fails)
    recording, look = await looked_at(world, short)
    async with world.working():
        assert (await world.becomes(look, "failed")).failure["code"] == "damaged"
        await world.becomes(recording, "done")
    assert [type(event) for event in await world.told()] == [RecordingReady]
    assert await world.row("SELECT * FROM attempts") is None


async def test_a_first_look_overtaken_at_its_end_is_thrown_away(
    world: World, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by another worker that was quicker: by then its bytes are stored."""
    recording, look = await looked_at(world, short)
    worker, seal = world.worker(), Worker._seal
    await worker.wipe()

    async def overtaken(*given: Any) -> None:
        await seal(*given)
        await world.sql("UPDATE works SET state = 'made' WHERE id = :id", id=recording)

    job = await jobs.claim(world.database, [Make.FIRST_LOOK], "worker")
    assert job
    monkeypatch.setattr(Worker, "_seal", overtaken)
    with pytest.raises(jobs.HandBack):
        await worker.work(job)
    monkeypatch.undo()
    assert len(await world.stored()) == 1
    await world.sql("UPDATE jobs SET state = 'cancelled' WHERE kind = 'review_film'")
    await jobs.hand_back(world.database, job)
    async with world.working(world.worker("another")):
        await world.becomes(look, "done")
    assert await world.stored() == set()
    assert await world.told() == []


@pytest.mark.parametrize(
    ("head", "whole", "frames"),
    [(0.5, 1, [150, 500]), (0, 1, [500]), (0.5, 0.5, [150]), (0, 0.5, []), (0.5, 0, [150])],
)
async def test_its_opening_comes_before_the_whole(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: float, whole: float, frames: list[int]
) -> None:
    """Of the first bytes and the last, where the index stands. Without it the whole comes alone, unless it is long.

    whole: 0 stands for no limit, and a scratch that has no room for more than an opening.
    """
    film = films.make(
        tmp_path / "long.mp4", 500, 50, "640x360", encoder=(*films.H264[:4], "-b:v", "8M", *films.H264[6:])
    )
    monkeypatch.setattr("services.transcoding.look.HEAD", int(film.stat().st_size * head))
    monkeypatch.setattr("services.transcoding.look.WHOLE", int(film.stat().st_size * (whole or 1)))
    if not whole:
        monkeypatch.setattr("services.transcoding.scratch.room", lambda _: look_at.ROOM)
    monkeypatch.setattr("services.transcoding.look.TAIL", 1)
    monkeypatch.setattr("services.transcoding.look.OPENING", 3)
    monkeypatch.setitem(ArtefactWriter.__init__.__kwdefaults__ or {}, "segment_bytes", 256 * 1024)
    _, look = await looked_at(world, film)
    await world.sql("UPDATE jobs SET not_before = now() + interval '1 hour' WHERE kind = 'review_film'")
    async with world.working():
        await world.becomes(look, "done")
    told = [one for one in await world.told() if isinstance(one, FirstLookReady)]
    assert [one.frames for one in told] == frames
    assert {one.artefact_id for one in told} == await world.stored()
    if not told:
        return
    assert told[0].rate == told[-1].rate
    (tmp_path / "look.mp4").write_bytes(await world.plain(told[0].artefact_id))
    seen = films.numbers(tmp_path / "look.mp4")
    assert seen[: told[0].frames] == list(range(told[0].frames))
    assert len(seen) <= told[0].frames + 8


async def test_a_film_waits_a_moment_for_its_first_look(world: World, short: Path) -> None:
    """However many workers there are: the one who makes the film takes nothing from the one who is waited for."""
    recording, look = await looked_at(world, short)
    job = await jobs.claim(world.database, [Make.REVIEW_FILM], "worker")
    assert job
    with pytest.raises(jobs.HandBack):
        await world.worker().work(job)
    await world.sql("UPDATE works SET state = 'failed' WHERE id = :id", id=look)
    await jobs.hand_back(world.database, job)
    async with world.working():
        await world.becomes(recording, "done")
