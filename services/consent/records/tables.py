"""What was said and agreed; kept after the media has gone, as the proof that it was."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
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

from services.consent.families.tables import families, people
from services.consent.records.model import Authority, Method
from services.consent.tables import metadata
from shared.database.data_map import RECORD, word

rights_conversations = Table(
    "rights_conversations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("family_id", ForeignKey(families.c.id), nullable=False, index=True),
    Column("held_on", Date, nullable=False),
    Column("points", JSONB, nullable=False),  # [{point, version}]
    Column("language", String(35), nullable=False),
    Column("format", String(64), nullable=False),
    Column("interpreter", Boolean, nullable=False),
    Column("recorded_by", Uuid, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    info=RECORD,
)

# A signed form, sealed in the store under a key of its own, which the master key wraps: it outlives the media.
evidence = Table(
    "evidence",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("family_id", ForeignKey(families.c.id), nullable=False, index=True),
    Column("key", LargeBinary, nullable=False),
    Column("manifest_id", Uuid, nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("recorded_by", Uuid, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("stored_at", DateTime(timezone=True)),  # none: not every byte is in the store
    Column("bytes", BigInteger),
    Column("sha256", LargeBinary),
    Column("objects", Integer),  # segments and manifest, as the store lists them
    info=RECORD,
)

Index("ix_evidence_unfinished", evidence.c.registered_at, postgresql_where=evidence.c.stored_at.is_(None))

# Rows are only ever added: a new version takes the place of the one before.
consent_records = Table(
    "consent_records",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("episode_id", ForeignKey("consent_episodes.id"), nullable=False),
    Column("family_id", ForeignKey(families.c.id), nullable=False, index=True),
    Column("person_id", ForeignKey(people.c.id), nullable=False),
    Column("version", Integer, nullable=False),
    Column("supersedes", Uuid),
    Column("given_by", ForeignKey(people.c.id), nullable=False),
    Column("authority", word(Authority), nullable=False),
    Column("disputed", Boolean, nullable=False),
    Column("purposes", ARRAY(String(64)), nullable=False),
    Column("method", word(Method), nullable=False),
    Column("evidence_id", ForeignKey(evidence.c.id)),
    Column("witness", String(200)),
    Column("notice_version", String(64), nullable=False),
    Column("language", String(35), nullable=False),
    Column("format", String(64), nullable=False),
    Column("interpreter", Boolean, nullable=False),
    Column("valid_until", Date),
    Column("given_on", Date, nullable=False),
    Column("recorded_by", Uuid, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    info=RECORD,
)
Index(
    "uq_consent_records_episode_id_person_id_version",
    consent_records.c.episode_id,
    consent_records.c.person_id,
    consent_records.c.version,
    unique=True,
)

narrowings = Table(
    "narrowings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("episode_id", ForeignKey("consent_episodes.id"), nullable=False, index=True),
    Column("person_id", ForeignKey(people.c.id), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("decided_by", Uuid, nullable=False),
    Column("route", String(16), nullable=False),
    Column("recorded_by", Uuid, nullable=False),
    Column("narrowed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("withdrawal_id", Uuid),  # of one act, which may be about several people
    info=RECORD,
)
