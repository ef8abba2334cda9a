"""A film of a minute, 720p25 at 8 Mb/s, is fetched whole from the real playback gateway, in ranges of 4 MiB as a
browser asks for them: each is authorised, asked for at consent, unsealed, and written down; by one viewer, and by
eight at once. The bare tool reads the same sealed segments from the same store with the same client, by URLs signed
beforehand; that without sealing is the same gateway, whose reader hands out what the store gives it as it is. The
first byte is that of a range anywhere in the film, asked for by one viewer; bare is the store's own. Then a hundred
people watch, from a gateway that has one core: each asks for the next range while the one of 4 MiB before it is
shown, and what comes only after its end is a stall. At last a video element in a real Chromium is sent from frame to
frame, anywhere in the film: each seek is timed from the wish to `seeked`, and the number that is burnt into the
picture is read; the time is of those for which the browser had to ask the gateway (what it has read it keeps), bare
is the same element once the film is a blob in the browser.
"""

import asyncio
import os
import random
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import httpx
import psutil
from minio import Minio

from deploy.local.supervisor import CHECKOUT
from tests.benchmarks.figures import Figure, Goal, in_turn, percentile
from tests.benchmarks.run import PATIENCE_SECONDS, Film, Run, Stand
from tests.benchmarks.seeks import Seek, sought
from tests.benchmarks.watched import RATE, watched

RANGE = 4 * 1024 * 1024
MIB = 1024 * 1024
CROWD = 8
AUDIENCE, BYTES_A_SECOND = 100, 1_000_000

Fetch = Callable[[], Awaitable[int]]  # the whole film; how many bytes


async def measure(run: Run) -> list[Figure]:
    seconds, figures = run.sized(60, 20), list[Figure]()
    async with watched(run, seconds) as (stand, film), httpx.AsyncClient(timeout=60) as http:
        urls = await _segments(stand, film)
        async with _gateway(stand) as sealed, _gateway(stand, "tests.benchmarks.unsealed") as unsealed:
            for viewers, times in ((1, run.sized(2, 1)), (CROWD, 1)):
                who = "one viewer" if viewers == 1 else f"{viewers} viewers at once"
                run.say(f"playback, {who}")
                ours, without = (
                    partial(_rate, partial(_whole, one, film), viewers, times) for one in (sealed, unsealed)
                )
                bare = partial(_rate, partial(_store, http, urls), viewers, times)
                against_bare = Figure.of_pairs(f"playback: {who}", "MiB/s", await in_turn(3, ours, bare))
                pairs = await in_turn(run.sized(5, 3), ours, without)
                without_sealing = Figure.of_pairs(f"playback: {who}, bare: no sealing", "MiB/s", pairs, Goal(least=0.7))
                figures += [against_bare, without_sealing]
            run.say("playback, the first byte")
            figures.append(await _first_bytes(sealed, film, http, urls, run.sized(300, 60)))
        async with _gateway(stand, core=0) as one_core:
            run.say(f"playback, {AUDIENCE} viewers")
            figures += await _audience(one_core, film, run.sized(30, 10))
        times = run.sized(1000, 60)
        run.say(f"playback, {times} seeks in a browser")
        ours_, blob = await asyncio.to_thread(sought, stand, film, times, seconds * RATE, RATE)
    return [*figures, *_seeks(ours_, blob)]


