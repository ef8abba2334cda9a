"""A wire that fails as it is told: between the store and its client."""

import asyncio
from types import TracebackType
from typing import Self


class Proxy:
    """Carries bytes to `endpoint` and back, keeps what went there, and loses, stalls, cuts or alters."""

    def __init__(self, endpoint: str = "") -> None:
        self._target = endpoint
        self.requests: list[bytearray] = []  # what each connection carried to the store
        self.brought = 0  # bytes carried back
        self.answers_to_lose = 0  # so many answers are cut off before their first byte,
        self.answers_to_lose_to = ""  # of requests whose first line holds this
        self.cut_after: int | None = None  # bytes of a connection, then it ends
        self.alter_at: int | None = None  # which byte of a connection becomes another
        self.stall_after: int | None = None  # bytes of a connection, then nothing more goes through
        self.withheld = 0  # answers that waited
        self._answering = asyncio.Event()
        self._answering.set()
        self._open: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Condition()

    @property
    def answering(self) -> bool:
        return self._answering.is_set()

    @answering.setter
    def answering(self, value: bool) -> None:
        """While it is not, answers wait."""
        if value:
            self._answering.set()
        else:
            self._answering.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.endpoint = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def reached(self, connections: int) -> None:
        """Until so many connections more have been made."""
        wanted = len(self.requests) + connections
        async with self._arrived:
            await asyncio.wait_for(self._arrived.wait_for(lambda: len(self.requests) >= wanted), 60)

    async def quiet(self) -> None:
        """Until every connection has ended."""
        if self._open:
            await asyncio.wait(self._open, timeout=60)
        assert not self._open

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        carried = bytearray()
        self.requests.append(carried)
        async with self._arrived:
            self._arrived.notify_all()
        try:
            await self._both_ways(reader, writer, carried)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, carried: bytearray) -> None:
        if not self._target:
            while await reader.read(65536):
                pass
            return
        host, port = self._target.split(":")
        there_reader, there = await asyncio.open_connection(host, int(port))
        back = asyncio.create_task(self._back(there_reader, writer, carried))
        try:
            while data := await reader.read(65536):
                before = len(carried)
                carried += data
                if self.alter_at is not None and before <= self.alter_at < len(carried):
                    at = self.alter_at - before
                    data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                if self.cut_after is not None and len(carried) > self.cut_after:
                    return
                if self.stall_after is not None and len(carried) > self.stall_after:
                    continue
                there.write(data)
                await there.drain()
        finally:
            back.cancel()
            there.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, carried: bytearray) -> None:
        while data := await reader.read(65536):
            if not self.answering:
                self.withheld += 1
                await self._answering.wait()
            if self.answers_to_lose and self.answers_to_lose_to.encode() in carried.split(b"\r\n", 1)[0]:
                self.answers_to_lose -= 1
                break
            self.brought += len(data)
            writer.write(data)
            await writer.drain()
        writer.close()
