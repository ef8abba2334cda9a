"""who took a withdrawal back, and how"""

import sqlalchemy as sa
from alembic import op

revision = "consent_0002"
down_revision = "consent_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("suspensions", sa.Column("reinstatement_asked_by", sa.Uuid(), nullable=True))
    op.add_column("suspensions", sa.Column("reinstatement_route", sa.String(length=16), nullable=True))
    op.add_column("suspensions", sa.Column("reinstatement_reason", sa.String(length=2000), nullable=True))
