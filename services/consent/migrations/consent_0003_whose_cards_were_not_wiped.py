"""whose cards were not wiped"""

import sqlalchemy as sa
from alembic import op

revision = "consent_0003"
down_revision = "consent_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("acknowledgements", sa.Column("cards", sa.ARRAY(sa.Uuid()), nullable=False, server_default="{}"))
