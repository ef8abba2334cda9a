"""A permit is dated by the database and believed by the store: their clocks have to agree."""

from datetime import timedelta

from sqlalchemy import func, select

from shared.database import Database
from shared.media_store.store import Store
from shared.settings import HorizonSettings


async def clocks_agree(database: Database, store: Store, horizon: HorizonSettings) -> bool:
    """Whether they are no further apart than H allows for; for readiness. Raises Unavailable."""
    async with database.sessions() as session:
        now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return abs(await store.clock_difference(now)) <= timedelta(seconds=horizon.clock_skew_seconds)
