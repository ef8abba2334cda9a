"""Changes that people ask for, and what they may write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, StringConstraints

from shared.database import Database, EpisodeEnded, UnitOfWork, unit_of_work
from shared.http import ConsentOver

_ANY = r"^[^\x00]*$"  # PostgreSQL keeps every character but this one
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_ANY)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000, pattern=_ANY)]
MaybeText = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000, pattern=_ANY)] | None,
    AfterValidator(lambda text: text or None),
]
"""An empty field of a form says nothing."""


@asynccontextmanager
async def changing(database: Database, key: UUID, family_id: UUID) -> AsyncIterator[UnitOfWork]:
    """A unit of work of an episode, or of a family itself. Raises ConsentOver."""
    try:
        async with unit_of_work(database, key, family_id=family_id) as uow:
            yield uow
    except EpisodeEnded:
        raise ConsentOver from None
