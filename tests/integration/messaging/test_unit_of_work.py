"""The one way to change anything: under the episode's lock, and after the end through one door alone."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert, select, text

from shared.database import (
    Database,
    EpisodeEnded,
    EpisodeUnknown,
    NoOpenErasure,
    UnitOfWork,
    ending,
    episodes,
    erasure_work,
    open_erasures,
    outbox,
    unit_of_work,
)
from tests.integration.messaging.conftest import eventually
from tests.integration.messaging.world import World, effects
from tests.stack import Databases

TOPICS = False


@pytest.fixture
async def writer(world: World) -> AsyncIterator[Database]:
    database = world.writers_database()
    yield database
    await database.close()


async def enter(database: Database, episode: UUID) -> None:
    async with unit_of_work(database, episode, family_id=uuid4()):
        pass


async def through_the_door(database: Database, episode: UUID) -> None:
    async with erasure_work(database, episode):
        pass


async def end(database: Database, episode: UUID, *, erasure: bool) -> None:
    async with ending(database, episode, uuid4()) as uow:
        await uow.end_episode()
        if erasure:
            await uow.session.execute(insert(open_erasures).values(id=uuid4(), episode_id=episode))


async def test_an_episode_is_made_at_its_first_mention_and_stays_its_familys(writer: Database) -> None:
    episode, family = uuid4(), uuid4()
    async with unit_of_work(writer, episode, family_id=family) as uow:
        assert (uow.family_id, uow.episode_id) == (family, episode)
    async with unit_of_work(writer, episode, family_id=uuid4()) as uow:
        assert uow.family_id == family
    async with unit_of_work(writer, episode) as uow:
        assert uow.family_id == family


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(
    writer: Database, databases: Databases
) -> None:
    name = writer.dsn.rsplit("/", 1)[-1]
    async with unit_of_work(writer, uuid4(), family_id=uuid4()) as uow:
        connection = (await (await uow.session.connection()).get_raw_connection()).driver_connection
    assert connection
    databases.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    async def closed() -> bool:
        return bool(connection.is_closed())

    await eventually(closed)
    await enter(writer, uuid4())


async def test_who_does_not_know_whose_it_is_cannot_mention_it_first(writer: Database) -> None:
    async def nameless() -> None:
        async with unit_of_work(writer, uuid4()):
            pass

    with pytest.raises(EpisodeUnknown):
        await nameless()


async def test_a_family_without_an_episode_has_a_lock_of_its_own(world: World, writer: Database) -> None:
    family = uuid4()
    async with unit_of_work(writer, family, family_id=family) as uow:
        uow.publish(world.types.Happened.model_validate({"number": 1}))
        with pytest.raises(LookupError):
            _ = uow.episode_id
    async with writer.sessions() as session:
        assert await session.scalar(select(outbox.c.key)) == family


@pytest.mark.parametrize("heard_of", [True, False])
async def test_after_the_end_nothing_changes_whether_it_was_heard_of_before_or_not(
    writer: Database, heard_of: bool
) -> None:
    episode = uuid4()
    if heard_of:
        await enter(writer, episode)
    await end(writer, episode, erasure=False)
    with pytest.raises(EpisodeEnded):
        await enter(writer, episode)
    with pytest.raises(NoOpenErasure):
        await through_the_door(writer, episode)


async def test_an_open_erasure_is_the_door_after_the_end(world: World, writer: Database) -> None:
    episode = uuid4()
    await end(writer, episode, erasure=True)
    with pytest.raises(EpisodeEnded):
        await enter(writer, episode)
    async with erasure_work(writer, episode) as uow:
        uow.publish(world.types.Outlived.model_validate({"number": 1}))
    async with writer.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(outbox)) == 1


async def test_the_end_is_when_it_was_first_heard_of(writer: Database) -> None:
    episode = uuid4()
    await end(writer, episode, erasure=False)
    async with writer.sessions() as session:
        first = await session.scalar(select(episodes.c.ended_at).where(episodes.c.id == episode))
    await end(writer, episode, erasure=False)
    async with writer.sessions() as session:
        assert await session.scalar(select(episodes.c.ended_at).where(episodes.c.id == episode)) == first


async def test_one_at_a_time_changes_an_episode_and_others_are_not_held_up(world: World, reader: Database) -> None:
    episode, inside, order = uuid4(), asyncio.Event(), list[str]()
    await enter(reader, episode)

    async def effect(uow: UnitOfWork, number: int) -> None:
        await uow.session.execute(insert(effects).values(episode_id=episode, number=number, event_id=uuid4()))

    async def first() -> None:
        async with unit_of_work(reader, episode) as uow:
            await effect(uow, 1)
            inside.set()
            await enter(reader, uuid4())  # another episode
            await eventually(blocked_or_inside)
            order.append("first")

    async def second() -> None:
        await inside.wait()
        async with unit_of_work(reader, episode) as uow:
            order.append("second")
            await effect(uow, 2)

    async def blocked_or_inside() -> bool:
        async with reader.sessions() as session:
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool(order or await session.scalar(text(waiting)))

    await asyncio.gather(first(), second())
    assert order == ["first", "second"]
    async with reader.sessions() as session:
        assert list(await session.scalars(select(effects.c.number).order_by(effects.c.id))) == [1, 2]


async def test_first_mentions_at_the_same_time_are_one_episode(writer: Database) -> None:
    episode = uuid4()
    await asyncio.gather(*(enter(writer, episode) for _ in range(8)))
    async with writer.sessions() as session:
        assert await session.scalar(select(func.count()).where(episodes.c.id == episode)) == 1
