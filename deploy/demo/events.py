"""The topics as any subscriber sees them: every event since the demo began, in the order of arrival."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

TOPICS = [f"attune.{service}" for service in ("consent", "upload", "transcoding", "curation", "notification")]
PATIENCE_SECONDS = 180.0


@dataclass(frozen=True)
class Told:
    """One event, and where it lies."""

    id: str
    type: str
    subject: str
    trace_id: str
    topic: str
    partition: int
    offset: int
    value: dict[str, Any]

    def place(self) -> dict[str, Any]:
        """What the checker needs to find it again."""
        return {
            "id": self.id,
            "type": self.type,
            "subject": self.subject,
            "trace_id": self.trace_id,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
        }


def firsts(told: Iterable[Told], once: Sequence[str]) -> list[Told]:
    """Of events with the same values in these fields the first alone; without fields, each event once."""
    found: dict[Any, Told] = {}
    for event in told:
        found.setdefault(tuple(event.value[name] for name in once) or event.id, event)
    return list(found.values())


class Events:
    """Reads the topics from their end as it was at the start, without a group."""

    def __init__(self, servers: str, patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        self._consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
        self._reading: asyncio.Task[None] | None = None
        self._arrived = asyncio.Condition()
        self.told: list[Told] = []

    async def __aenter__(self) -> "Events":
        await self._consumer.start()
        partitions = [TopicPartition(topic, number) for topic in TOPICS for number in await self._partitions_of(topic)]
        self._consumer.assign(partitions)
        await self._consumer.seek_to_end(*partitions)
        for partition in partitions:
            await self._consumer.position(partition)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reading:
            self._reading.cancel()
        await self._consumer.stop()

    async def _partitions_of(self, topic: str) -> set[int]:
        await self._consumer._client.force_metadata_update()
        while not (found := self._consumer.partitions_for_topic(topic)):
            self._consumer._client.add_topic(topic)
            await self._consumer._client.force_metadata_update()
        return found  # type: ignore[no-any-return]

    async def _read(self) -> None:
        async for record in self._consumer:
            headers = {name: (value or b"").decode() for name, value in record.headers}
            told = Told(
                id=headers["ce_id"],
                type=headers["ce_type"],
                subject=headers["ce_subject"],
                trace_id=headers.get("traceparent", "--").split("-")[1],
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                value=json.loads(record.value),
            )
            async with self._arrived:
                self.told.append(told)
                self._arrived.notify_all()

    def all(self, type: str, which: Callable[[Told], bool] = lambda _: True) -> list[Told]:
        return [event for event in self.told if event.type == f"attune.{type}.v1" and which(event)]

    async def next(self, type: str, *, count: int = 1, once: Sequence[str] = (), **fields: str) -> list[Told]:
        """The first `count` events of a type whose value (or subject) has these fields. Raises TimeoutError.

        once: of events with the same values in these fields, only the first is meant: it was told again.
        """

        def found() -> list[Told]:
            told = self.all(
                type,
                lambda event: all({**event.value, "subject": event.subject}.get(k) == v for k, v in fields.items()),
            )
            return firsts(told, once)

        try:
            async with self._arrived, asyncio.timeout(self.patience):
                await self._arrived.wait_for(lambda: len(found()) >= count)
        except TimeoutError:
            raise TimeoutError(f"{type} {fields} has not been told within {self.patience:.0f} s") from None
        return found()[:count]

    async def one(self, type: str, **fields: str) -> Told:
        return (await self.next(type, count=1, **fields))[0]
