"""A consumer loses nothing and does everything once, whatever its records and handlers are like."""

import asyncio
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy import func, select, text

from deploy.local.supervisor import CHECKOUT
from shared import telemetry
from shared.contracts import topic_of
from shared.contracts.event import REGISTRY
from shared.database import Database, outbox, unit_of_work
from shared.messaging import Events, delivery, observe, progress, watermark
from shared.messaging import events as registering
from shared.messaging.dead_letters import Letter, first_time, read, to_requeue
from shared.messaging.tables import dead_letters, inbox
from shared.telemetry import metrics
from shared.telemetry.metrics import Series
from tests.integration.messaging.conftest import consuming, eventually, look
from tests.integration.messaging.watching import unwatch, watch
from tests.integration.messaging.world import Record, World, attempts, commits, letters, numbers, outcomes
from tests.stack import Databases


@pytest.fixture(autouse=True)
async def watched(reader: Database) -> AsyncIterator[None]:
    watch(reader)
    yield
    unwatch()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BACK_OFF_SECONDS", (0.01, 0.01, 0.01, 0.01))


async def settled(reader: Database, *records: Record) -> dict[UUID, str]:
    """The outcomes, once these records are in the inbox."""

    async def all_of_them() -> dict[UUID, str]:
        found = await look(reader, outcomes)
        return found if {record.event_id for record in records} <= found.keys() else {}

    return await eventually(all_of_them)


async def test_each_effect_happens_once_though_every_event_comes_twice(world: World, reader: Database) -> None:
    episodes = [uuid4() for _ in range(10)]
    records = [world.happened(episode, number) for number in range(6) for episode in episodes]
    await world.publish([copy for record in records for copy in (record, record)])
    await world.publish(records)  # and the old ones once more, late
    async with consuming(world, world.events()):
        await settled(reader, *records)

        async def offsets_are_committed() -> bool:
            async with reader.sessions() as session:
                last = await session.execute(
                    select(commits.c.partition, func.max(commits.c.offset)).group_by(commits.c.partition)
                )
                return sum(int(row[1]) for row in last) == 3 * len(records)

        await eventually(offsets_are_committed)
    async with reader.sessions() as session:
        for episode in episodes:
            assert await numbers(session, episode) == list(range(6))
        assert await session.scalar(select(func.count()).select_from(outbox)) == len(records)


async def test_an_error_is_tried_again_and_then_parked_with_its_letter_and_what_follows_goes_on(
    world: World, reader: Database, impatient: None
) -> None:
    episode = uuid4()
    broken, fine = world.happened(episode, 1, "fail"), world.happened(episode, 2)
    await world.publish([broken, fine])
    async with consuming(world, world.events()):
        found = await settled(reader, broken, fine)
    assert found == {broken.event_id: "parked", fine.event_id: "done"}
    async with reader.sessions() as session:
        assert await numbers(session, episode) == [2]
        letter = (await session.execute(select(dead_letters))).one()
        tried = select(func.count()).where(attempts.c.event_id == broken.event_id)
        assert await session.scalar(tried) == letter.attempts == 5
    assert (letter.event_id, letter.reason, letter.value) == (broken.event_id, "RuntimeError", broken.value)
    assert "world.py" in letter.detail
    assert "secret" not in str(letter)


async def test_an_error_that_passes_leaves_one_effect(world: World, reader: Database, impatient: None) -> None:
    episode = uuid4()
    flaky = world.happened(episode, 1, "flaky", times=3)
    await world.publish([flaky])
    async with consuming(world, world.events()):
        assert await settled(reader, flaky) == {flaky.event_id: "done"}
    assert await look(reader, lambda session: numbers(session, episode)) == [1]
    assert await look(reader, letters) == {}


