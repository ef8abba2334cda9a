"""who is told, where and what came of it"""

import sqlalchemy as sa
from alembic import op

revision = "notification_0001"
down_revision = None
branch_labels = ("notification",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "assignees",
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("recording_id", name=op.f("pk_assignees")),
        info={"holds": "about_media"},
    )
    op.create_index(op.f("ix_assignees_episode_id"), "assignees", ["episode_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.Uuid(), nullable=False),
        sa.Column(
            "template",
            sa.Enum(
                "ready",
                "failed_try_again",
                "failed",
                "needs_a_person",
                "tell_in_person",
                "not_finished",
                "request_received",
                "request_complete",
                name="template",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "audience",
            sa.Enum("assignee", "team_lead", "family", name="audience", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("about", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Enum("waiting", "sent", "in_person", "told", name="deliverystate", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column(
            "failure",
            sa.Enum("no_safe_contact_point", "refused", "gave_up", name="failure", native_enum=False, length=32),
            nullable=True,
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "cause", "template", "person_id", name=op.f("uq_deliveries_cause"), postgresql_nulls_not_distinct=True
        ),
        info={"holds": "about_media"},
    )
    op.create_index(op.f("ix_deliveries_about"), "deliveries", ["about"], unique=False)
    op.create_index(op.f("ix_deliveries_episode_id"), "deliveries", ["episode_id"], unique=False)
    op.create_index(op.f("ix_deliveries_family_id"), "deliveries", ["family_id"], unique=False)
    op.create_table(
        "people",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        info={"holds": "record"},
    )
    op.create_index(op.f("ix_people_family_id"), "people", ["family_id"], unique=False)
    op.create_table(
        "communication_needs",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column(
            "needs",
            sa.ARRAY(
                sa.Enum(
                    "large_print",
                    "easy_read",
                    "braille",
                    "audio",
                    "sign_language",
                    "lip_reading",
                    "spoken",
                    "more_time",
                    "advocate",
                    name="need",
                    native_enum=False,
                    length=32,
                )
            ),
            nullable=False,
        ),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("interpreter", sa.Boolean(), nullable=False),
        sa.Column("other", sa.String(length=500), nullable=True),
        sa.Column("reviewed_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_communication_needs_person_id_people"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_communication_needs")),
        info={"holds": "record"},
    )
    op.create_table(
        "contact_points",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Enum("mail", name="channel", native_enum=False, length=32), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("safe", sa.Boolean(), nullable=False),
        sa.Column("preferred", sa.Boolean(), nullable=False),
        sa.Column("safe_days", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("safe_from", sa.Time(), nullable=True),
        sa.Column("safe_until", sa.Time(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_contact_points_person_id_people"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "position", name=op.f("pk_contact_points")),
        info={"holds": "record"},
    )
