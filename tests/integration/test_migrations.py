"""The migrations make what the tables say, and nothing else; every table says what it holds."""

from collections.abc import Callable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from shared.contracts import SERVICES
from shared.database import Database
from shared.database.migrate import metadata_of
from shared.settings import DatabaseSettings
from tests import stack

NOT_OURS = {"alembic_version"}


def differences(connection: Connection, service: str) -> list[Any]:
    def include(thing: Any, name: str | None, kind: str, reflected: bool, counterpart: Any) -> bool:
        return name not in NOT_OURS

    context = MigrationContext.configure(connection, opts={"include_object": include})
    return list(compare_metadata(context, metadata_of(service)))  # type: ignore[arg-type]  # it takes several too


@pytest.mark.parametrize("service", SERVICES)
async def test_the_migrations_make_what_the_tables_say(service: str, database: Callable[[str], stack.Database]) -> None:
    migrated = Database(DatabaseSettings(url=database(service).url), service)
    try:
        async with migrated.engine.connect() as connection:
            found = await connection.run_sync(differences, service)
    finally:
        await migrated.close()
    # what Alembic would have to do about them; comments of tables and columns are for the code's readers alone
    assert [one for one in found if "comment" not in str(one[0])] == []
