"""This service's part in an erasure: it has no bucket; its rows about media go, by the data map."""

from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Table, delete, or_, update

from services.curation.tables import metadata
from shared.database import UnitOfWork
from shared.database.data_map import Holds, holds
from shared.participant import Counts, Scope


async def purge(scope: Scope) -> Counts:
    """Nothing: playback keeps no copy of anything, and a response that is running asks consent again by itself."""
    return Counts()


async def forget(uow: UnitOfWork, scope: Scope) -> int:
    """Delete the rows about media, and empty the columns about media of rows that stay; how many rows that were."""
    forgotten = 0
    for table in metadata.sorted_tables:
        about = [column for column in table.columns if holds(column) is Holds.ABOUT_MEDIA]
        if holds(table) is Holds.ABOUT_MEDIA:
            statement: Any = delete(table).where(_within(table, scope))
        elif about:
            full = or_(*(column.is_not(None) for column in about))
            statement = update(table).where(_within(table, scope), full).values(dict.fromkeys(about))
        else:
            continue
        forgotten += cast(CursorResult[Any], await uow.session.execute(statement)).rowcount
    return forgotten


def _within(table: Table, scope: Scope) -> ColumnElement[bool]:
    """Whether a row is about what is to go."""
    if scope.recording_id is None:
        return table.c.episode_id == scope.episode_id
    if "recording_id" in table.c:
        return table.c.recording_id == scope.recording_id
    return table.c.made_from.contains([scope.recording_id])
