"""Where uploads are kept. Rows about media go with it; that a camera's card may still hold a film is a record."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Uuid,
)
from sqlalchemy.orm import registry

from services.upload.model import Kind, Rejection, State, Upload
from shared.containers import Container
from shared.database import NAMING
from shared.database.data_map import ABOUT_MEDIA, RECORD, word

metadata = MetaData(naming_convention=NAMING)
mapped = registry(metadata=metadata)


uploads = Table(
    "uploads",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("family_id", Uuid, nullable=False),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("uploaded_by", Uuid, nullable=False),
    Column("kind", word(Kind), nullable=False),
    Column("people", ARRAY(Uuid), nullable=False),
    Column("filmed_on", Date, nullable=False),
    Column("happy_to_film", Boolean, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("state", word(State), nullable=False),
    Column("code", word(Rejection)),
    Column("container", word(Container)),
    Column("token", Uuid),
    Column("sha256", LargeBinary(32)),
    Column("closed_at", DateTime(timezone=True)),
    Column("swept_at", DateTime(timezone=True)),
    Column("device_label", String(100)),
    Column("card_wiped_on", Date),
    info=ABOUT_MEDIA,
)
Index("ix_uploads_uploaded_by_created_at", uploads.c.uploaded_by, uploads.c.created_at.desc())
Index("ix_uploads_expires_at", uploads.c.expires_at, postgresql_where=uploads.c.state == State.RECEIVING)
Index("ix_uploads_closed_at", uploads.c.closed_at, postgresql_where=uploads.c.swept_at.is_(None))

# What counts: an object in the store without a row here is nothing. `start` is where its plain bytes begin.
segments = Table(
    "segments",
    metadata,
    Column("upload_id", ForeignKey(uploads.c.id, ondelete="CASCADE"), primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("length", Integer, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    info=ABOUT_MEDIA,
)

# Of a film that was erased before anybody confirmed that the camera's card is wiped: until somebody does.
cards = Table(
    "cards",
    metadata,
    Column("recording_id", Uuid, primary_key=True),
    Column("family_id", Uuid, nullable=False, index=True),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("filmed_by", Uuid, nullable=False, index=True),
    Column("filmed_on", Date, nullable=False),
    info=RECORD,
)

mapped.map_imperatively(Upload, uploads)
