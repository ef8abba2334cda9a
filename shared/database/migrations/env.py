"""Alembic's entry: the connection and the tables come from `shared.database.migrate`."""

from typing import Any

from alembic import context

given = context.config.attributes


def include(thing: Any, name: str | None, kind: str, reflected: bool, counterpart: Any) -> bool:
    """Leave alone the tables of the other branch, which are in the same database."""
    return not (kind == "table" and reflected and counterpart is None)


context.configure(
    connection=given["connection"],
    target_metadata=given["metadata"],
    include_object=include,
    compare_server_default=False,
    transactional_ddl=True,
)
context.run_migrations()
