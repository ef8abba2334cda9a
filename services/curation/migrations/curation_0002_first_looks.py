"""First looks"""

import sqlalchemy as sa
from alembic import op

revision = "curation_0002"
down_revision = "curation_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "first_looks",
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("artefact_id", sa.Uuid(), nullable=False),
        sa.Column("frames", sa.BigInteger(), nullable=False),
        sa.Column("rate_numerator", sa.Integer(), nullable=False),
        sa.Column("rate_denominator", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("recording_id", name=op.f("pk_first_looks")),
    )
    op.create_index(op.f("ix_first_looks_episode_id"), "first_looks", ["episode_id"], unique=False)
