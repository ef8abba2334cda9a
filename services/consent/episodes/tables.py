"""Consent episodes, what suspended them, and what holds them."""

from sqlalchemy import Boolean, Column, Date, DateTime, ForeignKey, Index, LargeBinary, String, Table, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

from services.consent.episodes.model import Cause, ConsentEpisode, EpisodeState
from services.consent.families.tables import families
from services.consent.tables import metadata, registry
from shared.database.data_map import ABOUT_MEDIA, RECORD, word

consent_episodes = Table(
    "consent_episodes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("family_id", ForeignKey(families.c.id), nullable=False, index=True),
    Column("state", word(EpisodeState), nullable=False),
    Column("key", LargeBinary, info=ABOUT_MEDIA),  # emptied by the commit that ends it
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("ended_cause", word(Cause)),
    Column("key_destroyed_at", DateTime(timezone=True)),
    info=RECORD,
)
ONE_EPISODE = "uq_consent_episodes_family_id_not_ended"
Index(
    ONE_EPISODE,
    consent_episodes.c.family_id,
    unique=True,
    postgresql_where=consent_episodes.c.state != EpisodeState.ENDED,
)
Index(
    "ix_consent_episodes_suspended",
    consent_episodes.c.id,
    postgresql_where=consent_episodes.c.state == EpisodeState.SUSPENDED,
)
registry.map_imperatively(ConsentEpisode, consent_episodes)

suspensions = Table(
    "suspensions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("episode_id", ForeignKey(consent_episodes.c.id), nullable=False, index=True),
    Column("cause", String(32), nullable=False),
    Column("decided_by", Uuid, nullable=False),
    Column("route", String(16), nullable=False),
    Column("confirmed_by_family", Boolean, nullable=False),
    Column("recorded_by", Uuid, nullable=False),
    Column("suspended_at", DateTime(timezone=True), nullable=False),
    Column("end_due_at", DateTime(timezone=True), nullable=False),
    Column("reinstated_by", Uuid),  # who wrote it down
    Column("reinstated_at", DateTime(timezone=True)),
    Column("reinstatement_asked_by", Uuid),  # of the family; none: staff took back a mistake of theirs
    Column("reinstatement_route", String(16)),
    Column("reinstatement_reason", String(2000)),
    Column("trace", JSONB, nullable=False),  # of the request; the end, which comes later, goes on with it
    info=RECORD,
)

holds = Table(
    "holds",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("episode_id", ForeignKey(consent_episodes.c.id), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("reason", String(2000), nullable=False),
    Column("review_on", Date, nullable=False),
    Column("placed_by", Uuid, nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("lifted_by", Uuid),
    Column("lifted_at", DateTime(timezone=True)),
    info=RECORD,
)
