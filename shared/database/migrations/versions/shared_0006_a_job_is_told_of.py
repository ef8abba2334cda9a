"""a job is told of"""

from alembic import op

revision = "shared_0006"
down_revision = "shared_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # one NOTIFY a transaction wakes who waits for a job; the many writes to one that is worked on do not
    op.execute(
        """
        CREATE FUNCTION jobs_wake_who_waits() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_notify('jobs', ''); RETURN NULL; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER jobs_wake_who_waits AFTER INSERT OR UPDATE OF not_before ON jobs
        FOR EACH STATEMENT EXECUTE FUNCTION jobs_wake_who_waits()
        """
    )
