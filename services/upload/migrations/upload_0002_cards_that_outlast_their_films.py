"""cards that outlast their films"""

import sqlalchemy as sa
from alembic import op

revision = "upload_0002"
down_revision = "upload_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cards",
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("filmed_by", sa.Uuid(), nullable=False),
        sa.Column("filmed_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("recording_id", name=op.f("pk_cards")),
        info={"holds": "record"},
    )
    for column in ("family_id", "episode_id", "filmed_by"):
        op.create_index(op.f(f"ix_cards_{column}"), "cards", [column], unique=False)
