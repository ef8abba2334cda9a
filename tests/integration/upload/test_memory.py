"""Memory is flat, however much comes in."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator

import psutil

from shared.media_store.writing import AT_ONCE
from tests.integration.upload.conftest import MIB, Client, Clients, Process, Service, film
from tests.integration.upload.consent import Consent

UPLOADS, LENGTH = 10, 100 * MIB
LIMIT = 400 * MIB
SEGMENT = 4 * MIB
# of each film one segment is filled, and of those on their way both the plain bytes and the sealed ones are held;
# of the one that is read back three, each at another stage; and what allocator and sockets keep beside
GROWTH = UPLOADS * (1 + 2 * AT_ONCE) * SEGMENT + 2 * 4 * SEGMENT + 16 * MIB
BLOCK = os.urandom(MIB)


async def content() -> AsyncIterator[bytes]:
    yield film(MIB)
    for _ in range(LENGTH // MIB - 1):
        yield BLOCK


def peak(process: Process) -> int:
    """The most bytes that were resident at once: of the process as the kernel remembers it, and its children now."""
    with open(f"/proc/{process.popen.pid}/status") as status:  # noqa: PTH123
        (line,) = [line for line in status if line.startswith("VmHWM")]
    children = psutil.Process(process.popen.pid).children(recursive=True)
    return int(line.split()[1]) * 1024 + sum(int(child.memory_info().rss) for child in children)


async def test_ten_films_at_once_take_no_more_memory_than_a_few_segments(
    service: Service, clients: Clients, consent: Consent
) -> None:
    process = service.start()
    at_rest = peak(process)

    async def upload() -> tuple[Client, str]:
        family = consent.family()
        client = clients(process, family.practitioner)
        where = await client.begun(family, LENGTH)
        answer = await client.add(where, 0, content())
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(LENGTH)), answer.text
        return client, where

    whole = hashlib.sha256(film(MIB) + BLOCK * (LENGTH // MIB - 1)).hexdigest()
    begun = await asyncio.gather(*(upload() for _ in range(UPLOADS)))
    for client, where in begun:
        assert (await client.received(where, seconds=900))["sha256"] == whole
    print(f"resident at rest {at_rest // MIB} MiB, at most {peak(process) // MIB} MiB")
    assert peak(process) < LIMIT
    assert peak(process) < at_rest + GROWTH
