"""A family whose film is prepared is being watched in two ways, by requests one after the other and by one response
that is read slowly, when they withdraw. Counted from the request that says so: until the last byte of the film that
each of them got (the slow one's with the MiB or so that is on its way); until nothing of the family is listed in the
stores; until the certificate. What a permit allowed may still be under way until H is over, so H is the least that a
certificate can take, and stands in place of a bare tool. H is computed from permit, PUT and skew
(ATTUNE_PERMIT_SECONDS, ATTUNE_PUT_SECONDS, ATTUNE_CLOCK_SKEW_SECONDS), and shortened by these alone: to 5 + 5 + 3 s;
and once it is left at its defaults, 30 + 30 + 5 s.
"""

import asyncio
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

import httpx
from minio import Minio

from deploy.demo import acts
from shared.settings import HorizonSettings
from tests.benchmarks.figures import Figure
from tests.benchmarks.run import PATIENCE_SECONDS, Film, Run, Stand

SHORT = {"ATTUNE_PERMIT_SECONDS": "5", "ATTUNE_PUT_SECONDS": "5", "ATTUNE_CLOCK_SKEW_SECONDS": "3"}
SHORT_H = sum(int(seconds) for seconds in SHORT.values())
BUCKETS = ("recordings", "renditions")
SIP, SIP_SECONDS = 32 * 1024, 0.1  # what the slow one reads, and how often
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Gone:
    """Seconds since the withdrawal."""

    asked_anew: float  # the last byte of requests one after the other
    under_way: float  # the last byte of a response that is read slowly
    empty: float
    certified: float


async def measure(run: Run) -> list[Figure]:
    source, figures = await run.source(run.sized(20, 10)), list[Figure]()
    async with run.stand(env=SHORT) as stand:
        rounds = []
        for number in range(run.sized(3, 1)):
            run.say(f"withdrawal with H = {SHORT_H} s, round {number + 1}")
            rounds.append(await _withdrawn(stand, await stand.film(source)))
        figures += _figures(rounds, SHORT_H)
    if not run.quick:
        default = HorizonSettings.model_construct().horizon
        stand, film = await run.everything(), await run.film()
        run.prepared = None  # it is nobody's any more
        run.say(f"withdrawal with H = {default} s")
        figures += _figures([await _withdrawn(stand, film)], default)
    return figures


def _figures(rounds: Sequence[Gone], horizon: int) -> list[Figure]:
    certified, of = median(one.certified for one in rounds), f"withdrawal, H = {horizon} s:"
    return [
        Figure(f"{of} to the last byte of new requests", "s", median(one.asked_anew for one in rounds)),
        Figure(f"{of} to the last byte of a slow response", "s", median(one.under_way for one in rounds)),
        Figure(f"{of} to empty stores", "s", median(one.empty for one in rounds)),
        Figure(f"{of} to the certificate (bare: H)", "s", certified, horizon, certified / horizon),
    ]


async def _withdrawn(stand: Stand, film: Film) -> Gone:
    quick, slow = (asyncio.create_task(one) for one in (_again_and_again(stand, film), _slowly(stand, film)))
    await asyncio.sleep(2)  # both are under way
    began = time.monotonic()
    erasure = await acts.withdraw(stand.practitioner, film.family)
    empty = asyncio.create_task(_empty(stand, film))
    await stand.until("consent", f"/erasures/{erasure}", LOOK_SECONDS, state="certified")
    certified = time.monotonic()
    return Gone(await _soon(quick) - began, await _soon(slow) - began, await _soon(empty) - began, certified - began)


async def _soon(task: "asyncio.Task[float]") -> float:
    return await asyncio.wait_for(task, PATIENCE_SECONDS)


async def _again_and_again(stand: Stand, film: Film) -> float:
    """When the last byte came."""
    client, last = stand.practitioner.clients["curation"], 0.0
    while True:
        asked = client.stream("GET", f"/v1/media/{film.review_film}", headers={"Range": "bytes=0-1048575"})
        with suppress(httpx.TransportError):  # cut off
            async with asked as answer:
                if answer.status_code != 206:
                    return last
                async for _ in answer.aiter_raw():
                    last = time.monotonic()
        await asyncio.sleep(0.02)


async def _slowly(stand: Stand, film: Film) -> float:
    """When the last byte was read of one response, of which both systems hold a MiB or so on its way."""
    last, token = 0.0, stand.practitioner.clients["curation"].headers["Authorization"]
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, SIP)]
    transport = httpx.AsyncHTTPTransport(socket_options=small)
    async with httpx.AsyncClient(transport=transport, base_url=stand.stack.url("curation"), timeout=60) as client:
        asked = client.stream("GET", f"/v1/media/{film.review_film}", headers={"Authorization": token})
        with suppress(httpx.TransportError):  # cut off
            async with asked as answer:
                assert answer.status_code == 200, answer.status_code
                async for _ in answer.aiter_raw(SIP):
                    last = time.monotonic()
                    await asyncio.sleep(SIP_SECONDS)
    return last


async def _empty(stand: Stand, film: Film) -> float:
    """When the stores first held nothing of the family."""
    store, (access, secret) = stand.stack.store, stand.stack.store.keys["root"]
    root = Minio(store.endpoint, access, secret, secure=False, region=store.region)
    prefix = f"{film.family.episode}/"

    def anything() -> bool:
        return any(True for bucket in BUCKETS for _ in root.list_objects(bucket, prefix, recursive=True))

    while await asyncio.to_thread(anything):
        await asyncio.sleep(LOOK_SECONDS)
    return time.monotonic()
