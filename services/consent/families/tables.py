"""Families, the people filmed, the care team."""

from sqlalchemy import Column, Date, DateTime, ForeignKey, Integer, String, Table, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

from services.consent.tables import metadata
from shared.database.data_map import RECORD

families = Table(
    "families",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("registered_by", Uuid, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("care_team_version", Integer, nullable=False),
    Column("involvement_ended_on", Date),
    Column("involvement_ended_by", Uuid),
    Column("involvement_recorded_at", DateTime(timezone=True)),
    info=RECORD,
)

people = Table(
    "people",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("family_id", ForeignKey(families.c.id), nullable=False, index=True),
    Column("role", String(16), nullable=False),
    Column("name", String(200), nullable=False),
    Column("born", Date),
    Column("added_by", Uuid, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    info=RECORD,
)

care_team = Table(
    "care_team",
    metadata,
    Column("family_id", ForeignKey(families.c.id), primary_key=True),
    Column("person_id", Uuid, primary_key=True, index=True),
    Column("role", String(16), nullable=False),
    info=RECORD,
)

# Who named which team when. Rows are only ever added.
care_team_changes = Table(
    "care_team_changes",
    metadata,
    Column("family_id", ForeignKey(families.c.id), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("members", JSONB, nullable=False),  # [{person_id, role}]
    Column("changed_by", Uuid, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    info=RECORD,
)
