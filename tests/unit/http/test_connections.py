"""Connections survive being cancelled, at any moment, and are used again when all went well."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from shared.http.connections import Connections


class Server:
    """Answers what it is asked, or is silent, and counts its connections."""

    def __init__(self) -> None:
        self.connections = 0
        self.silent = False
        self.now_open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.now_open.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                if not self.silent:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.now_open.discard(writer)
            writer.close()


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", transport=Connections()) as client:
        yield server, client


async def test_a_connection_is_used_again() -> None:
    async with served() as (server, client):
        for _ in range(5):
            assert len((await client.get("/")).content) == 100_000
        assert server.connections == 1


async def test_requests_at_the_same_time_have_connections_of_their_own_and_only_some_are_kept() -> None:
    async with served() as (server, client):
        for _ in range(2):
            answers = await asyncio.gather(*(client.get("/") for _ in range(50)))
            assert {answer.status_code for answer in answers} == {200}
        assert server.connections <= 50 + 30


@pytest.mark.parametrize("steps", range(40))
async def test_a_request_cancelled_at_any_moment_costs_nothing(steps: int) -> None:
    async with served() as (server, client):
        server.silent = steps % 2 == 0
        for _ in range(3):
            given_up = [asyncio.create_task(client.get("/")) for _ in range(50)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in given_up:
                task.cancel()
            await asyncio.gather(*given_up, return_exceptions=True)
        server.silent = False
        async with asyncio.timeout(60):
            assert (await client.get("/")).status_code == 200
            while len(server.now_open) > 21:
                await asyncio.sleep(0.01)


async def test_a_connection_whose_answer_was_not_read_is_not_used_again() -> None:
    async with served() as (server, client):
        async with client.stream("GET", "/") as answer:
            assert answer.status_code == 200
        assert len((await client.get("/")).content) == 100_000
        assert server.connections == 2


async def test_a_connection_that_the_server_closed_is_replaced() -> None:
    async with served() as (server, client):
        await client.get("/")
        for writer in server.now_open:
            writer.close()
        async with asyncio.timeout(60):
            while server.now_open:
                await asyncio.sleep(0.01)
        assert (await client.get("/")).status_code == 200
        assert server.connections == 2