@asynccontextmanager
async def _gateway(
    stand: Stand, module: str = "services.curation.app", core: int | None = None
) -> AsyncIterator["_Gateway"]:
    """A process beside the stack's own, for the practitioner alone."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{found.getsockname()[1]}"
    given = stand.stack.env_of("curation") | {"ATTUNE_HTTP_PORT": url.rpartition(":")[2]}
    with (stand.folder / f"{module}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            cwd=CHECKOUT,
            env=os.environ | given,
            stdout=log,
            stderr=log,
            preexec_fn=None if core is None else partial(os.sched_setaffinity, 0, {core}),
        )
    headers = {"Authorization": stand.practitioner.clients["curation"].headers["Authorization"]}
    connections = httpx.Limits(max_connections=None)
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=connections) as client:
            gateway = _Gateway(client, psutil.Process(process.pid))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await gateway.ready():
                    assert process.returncode is None, f"{module} ended"
                    await asyncio.sleep(0.1)
            yield gateway
    finally:
        process.terminate()
        await process.wait()


class _Gateway:
    def __init__(self, client: httpx.AsyncClient, process: psutil.Process) -> None:
        self.client, self.process = client, process

    async def ready(self) -> bool:
        try:
            return (await self.client.get("/health/ready")).is_success
        except httpx.TransportError:
            return False

    async def range(self, film: Film, first: int) -> tuple[float, int, int]:
        """(seconds to the first byte, how many bytes came, of how many) of the range that begins there."""
        began, here, came = time.perf_counter(), 0.0, 0
        asked = {"Range": f"bytes={first}-{first + RANGE - 1}"}
        async with self.client.stream("GET", f"/v1/media/{film.review_film}", headers=asked) as answer:
            assert answer.status_code == 206, answer.status_code
            async for piece in answer.aiter_raw():
                here = here or time.perf_counter() - began
                came += len(piece)
        return here, came, int(answer.headers["Content-Range"].rpartition("/")[2])


async def _whole(gateway: _Gateway, film: Film) -> int:
    at, length = 0, 1
    while at < length:
        _, came, length = await gateway.range(film, at)
        at += came
    return at


async def _rate(fetch: Fetch, viewers: int, times: int) -> float:
    async def watch() -> int:
        return sum([await fetch() for _ in range(times)])

    began = time.perf_counter()
    fetched = sum(await asyncio.gather(*(watch() for _ in range(viewers))))
    return fetched / MIB / (time.perf_counter() - began)


async def _segments(stand: Stand, film: Film) -> list[str]:
    """Signed URLs of what the film is made of."""
    store, (access, secret) = stand.stack.store, stand.stack.store.keys["root"]
    root = Minio(store.endpoint, access, secret, secure=False, region=store.region)
    prefix = f"{film.family.episode}/{film.review_film}/"
    names = [found.object_name or "" for found in root.list_objects("renditions", prefix, recursive=True)]
    return [root.presigned_get_object("renditions", name, timedelta(hours=1)) for name in names]


async def _store(http: httpx.AsyncClient, urls: list[str]) -> int:
    return sum([len((await http.get(url)).raise_for_status().content) for url in urls])


async def _first_bytes(gateway: _Gateway, film: Film, http: httpx.AsyncClient, urls: list[str], times: int) -> Figure:
    chance = random.Random(5)
    _, _, length = await gateway.range(film, 0)
    ours, bare = list[float](), list[float]()
    for _ in range(times):
        ours.append((await gateway.range(film, chance.randrange(length)))[0])
        began = time.perf_counter()
        async with http.stream("GET", chance.choice(urls)) as answer:
            pieces = answer.aiter_raw()
            await anext(pieces)
            bare.append(time.perf_counter() - began)
            async for _ in pieces:
                pass
    late = percentile(ours, 0.95) * 1000
    return Figure("playback: first byte, p95", "ms", late, percentile(bare, 0.95) * 1000, goal=Goal(most=40))


async def _audience(gateway: _Gateway, film: Film, seconds: int) -> list[Figure]:
    """They come within one range's time of each other, each somewhere in the film; at its end it begins anew."""
    lasts, until, chance = RANGE / BYTES_A_SECOND, time.monotonic() + seconds, random.Random(6)
    _, _, length = await gateway.range(film, 0)
    ahead = list[float]()  # seconds that were left to be shown when a range had come

    async def watch() -> None:
        await asyncio.sleep(chance.random() * lasts)
        at, runs_out = chance.randrange(length), 0.0
        while time.monotonic() < until:
            await asyncio.sleep(max(0.0, runs_out - lasts - time.monotonic()))
            _, came, _ = await gateway.range(film, at)
            now, at = time.monotonic(), (at + came) % length
            if runs_out:
                ahead.append(runs_out - now)
            runs_out = max(runs_out, now) + came / BYTES_A_SECOND

    began, before = time.monotonic(), gateway.process.cpu_times()
    await asyncio.gather(*(watch() for _ in range(AUDIENCE)))
    took, after = time.monotonic() - began, gateway.process.cpu_times()
    busy = (after.user + after.system - before.user - before.system) / took
    who = f"playback: {AUDIENCE} viewers at 8 Mb/s, gateway on one core:"
    return [
        Figure(f"{who} stalls", "", sum(left < 0 for left in ahead), goal=Goal(most=0)),
        Figure(f"{who} least that was left of {lasts:.1f} s", "s", min(ahead)),
        Figure(f"{who} busy", "%", busy * 100),
    ]


def _seeks(ours: list[Seek], blob: list[Seek]) -> list[Figure]:
    late = percentile([seek.took for seek in ours if seek.asked], 0.95)
    return [
        Figure("seek in Chromium, p95", "ms", late, percentile([s.took for s in blob], 0.95), goal=Goal(most=100)),
        Figure("seek in Chromium: the gateway was asked", "%", 100 * sum(seek.asked for seek in ours) / len(ours)),
        Figure(f"{len(ours)} seeks in Chromium: wrong frames", "", sum(not s.right for s in ours), goal=Goal(most=0)),
    ]
