"""The one clock that decides: the database's."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession


async def now(session: AsyncSession) -> datetime:
    """The moment at which this is asked; not the transaction's start, which may be long before."""
    moment: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return moment
