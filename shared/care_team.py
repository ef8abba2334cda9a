"""The local copy of the care teams, from consent's events: whose family is whose to see."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Table, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.consent import CareTeamChanged
from shared.database import Database, metadata
from shared.database.data_map import MACHINERY
from shared.http import authorise
from shared.identity import Action, Identity, relation_to
from shared.messaging import Uow

care_teams = Table(
    "care_teams",
    metadata,
    Column("family_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("members", JSONB, nullable=False),  # role by person
    info=MACHINERY,
)
Index("ix_care_teams_members", care_teams.c.members, postgresql_using="gin")


@dataclass(frozen=True)
class CareTeam:
    """Whole, as of its version."""

    family_id: UUID
    version: int = 0
    members: Mapping[UUID, str] = field(default_factory=dict)
    """Each member's role in the team, by person."""


async def changed(event: CareTeamChanged, uow: Uow) -> None:
    """The team as of this version; one that is not newer than what is known changes nothing."""
    # in one statement: a family's versions may come under two locks, its own and its episode's
    team = insert(care_teams).values(
        family_id=uow.family_id,
        version=event.version,
        members={str(member.person_id): member.role for member in event.members},
    )
    await uow.session.execute(
        team.on_conflict_do_update(
            index_elements=["family_id"],
            set_={"version": team.excluded.version, "members": team.excluded.members},
            where=care_teams.c.version < team.excluded.version,
        )
    )


async def care_team_of(session: AsyncSession, family_id: UUID) -> CareTeam:
    """Empty for a family that nobody has spoken of."""
    row = (await session.execute(select(care_teams).where(care_teams.c.family_id == family_id))).one_or_none()
    if row is None:
        return CareTeam(family_id)
    return CareTeam(family_id, row.version, {UUID(person): role for person, role in row.members.items()})


async def families_of(session: AsyncSession, member_id: UUID) -> set[UUID]:
    """Of whose care team somebody is."""
    theirs = care_teams.c.members.has_key(str(member_id))
    return set(await session.scalars(select(care_teams.c.family_id).where(theirs)))


async def allow(database: Database, caller: Identity, action: Action, family_id: UUID) -> None:
    """Raises NotAllowed unless the care team, or the caller's own family, makes it theirs to do."""
    async with database.sessions() as session:
        team = await care_team_of(session, family_id)
    authorise(caller, action, relation_to(caller, family_id, team.members))
