"""From the outbox to the topic: in order, at least once, by one leader per database.

The lock saves work; safety rests on claim, send and delete in order on one connection, and on the inbox of who reads.
"""

import asyncio
import contextlib
import json
import logging
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared import telemetry
from shared.contracts import topic_of
from shared.database import Database
from shared.errors import AttuneError
from shared.failpoints import Failpoint, reach
from shared.settings import KafkaSettings
from shared.telemetry import metrics

log = logging.getLogger(__name__)

BATCH = 500
DEADLINE_SECONDS = 30.0  # an idempotent producer never gives up by itself
STOP_SECONDS = 5.0  # a producer's stop may hang while the broker is away
BACK_OFF_SECONDS = 1.0
POLL_SECONDS = (0.02, 1.0)  # NOTIFY wakes it; looking is the truth
LEADER = 0x6F7574626F78  # advisory lock
CHANNEL = "outbox"
AWAY = (  # what a broker or a database that is away, or comes back, shows as
    KafkaError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError,
)  # fmt: skip

_CLAIM = """
SELECT sequence, key, headers, value, created_at FROM outbox WHERE sequence > $1 ORDER BY sequence LIMIT $2
"""


class Deposed(AttuneError):
    """Another process leads this database's relay."""


class Relay:
    """Sends what the outbox of one database holds to its service's topic.

    `caught_up` is whether the last look left nothing waiting for a broker that does not answer; readiness asks it.
    """

    def __init__(self, database: Database, kafka: KafkaSettings) -> None:
        self._database, self._kafka = database, kafka
        self._topic = topic_of(database.service)
        self.caught_up = True

    async def is_ready(self) -> bool:
        """Whether nothing waits for a broker or a database that does not answer."""
        return self.caught_up

    async def run(self) -> None:
        """For ever: lead if nobody does, else wait for the lead."""
        while True:
            try:
                await self._lead()
            except Deposed:
                self.caught_up = True  # what waits is the leader's
            except AWAY as error:
                self.caught_up = False
                log.warning("relay of %s: %s; starts again at the oldest row", self._topic, type(error).__name__)
            await asyncio.sleep(BACK_OFF_SECONDS)

    async def _lead(self) -> None:
        with telemetry.quietly():
            connection = await self._database.dedicated("relay")
            try:
                if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER):
                    raise Deposed
                await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
                woken = asyncio.Event()
                await connection.add_listener(CHANNEL, lambda *_: woken.set())
                producer = await self._producer()
                try:
                    await self._drain(connection, producer, woken)
                finally:
                    with contextlib.suppress(Exception):
                        await asyncio.wait_for(producer.stop(), STOP_SECONDS)
            finally:
                with contextlib.suppress(Exception):
                    await connection.close(timeout=STOP_SECONDS)

    async def _producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._kafka.servers,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=65536,
        )
        try:
            await asyncio.wait_for(producer.start(), DEADLINE_SECONDS)
        except BaseException:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(producer.stop(), STOP_SECONDS)
            raise
        return producer

    async def _drain(
        self, connection: "asyncpg.Connection[Any]", producer: AIOKafkaProducer, woken: asyncio.Event
    ) -> None:
        pause = POLL_SECONDS[0]
        while True:
            woken.clear()
            rows = await connection.fetch(_CLAIM, 0, BATCH)
            if rows:
                await self._send_all(connection, producer, rows)
                pause = POLL_SECONDS[0]
            self.caught_up = True
            if len(rows) < BATCH:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):  # `wait_for` may swallow a cancellation
                        await woken.wait()
                pause = min(pause * 2, POLL_SECONDS[1])

    async def _send_all(
        self, connection: "asyncpg.Connection[Any]", producer: AIOKafkaProducer, rows: list[asyncpg.Record]
    ) -> None:
        """These and, as long as batches are full, those after them. While one is acknowledged, the one before it is
        deleted and the next claimed; it is sent when every row before it has been acknowledged.

        What commits late with a lower number is of another episode, and found by the next look.
        """
        sent: list[asyncpg.Record] = []
        while rows:
            sending = asyncio.create_task(asyncio.wait_for(self._send(producer, rows), DEADLINE_SECONDS))
            try:
                if sent:
                    await _delete(connection, sent)
                full = len(rows) == BATCH
                following = await connection.fetch(_CLAIM, rows[-1]["sequence"], BATCH) if full else []
                await sending
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
            await reach(Failpoint.RELAY_SENT)
            sent, rows = rows, following
        await _delete(connection, sent)

    async def _send(self, producer: AIOKafkaProducer, rows: list[asyncpg.Record]) -> None:
        """Append in order, then wait for all the acknowledgements at once."""
        with telemetry.send(self._topic, (row["headers"] for row in rows)):
            acknowledged = [
                await producer.send(
                    self._topic,
                    key=str(row["key"]).encode(),
                    value=row["value"],
                    headers=[(name, value.encode()) for name, value in row["headers"].items()],
                )
                for row in rows
            ]
            await asyncio.gather(*acknowledged)
        now = datetime.now(UTC)
        for row in rows:
            metrics.RELAY_LATENCY.record((now - row["created_at"]).total_seconds())


async def _delete(connection: "asyncpg.Connection[Any]", rows: list[asyncpg.Record]) -> None:
    await connection.execute("DELETE FROM outbox WHERE sequence = ANY($1)", [row["sequence"] for row in rows])
