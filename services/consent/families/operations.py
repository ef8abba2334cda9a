"""What can happen to a family."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from services.consent.families.model import Member, Person, PersonRole, TeamRole
from services.consent.families.tables import care_team, care_team_changes, families, people
from shared.contracts.consent import CareTeamChanged, CareTeamMember, FamilyRegistered, InvolvementEnded
from shared.database import UnitOfWork
from shared.errors import AttuneError


async def register(uow: UnitOfWork, persons: Sequence[Person], team: Sequence[Member], registered_by: UUID) -> None:
    """Make the family whose unit of work this is."""
    await uow.session.execute(
        insert(families).values(id=uow.family_id, registered_by=registered_by, care_team_version=0)
    )
    await add_people(uow, persons, registered_by)
    uow.publish(FamilyRegistered())
    await change_care_team(uow, team, registered_by)


async def add_people(uow: UnitOfWork, persons: Sequence[Person], added_by: UUID) -> None:
    """More people who may be in a film: a baby who is born, a parent who joins."""
    await uow.session.execute(
        insert(people),
        [
            {
                "id": one.id,
                "family_id": uow.family_id,
                "role": one.role,
                "name": one.name,
                "born": one.born,
                "added_by": added_by,
            }
            for one in persons
        ],
    )


class TeamChanged(AttuneError):
    """Somebody else has changed the care team since it was read."""


async def change_care_team(
    uow: UnitOfWork, team: Sequence[Member], changed_by: UUID, made_from: int | None = None
) -> None:
    """Name the whole team anew; who is not in it any more may do nothing for the family from this commit on.

    made_from: the version of the team that this one is made from. Raises TeamChanged.
    """
    version = await uow.session.scalar(
        update(families)
        .where(families.c.id == uow.family_id)
        .values(care_team_version=families.c.care_team_version + 1)
        .returning(families.c.care_team_version)
    )
    if made_from is not None and version != made_from + 1:
        raise TeamChanged(str(version))
    await uow.session.execute(delete(care_team).where(care_team.c.family_id == uow.family_id))
    await uow.session.execute(
        insert(care_team), [{"family_id": uow.family_id, "person_id": m.person_id, "role": m.role} for m in team]
    )
    await uow.session.execute(
        insert(care_team_changes).values(
            family_id=uow.family_id,
            version=version,
            members=[{"person_id": str(member.person_id), "role": member.role} for member in team],
            changed_by=changed_by,
        )
    )
    members = tuple(CareTeamMember(person_id=member.person_id, role=member.role) for member in team)
    uow.publish(CareTeamChanged(version=version or 0, members=members))


async def end_involvement(uow: UnitOfWork, ended_on: date, ended_by: UUID) -> None:
    """The service's work with the family is over since that day; saying so again changes nothing."""
    ended = await uow.session.execute(
        update(families)
        .where(families.c.id == uow.family_id, families.c.involvement_ended_on.is_distinct_from(ended_on))
        .values(
            involvement_ended_on=ended_on,
            involvement_ended_by=ended_by,
            involvement_recorded_at=func.clock_timestamp(),
        )
        .returning(families.c.id)
    )
    if ended.one_or_none():
        uow.publish(InvolvementEnded(ended_on=ended_on))


async def people_of(session: AsyncSession, family_id: UUID) -> list[Person]:
    found = await session.execute(select(people).where(people.c.family_id == family_id).order_by(people.c.id))
    return [Person(row.id, PersonRole(row.role), row.name, row.born) for row in found]


async def team_of(session: AsyncSession, family_id: UUID) -> list[Member]:
    found = await session.execute(
        select(care_team).where(care_team.c.family_id == family_id).order_by(care_team.c.person_id)
    )
    return [Member(row.person_id, TeamRole(row.role)) for row in found]


async def families_of(session: AsyncSession, member: UUID) -> Sequence[UUID]:
    """Of whose care team this person is."""
    return (
        await session.scalars(
            select(care_team.c.family_id).where(care_team.c.person_id == member).order_by(care_team.c.family_id)
        )
    ).all()


async def team_version(session: AsyncSession, family_id: UUID) -> int:
    """How often the care team has been named."""
    found: int | None = await session.scalar(select(families.c.care_team_version).where(families.c.id == family_id))
    return found or 0


async def involvement_ended_on(session: AsyncSession, family_id: UUID) -> date | None:
    ended: date | None = await session.scalar(select(families.c.involvement_ended_on).where(families.c.id == family_id))
    return ended


async def exists(session: AsyncSession, family_id: UUID) -> bool:
    return await session.scalar(select(families.c.id).where(families.c.id == family_id)) is not None


def new_person(role: PersonRole, name: str, born: date | None) -> Person:
    return Person(uuid7(), role, name, born)
