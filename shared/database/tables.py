"""Tables that every service's database has, beside its own."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database.data_map import MACHINERY

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

# The one lock: every change of an episode's things locks its row here first. A family has a row of its own (its id in
# both columns) for what happens before its first episode.
episodes = Table(
    "episodes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("family_id", Uuid, nullable=False, index=True),
    Column("ended_at", DateTime(timezone=True)),
    info=MACHINERY,
)

# The door after the end: what this service knows of erasures that are not certified yet.
open_erasures = Table(
    "open_erasures",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("recording_id", Uuid),  # none: everything of the episode
    Column("opened_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    info=MACHINERY,
)

# What must not be opened again: an answer about it that comes late has no effect.
closed_erasures = Table(
    "closed_erasures",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("episode_id", Uuid, nullable=False),
    Column("closed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    info=MACHINERY,
)

# What must not come back while its consent episode goes on: an event about it that comes late has no effect.
discarded_recordings = Table(
    "discarded_recordings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("episode_id", Uuid, nullable=False),
    Column("discarded_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    info=MACHINERY,
)

outbox = Table(
    "outbox",
    metadata,
    Column("sequence", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("key", Uuid, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    info=MACHINERY,
)
Index("ix_outbox_created_at", outbox.c.created_at)
