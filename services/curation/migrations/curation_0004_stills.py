"""Stills"""

import sqlalchemy as sa
from alembic import op

revision = "curation_0004"
down_revision = "curation_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stills",
        sa.Column("still_id", sa.Uuid(), nullable=False),
        sa.Column("clip_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("film_id", sa.Uuid(), nullable=False),
        sa.Column("frame", sa.BigInteger(), nullable=False),
        sa.Column("taken_by", sa.Uuid(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum("requested", "ready", "failed", name="cutstate", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("artefact_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("still_id", name=op.f("pk_stills")),
        sa.UniqueConstraint("clip_id", "frame", name=op.f("uq_stills_clip_id")),
    )
    op.create_index(op.f("ix_stills_episode_id"), "stills", ["episode_id"], unique=False)
    op.create_index(op.f("ix_stills_recording_id"), "stills", ["recording_id"], unique=False)
