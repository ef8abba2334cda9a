"""The register: everything that can ever hold bytes of a family's media; and who was granted or refused what."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    LargeBinary,
    String,
    Table,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.consent.episodes.tables import consent_episodes
from services.consent.permits.model import Kind
from services.consent.tables import metadata
from shared.database.data_map import ABOUT_MEDIA, RECORD, word

artefacts = Table(
    "artefacts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("episode_id", ForeignKey(consent_episodes.c.id), nullable=False, index=True),
    Column("kind", word(Kind), nullable=False),
    Column("registered_by", String(32), nullable=False),
    Column("on_behalf_of", Uuid, nullable=False),
    Column("made_from", ARRAY(Uuid), nullable=False),
    Column("recordings", ARRAY(Uuid), nullable=False),
    Column("people", ARRAY(Uuid), nullable=False),
    Column("filmed_on", Date),
    Column("happy_to_film", Boolean, nullable=False),
    Column("key", LargeBinary, info=ABOUT_MEDIA),  # wrapped by the episode's key; none once it is destroyed
    Column("manifest_id", Uuid, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("discarded_at", DateTime(timezone=True)),
    info=RECORD,
)

# Rows are only ever added.
permit_log = Table(
    "permit_log",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("service", String(32), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("on_behalf_of", Uuid, nullable=False, index=True),
    Column("family_id", Uuid, index=True),  # none where no such artefact or episode is known
    Column("read", ARRAY(Uuid), nullable=False),
    Column("written", ARRAY(Uuid), nullable=False),
    Column("outcome", String(32), nullable=False),  # granted, or the reason of a refusal
    info=RECORD,
)
