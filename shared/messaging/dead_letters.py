"""Records that could not be handled: parked with a reason, so that what comes after them goes on.

`python -m shared.messaging.dead_letters SERVICE list | requeue ID | drop ID`
"""

import argparse
import asyncio
import traceback
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

from aiokafka import ConsumerRecord
from pydantic import ValidationError
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts import REGISTRY, SERVICES, cloudevents
from shared.contracts.cloudevents import Malformed, UnknownType
from shared.database import Database
from shared.messaging.tables import dead_letters, inbox
from shared.settings import DatabaseSettings
from shared.telemetry import metrics

_SETTLE = insert(inbox).on_conflict_do_nothing().returning(inbox.c.event_id)
UNIDENTIFIED = UUID("b1b56e0e-5f5e-4d0a-9d3b-1f3a4f0d5c11")  # namespace for records without an id of their own
REQUEUED = -1  # the offset of a record that is handled again: it moves no watermark
HOPELESS = (Malformed, UnknownType, ValidationError, UnicodeDecodeError)  # trying again would not help


@dataclass(frozen=True)
class Letter:
    """One record as the inbox sees it: under which id it is settled, and why it was parked if it was."""

    record: ConsumerRecord
    group: str
    event_id: UUID
    type: str
    headers: dict[str, str]
    reason: str | None = None
    detail: str = ""
    attempts: int = 0

    def because(self, error: BaseException, attempts: int) -> "Letter":
        """Parked for this error: its type and where it was raised, never its message, which may hold personal data."""
        frames = traceback.extract_tb(error.__traceback__)[-4:]
        where = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames))
        match error:
            case UnknownType():
                reason = "unknown_type"
            case Malformed() | ValidationError() | UnicodeDecodeError():
                reason = "malformed"
            case _:
                reason = type(error).__name__
        return replace(self, reason=reason[:64], detail=where[:2000], attempts=attempts)


def read(record: ConsumerRecord, group: str) -> Letter:
    """A record without a good id is settled under one made from its place in the topic."""
    headers = cloudevents.text(record.headers)
    try:
        attributes = cloudevents.attributes(headers)
    except Malformed as error:
        place = uuid5(UNIDENTIFIED, f"{record.topic}/{record.partition}/{record.offset}")
        return Letter(record, group, place, headers.get("ce_type", "")[:128], headers).because(error, 0)
    return Letter(record, group, attributes.id, attributes.type[:128], headers)


async def park(letter: Letter, session: AsyncSession) -> None:
    """Inbox row and dead letter in one transaction, so that the watermark may pass it."""
    record = letter.record
    if record.offset == REQUEUED:
        await session.execute(
            update(dead_letters)
            .where(*_is(letter))
            .values(requeued_at=None, reason=letter.reason, detail=letter.detail, attempts=letter.attempts)
        )
    elif await first_time(session, letter, "parked"):
        await session.execute(
            insert(dead_letters).values(
                group=letter.group,
                event_id=letter.event_id,
                type=letter.type,
                reason=letter.reason,
                detail=letter.detail,
                attempts=letter.attempts,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                key=record.key,
                headers=letter.headers,
                value=record.value,
            )
        )
        metrics.PARKED.add(1, {"topic": record.topic})


async def first_time(session: AsyncSession, letter: Letter, outcome: str) -> bool:
    """Put the record in the inbox; False when it is there already. One handled again leaves the dead letters."""
    if letter.record.offset == REQUEUED:
        left = await session.execute(delete(dead_letters).where(*_is(letter)).returning(dead_letters.c.id))
        if left.one_or_none() is None:
            return False  # another process, which had read it too, was quicker; or it was dropped
        await session.execute(delete(inbox).where(inbox.c.group == letter.group, inbox.c.event_id == letter.event_id))
    settled = await session.execute(_SETTLE, {"group": letter.group, "event_id": letter.event_id, "outcome": outcome})
    return settled.one_or_none() is not None


def _is(letter: Letter) -> tuple[ColumnElement[bool], ...]:
    return dead_letters.c.group == letter.group, dead_letters.c.event_id == letter.event_id


async def to_requeue(session: AsyncSession, group: str) -> list[ConsumerRecord]:
    """The records of a group that are wanted again, as they came, but without an offset: late, by decision."""
    wanted = select(dead_letters).where(dead_letters.c.group == group, dead_letters.c.requeued_at.is_not(None))
    return [
        ConsumerRecord(
            topic=letter.topic,
            partition=letter.partition,
            offset=REQUEUED,
            timestamp=0,
            timestamp_type=0,
            key=letter.key,
            value=letter.value,
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            headers=[(name, value.encode()) for name, value in letter.headers.items()],
        )
        for letter in await session.execute(wanted.order_by(dead_letters.c.id))
    ]


async def requeue(session: AsyncSession, *where: ColumnElement[bool]) -> int:
    """Ask for dead letters to be handled again by the running service. Returns how many."""
    asked = update(dead_letters).where(*where).values(requeued_at=func.clock_timestamp()).returning(dead_letters.c.id)
    return len((await session.execute(asked)).all())


def known_by_now() -> ColumnElement[bool]:
    """Those that were parked as an unknown type which this version knows."""
    return (dead_letters.c.reason == "unknown_type") & dead_letters.c.type.in_(list(REGISTRY))


async def _command(given: argparse.Namespace) -> None:
    database = Database(DatabaseSettings(), given.service)
    try:
        async with database.sessions.begin() as session:
            match given.command:
                case "requeue":
                    print(await requeue(session, dead_letters.c.id == given.id), "asked for")
                case "drop":
                    dropped = delete(dead_letters).where(dead_letters.c.id == given.id).returning(dead_letters.c.id)
                    print(len((await session.execute(dropped)).all()), "dropped; the inbox keeps it as parked")
                case _:
                    for letter in await session.execute(select(dead_letters).order_by(dead_letters.c.id)):
                        print(
                            letter.id,
                            letter.type,
                            letter.reason,
                            letter.detail,
                            letter.event_id,
                            letter.parked_at,
                            sep="\t",
                        )
    finally:
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shared.messaging.dead_letters", description=__doc__)
    parser.add_argument("service", choices=SERVICES)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    for name in ("requeue", "drop"):
        commands.add_parser(name).add_argument("id", type=int)
    asyncio.run(_command(parser.parse_args()))


if __name__ == "__main__":
    main()
