"""Marks on first looks"""

from alembic import op

revision = "curation_0005"
down_revision = "curation_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("clips", "film_id", nullable=True)
