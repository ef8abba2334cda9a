"""Offsets are a hint: a watermark per partition that never passes a record which is not in the inbox.

The listener saves double work in a rebalance. Safety does not rest on it: two members on one partition are a waste, the
inbox stops the second effect.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from shared.messaging.progress import Progress
from shared.telemetry import metrics

log = logging.getLogger(__name__)

PERIOD_SECONDS = 0.2
RELEASE_SECONDS = 5.0


class Watermark(ConsumerRebalanceListener):  # type: ignore[misc]
    """Commits what is settled, at most every PERIOD_SECONDS, on revoke and on stop.

    consumer: gives the FastStream subscriber's consumer; none before its start and after its stop.
    """

    def __init__(self, topic: str, consumer: Callable[[], AIOKafkaConsumer | None]) -> None:
        self._topic, self._consumer = topic, consumer
        self.progress = Progress(consumer)
        self.transaction = asyncio.Lock()  # held while a record is in its transaction
        self.let_go = asyncio.Event()  # set when a record that waits must be left to the partition's next owner
        self._settled: dict[TopicPartition, int] = {}
        self._committing = asyncio.Lock()
        self._ticking: asyncio.Task[None] | None = None
        self._refused = ""  # how the last commit failed, if it did

    def settle(self, record: ConsumerRecord) -> None:
        """The record is in the inbox; all below it in its partition are too, since a member takes them in order."""
        self._settled[TopicPartition(record.topic, record.partition)] = record.offset + 1
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._commit_soon())

    async def _commit_soon(self) -> None:
        while self._settled:
            await asyncio.sleep(PERIOD_SECONDS)
            await self._commit()

    async def _commit(self) -> None:
        async with self._committing:
            consumer, settled, self._settled = self._consumer(), self._settled, {}
            if consumer is None:
                return
            offsets = {mine: settled[mine] for mine in settled.keys() & consumer.assignment()}
            if offsets:
                try:
                    await consumer.commit(offsets)
                    self._refused = ""
                except ConsumerStoppedError:
                    pass
                except KafkaError as error:  # what comes again is found in the inbox
                    self._count_refused(error)

    def _count_refused(self, error: Exception) -> None:
        """Logged once per kind, until a commit succeeds."""
        kind = type(error).__name__
        metrics.COMMITS_FAILED.add(1, {"topic": self._topic})
        if kind != self._refused:
            log.warning("offsets of %s are not committed: %s", self._topic, kind)
        self._refused = kind

    async def release(self) -> None:
        """Let go of a record that waits, wait for one in its transaction, commit. A stopping service calls it too."""
        self.let_go.set()
        async with self.transaction:
            try:
                await asyncio.wait_for(self._commit(), RELEASE_SECONDS)
            except TimeoutError as error:
                self._count_refused(error)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self.progress.left()
        await self.release()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._settled, self.let_go = {}, asyncio.Event()
        self.progress.joined()

    async def seek_back(self, record: ConsumerRecord) -> None:
        """Take a record again that was left unsettled, so that none above it is taken first."""
        consumer = self._consumer()
        if consumer is not None:
            with suppress(Exception):  # the partition may have gone meanwhile: then it is its new owner's
                consumer.seek(TopicPartition(record.topic, record.partition), record.offset)