async def test_a_handler_that_awaits_something_cancelled_has_failed_and_the_consumer_goes_on(
    world: World, reader: Database, impatient: None
) -> None:
    cancelled, fine = world.happened(uuid4(), 1, "cancelled"), world.happened(uuid4(), 2)
    await world.publish([cancelled, fine], partition=0)
    async with consuming(world, world.events()):
        found = await settled(reader, cancelled, fine)
    assert found == {cancelled.event_id: "parked", fine.event_id: "done"}


async def test_a_handler_without_an_end_has_failed(
    world: World, reader: Database, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "ATTEMPT_SECONDS", 0.5)
    endless, fine = world.happened(uuid4(), 1, milliseconds=60_000), world.happened(uuid4(), 2)
    await world.publish([endless, fine], partition=0)
    async with consuming(world, world.events()):
        found = await settled(reader, endless, fine)
    assert found == {endless.event_id: "parked", fine.event_id: "done"}
    assert await look(reader, letters) == {endless.event_id: "TimeoutError"}


async def test_an_unknown_type_is_parked_and_handled_by_a_version_that_knows_it(world: World, reader: Database) -> None:
    episode = uuid4()
    unknown, fine = (
        world.happened(episode, 1),
        world.record(world.types.Outlived.model_validate({"number": 2}), episode),
    )
    await world.publish([unknown, fine])
    known = REGISTRY.pop(world.types.Happened.type)
    async with consuming(world, world.events(without=["Happened"])):
        assert await settled(reader, unknown, fine) == {unknown.event_id: "parked", fine.event_id: "done"}
    assert await look(reader, letters) == {unknown.event_id: "unknown_type"}
    REGISTRY[known.type] = known
    async with consuming(world, world.events()):

        async def handled() -> bool:
            return await look(reader, letters) == {}

        await eventually(handled)
    assert await look(reader, outcomes) == {unknown.event_id: "done", fine.event_id: "done"}
    assert await look(reader, lambda session: numbers(session, episode)) == [2, 1]  # late, by decision


def broken(record: Record, how: str) -> Record:
    """The record with something wrong; one that cannot be known by its id is known by its place."""
    headers = dict(record.headers)
    match how:
        case "no headers":
            record.headers = []
        case "no id":
            record.headers = [one for one in record.headers if one[0] != "ce_id"]
        case "an id that is none":
            record.headers = list({**headers, "ce_id": b"7"}.items())
        case "an id that is null":
            record.headers = list({**headers, "ce_id": None}.items())
        case "no JSON":
            record.value = b"{"
        case "no UTF-8":
            record.value = b"\xff\xfe"
        case "no object":
            record.value = b"[1]"
        case "no number":
            record.value = (record.value or b"").replace(b'"number"', b'"figure"')
        case "no family":
            record.value = (record.value or b"").replace(b'"family_id"', b'"somebody"')
        case "no value":
            record.value = None
        case "no key":
            record.key = None
        case "another's key":
            record.key = str(uuid4()).encode()
        case "a null character":
            record.headers = [*list({**headers, "ce_id": b"7"}.items()), ("note", b"a\x00b")]
    return record


BROKEN = [
    "no headers", "no id", "an id that is none", "an id that is null", "no JSON", "no UTF-8", "no object", "no number",
    "no family", "no value", "no key", "another's key", "a null character",
]  # fmt: skip


async def test_what_nobody_can_read_is_parked_as_it_came_and_nothing_round_it_is_lost(
    world: World, reader: Database
) -> None:
    fine = [world.happened(uuid4(), number) for number in range(len(BROKEN) + 1)]
    unreadable = [broken(world.happened(uuid4(), -1), how) for how in BROKEN]
    mixed = [record for pair in zip(fine, unreadable, strict=False) for record in pair] + fine[-1:]
    await world.publish(mixed, partition=1)
    async with consuming(world, world.events()):
        await settled(reader, *fine)
    async with reader.sessions() as session:
        kept = (await session.execute(select(dead_letters).order_by(dead_letters.c.offset))).all()
        assert [(one.value, one.key) for one in kept] == [(one.value, one.key) for one in unreadable]
        assert {one.reason for one in kept} == {"malformed"}
        assert [one.attempts for one in kept if one.attempts > 1] == []
        parked = select(func.count()).where(inbox.c.outcome == "parked")
        assert await session.scalar(parked) == len(BROKEN)
        for record in unreadable:  # those without an id are in the inbox under another
            await session.execute(text("DELETE FROM published WHERE event_id = :id"), {"id": record.event_id})
        await session.execute(text("DELETE FROM passed WHERE event_id NOT IN (SELECT event_id FROM published)"))
        await session.commit()


