"""What a consumer keeps: what it has settled, and what it could not."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Integer, LargeBinary, String, Table, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import metadata
from shared.database.data_map import MACHINERY

# The truth about what this service has read. Rows outlive the topic's retention: an old event that comes is known.
inbox = Table(
    "inbox",
    metadata,
    Column("group", String(64), primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("outcome", String(8), nullable=False),  # done | ended | parked
    Column("settled_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    info=MACHINERY,
)
Index("ix_inbox_settled_at", inbox.c.settled_at)

# A record that could not be handled, as it came, so that it can be handled later.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("group", String(64), nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("type", String(128), nullable=False),
    Column("reason", String(64), nullable=False),  # a code: unknown_type, malformed, the name of the error
    Column("detail", String(2000), nullable=False),  # where it was raised; never its message
    Column("attempts", Integer, nullable=False),
    Column("topic", String(249), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", LargeBinary),
    Column("headers", JSONB, nullable=False),
    Column("value", LargeBinary),
    Column("parked_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column(
        "requeued_at", DateTime(timezone=True)
    ),  # an operator, or a version that knows its type, wants it tried again
    info=MACHINERY,
)
Index("uq_dead_letters_group_event_id", dead_letters.c.group, dead_letters.c.event_id, unique=True)
