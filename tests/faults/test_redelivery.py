"""The broker dies, events come twice, late and from the beginning, groups rebalance: nothing changes by it."""

import asyncio
import functools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata

from deploy.demo.events import TOPICS
from tests.faults.harm import away
from tests.faults.house import House, Record
from tests.faults.judge import is_well, judged, until_quiet

APPS = ("consent", "upload", "transcoding", "curation", "notification")  # who consumes


async def test_a_broker_that_is_restarted_and_killed_loses_nothing(house: House) -> None:
    """And while it is away, those die who have something to send."""
    async with judged(house) as load:
        await load.goes_on(1)
        await asyncio.to_thread(house.stack.restart_process, "kafka")
        await load.goes_on(1)
        await asyncio.to_thread(house.stack.kill, "kafka")
        await load.goes_on(1)
        async with away(house.stack, "kafka", "killed"):
            await asyncio.sleep(5)  # in which practitioners go on with what they can
            for app in APPS:
                await asyncio.to_thread(house.stack.kill, app)


async def test_groups_that_rebalance_during_handlers_do_everything_once(house: House) -> None:
    """A second member of each group comes, takes half of its partitions, and goes or dies, while events are handled."""
    async with judged(house) as load:
        for ends_by in (house.stack.stop_process, house.stack.kill):
            start = functools.partial(house.stack.start_process, replica=2, restart=False)
            await asyncio.gather(*(asyncio.to_thread(start, app) for app in APPS))
            await load.goes_on(1)
            await asyncio.gather(*(asyncio.to_thread(ends_by, f"{app}-2") for app in APPS))
        for app in APPS:
            await asyncio.to_thread(house.stack.stop_process, f"{app}-2")


async def test_an_event_may_be_delivered_twice_late_and_from_the_beginning(house: House) -> None:
    """Each as it comes, under load; all once more, by groups that have lost their offsets; those of an ended episode
    after its certificate, and of a discarded recording; and those of which the order against the end is nobody's
    promise also as if they had never come before."""
    async with _echo(house), judged(house) as load:
        await load.goes_on(4, last=True)
    assert load.withdrawn and load.discarded
    told = await _told(house)
    await _forget_offsets(house)
    await until_quiet(house, load)
    assert await _told(house) == told  # nothing new came of it

    over = [
        record
        for record in await house.records()
        if record.key in load.withdrawn or record.value.get("recording_id") in load.discarded
    ]
    await _send_again(house, over)
    await until_quiet(house, load)
    assert await _told(house) == told

    late = [record for record in over if record.topic != "attune.consent" and "acknowledged" not in record.type]
    assert any(record.type == "attune.recording.received.v1" for record in late)
    await _forget_that_they_came(house, late)
    await _send_again(house, late)
    await until_quiet(house, load)
    assert await _outcomes(house, late) == {"ended"}
    assert await _told(house) == told
    await is_well(house, load)


@asynccontextmanager
async def _echo(house: House) -> AsyncIterator[None]:
    """While the block runs, and until nothing is left to echo, each record is sent a second time as it comes."""
    consumer = AIOKafkaConsumer(*TOPICS, bootstrap_servers=house.stack.kafka_servers, auto_offset_reset="latest")
    producer = AIOKafkaProducer(bootstrap_servers=house.stack.kafka_servers, acks="all", enable_idempotence=True)
    await consumer.start()
    await producer.start()
    seen: set[str] = set()
    echoed = 0

    async def echo() -> None:
        nonlocal echoed
        async for raw in consumer:
            record = Record.of(raw)
            if record.id not in seen:
                seen.add(record.id)
                await _send(producer, record)
                echoed += 1

    await consumer.seek_to_end()
    echoing = asyncio.create_task(echo())
    try:
        yield
        assert echoed > 100
        if echoing.done():
            echoing.result()
    finally:
        echoing.cancel()
        await asyncio.gather(echoing, return_exceptions=True)
        await consumer.stop()
        await producer.stop()


async def _send(producer: AIOKafkaProducer, record: Record) -> None:
    raw = record.raw
    await producer.send_and_wait(
        raw.topic, key=raw.key, value=raw.value, headers=list(raw.headers), partition=raw.partition
    )


async def _send_again(house: House, records: Iterable[Record]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=house.stack.kafka_servers, acks="all")
    await producer.start()
    try:
        for record in records:
            await _send(producer, record)
    finally:
        await producer.stop()


async def _forget_offsets(house: House) -> None:
    """Every group begins at the oldest record again."""
    await asyncio.gather(*(asyncio.to_thread(house.stack.stop_process, app) for app in APPS))
    for group, offsets in (await house.groups()).items():
        consumer = AIOKafkaConsumer(
            bootstrap_servers=house.stack.kafka_servers, group_id=group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign(list(offsets))
            await consumer.commit({place: OffsetAndMetadata(0, "") for place in offsets})
        finally:
            await consumer.stop()
    assert {offset for offsets in (await house.groups()).values() for offset in offsets.values()} == {0}
    for app in APPS:
        await asyncio.to_thread(house.stack.start_process, app, wait=False)


async def _forget_that_they_came(house: House, records: Iterable[Record]) -> None:
    """Who has handled them has not: their rows in the inboxes go."""
    ids = [UUID(record.id) for record in records]
    for app in APPS:
        await house.value(app, "DELETE FROM inbox WHERE event_id = ANY($1)", ids)


async def _outcomes(house: House, records: Iterable[Record]) -> set[str]:
    ids = [UUID(record.id) for record in records]
    rows = [await house.rows(app, "SELECT outcome FROM inbox WHERE event_id = ANY($1)", ids) for app in APPS]
    return {row["outcome"] for found in rows for row in found}


async def _told(house: House) -> set[str]:
    return {record.id for record in await house.records()}
