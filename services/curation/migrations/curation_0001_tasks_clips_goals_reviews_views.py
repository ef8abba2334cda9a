"""Tasks, clips, goals, reviews, views"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "curation_0001"
down_revision = None
branch_labels = ("curation",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clips",
        sa.Column("clip_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("film_id", sa.Uuid(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "principle",
            sa.Enum(
                "being_attentive",
                "encouraging_initiatives",
                "receiving_initiatives",
                "developing_attuned_interactions",
                "guiding",
                "deepening_discussion",
                name="principle",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("principles_version", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("marked_by", sa.Uuid(), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum("requested", "ready", "failed", name="cutstate", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("artefact_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("clip_id", name=op.f("pk_clips")),
    )
    op.create_index(op.f("ix_clips_episode_id"), "clips", ["episode_id"], unique=False)
    op.create_index(op.f("ix_clips_family_id"), "clips", ["family_id"], unique=False)
    op.create_index(op.f("ix_clips_recording_id"), "clips", ["recording_id"], unique=False)
    op.create_table(
        "films",
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("film_id", sa.Uuid(), nullable=False),
        sa.Column("poster_id", sa.Uuid(), nullable=True),
        sa.Column("frames", sa.BigInteger(), nullable=False),
        sa.Column("rate_numerator", sa.Integer(), nullable=False),
        sa.Column("rate_denominator", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("recording_id", name=op.f("pk_films")),
    )
    op.create_index(op.f("ix_films_episode_id"), "films", ["episode_id"], unique=False)
    op.create_table(
        "goals",
        sa.Column("goal_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("goal_id", name=op.f("pk_goals")),
    )
    op.create_index(op.f("ix_goals_family_id"), "goals", ["family_id"], unique=False)
    op.create_table(
        "playable",
        sa.Column("artefact_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("review_film", "poster", "clip", "reel", name="kind", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("made_from", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.PrimaryKeyConstraint("artefact_id", name=op.f("pk_playable")),
    )
    op.create_table(
        "reels",
        sa.Column("reel_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("clip_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("made_from", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("ordered_by", sa.Uuid(), nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum("requested", "ready", "failed", name="cutstate", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("artefact_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("reel_id", name=op.f("pk_reels")),
    )
    op.create_index(op.f("ix_reels_episode_id"), "reels", ["episode_id"], unique=False)
    op.create_index(op.f("ix_reels_family_id"), "reels", ["family_id"], unique=False)
    op.create_index("ix_reels_made_from", "reels", ["made_from"], unique=False, postgresql_using="gin")
    op.create_table(
        "review_tasks",
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=64), nullable=True),
        sa.Column("filmed_on", sa.Date(), nullable=True),
        sa.Column(
            "state",
            sa.Enum("preparing", "ready", "blocked", "done", name="taskstate", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("recording_id", name=op.f("pk_review_tasks")),
    )
    op.create_index("ix_review_tasks_assignee_id", "review_tasks", ["assignee_id", "recording_id"], unique=False)
    op.create_index(op.f("ix_review_tasks_episode_id"), "review_tasks", ["episode_id"], unique=False)
    op.create_index(op.f("ix_review_tasks_family_id"), "review_tasks", ["family_id"], unique=False)
    op.create_table(
        "shared_reviews",
        sa.Column("shared_review_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("held_by", sa.Uuid(), nullable=False),
        sa.Column("cycle", sa.SmallInteger(), nullable=False),
        sa.Column("made_from", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("reel_id", sa.Uuid(), nullable=True),
        sa.Column("clip_ids", sa.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("saw", sa.Text(), nullable=True),
        sa.Column("felt", sa.Text(), nullable=True),
        sa.Column("thought", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("shared_review_id", name=op.f("pk_shared_reviews")),
        sa.UniqueConstraint("episode_id", "cycle", name=op.f("uq_shared_reviews_episode_id")),
    )
    op.create_index(op.f("ix_shared_reviews_family_id"), "shared_reviews", ["family_id"], unique=False)
    op.create_table(
        "views",
        sa.Column("view_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("artefact_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("review_film", "poster", "clip", "reel", name="kind", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("made_from", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("viewer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "practitioner", "supervisor", "family", "operator", "service", name="role", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("refused", sa.String(length=64), nullable=True),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("ranges", postgresql.INT8MULTIRANGE(), nullable=False),
        sa.PrimaryKeyConstraint("view_id", name=op.f("pk_views")),
    )
    op.create_index("ix_views_family_id", "views", ["family_id", "view_id"], unique=False)
    op.create_index("ix_views_viewer_id", "views", ["viewer_id", "artefact_id", "last_at"], unique=False)
    op.create_table(
        "ratings",
        sa.Column("rating_id", sa.Uuid(), nullable=False),
        sa.Column("goal_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("now", sa.SmallInteger(), nullable=False),
        sa.Column("hoped", sa.SmallInteger(), nullable=False),
        sa.Column("rated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("now BETWEEN 1 AND 10 AND hoped BETWEEN 1 AND 10", name=op.f("ck_ratings_from_1_to_10")),
        sa.ForeignKeyConstraint(["goal_id"], ["goals.goal_id"], name=op.f("fk_ratings_goal_id_goals")),
        sa.PrimaryKeyConstraint("rating_id", name=op.f("pk_ratings")),
    )
    op.create_index(op.f("ix_ratings_goal_id"), "ratings", ["goal_id"], unique=False)