async def test_a_header_that_is_null_or_no_text_loses_no_record(world: World, reader: Database) -> None:
    records = [world.happened(uuid4(), number) for number in range(4)]
    records[0].headers.append(("note", None))
    records[1].headers.append(("note", b"\xff\xfe"))
    records[2].headers.append(("note", b"\x00"))
    records[2].headers.append(("reply_to", b"somewhere"))
    await world.publish(records, partition=0)
    async with consuming(world, world.events()):
        found = await settled(reader, *records)
    assert set(found.values()) == {"done"}


async def test_after_the_end_only_what_outlives_an_episode_is_handled(world: World, reader: Database) -> None:
    episode, types = uuid4(), world.types
    before, late = world.happened(episode, 1), world.happened(episode, 3)
    ended = world.record(types.Ended.model_validate({"number": 2}), episode)
    outlived = world.record(types.Outlived.model_validate({"number": 4}), episode)
    await world.publish([before, ended, late, outlived])
    async with consuming(world, world.events()):
        found = await settled(reader, before, ended, late, outlived)
    assert found == {
        before.event_id: "done",
        ended.event_id: "done",
        late.event_id: "ended",
        outlived.event_id: "done",
    }
    assert await look(reader, lambda session: numbers(session, episode)) == [1, 2, 4]


async def test_what_is_heard_of_a_discarded_recording_is_settled_without_effect(world: World, reader: Database) -> None:
    episode, discarded, kept = uuid4(), uuid4(), uuid4()
    async with unit_of_work(reader, episode, family_id=uuid4()) as uow:
        await uow.discard(discarded)
    late, outliving, other = (
        world.record(model.model_validate({"number": number, "recording_id": recording}), episode)
        for number, (model, recording) in enumerate(
            ((world.types.Happened, discarded), (world.types.Outlived, discarded), (world.types.Happened, kept))
        )
    )
    await world.publish([late, outliving, other])
    async with consuming(world, world.events()):
        found = await settled(reader, late, outliving, other)
    assert found == {late.event_id: "ended", outliving.event_id: "done", other.event_id: "done"}
    assert await look(reader, lambda session: numbers(session, episode)) == [1, 2]


async def lag(world: World, events: Events) -> float:
    return (await events.observe())[Series(metrics.CONSUMER_LAG, "topic", world.topic)]


async def lag_above(seconds: float, world: World, events: Events) -> float:
    async def above() -> float:
        found = await lag(world, events)
        return found if found > seconds else 0.0

    return await eventually(above)


async def test_while_the_database_is_away_nothing_is_parked_and_the_service_is_not_ready(
    world: World, reader: Database, databases: Databases
) -> None:
    name = world.dsn.rsplit("/", 1)[-1]
    records = [world.happened(uuid4(), number) for number in range(20)]
    async with consuming(world, world.events()) as events:
        await eventually(events.is_ready)
        databases.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        databases.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        await world.send(records)

        async def waits() -> bool:
            return not await events.is_ready()

        await eventually(waits)
        await lag_above(await lag_above(0, world, events), world, events)  # it rises
        databases.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        found = await settled(reader, *records)
        await eventually(events.is_ready)

        async def nothing_waits() -> bool:
            return await lag(world, events) == 0

        await eventually(nothing_waits)
    assert math.isnan(await lag(world, events))  # it has stopped: nobody knows
    assert set(found.values()) == {"done"}
    assert await look(reader, letters) == {}


