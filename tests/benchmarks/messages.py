"""Events of 512 bytes, and where they go: two services that exist for the benchmarks alone."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import Column, Integer, MetaData, Table, Uuid

from shared.contracts import PARTITIONS, REGISTRY, Event, Wire, cloudevents, topic_of
from shared.database import Database
from shared.settings import DatabaseSettings, KafkaSettings
from tests.benchmarks.run import Stand

WRITER, READER = "bench_writer", "bench_reader"
TOPIC = topic_of(WRITER)
BYTES = 512
BATCH = 500


class Happened(Event):
    number: int
    filling: str


class Noted(Event):
    """What the reader publishes for each."""

    number: int


def _register(model: type[Event], service: str) -> None:
    model.type = f"attune.{service}.{model.__name__.lower()}.v1"
    model.services, model.subject, model.public, model.outlives = (service,), "episode_id", False, False
    REGISTRY[model.type] = model


_register(Happened, WRITER)
_register(Noted, READER)

effects = Table("effects", MetaData(), Column("episode_id", Uuid), Column("number", Integer), Column("event_id", Uuid))


def wires(count: int) -> list[Wire]:
    """Of so many episodes."""
    return [Wire(family_id=uuid4(), episode_id=uuid4()) for _ in range(count)]


def happened(number: int, wire: Wire) -> Happened:
    """Of exactly BYTES on the wire."""
    empty = len(cloudevents.encode(Happened(number=number, filling=""), wire))
    return Happened(number=number, filling="x" * (BYTES - empty))


def headers(event: Event, wire: Wire, event_id: UUID) -> dict[str, str]:
    return cloudevents.headers(event, wire, id=event_id, source=WRITER, time=datetime.now(UTC), cause=None)


@dataclass(frozen=True)
class Place:
    """A database each for writer and reader, and a topic each."""

    kafka: KafkaSettings
    writer_url: str
    reader_url: str

    def writer(self) -> Database:
        return Database(DatabaseSettings.model_validate({"url": self.writer_url}), WRITER)

    def reader(self) -> Database:
        return Database(DatabaseSettings.model_validate({"url": self.reader_url}), READER)


async def prepared(stand: Stand) -> Place:
    databases = stand.databases
    writer, reader = [await asyncio.to_thread(databases.migrated, "notification") for _ in range(2)]
    place = Place(KafkaSettings(servers=stand.stack.kafka_servers, replication=1), writer.url, reader.url)
    admin = AIOKafkaAdminClient(bootstrap_servers=place.kafka.servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic_of(service), PARTITIONS, 1) for service in (WRITER, READER)])
    await admin.close()
    database = place.reader()
    async with database.engine.begin() as connection:
        await connection.run_sync(effects.metadata.create_all)
    await database.close()
    return place


@asynccontextmanager
async def producing(servers: str) -> AsyncIterator[AIOKafkaProducer]:
    """A bare producer, set as the relay's is."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True, linger_ms=2, max_batch_size=65536
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs it while the block does."""
    running = asyncio.create_task(work)
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
