"""Connections that survive being cancelled."""

import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import httpx

# httpcore asks for it several times a request; where it is not installed, the whole path is searched each time
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]


class Connections(httpx.AsyncBaseTransport):
    """A connection of its own for each request under way, kept for the next one only if all went well.

    httpx's pool never takes back a connection whose request was cancelled at the wrong moment, until none is left
    (encode/httpcore issue 1093). At most `idle` connections are kept.
    """

    def __init__(self, trusted: ssl.SSLContext | None = None, idle: int = 20) -> None:
        self._trusted = trusted or ssl.create_default_context()
        self._most_idle = idle
        self._idle: list[httpx.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        one = httpx.Limits(max_connections=1)
        connection = (
            self._idle.pop()
            if self._idle
            else httpx.AsyncHTTPTransport(verify=self._trusted, trust_env=False, limits=one)
        )
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            await connection.aclose()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Body(response.stream, partial(self._take_back, connection))
        return response

    async def aclose(self) -> None:
        while self._idle:
            await self._idle.pop().aclose()

    async def _take_back(self, connection: httpx.AsyncHTTPTransport, well: bool) -> None:
        if well and len(self._idle) < self._most_idle:
            self._idle.append(connection)
        else:
            await connection.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, closed: Callable[[bool], Awaitable[None]]) -> None:
        self._stream, self._closed = stream, closed
        self._read = self._done = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece
        self._read = True

    async def aclose(self) -> None:
        if self._done:
            return
        self._done = True
        try:
            await self._stream.aclose()
        except BaseException:
            self._read = False
            raise
        finally:
            await self._closed(self._read)
