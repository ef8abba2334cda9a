"""Every place where nobody's name may stand, read raw; and a canary planted in each, since a search must find.

Nothing here knows what the services take for secret: it reads all there is, and whoever calls it looks for canaries.
"""

import time
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from typing import Any

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from minio import Minio
from minio.commonconfig import Tags

from deploy.local.stack import Stack
from deploy.system import BUCKETS, DATABASES, PRODUCT
from tests.end_to_end.canaries.book import Book

LOOKBACK = 24 * 60 * 60 * 1000  # ms
MOST_TRACES = 100_000
PLANTED = "planted"

Text = tuple[str, bytes | str]
"""Where it stands, and what stands there."""


# what was told


async def topics(stack: Stack) -> AsyncIterator[Text]:
    """Every record of every topic, Kafka's own among them: keys, values, names and values of headers."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_servers)
    await admin.start()
    described = await admin.describe_topics()
    await admin.close()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stack.kafka_servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic["topic"], one["partition"]) for topic in described for one in topic["partitions"]
        ]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            consumer.seek(partition, 0)
        while [one for one in partitions if await consumer.position(one) < ends[one]]:
            for partition, records in (await consumer.getmany(timeout_ms=1000)).items():
                for record in records:
                    headers = [part for name, value in record.headers for part in (name.encode(), value or b"")]
                    said = b"\n".join([record.key or b"", record.value or b"", *headers])
                    yield f"{partition.topic}-{partition.partition}@{record.offset}", said
    finally:
        await consumer.stop()


async def tell_what_nobody_knows(stack: Stack, book: Book) -> None:
    """A record of a type that no version knows, and one whose value is not what its type says, full of canaries."""
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_servers)
    await producer.start()
    new = book.new
    for type in (f"org.example.{new(PLANTED)}", "attune.recording.received.v1"):
        headers = {
            "ce_id": "01a20d30-a9ba-7381-bfc5-ec29e905d07e"
            if "org" in type
            else "01a20d30-a9ba-7381-bfc5-ec29e905d07f",
            "ce_type": type,
            "ce_subject": new(PLANTED),
            "ce_source": new(PLANTED),
            "traceparent": new(PLANTED),
            new(PLANTED): new(PLANTED),
        }
        await producer.send_and_wait(
            "attune.upload",
            f'{{"{new(PLANTED)}": "{new(PLANTED)}"}}'.encode(),
            new(PLANTED).encode(),
            headers=[(name, value.encode()) for name, value in headers.items()],
        )
    await producer.stop()


# what was noted


def logs(stack: Stack) -> Iterator[Text]:
    """Of every process, ours and others'."""
    for path in [stack.folder / "supervisor.log", *sorted((stack.folder / "logs").iterdir())]:
        yield path.name, path.read_bytes()


def plant_logs(stack: Stack, book: Book) -> None:
    for name, _ in list(logs(stack)):
        path = stack.folder / name if name == "supervisor.log" else stack.folder / "logs" / name
        with path.open("a") as log:
            log.write(f"{book.new(PLANTED)}\n")


def spans(stack: Stack) -> Iterator[Text]:
    """Every trace that the viewer has."""
    asked = {"limit": MOST_TRACES, "lookback": LOOKBACK}
    answer = httpx.get(f"{stack.url('traces')}/api/v2/traces", params=asked, timeout=60).raise_for_status()
    yield "the traces", answer.content
    for list_of in ("services", "autocompleteKeys"):
        yield list_of, httpx.get(f"{stack.url('traces')}/api/v2/{list_of}").raise_for_status().content


def plant_spans(stack: Stack, book: Book) -> None:
    span = {
        "id": "1".zfill(16),
        "traceId": "1".zfill(32),
        "name": book.new(PLANTED),
        "timestamp": time.time_ns() // 1000,
        "localEndpoint": {"serviceName": "a stranger"},
        "tags": {"note": book.new(PLANTED)},
    }
    httpx.post(f"{stack.url('traces')}/api/v2/spans", json=[span]).raise_for_status()


def metrics(stack: Stack) -> Iterator[Text]:
    """What every process of ours measures: what its resource is called has a canary from the start."""
    for process in PRODUCT:
        if process.http:
            yield process.name, httpx.get(f"{stack.url(process.name)}/metrics", timeout=60).raise_for_status().content


# what is kept


def store(stack: Stack) -> Iterator[Text]:
    """Of every version of every object its name, metadata and tags; of buckets their tags; uploads in parts."""
    client = _root(stack)
    for bucket in (one.name for one in BUCKETS):
        for one in client.list_objects(bucket_name=bucket, recursive=True, include_version=True):
            name, version = str(one.object_name), one.version_id if one.version_id != "null" else None
            yield f"{bucket}: a name", name
            if not one.is_delete_marker:
                stat = client.stat_object(bucket_name=bucket, object_name=name, version_id=version)
                yield f"{bucket}: metadata", str(dict(stat.metadata or {}))
                tags = client.get_object_tags(bucket_name=bucket, object_name=name, version_id=version)
                yield f"{bucket}: tags", str(dict(tags or {}))


def plant_store(stack: Stack, book: Book) -> None:
    client, new = _root(stack), book.new
    for bucket in (one.name for one in BUCKETS):
        tags = Tags.new_object_tags()
        tags[new(PLANTED)] = new(PLANTED)
        client.put_object(
            bucket_name=bucket,
            object_name=f"{new(PLANTED)}/{new(PLANTED)}",
            data=BytesIO(b"a"),
            length=1,
            metadata={"note": new(PLANTED)},
            tags=tags,
        )


def _root(stack: Stack) -> Minio:
    access, secret = stack.store.keys["root"]
    return Minio(stack.store.endpoint, access_key=access, secret_key=secret, secure=False, region=stack.store.region)


def disks(stack: Stack) -> Iterator[Text]:
    """Every file of the store and the broker, what processes keep for a while, and whatever else lies about."""
    elsewhere = {"postgres", "logs", "mail"}
    for path in sorted(stack.folder.rglob("*")):
        inside = path.relative_to(stack.folder)
        if path.is_file() and inside.parts[0] not in elsewhere and not path.name.endswith("index"):
            yield str(inside), str(inside).encode() + b"\n" + path.read_bytes()


def mails(stack: Stack) -> Iterator[Text]:
    """Everything but whom it goes to; the organisation's name on it has a canary from the start."""
    for path in stack.mail_folder.glob("*.eml"):
        lines = path.read_bytes().splitlines()
        yield path.name, b"\n".join(line for line in lines if not line.startswith((b"To:", b"X-Envelope-To:")))


async def rows(stack: Stack) -> AsyncIterator[tuple[str, str, str, Any]]:
    """Every value in every database: service, table, column, value."""
    for service in DATABASES:
        connection = await asyncpg.connect(stack.database_url(service))
        try:
            tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
            for (table,) in await connection.fetch(tables):
                for row in await connection.fetch(f'SELECT * FROM "{table}"'):
                    for column, value in row.items():
                        yield service, table, column, value
        finally:
            await connection.close()
