"""Events of 512 B of 100 episodes wait on a topic; a member takes each in one transaction: it locks the episode, puts
the record in the inbox, runs the handler (one INSERT), writes what that publishes to the outbox, commits; offsets
follow every 200 ms. The bare tool is a loop of aiokafka and asyncpg with the very same statements and commits,
without the promises (order after a failure, retries, parking, rebalances). From the first record in hand to the last.
Neither makes spans.
"""

import asyncio
import json
import time
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import insert
from uuid_utils.compat import uuid7

from shared.contracts import cloudevents
from shared.messaging import Events, Uow
from tests.benchmarks import messages
from tests.benchmarks.figures import Figure, Goal, in_turn
from tests.benchmarks.messages import READER, TOPIC, Happened, Noted, Place
from tests.benchmarks.run import PATIENCE_SECONDS, Run

EPISODES = 100
COMMIT_SECONDS = 0.2

LOCK = "SELECT family_id, ended_at FROM episodes WHERE id = $1 FOR NO KEY UPDATE"
SETTLE = """
INSERT INTO inbox ("group", event_id, outcome) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING event_id
"""
EFFECT = insert(messages.effects)  # built once, as a bare loop's statement is
BARE_EFFECT = "INSERT INTO effects (episode_id, number, event_id) VALUES ($1, $2, $3)"
OUTBOX = "INSERT INTO outbox (event_id, key, headers, value) VALUES ($1, $2, $3, $4)"


async def measure(run: Run) -> list[Figure]:
    count = run.sized(2_000, 600)
    async with run.stand(infrastructure=True) as stand:
        place = await messages.prepared(stand)
        await _publish(place, count)
        run.say(f"consumer against a bare loop, {count:,} events a round")
        pairs = await in_turn(3, lambda: _ours(place, count), lambda: _bare(place, count))
    return [Figure.of_pairs("consumer: events handled", "/s", pairs, Goal(least=0.35))]


async def _publish(place: Place, count: int) -> None:
    wires = messages.wires(EPISODES)
    async with messages.producing(place.kafka.servers) as producer, messages.connected(place.reader_url) as connection:
        await connection.executemany(
            "INSERT INTO episodes (id, family_id) VALUES ($1, $2)", [(wire.key, wire.family_id) for wire in wires]
        )
        for number in range(count):
            wire = wires[number % EPISODES]
            event = messages.happened(number, wire)
            headers = [(name, text.encode()) for name, text in messages.headers(event, wire, uuid7()).items()]
            await producer.send(TOPIC, cloudevents.encode(event, wire), str(wire.key).encode(), headers=headers)


async def _ours(place: Place, count: int) -> float:
    """As a service of its own each time, so that its group begins at the beginning."""
    events, database = Events(f"{READER}_{uuid4().hex[:8]}"), place.reader()
    Noted.services = (*Noted.services, events.service)
    first, done, left = 0.0, asyncio.Event(), count

    @events.on(Happened)
    async def handle(event: Happened, uow: Uow) -> None:
        nonlocal first, left
        first, left = first or time.perf_counter(), left - 1
        assert uow.cause
        of_it = {"episode_id": uow.episode_id, "number": event.number, "event_id": uow.cause}
        await uow.session.execute(EFFECT, of_it)
        uow.publish(Noted(number=event.number))
        if not left:
            done.set()

    events.bind(database, place.kafka)
    async with messages.beside(events.run()), asyncio.timeout(PATIENCE_SECONDS):
        await done.wait()
        took = time.perf_counter() - first
    await database.close()
    return count / took


async def _bare(place: Place, count: int) -> float:
    group = f"bare_{uuid4().hex[:8]}"
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=place.kafka.servers, group_id=group, auto_offset_reset="earliest",
        enable_auto_commit=False,
    )  # fmt: skip
    settled: dict[TopicPartition, int] = {}
    first = committed = 0.0
    left = count
    await consumer.start()
    async with messages.connected(place.reader_url) as connection:
        async for record in consumer:
            first = first or time.perf_counter()
            event, wire = json.loads(record.value), UUID(record.key.decode())
            headers = dict(record.headers)
            async with connection.transaction():
                await connection.fetchrow(LOCK, wire)
                event_id = UUID(headers["ce_id"].decode())
                if await connection.fetchval(SETTLE, group, event_id, "done"):
                    await connection.execute(BARE_EFFECT, wire, event["number"], event_id)
                    noted = json.dumps({"number": event["number"], "episode_id": event["episode_id"]})
                    said = json.dumps({"ce_type": Noted.type, "ce_causationid": str(event_id)})
                    await connection.execute(OUTBOX, uuid7(), wire, said, noted.encode())
            settled[TopicPartition(record.topic, record.partition)] = record.offset + 1
            left -= 1
            if time.perf_counter() - committed > COMMIT_SECONDS or not left:
                await consumer.commit(settled)
                settled, committed = {}, time.perf_counter()
            if not left:
                break
        took = time.perf_counter() - first
    await consumer.stop()
    return count / took
