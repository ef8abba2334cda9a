"""What the messaging of one service looks like from outside, as gauges."""

from sqlalchemy import Float, func, select

from shared.database import Database, outbox
from shared.messaging.tables import dead_letters
from shared.telemetry import metrics

_OLDEST = select(func.extract("epoch", func.clock_timestamp() - func.min(outbox.c.created_at)).cast(Float))
_PARKED = select(dead_letters.c.topic, func.count()).group_by(dead_letters.c.topic)


async def observe(database: Database) -> None:
    """How long the oldest event has waited to be sent, and how many records wait for a person."""
    async with database.sessions() as session:
        metrics.OUTBOX_OLDEST.set(await session.scalar(_OLDEST) or 0.0)
        for topic, parked in await session.execute(_PARKED):
            metrics.DEAD_LETTERS.set(parked, {"topic": topic})
