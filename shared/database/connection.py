"""One database of one service."""

from functools import partial
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.event import listens_for
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from shared.database.telling import Telling
from shared.settings import DatabaseSettings

# Ordered so that what is slow fails as itself: waiting for a lock before a handler's attempt, that before a command, a
# command before PostgreSQL's own time-outs, which look exactly like a lost connection.
LOCK_SECONDS = 3
ATTEMPT_SECONDS = 5.0
COMMAND_SECONDS = 6.0
TRANSACTION_SECONDS = 20
IDLE_IN_TRANSACTION_SECONDS = 30


def is_contention(error: BaseException) -> bool:
    """Whether a lock time-out, a deadlock or a serialisation failure: nobody's fault, so it is tried again."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in ("55P03", "40P01", "40001")


def is_outage(error: BaseException) -> bool:
    """Whether the database says of itself that it was away, or busy: nobody's fault, so it is tried again."""
    if isinstance(error, asyncpg.CannotConnectNowError | asyncpg.PostgresConnectionError):
        return True
    return is_contention(error) or (isinstance(error, DBAPIError) and error.connection_invalidated)


def _demand_open(connection: Any, *_: object) -> None:
    """Never hand out what the server has closed: the driver knows, and a ping would take three round trips."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError  # the pool makes a new one


class Database:
    """The engine and sessions of one service's database.

    service: whose it is; the only topic that its outbox feeds.
    """

    def __init__(self, settings: DatabaseSettings, service: str) -> None:
        self.service = service
        self.dsn = str(settings.url)
        self.engine: AsyncEngine = create_async_engine(
            self.dsn.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=settings.pool,
            max_overflow=settings.pool,
            pool_timeout=COMMAND_SECONDS,
            connect_args={
                "timeout": COMMAND_SECONDS,
                "command_timeout": COMMAND_SECONDS,
                "server_settings": {
                    "application_name": f"attune-{service}",
                    "lock_timeout": f"{LOCK_SECONDS}s",
                    "transaction_timeout": f"{TRANSACTION_SECONDS}s",
                    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
                },
            },
        )
        listens_for(self.engine.sync_engine, "checkout")(_demand_open)
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=True)
        self.jobs = Telling(partial(self.dedicated, "jobs"), "jobs")

    async def answers(self) -> bool:
        """Whether the database answers at all; for readiness, and to tell a lost connection from a failure."""
        try:
            async with self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except Exception:
            return False
        return True

    async def dedicated(self, name: str) -> "asyncpg.Connection[Any]":
        """A connection outside the pool, for LISTEN and advisory locks; by its name PostgreSQL shows what it is for."""
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            self.dsn,
            timeout=COMMAND_SECONDS,
            command_timeout=COMMAND_SECONDS,
            server_settings={"application_name": f"attune-{self.service}-{name}"},
        )
        return connection

    async def close(self) -> None:
        await self.engine.dispose()


__all__ = ["ATTEMPT_SECONDS", "AsyncSession", "Database", "is_contention", "is_outage"]
