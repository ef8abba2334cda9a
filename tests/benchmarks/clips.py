"""Frames of a film are cut out of its review film as a worker does it: by the spare that waits for work, in the jail,
the result looked at afterwards; a reel joins five ranges. The bare tool is ffmpeg that codes the same frames anew from
the source, 1080p50 at 25 Mb/s as phones make it, to 720p *veryfast*, with the flags of the review film. The last figure
is a whole job, from lease to result: permit, staging, unsealing, cutting, sealing.
"""

import asyncio
import time
from collections.abc import Sequence
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from uuid import UUID

from deploy.demo import acts
from services.transcoding import ffmpeg
from services.transcoding.cut import cut
from services.transcoding.jailed import FLOOR
from services.transcoding.plan import Plan, plan
from services.transcoding.probe import probe
from services.transcoding.spare import Spare
from tests.benchmarks.figures import Figure, Goal, in_turn
from tests.benchmarks.films import lease_to_result, timed
from tests.benchmarks.run import Run

RATE = 50
LENGTHS = (3, 10)  # seconds
BEGINNINGS = (13, 31, 107, 44, 90)  # frames: in the middle of a GOP, as marks are
REELS = {3: (13, 431, 107, 544, 290), 10: (13, 131, 57, 194, 90)}  # seconds of each clip, and where they begin
IDLE_SECONDS = 1.0  # before a cut, as it is in a day's work: the next spare has loaded by then

Ranges = Sequence[tuple[int, int]]


async def measure(run: Run) -> list[Figure]:
    source = await run.source(run.sized(20, 14), RATE, "25M")
    planned = plan(await probe(source))
    assert isinstance(planned, Plan), planned
    film = run.folder / "review.mp4"
    run.say("making its review film")
    await timed(ffmpeg.review_film(source, planned, film))
    figures = []
    for seconds in LENGTHS:
        run.say(f"clips of {seconds} s")
        clips = [[(first, first + seconds * RATE)] for first in BEGINNINGS]
        pairs = await _pairs(run, source, film, clips)
        figures.append(Figure.of_pairs(f"clip of {seconds} s: the cut", "s", pairs, Goal(most=0.08)))
    for seconds, beginnings in REELS.items():
        run.say(f"reels of five clips of {seconds} s")
        pairs = await _pairs(run, source, film, [[(first, first + seconds * RATE) for first in beginnings]])
        figures.append(Figure.of_pairs(f"reel of five clips of {seconds} s: the cut", "s", pairs, Goal(most=0.07)))
    stand, prepared = await run.everything(), await run.film()
    clip = await acts.mark(stand.practitioner, prepared.recording, "A moment", 31, 31 + LENGTHS[0] * 25)
    took = await lease_to_result(stand, UUID(clip), every=0.005)  # it is soon made
    return [*figures, Figure(f"clip of {LENGTHS[0]} s, 25p: lease to result", "s", took)]


async def _pairs(run: Run, source: Path, film: Path, choices: Sequence[Ranges]) -> list[tuple[float, float]]:
    ours_next, bare_next = cycle(choices), cycle(choices)
    async with Spare(FLOOR, run.folder) as spare:

        async def ours() -> float:
            await asyncio.sleep(IDLE_SECONDS)
            began = time.perf_counter()
            ranges = [(film, first, end) for first, end in next(ours_next)]
            await cut(ranges, run.folder / "clip.mp4", spare=spare)
            return time.perf_counter() - began

        async def bare() -> float:
            parts = [(source, Fraction(RATE), first, end) for first, end in next(bare_next)]
            return await timed(ffmpeg.joined(parts, Fraction(RATE), 1280, 720, run.folder / "again.mp4"))

        return await in_turn(run.sized(5, 1), ours, bare)
