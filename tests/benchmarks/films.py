"""A film of 60 s, 1080p25 at 12 Mb/s. The bare tool is ffmpeg alone, the same binary with the same flags, from file to
file; beside it stands the review film as a worker makes it: in the jail, with its progress told, looked at afterwards.
Then all that is made of a film (poster, sprite, waveform) beside the review film alone. Then the whole job, from the
moment the real worker leases it (by the job's row) to the commit of its result: permit, staging and unsealing, probes,
all that is made, sealing and storing. Last, the most memory that the worker and its children held at any moment of a
film four times as long, beside one of a quarter.
"""

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from services.transcoding import binaries, ffmpeg
from services.transcoding.film import review_film
from services.transcoding.jailed import Progress
from services.transcoding.pictures import pictures
from services.transcoding.plan import Plan, plan
from services.transcoding.probe import probe
from shared.jobs.queue import LEASE
from tests.benchmarks.figures import Figure, Goal, in_turn
from tests.benchmarks.messages import beside, connected
from tests.benchmarks.run import PATIENCE_SECONDS, Run, Stand
from tests.benchmarks.uploads import MIB, Resident

JOB = "SELECT leased_until, closed_at, attempts FROM jobs WHERE subject_id = $1 ORDER BY created_at DESC LIMIT 1"
LOOK_SECONDS = 0.5  # before the first heartbeat, which moves the lease; more often would take from the worker


async def measure(run: Run) -> list[Figure]:
    seconds = run.sized(60, 10)
    source = await run.source(seconds)
    planned = plan(await probe(source))
    assert isinstance(planned, Plan), planned
    run.say(f"a review film of {seconds} s, and all that is made of it")
    made = run.folder / "made.mp4"
    of_both: list[tuple[float, float]] = []

    async def bare() -> float:
        return await timed(ffmpeg.review_film(source, planned, run.folder / "bare.mp4"))

    async def jailed() -> float:
        began = time.perf_counter()
        film = await review_film(source, planned, made, heard)
        took = time.perf_counter() - began
        await pictures(made, film, run.folder)
        of_both.append((time.perf_counter() - began, took))
        return took

    of_film = await in_turn(run.sized(3, 1), jailed, bare)
    stand = await run.everything()
    run.say(f"a review film of {seconds} s, by the worker")

    async def whole() -> float:
        family, recording = await stand.upload(source)
        took = await lease_to_result(stand, UUID(recording))
        run.prepared = await stand.prepared(family, recording)  # for those who come later
        return took

    of_job = await in_turn(run.sized(3, 1), whole, bare)
    run.say("memory, by the film's length")
    short, long = await run.source(seconds // 4), run.folder / "long.mp4"
    await timed(_repeated(source, 4, long))
    memory = [(await _memory(stand, long), await _memory(stand, short))]
    of_it = f"review film of {seconds} s"
    return [
        Figure.of_pairs(f"{of_it}: in the jail, with progress", "s", of_film, Goal(most=1.03)),
        Figure.of_pairs(f"{of_it}, poster, sprite, waveform (bare: the film alone)", "s", of_both, Goal(most=1.05)),
        Figure.of_pairs(f"{of_it}: lease to result", "s", of_job, Goal(most=1.1)),
        Figure.of_pairs(
            f"peak memory, film of {4 * seconds} s (bare: of {seconds // 4} s)", "MiB", memory, Goal(most=1.1)
        ),
    ]


async def heard(_: Progress) -> None:
    """As often as a worker is told."""


def _repeated(source: Path, times: int, out: Path) -> list[str]:
    """The same film several times over, nothing coded anew."""
    again = ["-stream_loop", str(times - 1), "-i", str(source), "-c", "copy"]
    return [str(binaries.ffmpeg()), "-v", "error", "-nostdin", "-y", *again, str(out)]


async def _memory(stand: Stand, source: Path) -> float:
    """MiB that the worker and its children held at most while they made all that is made of a film."""
    most = Resident(stand.stack.pid("transcoding-worker"))
    async with beside(most.watch()):
        family, recording = await stand.upload(source)
        await stand.prepared(family, recording)
    return most.peak / MIB


async def lease_to_result(stand: Stand, subject: UUID, every: float = LOOK_SECONDS) -> float:
    """How long the worker had the job of a recording or a clip, by the database's clock."""
    async with connected(stand.stack.database_url("transcoding")) as connection, asyncio.timeout(PATIENCE_SECONDS):
        leased_at: datetime | None = None
        while True:
            job = await connection.fetchrow(JOB, subject)
            if job and job["closed_at"]:
                assert leased_at and job["attempts"] == 1, "it was made too quickly to be seen, or more than once"
                took: timedelta = job["closed_at"] - leased_at
                return took.total_seconds()
            if job and job["leased_until"]:
                leased_at = leased_at or job["leased_until"] - LEASE
            await asyncio.sleep(every)


async def timed(command: list[str]) -> float:
    """Seconds that a program takes."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    return time.perf_counter() - began
