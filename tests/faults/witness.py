"""A witness in each database: triggers that write down, in the same transaction, every change that has to be told.

What is erased later was seen all the same. The services know nothing of it.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

_SEES = """
CREATE SCHEMA witness;
CREATE TABLE witness.seen (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    relation text NOT NULL,
    before jsonb,
    after jsonb NOT NULL
);
CREATE INDEX ON witness.seen (relation);
CREATE FUNCTION witness.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO witness.seen (relation, before, after)
    VALUES (TG_TABLE_NAME, CASE TG_OP WHEN 'UPDATE' THEN to_jsonb(OLD) END, to_jsonb(NEW));
    RETURN NULL;
END $$;
-- deferred: it runs as the transaction commits, so that the numbers of one episode's events, whose lock is still held,
-- are in the order of their commits
CREATE CONSTRAINT TRIGGER witness AFTER INSERT ON outbox
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION witness.see();
CREATE TRIGGER witness AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION witness.see();
"""
_SEES_CHANGES = (
    "CREATE TRIGGER witness AFTER INSERT OR UPDATE ON {relation} FOR EACH ROW EXECUTE FUNCTION witness.see()"
)


async def install(database: "asyncpg.Connection[Any]", relations: set[str]) -> None:
    """From now on every row put into these tables, or changed there, is seen; and every event of outbox and inbox."""
    await database.execute(_SEES)
    for relation in sorted(relations):
        await database.execute(_SEES_CHANGES.format(relation=relation))


@dataclass(frozen=True)
class Committed:
    """An event as its transaction wrote it; `number` is in commit order for the events of one key."""

    number: int
    transaction: str
    id: str
    type: str
    subject: str
    cause: str | None
    key: str
    value: bytes


async def committed(database: "asyncpg.Connection[Any]") -> list[Committed]:
    """Every event that was ever in the outbox, in the order of `number`."""
    rows = await database.fetch(
        "SELECT number, transaction::text, after->>'event_id' AS id, after->'headers'->>'ce_type' AS type,"
        " after->'headers'->>'ce_subject' AS subject, after->'headers'->>'ce_causationid' AS cause,"
        " after->>'key' AS key, after->>'value' AS value"
        " FROM witness.seen WHERE relation = 'outbox' ORDER BY number"
    )
    return [Committed(**{**row, "value": bytes.fromhex(row["value"].removeprefix(r"\x"))}) for row in rows]


async def changes(database: "asyncpg.Connection[Any]", relation: str, subject: str, when: str) -> list[tuple[str, str]]:
    """Of each change of this kind its transaction, and what it was about."""
    rows = await database.fetch(
        f"SELECT transaction::text, {subject} FROM witness.seen WHERE relation = $1 AND ({when})", relation
    )
    return [(row[0], row[1]) for row in rows]


async def heard(database: "asyncpg.Connection[Any]") -> dict[str, set[UUID]]:
    """Of each transaction that settled an event, which."""
    rows = await database.fetch(
        "SELECT transaction::text, after->>'event_id' AS id FROM witness.seen WHERE relation = 'inbox'"
    )
    found: dict[str, set[UUID]] = {}
    for row in rows:
        found.setdefault(row["transaction"], set()).add(UUID(row["id"]))
    return found
