"""uploads and the segments that count"""

import sqlalchemy as sa
from alembic import op

revision = "upload_0001"
down_revision = None
branch_labels = ("upload",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), nullable=False),
        sa.Column(
            "kind", sa.Enum("parent_baby", "shared_review", name="kind", native_enum=False, length=32), nullable=False
        ),
        sa.Column("people", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("filmed_on", sa.Date(), nullable=False),
        sa.Column("happy_to_film", sa.Boolean(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "receiving",
                "verifying",
                "received",
                "rejected",
                "cancelled",
                name="state",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "code",
            sa.Enum(
                "not_a_film",
                "abandoned",
                "damaged",
                "cancelled",
                "discarded",
                name="rejection",
                native_enum=False,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column(
            "container",
            sa.Enum(
                "mp4",
                "mov",
                "threegp",
                "avi",
                "mpegts",
                "mpegps",
                "matroska",
                "webm",
                "asf",
                name="container",
                native_enum=False,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("token", sa.Uuid(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("device_label", sa.String(length=100), nullable=True),
        sa.Column("card_wiped_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        info={"holds": "about_media"},
    )
    op.create_index(
        "ix_uploads_closed_at", "uploads", ["closed_at"], unique=False, postgresql_where=sa.text("swept_at IS NULL")
    )
    op.create_index(op.f("ix_uploads_episode_id"), "uploads", ["episode_id"], unique=False)
    op.create_index(
        "ix_uploads_expires_at",
        "uploads",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'receiving'"),
    )
    op.create_index(
        "ix_uploads_uploaded_by_created_at",
        "uploads",
        ["uploaded_by", sa.literal_column("created_at DESC")],
        unique=False,
    )
    op.create_table(
        "segments",
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("fk_segments_upload_id_uploads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload_id", "start", name=op.f("pk_segments")),
        info={"holds": "about_media"},
    )
