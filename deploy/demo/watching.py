"""Somebody who watches a film slowly: one response, open while it comes, until its end or until it is cut off."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from deploy.demo.world import Person, Unexpected

# small enough that the film waits at the gateway, not in the buffers of this machine
WINDOW, PACKET = 4096, 536
PAUSE_SECONDS = 5
ON_THE_LINE = 512 * 1024
"""Bytes that may be under way when a response is cut off: a film no longer than that can have been sent whole."""


@dataclass
class Watching:
    """A response of `bytes`, of which `received` have come."""

    bytes: int
    reader: asyncio.StreamReader
    received: int = 0
    hurry: asyncio.Event = field(default_factory=asyncio.Event)  # take what is still under way without a pause

    async def watch(self) -> None:
        """Until nothing comes any more."""
        with suppress(ConnectionError):
            while piece := await self.reader.read(WINDOW):
                self.received += len(piece)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.hurry.wait(), PAUSE_SECONDS)


@asynccontextmanager
async def watching(person: Person, artefact: str) -> AsyncIterator[Watching]:
    """A film that is being watched. Raises Unexpected when it is refused."""
    client = person.clients["curation"]
    where = str(client.base_url.host), int(client.base_url.port or 80)
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, PACKET)
    line.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(line, where)
        reader, writer = await asyncio.open_connection(sock=line, limit=WINDOW)
    except BaseException:
        line.close()
        raise
    try:
        writer.write(
            f"GET /v1/media/{artefact} HTTP/1.1\r\nHost: {where[0]}:{where[1]}\r\n"
            f"Authorization: {client.headers['Authorization']}\r\nConnection: close\r\n\r\n".encode()
        )
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        if " 200" not in status:
            raise Unexpected(f"playback answered {status}")
        said = dict(line.lower().split(": ", 1) for line in lines if line)
        yield Watching(int(said["content-length"]), reader)
    finally:
        writer.close()
