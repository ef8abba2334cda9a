"""From the outbox to the topic: whatever was committed, in the order of the commits, at least once."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from deploy.local.stack import Stack
from shared.database import Database, EventRefused, outbox, unit_of_work
from shared.messaging import Relay, relay
from tests.integration.messaging.conftest import Members, consuming, eventually, look
from tests.integration.messaging.world import World, attempts, numbers, outcomes
from tests.stack import Databases


@pytest.fixture
async def writer(world: World) -> AsyncIterator[Database]:
    database = world.writers_database()
    yield database
    await database.close()


async def write(world: World, writer: Database, episode: UUID, number: int, family: UUID | None = None) -> None:
    async with unit_of_work(writer, episode, family_id=family or episode_family(episode)) as uow:
        uow.publish(world.types.Happened.model_validate({"number": number}))


def episode_family(episode: UUID) -> UUID:
    return UUID(int=episode.int ^ 1)


@asynccontextmanager
async def relaying(world: World, writer: Database) -> AsyncIterator[Relay]:
    sending = Relay(writer, world.kafka)
    running = asyncio.create_task(sending.run())
    try:
        yield sending
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def waiting(writer: Database) -> int:
    async with writer.sessions() as session:
        return await session.scalar(select(func.count()).select_from(outbox)) or 0


async def drained(writer: Database) -> None:
    async def empty() -> bool:
        return await waiting(writer) == 0

    await eventually(empty)


async def numbers_by_episode(world: World) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for key, headers, payload in await world.on_topic():
        assert payload["episode_id"] == headers["ce_subject"] == key
        found.setdefault(key, []).append(int(str(payload["number"])))
    return found


async def test_the_order_of_an_episode_on_the_topic_is_the_order_of_its_commits(world: World, writer: Database) -> None:
    episodes = [uuid4() for _ in range(4)]
    committed: dict[UUID, list[int]] = {episode: [] for episode in episodes}

    async def somebody(name: int) -> None:
        for turn in range(8):
            episode = episodes[(name + turn) % len(episodes)]
            async with unit_of_work(writer, episode, family_id=episode_family(episode)) as uow:
                number = name * 100 + turn
                uow.publish(world.types.Happened.model_validate({"number": number}))
                committed[episode].append(number)  # under the lock, so in the order of the commits

    async with relaying(world, writer):
        await asyncio.gather(*(somebody(name) for name in range(10)))
        await drained(writer)
    assert await numbers_by_episode(world) == {str(episode): order for episode, order in committed.items()}


async def test_what_was_rolled_back_is_never_told(world: World, writer: Database) -> None:
    episode = uuid4()

    async def fails() -> None:
        async with unit_of_work(writer, episode, family_id=uuid4()) as uow:
            uow.publish(world.types.Happened.model_validate({"number": 1}))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fails()
    assert await waiting(writer) == 0


async def test_what_a_broker_could_refuse_is_refused_at_once(world: World, writer: Database) -> None:
    class Large(world.types.Happened):  # type: ignore[misc,name-defined]
        words: str

    async with unit_of_work(writer, uuid4(), family_id=uuid4()) as uow:
        with pytest.raises(EventRefused):
            uow.publish(Large(number=1, words="x" * 600_000))
        with pytest.raises(EventRefused):
            uow.publish(world.types.Noted.model_validate({"number": 1}))  # the reader's to tell
    assert await waiting(writer) == 0


async def test_of_two_relays_one_leads_and_the_other_takes_over(
    world: World, writer: Database, members: Members
) -> None:
    episode = uuid4()
    leader = await members.start("relay")
    await write(world, writer, episode, 0)
    await drained(writer)
    async with relaying(world, writer):
        for number in range(1, 20):
            await write(world, writer, episode, number)
        await drained(writer)
        leader.send_signal(signal.SIGKILL)
        await leader.wait()
        for number in range(20, 40):
            await write(world, writer, episode, number)
        await drained(writer)
    assert await numbers_by_episode(world) == {str(episode): list(range(40))}


async def test_killed_between_sending_and_deleting_it_tells_again_and_nothing_happens_twice(
    world: World, writer: Database, reader: Database, members: Members
) -> None:
    episode = uuid4()
    for number in range(5):
        await write(world, writer, episode, number)
    died = await members.start("relay", ATTUNE_FAILPOINT="relay-sent:kill")
    assert await died.wait() == -signal.SIGKILL
    assert await waiting(writer) == 5
    async with relaying(world, writer):
        await drained(writer)
    assert await numbers_by_episode(world) == {str(episode): [*range(5), *range(5)]}
    ids = [headers["ce_id"] for _, headers, _ in await world.on_topic()]
    assert ids[:5] == ids[5:]
    async with consuming(world, world.events()):

        async def all_done() -> bool:
            return len(await look(reader, outcomes)) == 5

        await eventually(all_done)
    assert await look(reader, lambda session: numbers(session, episode)) == list(range(5))
    async with reader.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(attempts)) == 5


async def test_a_lost_connection_to_the_database_deposes_the_leader_and_loses_nothing(
    world: World, writer: Database, databases: Databases
) -> None:
    name, episode = world.writer_dsn.rsplit("/", 1)[-1], uuid4()
    async with relaying(world, writer) as sending:
        for number in range(10):
            await write(world, writer, episode, number)
            if number == 5:
                await drained(writer)
                databases.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    f"WHERE datname = '{name}' AND application_name LIKE '%-relay'"
                )
        await drained(writer)

        async def ready() -> bool:
            return await sending.is_ready()

        await eventually(ready)
    assert await numbers_by_episode(world) == {str(episode): list(range(10))}


@pytest.fixture
def own_stack(tmp_path: Path) -> Stack:
    """A broker that may be killed."""
    return Stack(tmp_path / "stack")


async def test_a_broker_that_is_killed_holds_everything_up_and_loses_nothing(
    world: World, writer: Database, reader: Database, own_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "DEADLINE_SECONDS", 2.0)  # several producers are dropped during the outage
    episodes = [uuid4() for _ in range(3)]
    with own_stack as stack:
        await asyncio.to_thread(lambda: stack.start(only=["kafka"]))
        shared_servers = world.servers
        world.on(stack.kafka_servers)
        await world.create_topics()
        async with relaying(world, writer) as sending, consuming(world, world.events()) as events:
            for episode in episodes:
                await write(world, writer, episode, 0)
            await eventually(lambda: settled(reader, 3))
            await asyncio.to_thread(lambda: stack.stop_process("kafka"))
            for number in range(1, 5):
                for episode in episodes:
                    await write(world, writer, episode, number)

            async def not_ready() -> bool:
                return not await sending.is_ready() and not await events.is_ready()

            await eventually(not_ready)
            assert await waiting(writer) == 12
            await asyncio.to_thread(lambda: stack.start_process("kafka"))
            await eventually(lambda: settled(reader, 15))

            async def ready() -> bool:
                return await sending.is_ready() and await events.is_ready()

            await eventually(ready)
        told = await numbers_by_episode(world)
    async with reader.sessions() as session:
        for episode in episodes:
            assert list(dict.fromkeys(told[str(episode)])) == list(range(5))  # first occurrences are in order
            assert await numbers(session, episode) == list(range(5))
    world.on(shared_servers)


async def settled(reader: Database, so_many: int) -> bool:
    return len(await look(reader, outcomes)) == so_many
