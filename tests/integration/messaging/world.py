"""A world of its own for each test: two services, topics and event types that nobody else has, on the shared broker."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import RecordMetadata
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Integer,
    MetaData,
    Table,
    Uuid,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from shared.contracts import REGISTRY, Event, Wire, cloudevents, topic_of
from shared.contracts.event import Code
from shared.database import Database, UnitOfWork
from shared.messaging import Events, Uow
from shared.messaging.tables import dead_letters, inbox
from shared.settings import DatabaseSettings, KafkaSettings

PARTITIONS = 3

metadata = MetaData()
effects = Table(  # what handlers did, in the order they did it
    "effects",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("episode_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
)
attempts = Table(  # each beginning of a handler, whatever became of it
    "attempts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("member", Integer, nullable=False),
)
published = Table(  # where each record lies
    "published",
    metadata,
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("event_id", Uuid, nullable=False),
)
passed = Table(  # commits of an offset above a record that was not in the inbox
    "passed",
    metadata,
    Column("partition", Integer),
    Column("offset", BigInteger),
    Column("event_id", Uuid),
)
commits = Table("commits", metadata, Column("partition", Integer), Column("offset", BigInteger))


@dataclass
class Types:
    """The world's event types; made anew in every process that needs them."""

    writer: str
    Happened: type[Event] = field(init=False)
    Outlived: type[Event] = field(init=False)
    Ended: type[Event] = field(init=False)
    Noted: type[Event] = field(init=False)  # what the reader publishes

    def __post_init__(self) -> None:
        class Happened(Event):
            """`does`: what its handler does, `milliseconds` long or `times` often."""

            number: int
            does: Code = "fine"
            milliseconds: int = 0
            times: int = 0
            recording_id: UUID | None = None

        class Outlived(Happened):
            pass

        class Ended(Happened):
            pass

        class Noted(Event):
            number: int

        for model, service, outlives in (
            (Happened, self.writer, False),
            (Outlived, self.writer, True),
            (Ended, self.writer, True),
            (Noted, f"reader_{self.writer}", False),
        ):
            model.type = f"attune.{self.writer}.{model.__name__.lower()}.v1"
            model.services, model.subject, model.public, model.outlives = (service,), "episode_id", False, outlives
            REGISTRY[model.type] = model
            setattr(self, model.__name__, model)

    def forget(self) -> None:
        for model in (self.Happened, self.Outlived, self.Ended, self.Noted):
            REGISTRY.pop(model.type, None)


