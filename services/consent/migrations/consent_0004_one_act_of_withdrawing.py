"""one act of withdrawing a purpose"""

import sqlalchemy as sa
from alembic import op

revision = "consent_0004"
down_revision = "consent_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("narrowings", sa.Column("withdrawal_id", sa.Uuid(), nullable=True))
