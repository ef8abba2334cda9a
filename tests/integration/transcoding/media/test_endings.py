"""However work ends, nothing is left of it: no process, no folder, no half a film."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from services.transcoding.cut import cut
from services.transcoding.failures import Code, MediaFailed
from services.transcoding.film import review_film
from services.transcoding.jailed import Jail, Progress
from services.transcoding.plan import Plan, plan
from services.transcoding.probe import probe
from services.transcoding.spare import Spare
from tests.films import make, numbers
from tests.integration.transcoding.media.outside import no_strays, runs, tools, until_gone
from tests.patience import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def long(folder: Path) -> Path:
    """A film that takes a while."""
    return make(folder / "long.mp4", 1000, 50, "640x360", metadata=False)


@pytest.fixture
def others() -> Iterator[set[psutil.Process]]:
    """Whom this is not about: the parts that all tests share, say, may run already. Nobody else is left at the end."""
    with no_strays() as before:
        yield before


@pytest.mark.usefixtures("others")
async def test_cancelled_at_any_moment_it_leaves_nothing(long: Path, tmp_path: Path, jail: Jail) -> None:
    made = plan(await probe(long, jail))
    assert isinstance(made, Plan)
    chance = random.Random(7)
    for moment in [0, *(chance.uniform(0, 0.3) for _ in range(8)), 1]:
        before = tools()
        work = asyncio.create_task(review_film(long, made, tmp_path / "film.mp4", jail=jail))
        await asyncio.sleep(moment)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert list(tmp_path.iterdir()) == []  # at once: it was waited for
        until_gone(tools() - before)


@pytest.mark.usefixtures("others")
async def test_cancelled_again_while_it_cleans_up_it_still_leaves_nothing(
    long: Path, tmp_path: Path, jail: Jail
) -> None:
    made = plan(await probe(long, jail))
    assert isinstance(made, Plan)
    begun = asyncio.Event()

    async def hear(_: Progress) -> None:
        begun.set()

    work = asyncio.create_task(review_film(long, made, tmp_path / "film.mp4", hear, jail))
    await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
    while not work.done():
        work.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await work
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("others")
async def test_cancelled_while_it_starts_it_leaves_nothing(source: Path, jail: Jail) -> None:
    """Not even the part that namespaces need to begin."""
    for step in range(25):
        before = tools()
        work = asyncio.create_task(probe(source, jail))
        for _ in range(step):
            await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        until_gone(tools() - before)


async def until_waiting(others: set[psutil.Process]) -> psutil.Process:
    """The spare that this process has, once it has loaded and waits."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            for process in (p for p in tools() - others if runs(p, "python")):
                with suppress(psutil.NoSuchProcess):
                    if process.status() == psutil.STATUS_SLEEPING and any(
                        "av" in m.path for m in process.memory_maps()
                    ):
                        return process
            await asyncio.sleep(0.01)


async def test_a_spare_that_is_killed_while_it_waits_is_not_missed(
    film: Path, tmp_path: Path, jail: Jail, others: set[psutil.Process]
) -> None:
    (tmp_path / "film.mp4").write_bytes(film.read_bytes())
    async with Spare(jail, tmp_path) as spare:
        for moment in (0, 0.02, 0.1, None):
            if moment is None:
                await until_waiting(others)
            else:
                await asyncio.sleep(moment)
            for process in tools() - others:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            made = await cut([(tmp_path / "film.mp4", 33, 93)], tmp_path / "clip.mp4", jail=jail, spare=spare)
            assert made.frames == 60
            assert numbers(tmp_path / "clip.mp4") == list(range(33, 93))


async def test_a_spare_that_is_killed_while_it_works_leaves_all_or_nothing(
    film: Path, tmp_path: Path, jail: Jail, others: set[psutil.Process]
) -> None:
    (tmp_path / "film.mp4").write_bytes(film.read_bytes())
    chance, ends = random.Random(11), set[str]()
    async with Spare(jail, tmp_path) as spare:
        for moment in [1, *(chance.uniform(0, 0.4) for _ in range(8))]:
            clip, before = tmp_path / "clip.mp4", tools() - others
            work = asyncio.create_task(cut([(tmp_path / "film.mp4", 3, 293)], clip, jail=jail, spare=spare))
            await asyncio.sleep(moment)
            for process in before:  # not those that are started instead
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            try:
                await work
                ends.add("made")
                assert numbers(clip) == list(range(3, 293))
                clip.unlink()
            except MediaFailed as error:
                ends.add(error.failure.code)
            assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
        await cut([(tmp_path / "film.mp4", 3, 293)], tmp_path / "clip.mp4", jail=jail, spare=spare)
    assert "made" in ends and ends <= {"made", Code.OVER_LIMIT}


WORKER = """
import asyncio, sys
from pathlib import Path
from services.transcoding import binaries
from services.transcoding.film import review_film
from services.transcoding.jailed import Jail, Limits, run
from services.transcoding.plan import plan
from services.transcoding.probe import probe
from services.transcoding.spare import Spare

async def begun(_):
    print("begun", flush=True)

async def film(source, out):
    await review_film(Path(source), plan(await probe(Path(source))), Path(out), begun)

async def spare(namespaces, folder):
    async with Spare(Jail(namespaces=namespaces == "True"), Path(folder)):
        await begun(None)
        await asyncio.sleep(600)

async def sleep(namespaces):
    program = [str(binaries.python()), "-I", "-S", "-c", "import time; print(1, flush=True); time.sleep(600)"]
    limits, jail = Limits(cpu=60, memory=1024, file=1, patience=900), Jail(namespaces=namespaces == "True")
    await run(program, limits, jail, reads=[binaries.python_library()], on_line=int, on_frames=begun)

asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
"""


@contextmanager
def worker(*words: object) -> Iterator[subprocess.Popen[bytes]]:
    """One in a process of its own, that has begun."""
    root = Path(__file__).parents[4]
    command = [sys.executable, "-c", WORKER, *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env={"PYTHONPATH": str(root)}) as process:
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
        yield process


@pytest.mark.parametrize("stopped_first", [False, True], ids=["killed", "stopped, then killed"])
def test_when_the_worker_is_killed_its_tools_die_with_it(jail: Jail, stopped_first: bool) -> None:
    """The program would go on for ten minutes."""
    with worker("sleep", jail.namespaces) as process:
        working = tools(psutil.Process(process.pid))
        assert working
        if stopped_first:
            process.send_signal(signal.SIGSTOP)
        process.kill()
    until_gone(working)


def test_when_the_worker_is_killed_its_spare_dies_with_it(jail: Jail, tmp_path: Path) -> None:
    with worker("spare", jail.namespaces, tmp_path) as process:
        waiting = tools(psutil.Process(process.pid))
        assert waiting
        process.kill()
    until_gone(waiting)


def test_a_worker_that_was_stopped_goes_on(long: Path, tmp_path: Path) -> None:
    with worker("film", long, tmp_path / "film.mp4") as process:
        everything = [psutil.Process(process.pid), *tools(psutil.Process(process.pid))]
        for each in everything:
            each.suspend()
        time.sleep(1)
        for each in reversed(everything):
            each.resume()
        assert process.stdout
        process.stdout.read()
    assert process.returncode == 0
    assert numbers(tmp_path / "film.mp4") == list(range(1000))