@dataclass
class Record:
    """A record before it is sent; any part of it may be broken."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    event_id: UUID


@dataclass
class World:
    dsn: str  # the reader's
    writer_dsn: str
    servers: str
    name: str = field(default_factory=lambda: f"w{uuid4().hex[:10]}")

    def __post_init__(self) -> None:
        self.types = Types(self.name)
        self.topic, self.reader = topic_of(self.name), f"reader_{self.name}"
        self.kafka = KafkaSettings(servers=self.servers, replication=1)

    def on(self, servers: str) -> None:
        """Move to another broker, where it is to be created anew."""
        self.servers, self.kafka = servers, KafkaSettings(servers=servers, replication=1)

    def database(self) -> Database:
        """The reader's."""
        return Database(DatabaseSettings.model_validate({"url": self.dsn, "pool": 10}), self.reader)

    def writers_database(self) -> Database:
        return Database(DatabaseSettings.model_validate({"url": self.writer_dsn, "pool": 10}), self.name)

    async def create_tables(self) -> None:
        """All of both services' databases are empty."""
        for database in (self.database(), self.writers_database()):
            async with database.engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
                tables = "SELECT string_agg(tablename, ', ') FROM pg_tables WHERE schemaname = 'public'"
                every = await connection.scalar(text(tables + " AND tablename <> 'alembic_version'"))
                await connection.execute(text(f"TRUNCATE {every} RESTART IDENTITY"))
            await database.close()

    async def create_topics(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        await admin.start()
        try:
            wanted = (self.topic, topic_of(self.reader))
            await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in wanted])
        finally:
            await admin.close()

    async def delete_topics(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        await admin.start()
        try:
            await admin.delete_topics([self.topic, topic_of(self.reader)])
        finally:
            await admin.close()

    def record(self, event: Event, episode_id: UUID, family_id: UUID | None = None) -> Record:
        wire = Wire(family_id=family_id or uuid4(), episode_id=episode_id)
        event_id = uuid7()
        headers = cloudevents.headers(event, wire, id=event_id, source=self.name, time=datetime.now(UTC), cause=None)
        return Record(
            str(wire.key).encode(),
            cloudevents.encode(event, wire),
            [(name, value.encode()) for name, value in headers.items()],
            event_id,
        )

    def happened(self, episode_id: UUID, number: int, does: str = "fine", **more: int) -> Record:
        return self.record(self.types.Happened.model_validate({"number": number, "does": does, **more}), episode_id)

    async def publish(self, records: Iterable[Record], *, partition: int | None = None) -> None:
        """In order; where each lies is written down."""
        rows = [
            {"partition": place.partition, "offset": place.offset, "event_id": record.event_id}
            for record, place in await self.send(records, partition=partition)
        ]
        database = self.database()
        async with database.sessions.begin() as session:
            await session.execute(insert(published), rows)
        await database.close()

    async def send(
        self, records: Iterable[Record], *, partition: int | None = None, topic: str | None = None
    ) -> list[tuple[Record, RecordMetadata]]:
        """In order; the database may be away. What is sent only so is not watched."""
        topic = topic or self.topic
        producer = AIOKafkaProducer(bootstrap_servers=self.servers, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            sent = [
                (record, await producer.send(topic, record.value, record.key, partition, headers=record.headers))
                for record in records
            ]
            return [(record, await acknowledged) for record, acknowledged in sent]
        finally:
            await producer.stop()

    async def on_topic(self, topic: str | None = None) -> list[tuple[str, dict[str, str], dict[str, object]]]:
        """Everything on a topic, per partition in order: key, headers, payload."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            places = [TopicPartition(topic or self.topic, number) for number in range(PARTITIONS)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            for place in places:
                consumer.seek(place, 0)
            found = []
            while [place for place in places if await consumer.position(place) < ends[place]]:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += [
                        (
                            (record.key or b"").decode(),
                            cloudevents.text(record.headers),
                            json.loads(record.value or b"null"),
                        )
                        for record in records
                    ]
            return found
        finally:
            await consumer.stop()

    def events(self, member: int = 0, *, without: Sequence[str] = ()) -> Events:
        """The reader's subscriptions. without: names of types that it has no handler for."""
        events, database = Events(self.reader), self.database()
        failed: dict[UUID, int] = {}

        async def happened(event: Event, uow: Uow) -> None:
            await act(self.types, event, uow, database, member, failed)

        for model in (self.types.Happened, self.types.Outlived, self.types.Ended):
            if model.__name__ not in without:
                events.on(model)(_typed(happened, model))
        return events


def _typed(handler, model: type[Event]):  # type: ignore[no-untyped-def]
    """FastStream reads the model from the annotation."""

    async def handle(event, uow: Uow) -> None:  # type: ignore[no-untyped-def]
        await handler(event, uow)

    handle.__annotations__ = {"event": model, "uow": Uow, "return": None}
    return handle


async def act(
    types: Types, event: Event, uow: UnitOfWork, database: Database, member: int, failed: dict[UUID, int]
) -> None:
    """What the event asks of its handler."""
    assert uow.cause
    async with database.sessions.begin() as outside:
        await outside.execute(insert(attempts).values(event_id=uow.cause, member=member))
    given = event.model_dump()
    await uow.session.execute(
        insert(effects).values(episode_id=uow.episode_id, number=given["number"], event_id=uow.cause)
    )
    uow.publish(types.Noted.model_validate({"number": given["number"]}))
    if isinstance(event, types.Ended):
        await uow.end_episode()
    await asyncio.sleep(given["milliseconds"] / 1000)
    match given["does"]:
        case "fail":
            raise RuntimeError("a secret that must not be told")
        case "flaky":
            failed[uow.cause] = failed.get(uow.cause, 0) + 1
            if failed[uow.cause] <= given["times"]:
                raise RuntimeError("not yet")
        case "cancelled":
            other = asyncio.create_task(asyncio.sleep(60))
            other.cancel()
            await other


# what is true at the end


async def outcomes(session: AsyncSession) -> dict[UUID, str]:
    return {row.event_id: row.outcome for row in await session.execute(select(inbox))}


async def letters(session: AsyncSession) -> dict[UUID, str]:
    """Reason by event."""
    return {row.event_id: row.reason for row in await session.execute(select(dead_letters))}


async def numbers(session: AsyncSession, episode_id: UUID) -> list[int]:
    """What happened to the episode, in the order of the effects."""
    wanted = select(effects.c.number).where(effects.c.episode_id == episode_id).order_by(effects.c.id)
    return list(await session.scalars(wanted))
