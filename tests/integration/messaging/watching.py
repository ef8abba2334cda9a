"""Watches every commit of an offset: what lies below it must be in the inbox, as another connection sees it."""

from typing import Any

from aiokafka import AIOKafkaConsumer
from sqlalchemy import insert, select

from shared.database import Database
from shared.messaging.tables import inbox
from tests.integration.messaging.world import commits, passed, published

_commit = AIOKafkaConsumer.commit


def watch(database: Database) -> None:
    """From now on, in this process."""

    async def commit(self: AIOKafkaConsumer, offsets: Any = None) -> None:
        assert offsets, "without offsets it would commit positions"
        for place, offset in offsets.items():
            below = select(published.c.partition, published.c.offset, published.c.event_id).where(
                published.c.partition == place.partition,
                published.c.offset < offset,
                published.c.event_id.not_in(select(inbox.c.event_id)),
            )
            async with database.sessions.begin() as session:
                await session.execute(insert(commits).values(partition=place.partition, offset=offset))
                await session.execute(insert(passed).from_select(["partition", "offset", "event_id"], below))
        await _commit(self, offsets)

    AIOKafkaConsumer.commit = commit


def unwatch() -> None:
    AIOKafkaConsumer.commit = _commit
