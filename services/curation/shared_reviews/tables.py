"""Where goals, ratings and shared reviews are kept; what the family said is in no other database, event or log."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.curation.shared_reviews.model import Goal, Rating, SharedReview
from services.curation.tables import mapping, metadata
from shared.database.data_map import ABOUT_MEDIA, RECORD

goals = Table(
    "goals",
    metadata,
    Column("goal_id", Uuid, primary_key=True),
    Column("family_id", Uuid, nullable=False, index=True),
    Column("words", Text, nullable=False),
    Column("set_by", Uuid, nullable=False),
    Column("set_at", DateTime(timezone=True), nullable=False),
    info=RECORD,
)
ratings = Table(
    "ratings",
    metadata,
    Column("rating_id", Uuid, primary_key=True),
    Column("goal_id", Uuid, ForeignKey(goals.c.goal_id), nullable=False, index=True),
    Column("family_id", Uuid, nullable=False),
    Column("now", SmallInteger, nullable=False),
    Column("hoped", SmallInteger, nullable=False),
    Column("rated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("now BETWEEN 1 AND 10 AND hoped BETWEEN 1 AND 10", "from_1_to_10"),
    info=RECORD,
)
shared_reviews = Table(
    "shared_reviews",
    metadata,
    Column("shared_review_id", Uuid, primary_key=True),
    Column("family_id", Uuid, nullable=False, index=True),
    Column("episode_id", Uuid, nullable=False),
    Column("held_on", Date, nullable=False),
    Column("held_by", Uuid, nullable=False),
    Column("cycle", SmallInteger, nullable=False),
    Column("made_from", ARRAY(Uuid), nullable=False),
    Column("reel_id", Uuid, info=ABOUT_MEDIA),
    Column("clip_ids", ARRAY(Uuid), info=ABOUT_MEDIA),
    Column("saw", Text, info=ABOUT_MEDIA),
    Column("felt", Text, info=ABOUT_MEDIA),
    Column("thought", Text, info=ABOUT_MEDIA),
    Column("summary", Text),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("episode_id", "cycle"),
    info=RECORD,
)
mapping.map_imperatively(Goal, goals)
mapping.map_imperatively(Rating, ratings)
mapping.map_imperatively(SharedReview, shared_reviews)
