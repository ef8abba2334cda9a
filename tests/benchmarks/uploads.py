"""One film is sent by one tus `PATCH` to the upload process (asked for at consent, cut into segments, sealed, stored,
each counted in a transaction), until it answers; the bare tool is one httpx `PUT` of the same bytes, from the same
generator, to a bucket of the same store. Then ten films at once, until each is verified, and the most memory that the
upload process and its children held at any moment. At last the client that the portal's page has, in pieces of 8 MiB as
there, sends 48 MiB over a line of 8 MB/s that breaks after 12 MB on average, in turn by a reset, by an end and by
silence: all that it sent, headers too, beside the film.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
from minio import Minio

from deploy.demo import acts, upload
from deploy.local import npm
from deploy.local.supervisor import CHECKOUT
from tests.benchmarks.figures import Figure, Goal, in_turn
from tests.benchmarks.messages import beside
from tests.benchmarks.run import PATIENCE_SECONDS, Run, Stand
from tests.line import Line, breaking

MIB = 1024 * 1024
HEAD = bytes.fromhex("0000002066747970") + b"isom" + bytes.fromhex("00000200") + b"isomiso2avc1mp41"  # an MP4's
BLOCK = os.urandom(MIB)
AT_ONCE, LIMIT = 10, 400  # MiB
LOOK_SECONDS = 0.05
BUCKET = "bench"
BAD_LINE_BYTES = 48 * MIB
CLIENT = CHECKOUT / "tests" / "integration" / "upload" / "client.mjs"


async def content(length: int) -> AsyncIterator[bytes]:
    """So many bytes, a multiple of a MiB, that begin as an MP4 does."""
    yield HEAD + BLOCK[len(HEAD) :]
    for _ in range(length // MIB - 1):
        yield BLOCK


async def measure(run: Run) -> list[Figure]:
    length, each = run.sized(256, 64) * MIB, run.sized(1024, 50) * MIB
    async with run.stand("consent", "upload", "traces") as stand, httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        store, (access, secret) = stand.stack.store, stand.stack.store.keys["root"]
        root = Minio(store.endpoint, access, secret, secure=False, region=store.region)
        await asyncio.to_thread(root.make_bucket, BUCKET)
        run.say(f"an upload of {length // MIB} MiB against one PUT")

        async def ours() -> float:
            took, recording = await _upload(stand, length)
            await stand.until("upload", f"/recordings/{recording}", state="received")
            return length / MIB / took

        async def bare() -> float:
            name = str(uuid4())
            url = root.presigned_put_object(BUCKET, name, timedelta(hours=1))
            began = time.perf_counter()
            answer = await http.put(url, content=content(length), headers={"Content-Length": str(length)})
            took = time.perf_counter() - began
            answer.raise_for_status()
            await asyncio.to_thread(root.remove_object, BUCKET, name)
            return length / MIB / took

        pairs = await in_turn(3, ours, bare)
        run.say(f"{AT_ONCE} uploads of {each // MIB} MiB at once")
        most = Resident(stand.stack.pid("upload"))
        async with beside(most.watch()):
            began = time.perf_counter()
            await asyncio.gather(*(_upload_and_verify(stand, each) for _ in range(AT_ONCE)))
            took = time.perf_counter() - began
        modules = await asyncio.to_thread(npm.install, npm.PORTAL, run.folder / "portal")
        lines = range(run.sized(3, 1))
        pairs_over_a_bad_line = [await _over_a_bad_line(run, stand, modules, seed) for seed in lines]
    of_each = f"{each // MIB} MiB each"
    return [
        Figure.of_pairs("upload: goodput", "MiB/s", pairs, Goal(least=0.7)),
        Figure(f"upload: {AT_ONCE} at once, {of_each}, until verified", "MiB/s", AT_ONCE * each / MIB / took),
        Figure(f"upload: {AT_ONCE} at once, {of_each}, peak memory", "MiB", most.peak / MIB, goal=Goal(most=LIMIT)),
        Figure.of_pairs("upload: 48 MiB, cut every 12 MB: sent", "MiB", pairs_over_a_bad_line, Goal(most=1.02)),
    ]


async def _upload(stand: Stand, length: int) -> tuple[float, str]:
    """Seconds of the PATCH, and the recording."""
    family = await acts.consenting_family(stand.practitioner)
    created = await upload.create(stand.practitioner, length, family.film())
    where = created.headers["Location"]
    headers = {
        **upload.TUS,
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(length),
    }
    began = time.perf_counter()
    answer = await stand.practitioner.clients["upload"].patch(
        where, content=content(length), headers=headers, timeout=PATIENCE_SECONDS
    )
    took = time.perf_counter() - began
    assert answer.status_code == 204, answer.text
    return took, where.rsplit("/", 1)[-1]


async def _upload_and_verify(stand: Stand, length: int) -> None:
    _, recording = await _upload(stand, length)
    await stand.until("upload", f"/recordings/{recording}", 1, state="received")


async def _over_a_bad_line(run: Run, stand: Stand, modules: Path, seed: int) -> tuple[float, float]:
    """MiB that were sent, and of the film."""
    run.say(f"an upload over a bad line, {seed + 1}")
    film, family = run.folder / f"{seed}.mp4", await acts.consenting_family(stand.practitioner)
    await asyncio.to_thread(film.write_bytes, b"".join([piece async for piece in content(BAD_LINE_BYTES)]))
    line = Line(stand.stack.url("upload"), 12_000_000, rate=8_000_000, seed=seed)
    async with breaking(line) as url:
        said = {
            "modules": str(modules),
            "endpoint": f"{url}/v1/uploads",
            "token": stand.practitioner.clients["upload"].headers["Authorization"].removeprefix("Bearer "),
            "film": str(film),
            "chunk": 8 * MIB,
            "memory": str(run.folder / f"{seed}.json"),
            "metadata": family.film(),
        }
        client = await asyncio.create_subprocess_exec(
            *(npm.node_folder() / "bin" / "node", CLIENT, json.dumps(said)), stdout=asyncio.subprocess.PIPE
        )
        spoken, _ = await client.communicate()
    last: dict[str, str] = json.loads(spoken.splitlines()[-1])
    await stand.until("upload", f"/recordings/{last['url'].rpartition('/')[2]}", state="received")
    assert line.cuts, "it was too good a line"
    return line.sent / MIB, BAD_LINE_BYTES / MIB


class Resident:
    """The most bytes that a process and its children held in memory at once."""

    def __init__(self, pid: int) -> None:
        self._process, self.peak = psutil.Process(pid), 0

    async def watch(self) -> None:
        while True:
            family = [self._process, *self._process.children(recursive=True)]
            self.peak = max(self.peak, sum(one.memory_info().rss for one in family))
            await asyncio.sleep(LOOK_SECONDS)
