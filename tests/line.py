"""A line between a client and a service that breaks again and again, in each of the ways in which lines break."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

PIECE = 64 * 1024
WHOLE = 2**62


class Break(StrEnum):
    """What the service is told of it; the client's side is always reset."""

    RESET = "reset"  # what it has not read yet is lost to it
    CLOSED = "closed"
    SILENT = "silent"  # nothing: no packet comes any more, as where a phone has left the building


class Line:
    """Breaks after `every` bytes on average (never an exact number of pieces), each time in the next of the ways.

    sent: bytes that clients have sent, headers too. cuts: how often it broke. dead: set once `until` bytes were sent,
    after which it stays broken until `until` is set higher.
    """

    def __init__(self, url: str, every: int, *, until: int = WHOLE, rate: float = 0, seed: int = 7) -> None:
        self._to, self._every, self._rate = urlsplit(url), every, rate
        self._chance, self._ways = random.Random(seed), list(Break)
        self._left = self._next()
        self._silent = list[asyncio.StreamWriter]()
        self.until = until
        self.dead = asyncio.Event()
        self.cuts = self.sent = 0

    def _next(self) -> int:
        return int(self._chance.expovariate(1 / self._every))

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self._to.hostname, self._to.port)
        back = asyncio.create_task(_carry(there_reader, writer))
        with suppress(OSError):
            while data := await reader.read(PIECE):
                self.sent += len(data)
                left = min(self._left, self.until - self.sent + len(data))
                there_writer.write(data[: max(left, 0)])
                await there_writer.drain()
                if self._rate:
                    await asyncio.sleep(len(data) / self._rate)
                self._left -= len(data)
                if self.sent >= self.until:
                    self.dead.set()
                if left <= len(data):
                    while _unread(self._to.port or 80, there_writer.get_extra_info("sockname")[1]):
                        await asyncio.sleep(0.01)  # on a real line it comes long before the line breaks
                    self._break(writer, there_writer)
                    break
            else:
                there_writer.close()
        back.cancel()
        writer.close()

    def _break(self, writer: asyncio.StreamWriter, there: asyncio.StreamWriter) -> None:
        way = self._ways[self.cuts % len(self._ways)]
        self.cuts += 1
        self._left = self._next()
        writer.transport.abort()
        match way:
            case Break.RESET:
                there.transport.abort()
            case Break.CLOSED:
                there.close()
            case Break.SILENT:
                self._silent.append(there)

    def close(self) -> None:
        for there in self._silent:
            there.close()


def _unread(service: int, ours: int) -> int:
    """Bytes that have come to the service's port from ours, and that it has not read."""
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote, _, queues = row.split()[1:5]
        if [int(end.rpartition(":")[2], 16) for end in (local, remote)] == [service, ours]:
            return int(queues.rpartition(":")[2], 16)
    return 0


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def breaking(line: Line) -> AsyncIterator[str]:
    """The address under which the service is reached over the line."""
    server = await asyncio.start_server(line.connected, "127.0.0.1", 0, limit=PIECE)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        line.close()
