"""Where the work is kept."""

from sqlalchemy import Column, Index, MetaData, Table, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import registry

from services.transcoding.model import Make, State, Work
from shared.database import NAMING
from shared.database.data_map import ABOUT_MEDIA, word

metadata = MetaData(naming_convention=NAMING)
mapping = registry(metadata=metadata)


works = Table(
    "works",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("make", word(Make), nullable=False),
    Column("family_id", Uuid, nullable=False),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("on_behalf_of", Uuid, nullable=False),
    Column("made_from", ARRAY(Uuid), nullable=False),
    Column("cuts", JSONB, nullable=False),
    Column("state", word(State), nullable=False),
    Column("artefacts", JSONB, nullable=False),
    Column("plan", JSONB),
    Column("failure", JSONB),
    info=ABOUT_MEDIA,
)
Index("ix_works_made_from", works.c.made_from, postgresql_using="gin")
mapping.map_imperatively(Work, works)

# Every artefact an attempt began, noted before its first byte: what does not become current is purged.
attempts = Table(
    "attempts",
    metadata,
    Column("artefact_id", Uuid, primary_key=True),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("work_id", Uuid, nullable=False, index=True),
    Column("job_id", Uuid, nullable=False),
    info=ABOUT_MEDIA,
)
