"""Two films that are long, and small: a phone's of ten minutes whose rate varies all along, and one of an hour at 15 a
second (quick: a twentieth of each). Every picture carries its number and every second its beep. Told is how far a beep
is from its second at worst, in the first minute and in the last, how many pictures are not where they should be, and
how long a minute of film takes from probe to review film.
"""

import asyncio
import time
from pathlib import Path

from services.transcoding.film import review_film
from services.transcoding.plan import Plan, plan
from services.transcoding.probe import probe
from tests import films
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.run import Run

SIZE = "272x96"  # eight pixels for each cell of the number
# The pictures that a phone in the dark keeps.
EVERY_FIFTH_AND_MORE = "not(eq(mod(n\\,5)\\,3))*(gt(mod(n\\,300)\\,20)+mod(n\\,2))"
IN_STEP = 20.0  # ms


def kept(n: int) -> bool:
    return n % 5 != 3 and (n % 300 > 20 or n % 2 == 1)


async def measure(run: Run) -> list[Figure]:
    minutes, hour = run.sized(600, 30) / 60, run.sized(3600, 180) / 60
    variable, constant = run.folder / "variable.mp4", run.folder / "hour.mp4"
    run.say(f"making a film of {minutes:g} min at a variable rate, and one of {hour:g} min")
    keep = EVERY_FIFTH_AND_MORE
    await asyncio.to_thread(films.make, variable, round(minutes * 1800), 30, SIZE, metadata=False, keep=keep)
    await asyncio.to_thread(films.make, constant, round(hour * 900), 15, SIZE, metadata=False)
    expected, last = list[int](), 1  # the first that is kept
    for n in range(1, round(minutes * 1800)):
        last = n if kept(n) else last
        expected.append(last)
    return [
        *await _one(run, f"{minutes:g} min at a variable rate", variable, expected, minutes),
        *await _one(run, f"{hour:g} min", constant, list(range(round(hour * 900))), hour),
    ]


async def _one(run: Run, what: str, source: Path, expected: list[int], minutes: float) -> list[Figure]:
    run.say(f"a review film of {what}")
    out, began = run.folder / "long-review.mp4", time.perf_counter()
    planned = plan(await probe(source))
    assert isinstance(planned, Plan), planned
    film = await review_film(source, planned, out)
    took = (time.perf_counter() - began) / minutes
    seen = await asyncio.to_thread(films.numbers, out)
    wrong = sum(a != b for a, b in zip(seen, expected, strict=False))
    wrong += max(0, abs(len(seen) - len(expected)) - 1)  # the last may be held for one more
    first = await _out_of_step(out, 0, planned)
    final = await _out_of_step(out, int(film.duration) - 60, planned) if film.duration > 60 else first
    return [
        Figure(f"{what}: a beep from its second, first minute", "ms", first, goal=Goal(most=IN_STEP)),
        Figure(f"{what}: a beep from its second, last minute", "ms", final, goal=Goal(most=IN_STEP)),
        Figure(f"{what}: pictures that are not where they should be", "", float(wrong), goal=Goal(most=0)),
        Figure(f"{what}: a minute of it, probed and made", "s", took),
    ]


async def _out_of_step(film: Path, begin: int, planned: Plan) -> float:
    """How far, in ms, a beep of the minute that begins there is from the second that its pitch names, at worst."""
    minute = film.with_name("minute.wav")
    await asyncio.to_thread(films.ffmpeg, "-i", film, "-map", "0:a:0", "-ss", begin, "-t", 60, minute)
    worst = 0.0
    for at, pitch in await asyncio.to_thread(films.beeps, minute):
        heard = begin + at + float(planned.start)  # on the clock of the source
        if at > 0.1:  # one that is cut into begins where the minute does
            worst = max(worst, abs(heard - round(heard)) * 1000 if round(heard) % 60 == pitch else 1000.0)
    return worst
