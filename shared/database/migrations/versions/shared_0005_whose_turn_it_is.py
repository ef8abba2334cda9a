"""whose turn it is"""

from alembic import op

revision = "shared_0005"
down_revision = "shared_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_jobs_waiting", table_name="jobs")  # of an order that is none any more
    op.create_index("ix_jobs_on_behalf_of", "jobs", ["on_behalf_of", "closed_at"], unique=False)
