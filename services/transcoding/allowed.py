"""Work that lasts no longer than it is allowed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.media_store import Refused, StandingPermit, Unavailable

LOOK_SECONDS = 1.0


@asynccontextmanager
async def allowed(permit: StandingPermit) -> AsyncIterator[None]:
    """The block dies with the permit, whether or not it tells of its progress. Raises Refused, Unavailable."""
    working = asyncio.current_task()
    why: Exception | None = None

    async def watch() -> None:
        nonlocal why
        try:
            while True:
                await permit.current()
                await asyncio.sleep(LOOK_SECONDS)
        except (Refused, Unavailable) as error:
            why = error
            if working:
                working.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if why and working:
            working.uncancel()
            raise why from None
        raise
    finally:
        watching.cancel()
        await asyncio.wait([watching])
