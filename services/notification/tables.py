"""What notification keeps. Addresses are here and nowhere else in the system."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Time,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.orm import registry

from services.notification.model import Audience, Channel, Delivery, DeliveryState, Failure, Need, Template
from shared.database import NAMING
from shared.database.data_map import ABOUT_MEDIA, RECORD, word

metadata = MetaData(naming_convention=NAMING)

# Of deliveries all goes with the media but those still owed, and that the family was told. A record of a family stays
# until the last message owed to it is sent, of staff while they are staff.

# Somebody who may be told something: staff, or one of a family.
people = Table(
    "people",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("family_id", Uuid, index=True),  # none: staff
    info=RECORD,
)

communication_needs = Table(  # no row: nobody has asked yet
    "communication_needs",
    metadata,
    Column("person_id", Uuid, ForeignKey(people.c.id, ondelete="CASCADE"), primary_key=True),
    Column("needs", ARRAY(word(Need)), nullable=False),
    Column("language", String(35)),
    Column("interpreter", Boolean, nullable=False),
    Column("other", String(500)),
    Column("reviewed_on", Date, nullable=False),
    info=RECORD,
)

contact_points = Table(
    "contact_points",
    metadata,
    Column("person_id", Uuid, ForeignKey(people.c.id, ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("channel", word(Channel), nullable=False),
    Column("address", String(254), nullable=False),
    Column("safe", Boolean, nullable=False),
    Column("preferred", Boolean, nullable=False),
    Column("safe_days", ARRAY(Integer), nullable=False),
    Column("safe_from", Time),
    Column("safe_until", Time),
    info=RECORD,
)

assignees = Table(
    "assignees",
    metadata,
    Column("recording_id", Uuid, primary_key=True),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("person_id", Uuid, nullable=False),
    info=ABOUT_MEDIA,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("cause", Uuid, nullable=False),
    Column("template", word(Template), nullable=False),
    Column("audience", word(Audience), nullable=False),
    Column("family_id", Uuid, nullable=False, index=True),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("about", Uuid, nullable=False, index=True),
    Column("person_id", Uuid),
    Column("state", word(DeliveryState), nullable=False),
    Column("failure", word(Failure)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("settled_at", DateTime(timezone=True)),
    UniqueConstraint("cause", "template", "person_id", postgresql_nulls_not_distinct=True),
    info=ABOUT_MEDIA,
)

registry(metadata=metadata).map_imperatively(Delivery, deliveries)
