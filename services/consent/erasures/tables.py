"""Erasures, who acknowledged what, what the verifier found, and the certificates."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.consent.episodes.tables import consent_episodes
from services.consent.erasures.model import Erasure, ErasureState
from services.consent.tables import metadata, registry
from shared.database.data_map import RECORD, word

erasures = Table(
    "erasures",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("episode_id", ForeignKey(consent_episodes.c.id), nullable=False, index=True),
    Column("family_id", Uuid, nullable=False, index=True),
    Column("recording_id", Uuid),
    Column("cause", String(64), nullable=False),
    Column("decided_by", Uuid),
    Column("route", String(16), nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("key_destroyed_at", DateTime(timezone=True)),
    Column("permit_seconds", Integer, nullable=False),
    Column("put_seconds", Integer, nullable=False),
    Column("clock_skew_seconds", Integer, nullable=False),
    Column("fenced_at", DateTime(timezone=True)),
    Column("state", word(ErasureState), nullable=False),
    Column("round", Integer, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("moved_at", DateTime(timezone=True), nullable=False),
    Column("stalled_at", DateTime(timezone=True)),
    Column("supersedes", ForeignKey("erasures.id")),
    Column("trace", JSONB, nullable=False),
    info=RECORD,
)
Index("ix_erasures_open", erasures.c.opened_at, postgresql_where=erasures.c.state != ErasureState.CERTIFIED)
registry.map_imperatively(Erasure, erasures)

acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("erasure_id", ForeignKey(erasures.c.id), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("participant", String(32), primary_key=True),
    Column("objects", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("jobs_cancelled", Integer, nullable=False),
    Column("cards_not_wiped", Integer, nullable=False),
    Column("cards", ARRAY(Uuid), nullable=False, server_default="{}"),  # the recordings that may still be on one
    Column("acknowledged_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    info=RECORD,
)

# What the verifier listed and found, once per erasure and round.
findings = Table(
    "findings",
    metadata,
    Column("erasure_id", ForeignKey(erasures.c.id), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("begun_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True), nullable=False),
    Column("listed", JSONB, nullable=False),
    Column("evidence", JSONB, nullable=False),
    Column("found", JSONB, nullable=False),
    info=RECORD,
)

# The signed files, as they were given out; never changed.
certificates = Table(
    "certificates",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("erasure_id", ForeignKey(erasures.c.id), nullable=False, unique=True),
    Column("file", LargeBinary, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    info=RECORD,
)
