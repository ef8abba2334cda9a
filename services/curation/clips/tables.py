"""Where films, clips and reels are kept: what is known and said of them, never a byte of them."""

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, String, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from services.curation.clips.model import Clip, CutState, Film, FirstLook, Principle, Reel
from services.curation.tables import mapping, metadata
from shared.database.data_map import ABOUT_MEDIA, word


def cut() -> list[Column[object]]:
    """The columns of everything that is cut from a film: made, or why not."""
    return [
        Column("state", word(CutState), nullable=False),
        Column("artefact_id", Uuid),
        Column("reason", String(64)),
    ]


films = Table(
    "films",
    metadata,
    Column("recording_id", Uuid, primary_key=True),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("family_id", Uuid, nullable=False),
    Column("film_id", Uuid, nullable=False),
    Column("poster_id", Uuid),
    Column("sprite_id", Uuid),
    Column("waveform_id", Uuid),
    Column("frames", BigInteger, nullable=False),
    Column("rate_numerator", Integer, nullable=False),
    Column("rate_denominator", Integer, nullable=False),
    info=ABOUT_MEDIA,
)
# A row until there is one in `films`.
first_looks = Table(
    "first_looks",
    metadata,
    Column("recording_id", Uuid, primary_key=True),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("family_id", Uuid, nullable=False),
    Column("artefact_id", Uuid, nullable=False),
    Column("frames", BigInteger, nullable=False),
    Column("rate_numerator", Integer, nullable=False),
    Column("rate_denominator", Integer, nullable=False),
    info=ABOUT_MEDIA,
)
clips = Table(
    "clips",
    metadata,
    Column("clip_id", Uuid, primary_key=True),
    Column("recording_id", Uuid, nullable=False, index=True),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("family_id", Uuid, nullable=False, index=True),
    Column("film_id", Uuid),  # none: marked on a first look
    Column("first", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("principle", word(Principle), nullable=False),
    Column("principles_version", Integer, nullable=False),
    Column("note", Text),
    Column("marked_by", Uuid, nullable=False),
    Column("marked_at", DateTime(timezone=True), nullable=False),
    *cut(),
    info=ABOUT_MEDIA,
)
reels = Table(
    "reels",
    metadata,
    Column("reel_id", Uuid, primary_key=True),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("family_id", Uuid, nullable=False, index=True),
    Column("clip_ids", ARRAY(Uuid), nullable=False),
    Column("made_from", ARRAY(Uuid), nullable=False),
    Column("ordered_by", Uuid, nullable=False),
    Column("ordered_at", DateTime(timezone=True), nullable=False),
    *cut(),
    info=ABOUT_MEDIA,
)
Index("ix_reels_made_from", reels.c.made_from, postgresql_using="gin")
mapping.map_imperatively(Film, films)
mapping.map_imperatively(FirstLook, first_looks)
mapping.map_imperatively(Clip, clips)
mapping.map_imperatively(Reel, reels)
