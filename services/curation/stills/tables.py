"""Where it is kept which stills there are, never a byte of them."""

from sqlalchemy import BigInteger, Column, DateTime, Table, UniqueConstraint, Uuid

from services.curation.clips.tables import cut
from services.curation.stills.model import Still
from services.curation.tables import mapping, metadata
from shared.database.data_map import ABOUT_MEDIA

stills = Table(
    "stills",
    metadata,
    Column("still_id", Uuid, primary_key=True),
    Column("clip_id", Uuid, nullable=False),
    Column("recording_id", Uuid, nullable=False, index=True),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("family_id", Uuid, nullable=False),
    Column("film_id", Uuid, nullable=False),
    Column("frame", BigInteger, nullable=False),
    Column("taken_by", Uuid, nullable=False),
    Column("taken_at", DateTime(timezone=True), nullable=False),
    *cut(),
    UniqueConstraint("clip_id", "frame"),
    info=ABOUT_MEDIA,
)
mapping.map_imperatively(Still, stills)
