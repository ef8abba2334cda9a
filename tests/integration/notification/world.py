"""Whom the tests are about."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID, uuid4

from tests.patience import PATIENCE_SECONDS

T = TypeVar("T")


async def eventually(what: Callable[[], Coroutine[Any, Any, T]], seconds: float = PATIENCE_SECONDS) -> T:
    """The first answer that is true, asked again and again."""
    async with asyncio.timeout(seconds):
        while not (answer := await what()):
            await asyncio.sleep(0.05)
        return answer


@dataclass
class Family:
    family_id: UUID = field(default_factory=uuid4)
    episode_id: UUID = field(default_factory=uuid4)


@dataclass
class Team:
    """The people of one family's care team."""

    practitioner: UUID = field(default_factory=uuid4)
    lead: UUID = field(default_factory=uuid4)
    supervisor: UUID = field(default_factory=uuid4)
