"""Members, relays and workers on real Kafka and PostgreSQL."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from deploy.local.supervisor import CHECKOUT
from shared.database import Database
from shared.messaging import Events
from tests.integration.messaging.world import World, passed
from tests.patience import PATIENCE_SECONDS
from tests.stack import Database as TestDatabase
from tests.stack import Databases

T = TypeVar("T")


async def eventually(what: Callable[[], Coroutine[Any, Any, T]], seconds: float = PATIENCE_SECONDS) -> T:
    """The first answer that is true, asked again and again."""
    async with asyncio.timeout(seconds):
        while not (answer := await what()):
            await asyncio.sleep(0.05)
        return answer


@pytest.fixture(scope="module")
def homes(databases: Databases) -> Iterator[tuple[TestDatabase, TestDatabase]]:
    """Databases of the two services, emptied for each test: to make one and to drop it takes seconds."""
    both = databases.migrated("notification"), databases.migrated("notification")
    yield both
    for one in both:
        databases.drop(one.name)


@pytest.fixture
async def world(
    request: pytest.FixtureRequest, homes: tuple[TestDatabase, TestDatabase], kafka_servers: str
) -> AsyncIterator[World]:
    """A module that says `TOPICS = False` needs no broker."""
    topics: bool = getattr(request.module, "TOPICS", True)
    reader, writer = homes
    world = World(reader.url, writer.url, kafka_servers)
    await world.create_tables()
    if topics:
        await world.create_topics()
    yield world
    world.types.forget()
    if topics:
        await world.delete_topics()


@pytest.fixture
async def reader(world: World) -> AsyncIterator[Database]:
    """The reader's database; no commit of an offset may have passed a record that was not in the inbox."""
    database = world.database()
    yield database
    async with database.sessions() as session:
        assert (await session.execute(select(passed))).all() == []
    await database.close()


@asynccontextmanager
async def consuming(world: World, events: Events) -> AsyncIterator[Events]:
    """A member in this process."""
    database = world.database()
    events.bind(database, world.kafka)
    running = asyncio.create_task(events.run())
    try:
        yield events
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await database.close()


async def look(database: Database, at: Callable[[AsyncSession], Coroutine[Any, Any, T]]) -> T:
    async with database.sessions() as session:
        return await at(session)


@dataclass
class Members:
    """Processes of the world's services."""

    world: World
    running: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, does: str, member: int = 1, **environment: str) -> asyncio.subprocess.Process:
        """A process that consumes, relays or works; a test may arm a failpoint in it."""
        given = {
            "dsn": self.world.dsn,
            "writer_dsn": self.world.writer_dsn, "servers": self.world.servers, "name": self.world.name,
            "does": does, "member": member,
        }  # fmt: skip
        started = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.messaging.member",
            json.dumps(given),
            cwd=CHECKOUT,
            env={**os.environ, "ATTUNE_ENVIRONMENT": "development", **environment},
        )
        self.running.append(started)
        return started

    async def stop(self) -> None:
        for process in self.running:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
async def members(world: World) -> AsyncIterator[Members]:
    members = Members(world)
    yield members
    await members.stop()
