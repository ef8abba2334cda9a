"""Sprites and waveforms"""

import sqlalchemy as sa
from alembic import op

revision = "curation_0003"
down_revision = "curation_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("films", sa.Column("sprite_id", sa.Uuid(), nullable=True))
    op.add_column("films", sa.Column("waveform_id", sa.Uuid(), nullable=True))
