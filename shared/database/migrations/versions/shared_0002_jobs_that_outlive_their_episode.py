"""jobs that outlive their episode"""

import sqlalchemy as sa
from alembic import op

revision = "shared_0002"
down_revision = "shared_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("outlives", sa.Boolean(), server_default=sa.false(), nullable=False))
