"""A corpus of films that mean harm, in both jails: each is refused, reads and calls nothing, and leaves nothing."""

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from services.transcoding import binaries
from services.transcoding.failures import Code, MediaFailed
from services.transcoding.jailed import Jail
from services.transcoding.probe import LIMITS
from shared.contracts.transcoding import PreparationFailed, RecordingReady
from tests.films import make, numbers
from tests.integration.transcoding.media.corpus import EVERYTHING, HOSTILE, Outside, good
from tests.integration.transcoding.media.making import reviewed
from tests.integration.transcoding.media.outside import Door, Watch, no_strays
from tests.integration.transcoding.world import World

SECRET = "a5ecret-7f21c9"
GOOD = list(range(10))


class Place:
    """A worker's folder, and beside it what no film may reach."""

    def __init__(self, folder: Path) -> None:
        self.own, self.other = folder / "own", folder / "other"
        self.own.mkdir()
        self.other.mkdir()
        (self.other / "secret.txt").write_text(SECRET)
        make(self.other / "film.mp4", 5, metadata=False)
        self.door, self.watch = Door(), Watch(self.other)
        self.outside = Outside(self.other / "film.mp4", self.other / "secret.txt", self.door.port)

    def close(self) -> None:
        self.door.close()
        self.watch.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("place"))
    yield place
    place.close()


def spent() -> float:
    """CPU seconds of all that was started and is gone."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("what", HOSTILE)
async def test_it_gets_its_refusal_and_nothing_else(what: str, place: Place, jail: Jail) -> None:
    hostile = HOSTILE[what]
    source, out = place.own / hostile.name, place.own / "out.mp4"
    source.write_bytes(hostile.write(place.outside))
    said, code = "", None
    before = spent()
    try:
        with no_strays():
            await reviewed(source, out, jail)
    except MediaFailed as failed:
        code, said = failed.failure.code, f"{failed.failure.detail} {failed.failure.sentence}"
    cost = spent() - before
    try:
        assert code is hostile.code, said
        assert place.watch.touched() == set()
        assert place.door.visitors == 0
        assert SECRET not in said
        left = {path.name for path in place.own.iterdir()} - {hostile.name}
        assert left == (set() if code else {"out.mp4"})
        assert not code or code is Code.OVER_LIMIT or "try again" not in said
        assert cost < LIMITS.cpu
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10 < LIMITS.memory
        source.write_bytes(good())  # and whoever made this goes on to the next
        await reviewed(source, out, jail)
        assert numbers(out) == GOOD
    finally:
        for path in place.own.iterdir():
            path.unlink()


@pytest.mark.parametrize("what", [what for what, hostile in HOSTILE.items() if hostile.opens])
def test_without_our_walls_it_would_reach_outside(what: str, place: Place) -> None:
    hostile = HOSTILE[what]
    source = place.own / "film.mp4"
    source.write_bytes(hostile.write(place.outside))
    command = [str(binaries.ffmpeg()), "-nostdin", "-v", "error", *EVERYTHING, *(hostile.opens or ())]
    subprocess.run([*command, "-i", str(source), "-f", "null", "-"], check=False, capture_output=True, timeout=60)
    source.unlink()
    came, place.door.visitors = place.door.visitors, 0
    assert place.watch.touched() or came


async def test_a_worker_refuses_them_all_and_then_makes_a_good_film(world: World, place: Place, tmp_path: Path) -> None:
    """One process, one job after another, as in production."""
    expected: dict[UUID, Code] = {}
    path = tmp_path / "film"
    for hostile in HOSTILE.values():
        if hostile.code not in (None, Code.EMPTY, Code.OVER_LIMIT):  # nothing to store; tried three times
            path.write_bytes(hostile.write(place.outside))
            expected[await world.recording(path)] = hostile.code
    path.write_bytes(good())
    film = await world.recording(path)
    async with world.working():
        await world.becomes(film, "done", "failed")
    told = await world.told()
    assert {e.recording_id: e.code for e in told if isinstance(e, PreparationFailed)} == expected
    (ready,) = [e for e in told if isinstance(e, RecordingReady)]
    assert (ready.recording_id, ready.frames) == (film, len(GOOD))
    assert place.watch.touched() == set()
    assert place.door.visitors == 0
