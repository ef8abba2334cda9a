"""All of Attune on a stack of its own, looked at from outside by code that shares nothing with the services."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from joserfc.jwk import OKPKey

from deploy.demo.check import Store
from deploy.demo.events import TOPICS
from deploy.demo.world import World
from deploy.local.stack import Stack
from deploy.system import DATABASES, DEVELOPMENT_ISSUER, PRODUCT, Kind
from shared.identity.tokens import Role, mint
from tests.faults import witness
from tests.faults.changes import relations

PARTICIPANTS = ("upload", "transcoding", "curation", "notification")
# everything of ours that runs for ever
OURS = tuple(process.name for process in PRODUCT if process.kind is Kind.SERVICE)
# the store tells its time in whole seconds, so a skew of one would be seen now and then where there is none
PERMIT_SECONDS, PUT_SECONDS, SKEW_SECONDS = 3, 3, 2
HORIZON_SECONDS = PERMIT_SECONDS + PUT_SECONDS + SKEW_SECONDS
JOBS_TO_DO = "SELECT 'jobs to do: ' || kind FROM jobs WHERE state IN ('queued', 'running', 'paused')"
SETTINGS = {
    "ATTUNE_PERMIT_SECONDS": str(PERMIT_SECONDS),
    "ATTUNE_PUT_SECONDS": str(PUT_SECONDS),
    "ATTUNE_CLOCK_SKEW_SECONDS": str(SKEW_SECONDS),
    "ATTUNE_UPLOAD_SEGMENT_BYTES": "196608",  # so that a film of seconds is several segments
    "ATTUNE_CONSENT_RECONCILE_SECONDS": "5",
    "OTEL_TRACES_EXPORTER": "none",
}


@dataclass(frozen=True)
class Record:
    """One record of a topic, and what it says of itself."""

    raw: ConsumerRecord
    id: str
    type: str
    subject: str
    value: dict[str, Any]

    @property
    def topic(self) -> str:
        return str(self.raw.topic)

    @property
    def key(self) -> str:
        return bytes(self.raw.key or b"").decode()

    @classmethod
    def of(cls, raw: ConsumerRecord) -> "Record":
        headers = {name: (value or b"").decode() for name, value in raw.headers}
        return cls(raw, headers["ce_id"], headers["ce_type"], headers["ce_subject"], json.loads(raw.value))


class House:
    """The stack, and the two films that are uploaded to it: a short one, and one that takes a while to make ready.

    What is read, written and told in it is also written down by others than the services: the store keeps a log, and
    each database has a witness."""

    def __init__(self, stack: Stack, film: Path, long_film: Path) -> None:
        self.stack, self.film, self.long_film = stack, film, long_film
        self.store_log = stack.folder / "store.log"

    def open(self) -> "House":
        """Start everything, with nothing in it yet."""
        self.stack.start(env={**SETTINGS, "VGW_ACCESS_LOG": str(self.store_log)}, without=["traces"])
        asyncio.run(self._call_witnesses())
        return self

    async def _call_witnesses(self) -> None:
        for service in DATABASES:
            async with self.database(service) as database:
                await witness.install(database, relations(service))

    def world(self) -> World:
        key = OKPKey.import_key(json.loads(self.stack.instance.key_file(DEVELOPMENT_ISSUER).read_text()))

        def token(role: str, person: UUID, family: UUID | None) -> str:
            return mint(key, str(person), Role(role), datetime.now(UTC), timedelta(hours=2), family)

        return World(self.stack.url, token)

    @asynccontextmanager
    async def database(self, service: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
        connection = await asyncpg.connect(self.stack.database_url(service))
        try:
            yield connection
        finally:
            await connection.close()

    async def rows(self, service: str, query: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self.database(service) as connection:
            found: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return found

    async def value(self, service: str, query: str, *arguments: Any) -> Any:
        async with self.database(service) as connection:
            return await connection.fetchval(query, *arguments)

    def store(self) -> Store:
        key, secret = self.stack.store.keys["root"]
        return Store(
            {
                "s3": {"endpoint": self.stack.store.endpoint, "key": key, "secret": secret},
                "master_key": str(self.stack.instance.master_key_file),
            }
        )

    def scratch(self) -> list[Path]:
        return [path for path in self.stack.scratch_folders.rglob("*") if path.is_file()]

    async def says(self, process: str) -> tuple[bool, set[str]]:
        """Whether its readiness probe says that it can do something, and what the probe says that it waits for."""
        try:
            async with httpx.AsyncClient(timeout=15.0) as client:
                answer = await client.get(f"{self.stack.url(process)}/health/ready")
        except httpx.TransportError:
            return False, set()
        return answer.status_code == 200, set(answer.json().get("waiting_for", []))

    # Kafka

    async def records(self, topics: Iterable[str] = TOPICS) -> list[Record]:
        """Every record of the topics, per partition in order."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.stack.kafka_servers, enable_auto_commit=False)
        await consumer.start()
        found = []
        try:
            for topic in topics:
                for partition, end in (await _ends(consumer, topic)).items():
                    if end == 0:  # so many assignments in a row without a fetch, and the consumer's stop may hang
                        continue
                    consumer.assign([partition])
                    consumer.seek(partition, 0)
                    while await consumer.position(partition) < end:
                        batch = await consumer.getmany(partition, timeout_ms=5000)
                        found += [Record.of(record) for records in batch.values() for record in records]
        finally:
            await consumer.stop()
        return found

    async def groups(self) -> dict[str, dict[TopicPartition, int]]:
        """The offsets of each consumer group, by partition of its topic; 0 where it has committed nothing."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.stack.kafka_servers)
        await admin.start()
        try:
            names = [name for name, *_ in await admin.list_consumer_groups()]
            committed = {name: await admin.list_consumer_group_offsets(name) for name in names}
        finally:
            await admin.close()
        return {
            name: {place: max(0, offset.offset) for place, offset in offsets.items()}
            for name, offsets in committed.items()
        }

    async def is_behind(self) -> str:
        """Which group has records before it that it has not settled."""
        groups = await self.groups()
        consumer = AIOKafkaConsumer(bootstrap_servers=self.stack.kafka_servers, enable_auto_commit=False)
        await consumer.start()
        try:
            for topic in TOPICS:
                for partition, end in (await _ends(consumer, topic)).items():
                    for group, committed in groups.items():
                        if group.endswith(f".{topic}") and committed.get(partition, 0) < end:
                            return f"{group} has not settled all of partition {partition.partition}"
        finally:
            await consumer.stop()
        return ""

    async def is_busy(self) -> str:
        """What still goes on; nothing when all is quiet."""
        for service in DATABASES:  # one question each: this is asked again and again
            what = await self.value(service, "SELECT 'events to send' FROM outbox UNION ALL " + JOBS_TO_DO + " LIMIT 1")
            if what:
                return f"{service} has {what}"
        if await self.value("consent", "SELECT count(*) FROM erasures WHERE state <> 'certified'"):
            return "an erasure is open"
        if await self.value("upload", "SELECT count(*) FROM uploads WHERE state = 'verifying'"):
            return "a film is being read back"
        try:
            if behind := await self.is_behind():
                return behind
        except KafkaError as error:
            return f"Kafka is not itself again ({type(error).__name__})"
        for service in PARTICIPANTS:
            if await self.value(service, "SELECT count(*) FROM open_erasures"):
                return f"{service} has not heard that an erasure is over"
        return ""


async def _ends(consumer: AIOKafkaConsumer, topic: str) -> dict[TopicPartition, int]:
    ends: dict[TopicPartition, int] = await consumer.end_offsets([TopicPartition(topic, n) for n in range(12)])
    return ends
