"""works and attempts"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "transcoding_0001"
down_revision = None
branch_labels = ("transcoding",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("artefact_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("work_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("artefact_id", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_episode_id"), "attempts", ["episode_id"], unique=False)
    op.create_index(op.f("ix_attempts_work_id"), "attempts", ["work_id"], unique=False)
    op.create_table(
        "works",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "make", sa.Enum("review_film", "clip", "reel", name="make", native_enum=False, length=32), nullable=False
        ),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("on_behalf_of", sa.Uuid(), nullable=False),
        sa.Column("made_from", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("cuts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "state", sa.Enum("waiting", "made", "failed", name="state", native_enum=False, length=32), nullable=False
        ),
        sa.Column("artefacts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("failure", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_works")),
    )
    op.create_index(op.f("ix_works_episode_id"), "works", ["episode_id"], unique=False)
    op.create_index("ix_works_made_from", "works", ["made_from"], unique=False, postgresql_using="gin")
