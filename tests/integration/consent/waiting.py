"""Waiting on a condition, never on a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.patience import PATIENCE_SECONDS


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> None:
    """Until it holds. Raises AssertionError after a generous while."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "the condition did not come to hold"
        await asyncio.sleep(0.1)
