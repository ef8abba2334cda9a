"""Who waits for a change of a database is told of it, instead of looking again and again."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from shared import telemetry

if TYPE_CHECKING:
    import asyncpg

log = logging.getLogger(__name__)

BACK_OFF_SECONDS = 1.0
ALIVE_SECONDS = 30.0  # a line may break without a word
STOP_SECONDS = 5.0  # closing a connection may hang while the database is away


class Telling:
    """One connection that listens to one channel, for everybody in this process who waits for it.

    It saves looking and promises nothing: who waits looks again by itself after a while.
    """

    def __init__(self, connect: Callable[[], Awaitable["asyncpg.Connection[Any]"]], channel: str) -> None:
        self._connect, self._channel = connect, channel
        self._waiting: set[asyncio.Event] = set()
        self._listening: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def told(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set with each NOTIFY, and when some may have been missed."""
        event = asyncio.Event()
        self._waiting.add(event)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        try:
            yield event
        finally:
            self._waiting.discard(event)
            if not self._waiting and self._listening:
                listening, self._listening = self._listening, None
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self) -> None:
        """For ever; again from the beginning when the connection is lost."""
        with telemetry.quietly():
            while True:
                try:
                    await self._listen_once()
                except Exception as error:
                    log.warning("nobody is told of %s: %s", self._channel, type(error).__name__)
                await asyncio.sleep(BACK_OFF_SECONDS)

    async def _listen_once(self) -> None:
        lost = asyncio.Event()
        connection = await self._connect()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(self._channel, self._tell)
            self._tell()
            while not lost.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ALIVE_SECONDS):
                        await lost.wait()
                await connection.execute("SELECT 1")
        finally:
            with contextlib.suppress(Exception):
                await connection.close(timeout=STOP_SECONDS)

    def _tell(self, *_: object) -> None:
        for event in self._waiting:
            event.set()
