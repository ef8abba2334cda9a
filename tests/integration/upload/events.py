"""Kafka from outside: what upload tells, and consent's voice."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from uuid_utils.compat import uuid7

from shared.contracts import PARTITIONS, Event, Wire, cloudevents
from tests.integration.upload.consent import Episode


@dataclass(frozen=True)
class Told:
    id: str
    type: str
    value: dict[str, Any]
    headers: dict[str, str]


async def told(servers: str, where: str | UUID) -> list[Told]:
    """What upload has told of one recording (by its id or its upload's address) until now, each event once."""
    subject = str(where).rpartition("/")[2]
    found: dict[str, Told] = {}
    partitions = [TopicPartition("attune.upload", number) for number in range(PARTITIONS)]
    async with AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            await consumer.seek_to_beginning(partition)
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    headers = {name: value.decode() for name, value in record.headers}
                    if headers["ce_subject"] == subject:
                        event = Told(headers["ce_id"], headers["ce_type"], json.loads(record.value), headers)
                        found.setdefault(event.id, event)
    return list(found.values())


async def says(servers: str, family: Episode, *events: Event) -> None:
    """Consent says this of an episode."""
    wire = Wire(family_id=family.family_id, episode_id=family.id)
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        for event in events:
            headers = cloudevents.headers(event, wire, id=uuid7(), source="consent", time=datetime.now(UTC), cause=None)
            await producer.send_and_wait(
                "attune.consent",
                key=str(wire.key).encode(),
                value=cloudevents.encode(event, wire),
                headers=[(name, value.encode()) for name, value in headers.items()],
            )
