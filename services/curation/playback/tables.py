"""What may be watched, and who watched or was refused. Ids and times alone, kept as a record: see docs/decisions."""

from sqlalchemy import Column, DateTime, Index, Integer, String, Table, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, INT8MULTIRANGE

from services.curation.playback.model import Kind
from services.curation.tables import metadata
from shared.database.data_map import RECORD, word
from shared.identity import Role

playable = Table(
    "playable",
    metadata,
    Column("artefact_id", Uuid, primary_key=True),
    Column("episode_id", Uuid, nullable=False),
    Column("family_id", Uuid, nullable=False),
    Column("kind", word(Kind), nullable=False),
    Column("made_from", ARRAY(Uuid), nullable=False),
    info=RECORD,
)
# A row per person, artefact, outcome and sitting.
views = Table(
    "views",
    metadata,
    Column("view_id", Uuid, primary_key=True),
    Column("family_id", Uuid, nullable=False),
    Column("episode_id", Uuid, nullable=False),
    Column("artefact_id", Uuid, nullable=False),
    Column("kind", word(Kind), nullable=False),
    Column("made_from", ARRAY(Uuid), nullable=False),
    Column("viewer_id", Uuid, nullable=False),
    Column("role", word(Role), nullable=False),
    Column("refused", String(64)),  # why; none: it was granted
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False),
    Column("requests", Integer, nullable=False),
    Column("ranges", INT8MULTIRANGE, nullable=False),  # the bytes handed out, merged
    info=RECORD,
)
Index("ix_views_family_id", views.c.family_id, views.c.view_id)
Index("ix_views_viewer_id", views.c.viewer_id, views.c.artefact_id, views.c.last_at)
