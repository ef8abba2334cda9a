"""What the messaging of one service looks like from outside, as gauges."""

from collections.abc import Iterable

from sqlalchemy import Float, func, select

from shared.database import Database, outbox
from shared.messaging.tables import dead_letters
from shared.telemetry import metrics
from shared.telemetry.metrics import Readings, Series

_OLDEST = select(func.extract("epoch", func.clock_timestamp() - func.min(outbox.c.created_at)).cast(Float))
_PARKED = select(dead_letters.c.topic, func.count()).group_by(dead_letters.c.topic)


async def observe(database: Database, topics: Iterable[str]) -> Readings:
    """How long the oldest event has waited to be sent, and how many records of each topic wait for a person.

    topics: those that the service subscribes to; of one that it no longer does, letters may be left.
    """
    async with database.sessions() as session:
        oldest = await session.scalar(_OLDEST) or 0.0
        parked = dict.fromkeys(topics, 0)
        for topic, count in await session.execute(_PARKED):
            parked[topic] = count
    letters: Readings = {Series(metrics.DEAD_LETTERS, "topic", topic): count for topic, count in parked.items()}
    return {Series(metrics.OUTBOX_OLDEST): oldest, **letters}
