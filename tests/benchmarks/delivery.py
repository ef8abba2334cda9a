"""One event at a time: from the commit of the unit of work that published it to the first line of its handler,
through outbox, relay, topic and consumer, all in one process that has nothing else to do. The bare tool is an
aiokafka producer's `send()` to a consumer's `getone()`: the same bytes, broker and settings, and no database.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contracts import PARTITIONS, cloudevents, topic_of
from shared.database import unit_of_work
from shared.messaging import Events, Relay, Uow
from tests.benchmarks import messages
from tests.benchmarks.figures import Figure, in_turn, percentile
from tests.benchmarks.messages import READER, Happened, Place
from tests.benchmarks.run import PATIENCE_SECONDS, Run

PAUSE = 0.03  # seconds at most between two events, so that neither side meets the other's habits

Deliver = Callable[[], Awaitable[float]]  # one event; how long it took, in milliseconds


async def measure(run: Run) -> list[Figure]:
    count = run.sized(200, 60)
    slowest: dict[Deliver, list[float]] = {}

    async def median_of(deliver: Deliver) -> float:
        taken = []
        for _ in range(count):
            taken.append(await deliver())
            await asyncio.sleep(random.uniform(0, PAUSE))
        slowest.setdefault(deliver, []).append(percentile(taken, 0.99))
        return percentile(taken, 0.5)

    async with run.stand(infrastructure=True) as stand:
        place = await messages.prepared(stand)
        run.say(f"commit to handler, {count} events a round")
        async with _ours(place) as ours, _bare(place) as bare:
            await ours(), await bare()  # the first one pays for what is made once
            pairs = await in_turn(3, lambda: median_of(ours), lambda: median_of(bare))
    return [
        Figure.of_pairs("commit to handler: p50", "ms", pairs),
        Figure.of_pairs("commit to handler: p99", "ms", list(zip(slowest[ours], slowest[bare], strict=True))),
    ]


@asynccontextmanager
async def _ours(place: Place) -> AsyncIterator[Deliver]:
    writer, reader, events, (wire,) = place.writer(), place.reader(), Events(READER), messages.wires(1)
    event, handled = messages.happened(1, wire), asyncio.Event()
    handled_at = 0.0

    @events.on(Happened)
    async def handle(event: Happened, uow: Uow) -> None:
        nonlocal handled_at
        handled_at = time.perf_counter()
        handled.set()

    async def deliver() -> float:
        handled.clear()
        async with unit_of_work(writer, wire.key, family_id=wire.family_id) as uow:
            uow.publish(event)
        committed = time.perf_counter()
        await asyncio.wait_for(handled.wait(), PATIENCE_SECONDS)
        return (handled_at - committed) * 1000

    events.bind(reader, place.kafka)
    async with messages.beside(Relay(writer, place.kafka).run()), messages.beside(events.run()):
        yield deliver
    await writer.close()
    await reader.close()


@asynccontextmanager
async def _bare(place: Place) -> AsyncIterator[Deliver]:
    topic, (wire,) = topic_of(READER), messages.wires(1)
    event = messages.happened(1, wire)
    value, key = cloudevents.encode(event, wire), str(wire.key).encode()
    headers = [(name, text.encode()) for name, text in messages.headers(event, wire, uuid4()).items()]
    consumer = AIOKafkaConsumer(bootstrap_servers=place.kafka.servers)
    await consumer.start()
    consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
    await consumer.seek_to_end()
    async with messages.producing(place.kafka.servers) as producer:

        async def deliver() -> float:
            began = time.perf_counter()
            await producer.send(topic, value, key, headers=headers)
            await consumer.getone()
            return (time.perf_counter() - began) * 1000

        yield deliver
    await consumer.stop()
