"""A service asks the consent process over HTTP for a permit to read one film of a family of two, again and again: one
after the other for p50 and p99, 16 at once for the rate. Each is decided on what the database holds at that moment
and written down. The bare tool is the same client's `GET /health/live` of the same process, which answers without
asking anything: what a permit costs beyond HTTP is what lies between.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import date
from uuid import UUID, uuid4

from deploy.demo import acts
from deploy.demo.acts import Family
from shared.http import client
from shared.identity import ServiceToken
from shared.media_store import NewArtefact, Permits
from tests.benchmarks.figures import Figure, in_turn, percentile
from tests.benchmarks.run import Run

AT_ONCE = 16

Ask = Callable[[], Awaitable[object]]


async def measure(run: Run) -> list[Figure]:
    alone, crowd = run.sized(200, 50), run.sized(1_000, 200)
    async with run.stand("consent", "traces") as stand:
        family = await acts.consenting_family(stand.practitioner)
        film, url, keys = uuid4(), stand.stack.url("consent"), stand.stack.instance.key_file
        async with client(url, ServiceToken(keys("upload"))) as http:
            await Permits(http).ask("film", stand.practitioner.id, write=[_recording(film, family)])
        async with client(url, ServiceToken(keys("transcoding")), seconds=60) as http:
            permits = Permits(http)
            run.say(f"permits, {alone} alone and {crowd} of {AT_ONCE} at once a round")

            async def ours() -> object:
                return await permits.ask("review", stand.practitioner.id, read=[film])

            async def bare() -> object:
                return (await http.get("/health/live")).raise_for_status()

            rounds = 3
            slowest: dict[Ask, list[float]] = {ours: [], bare: []}

            async def median_of(ask: Ask) -> float:
                taken = [await _milliseconds(ask) for _ in range(alone)]
                slowest[ask].append(percentile(taken, 0.99))
                return percentile(taken, 0.5)

            async def rate_of(ask: Ask) -> float:
                began = time.perf_counter()
                await asyncio.gather(*(_in_a_row(ask, crowd // AT_ONCE) for _ in range(AT_ONCE)))
                return crowd // AT_ONCE * AT_ONCE / (time.perf_counter() - began)

            half = await in_turn(rounds, lambda: median_of(ours), lambda: median_of(bare))
            rate = await in_turn(rounds, lambda: rate_of(ours), lambda: rate_of(bare))
    late = list(zip(slowest[ours], slowest[bare], strict=True))
    return [
        Figure.of_pairs("permits: granted, 16 at once", "/s", rate),
        Figure.of_pairs("permits: p50", "ms", half),
        Figure.of_pairs("permits: p99", "ms", late),
    ]


def _recording(film: UUID, family: Family) -> NewArtefact:
    people, today = [UUID(person) for person in family.people], date.fromisoformat(acts.TODAY)
    return NewArtefact(film, UUID(family.episode), "recording", people=people, filmed_on=today, happy_to_film=True)


async def _milliseconds(ask: Ask) -> float:
    began = time.perf_counter()
    await ask()
    return (time.perf_counter() - began) * 1000


async def _in_a_row(ask: Ask, times: int) -> None:
    for _ in range(times):
        await ask()
