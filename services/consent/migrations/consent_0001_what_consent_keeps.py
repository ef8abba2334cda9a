"""what consent keeps"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "consent_0001"
down_revision = None
branch_labels = ("consent",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "families",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("registered_by", sa.Uuid(), nullable=False),
        sa.Column(
            "registered_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("care_team_version", sa.Integer(), nullable=False),
        sa.Column("involvement_ended_on", sa.Date(), nullable=True),
        sa.Column("involvement_ended_by", sa.Uuid(), nullable=True),
        sa.Column("involvement_recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_families")),
    )
    op.create_table(
        "permit_log",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("on_behalf_of", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=True),
        sa.Column("read", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("written", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_permit_log")),
    )
    op.create_index(op.f("ix_permit_log_family_id"), "permit_log", ["family_id"], unique=False)
    op.create_index(op.f("ix_permit_log_on_behalf_of"), "permit_log", ["on_behalf_of"], unique=False)
    op.create_table(
        "care_team",
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["family_id"], ["families.id"], name=op.f("fk_care_team_family_id_families")),
        sa.PrimaryKeyConstraint("family_id", "person_id", name=op.f("pk_care_team")),
    )
    op.create_index(op.f("ix_care_team_person_id"), "care_team", ["person_id"], unique=False)
    op.create_table(
        "care_team_changes",
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("members", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=False),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["family_id"], ["families.id"], name=op.f("fk_care_team_changes_family_id_families")),
        sa.PrimaryKeyConstraint("family_id", "version", name=op.f("pk_care_team_changes")),
    )
    op.create_table(
        "consent_episodes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_cause", sa.String(length=32), nullable=True),
        sa.Column("key_destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["family_id"], ["families.id"], name=op.f("fk_consent_episodes_family_id_families")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_episodes")),
    )
    op.create_index(op.f("ix_consent_episodes_family_id"), "consent_episodes", ["family_id"], unique=False)
    op.create_index(
        "ix_consent_episodes_suspended",
        "consent_episodes",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'suspended'"),
    )
    op.create_index(
        "uq_consent_episodes_family_id_not_ended",
        "consent_episodes",
        ["family_id"],
        unique=True,
        postgresql_where=sa.text("state != 'ended'"),
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("manifest_id", sa.Uuid(), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column(
            "registered_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("objects", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["family_id"], ["families.id"], name=op.f("fk_evidence_family_id_families")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
    )
    op.create_index(op.f("ix_evidence_family_id"), "evidence", ["family_id"], unique=False)
    op.create_index(
        "ix_evidence_unfinished",
        "evidence",
        ["registered_at"],
        unique=False,
        postgresql_where=sa.text("stored_at IS NULL"),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("born", sa.Date(), nullable=True),
        sa.Column("added_by", sa.Uuid(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["family_id"], ["families.id"], name=op.f("fk_people_family_id_families")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
    )
    op.create_index(op.f("ix_people_family_id"), "people", ["family_id"], unique=False)
    op.create_table(
        "rights_conversations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("points", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("format", sa.String(length=64), nullable=False),
        sa.Column("interpreter", sa.Boolean(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["family_id"], ["families.id"], name=op.f("fk_rights_conversations_family_id_families")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rights_conversations")),
    )
    op.create_index(op.f("ix_rights_conversations_family_id"), "rights_conversations", ["family_id"], unique=False)
    op.create_table(
        "artefacts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("registered_by", sa.String(length=32), nullable=False),
        sa.Column("on_behalf_of", sa.Uuid(), nullable=False),
        sa.Column("made_from", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("recordings", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("people", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("filmed_on", sa.Date(), nullable=True),
        sa.Column("happy_to_film", sa.Boolean(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("manifest_id", sa.Uuid(), nullable=False),
        sa.Column(
            "registered_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["consent_episodes.id"], name=op.f("fk_artefacts_episode_id_consent_episodes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artefacts")),
    )
    op.create_index(op.f("ix_artefacts_episode_id"), "artefacts", ["episode_id"], unique=False)
    op.create_table(
        "consent_records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("supersedes", sa.Uuid(), nullable=True),
        sa.Column("given_by", sa.Uuid(), nullable=False),
        sa.Column("authority", sa.String(length=32), nullable=False),
        sa.Column("disputed", sa.Boolean(), nullable=False),
        sa.Column("purposes", sa.ARRAY(sa.String(length=64)), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("evidence_id", sa.Uuid(), nullable=True),
        sa.Column("witness", sa.String(length=200), nullable=True),
        sa.Column("notice_version", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("format", sa.String(length=64), nullable=False),
        sa.Column("interpreter", sa.Boolean(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("given_on", sa.Date(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["consent_episodes.id"], name=op.f("fk_consent_records_episode_id_consent_episodes")
        ),
        sa.ForeignKeyConstraint(["evidence_id"], ["evidence.id"], name=op.f("fk_consent_records_evidence_id_evidence")),
        sa.ForeignKeyConstraint(["family_id"], ["families.id"], name=op.f("fk_consent_records_family_id_families")),
        sa.ForeignKeyConstraint(["given_by"], ["people.id"], name=op.f("fk_consent_records_given_by_people")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_consent_records_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_records")),
    )
    op.create_index(op.f("ix_consent_records_family_id"), "consent_records", ["family_id"], unique=False)
    op.create_index(
        "uq_consent_records_episode_id_person_id_version",
        "consent_records",
        ["episode_id", "person_id", "version"],
        unique=True,
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.Column("cause", sa.String(length=64), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("route", sa.String(length=16), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("permit_seconds", sa.Integer(), nullable=False),
        sa.Column("put_seconds", sa.Integer(), nullable=False),
        sa.Column("clock_skew_seconds", sa.Integer(), nullable=False),
        sa.Column("fenced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stalled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("supersedes", sa.Uuid(), nullable=True),
        sa.Column("trace", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["consent_episodes.id"], name=op.f("fk_erasures_episode_id_consent_episodes")
        ),
        sa.ForeignKeyConstraint(["supersedes"], ["erasures.id"], name=op.f("fk_erasures_supersedes_erasures")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_index(op.f("ix_erasures_episode_id"), "erasures", ["episode_id"], unique=False)
    op.create_index(op.f("ix_erasures_family_id"), "erasures", ["family_id"], unique=False)
    op.create_index(
        "ix_erasures_open", "erasures", ["opened_at"], unique=False, postgresql_where=sa.text("state != 'certified'")
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("review_on", sa.Date(), nullable=False),
        sa.Column("placed_by", sa.Uuid(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("lifted_by", sa.Uuid(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["consent_episodes.id"], name=op.f("fk_holds_episode_id_consent_episodes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    op.create_index(op.f("ix_holds_episode_id"), "holds", ["episode_id"], unique=False)
    op.create_table(
        "narrowings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=False),
        sa.Column("route", sa.String(length=16), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column(
            "narrowed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["consent_episodes.id"], name=op.f("fk_narrowings_episode_id_consent_episodes")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_narrowings_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_narrowings")),
    )
    op.create_index(op.f("ix_narrowings_episode_id"), "narrowings", ["episode_id"], unique=False)
    op.create_table(
        "suspensions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=False),
        sa.Column("route", sa.String(length=16), nullable=False),
        sa.Column("confirmed_by_family", sa.Boolean(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reinstated_by", sa.Uuid(), nullable=True),
        sa.Column("reinstated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trace", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["consent_episodes.id"], name=op.f("fk_suspensions_episode_id_consent_episodes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suspensions")),
    )
    op.create_index(op.f("ix_suspensions_episode_id"), "suspensions", ["episode_id"], unique=False)
    op.create_table(
        "acknowledgements",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("participant", sa.String(length=32), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("jobs_cancelled", sa.Integer(), nullable=False),
        sa.Column("cards_not_wiped", sa.Integer(), nullable=False),
        sa.Column(
            "acknowledged_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasures.id"], name=op.f("fk_acknowledgements_erasure_id_erasures")),
        sa.PrimaryKeyConstraint("erasure_id", "round", "participant", name=op.f("pk_acknowledgements")),
    )
    op.create_table(
        "certificates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("file", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasures.id"], name=op.f("fk_certificates_erasure_id_erasures")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
        sa.UniqueConstraint("erasure_id", name=op.f("uq_certificates_erasure_id")),
    )
    op.create_table(
        "findings",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("listed", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("found", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasures.id"], name=op.f("fk_findings_erasure_id_erasures")),
        sa.PrimaryKeyConstraint("erasure_id", "round", name=op.f("pk_findings")),
    )
    # what is a record of what was said or done is added to and never changed, whoever tries
    op.execute(
        """
        CREATE FUNCTION only_ever_added_to() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$
        """
    )
    for table in (
        "rights_conversations",
        "consent_records",
        "care_team_changes",
        "narrowings",
        "permit_log",
        "acknowledgements",
        "findings",
        "certificates",
    ):
        op.execute(
            f"""
            CREATE TRIGGER only_ever_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION only_ever_added_to()
            """
        )
