"""Members that come, go and die: nothing is lost, nothing is done twice, the order of an episode holds."""

import signal
from collections import Counter
from uuid import UUID, uuid4

from sqlalchemy import func, select, text

from shared.database import Database, outbox
from tests.integration.messaging.conftest import Members, eventually, look
from tests.integration.messaging.world import Record, World, attempts, commits, effects, letters, numbers, outcomes

KILLED = -signal.SIGKILL


async def begun(reader: Database, record: Record) -> int:
    """How often its handler has begun."""
    async with reader.sessions() as session:
        return await session.scalar(select(func.count()).where(attempts.c.event_id == record.event_id)) or 0


async def all_settled(reader: Database, records: list[Record]) -> dict[UUID, str]:
    async def settled() -> dict[UUID, str]:
        found = await look(reader, outcomes)
        return found if {record.event_id for record in records} <= found.keys() else {}

    return await eventually(settled)


async def test_killed_before_its_commit_or_before_its_offset_a_member_has_done_nothing_or_everything_once(
    world: World, reader: Database, members: Members
) -> None:
    episode = uuid4()
    records = [world.happened(episode, number) for number in range(6)]
    await world.publish(records)
    died = await members.start("consume", ATTUNE_FAILPOINT="before-commit:kill")
    assert await died.wait() == KILLED
    assert await begun(reader, records[0]) == 1
    async with reader.sessions() as session:
        assert (await session.execute(select(effects))).all() == (await session.execute(select(outbox))).all() == []
    died = await members.start("consume", ATTUNE_FAILPOINT="effect-without-offset:kill:3")
    assert await died.wait() == KILLED
    assert await look(reader, lambda session: numbers(session, episode)) == [0, 1, 2]
    await members.start("consume")
    await all_settled(reader, records)
    assert await look(reader, lambda session: numbers(session, episode)) == list(range(6))
    assert [await begun(reader, record) for record in records] == [2, 1, 1, 1, 1, 1]
    async with reader.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(outbox)) == 6


async def test_sigterm_lets_the_handler_finish_and_commits_its_offset(
    world: World, reader: Database, members: Members
) -> None:
    episode = uuid4()
    slow, next_one = world.happened(episode, 1, milliseconds=1500), world.happened(episode, 2)
    await world.publish([slow, next_one])
    member = await members.start("consume")

    async def in_its_handler() -> bool:
        return await begun(reader, slow) == 1

    await eventually(in_its_handler)
    member.send_signal(signal.SIGTERM)
    assert await member.wait() == 0
    assert await look(reader, outcomes) == {slow.event_id: "done"}  # and no further one was taken
    async with reader.sessions() as session:
        assert await session.scalar(select(func.max(commits.c.offset))) == 1
    await members.start("consume")
    await all_settled(reader, [slow, next_one])
    assert await begun(reader, slow) == 1


async def test_sigterm_does_not_wait_for_a_record_that_waits(world: World, reader: Database, members: Members) -> None:
    failing = world.happened(uuid4(), 1, "flaky", times=4)
    await world.publish([failing])
    member = await members.start("consume")

    async def in_back_off() -> bool:
        return await begun(reader, failing) >= 4  # the longest pause comes now

    await eventually(in_back_off)
    member.send_signal(signal.SIGTERM)
    assert await member.wait() == 0
    assert await look(reader, outcomes) == {}
    await members.start("consume")
    assert await all_settled(reader, [failing]) == {failing.event_id: "done"}
    assert await begun(reader, failing) == 4 + 5  # attempts are counted anew


async def test_a_second_member_joins_though_a_record_waits_and_each_is_settled_once(
    world: World, reader: Database, members: Members
) -> None:
    waiting = [world.happened(uuid4(), number, "fail") for number in range(3)]
    for partition, record in enumerate(waiting):
        await world.publish([record], partition=partition)
    await members.start("consume", 1)

    async def in_back_off() -> bool:
        return sum([await begun(reader, record) for record in waiting]) >= 2

    await eventually(in_back_off)
    await members.start("consume", 2)
    found = await all_settled(reader, waiting)
    assert set(found.values()) == {"parked"}
    assert set(await look(reader, letters)) == {record.event_id for record in waiting}

    async def both_have_worked() -> bool:  # however long the second takes to join
        later = [world.happened(uuid4(), number) for number in range(10)]
        await world.publish(later)
        await all_settled(reader, later)
        async with reader.sessions() as session:
            return set(await session.scalars(select(attempts.c.member).distinct())) == {1, 2}

    await eventually(both_have_worked)


async def test_under_joins_stops_and_kills_every_effect_happens_once_and_in_order(
    world: World, reader: Database, members: Members
) -> None:
    episodes = [uuid4() for _ in range(24)]
    records = []
    for number in range(12):
        for place, episode in enumerate(episodes):
            does, more = "fine", {}
            match number, place:
                case (2, 0 | 7) | (8, 11):
                    does = "fail"
                case 1 | 6 | 9, 5 | 13:
                    does, more = "flaky", {"times": 2}
                case 3 | 7 | 10, 1 | 2 | 3:
                    more = {"milliseconds": 300}
            records.append(world.happened(episode, number, does, **more))
    await world.publish(records)

    async def share_is_settled(share: float) -> None:
        async def so_many() -> bool:
            return len(await look(reader, outcomes)) >= share * len(records)

        await eventually(so_many)

    first = await members.start("consume", 1)
    await share_is_settled(0.1)
    second = await members.start("consume", 2)
    await share_is_settled(0.3)
    first.kill()
    third = await members.start("consume", 3)
    await share_is_settled(0.6)
    third.send_signal(signal.SIGTERM)
    assert await third.wait() == 0
    await members.start("consume", 4)
    found = await all_settled(reader, records)
    second.send_signal(signal.SIGTERM)
    assert await second.wait() == 0

    failing = {record.event_id for record in records if b'"fail"' in (record.value or b"")}
    assert {event for event, outcome in found.items() if outcome == "parked"} == failing
    assert set(await look(reader, letters)) == failing
    async with reader.sessions() as session:
        happened = Counter(await session.scalars(select(effects.c.event_id)))
        assert set(happened) == {record.event_id for record in records} - failing
        assert set(happened.values()) == {1}
        for episode in episodes:
            assert (done := await numbers(session, episode)) == sorted(done)
        assert await session.scalar(select(func.count()).select_from(outbox)) == len(records) - len(failing)


async def test_a_member_that_was_frozen_wakes_up_and_does_nothing_twice(
    world: World, reader: Database, members: Members
) -> None:
    """The broker takes it for dead, another has its partitions; then it goes on in the middle of its handler."""
    episode = uuid4()
    records = [world.happened(episode, 0, milliseconds=500)] + [world.happened(episode, n) for n in range(1, 5)]
    await world.publish(records)
    frozen = await members.start("consume", 1)

    async def in_its_handler() -> bool:
        return await begun(reader, records[0]) == 1

    await eventually(in_its_handler)
    frozen.send_signal(signal.SIGSTOP)
    await members.start("consume", 2)

    async def waits_for_its_lock() -> bool:
        async with reader.sessions() as session:
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool(await session.scalar(text(waiting)))

    await eventually(waits_for_its_lock)
    frozen.send_signal(signal.SIGCONT)
    await all_settled(reader, records)
    assert await look(reader, lambda session: numbers(session, episode)) == list(range(5))