async def test_a_lock_that_somebody_holds_is_waited_for_uncounted(
    world: World, reader: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    process = telemetry.process

    def counting(*given: Any) -> AbstractContextManager[Any]:
        counted.append(given[5])
        return process(*given)

    monkeypatch.setattr(telemetry, "process", counting)
    episode = uuid4()
    first, second = world.happened(episode, 1), world.happened(episode, 2)
    async with consuming(world, world.events()):
        await world.publish([first])
        await settled(reader, first)
        counted.clear()
        async with reader.engine.begin() as holder:
            await holder.execute(text("SELECT 1 FROM episodes WHERE id = :id FOR UPDATE"), {"id": episode})
            await world.publish([second])

            async def tried_again() -> bool:
                return len(counted) > 1

            await eventually(tried_again)
        await settled(reader, second)
    assert set(counted) == {1}
    assert await look(reader, letters) == {}


async def test_too_large_a_share_of_failures_stops_the_consumer_instead_of_draining_the_topic(
    world: World, reader: Database, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registering, "SHARE_LEAST", 3)
    records = [world.happened(uuid4(), number, "fail") for number in range(10)]
    await world.publish(records, partition=0)
    async with consuming(world, world.events()) as events:
        await settled(reader, *records[:3])

        async def stopped() -> bool:
            return not events.ready

        await eventually(stopped)
        assert set(await look(reader, letters)) == {record.event_id for record in records[:3]}
    async with consuming(world, world.events()):  # a version that is right, or an operator who has looked
        await settled(reader, *records[3:6])


async def test_some_failures_among_many_records_stop_nothing(
    world: World, reader: Database, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registering, "SHARE_LEAST", 3)
    records = [world.happened(uuid4(), number, "fine" if number % 5 else "fail") for number in range(1, 41)]
    await world.publish(records, partition=0)
    async with consuming(world, world.events()):
        found = await settled(reader, *records)
    assert list(found.values()).count("parked") == 8


async def test_an_error_outside_the_handler_loses_no_record_and_keeps_their_order(
    world: World, reader: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    episode, seen = uuid4(), set[int]()

    def breaks_once(record: Any, group: str) -> Letter:
        if record.offset in (1, 3) and record.offset not in seen:
            seen.add(record.offset)
            raise OSError("nobody foresaw this")
        return read(record, group)

    monkeypatch.setattr(delivery, "read", breaks_once)
    records = [world.happened(episode, number) for number in range(5)]
    await world.publish(records)
    async with consuming(world, world.events()):
        await settled(reader, *records)
    assert seen == {1, 3}
    assert await look(reader, lambda session: numbers(session, episode)) == [0, 1, 2, 3, 4]


async def test_what_a_service_does_nothing_with_needs_no_transaction_and_holds_nothing_up(
    world: World, reader: Database
) -> None:
    episode, types = uuid4(), world.types
    ignored = [world.record(types.Outlived.model_validate({"number": n}), episode) for n in range(5)]
    fine = world.happened(episode, 9)
    await world.publish([*ignored, fine])
    async with reader.sessions.begin() as session:  # they never reach the inbox, so no watermark is to be held to it
        await session.execute(text("DELETE FROM published"))
    async with consuming(world, world.events(without=["Outlived"])):
        assert await settled(reader, fine) == {fine.event_id: "done"}


async def test_behind_a_record_that_was_let_go_nothing_is_settled(world: World, reader: Database) -> None:
    """Else its offset would be passed, and with the rebalance it would be lost."""
    waits, ignored = world.happened(uuid4(), 1, "fail"), world.types.Outlived.model_validate({"number": 2})
    await world.publish([waits, world.record(ignored, uuid4())], partition=0)
    async with consuming(world, world.events(without=["Outlived"])) as events:

        async def in_back_off() -> bool:
            async with reader.sessions() as session:
                return await session.scalar(select(func.count()).select_from(attempts)) == 4

        await eventually(in_back_off)
        await events.watermark(world.topic).on_partitions_revoked(set())
        member = events._subscribers[world.topic].consumer
        assert member

        async def has_taken_both() -> bool:
            return bool(await member.position(TopicPartition(world.topic, 0)) == 2)

        await eventually(has_taken_both)
    assert await look(reader, outcomes) == {}
    assert await look(reader, lambda session: session.scalar(select(func.max(commits.c.offset)))) is None


async def test_ready_is_who_has_joined_every_group_though_it_is_given_nothing(world: World, reader: Database) -> None:
    """Five members of three partitions; the first takes its time to let them in."""
    world.types.Happened.services = (world.name, world.reader)
    begun, released, later = asyncio.Event(), asyncio.Event(), topic_of(world.reader)

    class Slow(ConsumerRebalanceListener):  # type: ignore[misc]
        async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
            if revoked:
                begun.set()
                await released.wait()

        async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None: ...

    slow = AIOKafkaConsumer(
        bootstrap_servers=world.servers, group_id=f"{world.reader}.{later}", rebalance_timeout_ms=300_000
    )
    slow.subscribe([later], listener=Slow())
    await slow.start()
    record = world.happened(uuid4(), 1)
    await world.publish([record])
    async with AsyncExitStack() as stack:
        stack.push_async_callback(slow.stop)
        stack.callback(released.set)
        members = [await stack.enter_async_context(consuming(world, world.events())) for _ in range(4)]
        await begun.wait()
        await settled(reader, record)  # somebody consumes the first topic; nobody has joined for the second
        assert [await member.is_ready() for member in members] == [False] * 4
        released.set()

        async def all_are_ready() -> bool:
            return all([await member.is_ready() for member in members])

        await eventually(all_are_ready)
        given = [consumer.assignment() for one in members if (consumer := one._subscribers[world.topic].consumer)]
        assert sorted(map(len, given)) == [0, 1, 1, 1]


async def test_a_consumer_that_stands_still_is_not_ready_says_why_once_and_goes_on(
    world: World, reader: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """FastStream goes on after any error of the consumer, five seconds later."""
    first, second = world.happened(uuid4(), 1), world.happened(uuid4(), 2)
    async with consuming(world, world.events()) as events:
        await eventually(events.is_ready)
        monkeypatch.setattr(progress, "STALLED_SECONDS", 0.5)
        consumer, failing = events._subscribers[world.topic].consumer, True
        assert consumer
        getone = consumer.getone

        async def fails() -> Any:
            if failing:
                raise KafkaError("a secret that must not be told")
            return await getone()

        monkeypatch.setattr(consumer, "getone", fails)
        await world.publish([first], partition=0)
        await settled(reader, first)  # it was waited for already
        await world.publish([second], partition=0)

        async def stands_still() -> bool:
            return not await events.is_ready()

        await eventually(stands_still)
        await lag_above(0, world, events)
        failing = False
        await settled(reader, second)
        await eventually(events.is_ready)
    told = [record.getMessage() for record in caplog.records if record.name == registering.__name__]
    assert told == [f"the consumer of {world.reader} goes on after an error: KafkaError"]


async def test_a_commit_that_fails_is_counted_and_told(
    world: World, reader: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    counted: list[dict[str, str]] = []
    monkeypatch.setattr(metrics.COMMITS_FAILED, "add", lambda _, labels: counted.append(labels))
    async with consuming(world, world.events()) as events:
        await eventually(events.is_ready)
        consumer = events._subscribers[world.topic].consumer
        assert consumer

        async def failed() -> bool:
            consumer._coordinator.member_id = "nobody"  # as the broker sees one that it has given up; it joins again
            await world.publish([world.happened(uuid4(), 1)])
            return counted != []

        await eventually(failed)
    assert counted[0] == {"topic": world.topic}
    told = [record.getMessage() for record in caplog.records if record.name == watermark.__name__]
    assert told[0] == f"offsets of {world.topic} are not committed: CommitFailedError"


async def test_a_type_of_several_services_is_heard_from_each(world: World, reader: Database) -> None:
    world.types.Happened.services = (world.name, world.reader)
    records = [world.happened(uuid4(), number) for number in range(6)]
    await world.send(records[:3])
    await world.send(records[3:], topic=topic_of(world.reader))
    async with consuming(world, world.events()):
        assert set((await settled(reader, *records)).values()) == {"done"}
    async with reader.sessions() as session:
        assert set(await session.scalars(select(inbox.c.group))) == {
            f"{world.reader}.{topic}" for topic in (world.topic, topic_of(world.reader))
        }


async def command(world: World, *words: str) -> str:
    """The operator's command, as it is typed."""
    ran = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.messaging.dead_letters", "notification", *words),
        cwd=CHECKOUT,
        env={**os.environ, "ATTUNE_DATABASE_URL": world.dsn},
        stdout=subprocess.PIPE,
    )
    out, _ = await ran.communicate()
    assert ran.returncode == 0
    return out.decode()


async def waiting_letters(world: World, reader: Database, events: Events) -> float:
    return (await observe(reader, events.topics))[Series(metrics.DEAD_LETTERS, "topic", world.topic)]


async def test_an_operator_looks_at_what_is_parked_and_has_it_handled_or_drops_it(
    world: World, reader: Database, impatient: None
) -> None:
    episode = uuid4()
    repaired, hopeless = world.happened(episode, 1, "flaky", times=5), world.happened(episode, 2, "fail")
    await world.publish([repaired, hopeless])
    async with consuming(world, world.events()) as events:
        await settled(reader, repaired, hopeless)
        listed = await command(world, "list")
        first, second = (line.split("\t") for line in listed.splitlines())
        assert await waiting_letters(world, reader, events) == 2
        assert (first[4], second[4]) == (str(repaired.event_id), str(hopeless.event_id))
        assert "secret" not in listed
        await command(world, "requeue", first[0])
        await command(world, "requeue", second[0])

        async def handled_and_parked_again() -> bool:
            async with reader.sessions() as session:
                tried = select(func.count()).where(attempts.c.event_id == hopeless.event_id)
                left = await session.execute(select(dead_letters.c.event_id, dead_letters.c.requeued_at))
                return left.all() == [(hopeless.event_id, None)] and await session.scalar(tried) == 10

        await eventually(handled_and_parked_again)
    assert await look(reader, lambda session: numbers(session, episode)) == [1]
    assert await waiting_letters(world, reader, events) == 1
    await command(world, "drop", second[0])
    assert await waiting_letters(world, reader, events) == 0
    assert await look(reader, letters) == {}
    assert await look(reader, outcomes) == {repaired.event_id: "done", hopeless.event_id: "parked"}


async def test_what_two_replicas_read_to_handle_again_is_handled_once(
    world: World, reader: Database, impatient: None
) -> None:
    parked = world.happened(uuid4(), 1, "fail")
    await world.publish([parked])
    async with consuming(world, world.events()):
        await settled(reader, parked)
    group = f"{world.reader}.{world.topic}"
    await command(world, "requeue", (await command(world, "list")).split("\t")[0])
    (record,) = await look(reader, lambda session: to_requeue(session, group))
    for quicker in (True, False):
        async with reader.sessions.begin() as session:
            assert await first_time(session, read(record, group), "done") is quicker


def test_a_second_handler_for_a_type_is_an_error(world: World) -> None:
    events = Events("somebody")

    @events.on(world.types.Happened)
    async def first(event: object) -> None: ...

    with pytest.raises(ValueError, match="twice"):
        events.on(world.types.Happened)
