"""Who somebody is, where they may be reached, and what they need so that they can understand us."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from services.notification.model import CommunicationNeeds, ContactPoint, SomebodyElse
from services.notification.tables import communication_needs, contact_points, people
from shared.care_team import families_of
from shared.database import UnitOfWork


async def know(uow: UnitOfWork, person_id: UUID, family_id: UUID | None) -> None:
    """Note whose person this is. Raises SomebodyElse where that is known to be otherwise."""
    if family_id and await families_of(uow.session, person_id):
        raise SomebodyElse
    first = postgresql.insert(people).values(id=person_id, family_id=family_id).on_conflict_do_nothing()
    await uow.session.execute(first)
    known = select(people).where(people.c.id == person_id).with_for_update()
    found = (await uow.session.execute(known)).one_or_none()
    if found is None:  # consent was correcting it, and has
        found = (await uow.session.execute(known)).one_or_none()
    if found is None or found.family_id != family_id:
        raise SomebodyElse


async def know_from_consent(uow: UnitOfWork, person_id: UUID) -> None:
    """Somebody of this family, says who registered them: whatever else was claimed of the id before was an error.

    Claims come under another lock, so what is there is looked at by the statement that changes it, and no sooner.
    """
    theirs = postgresql.insert(people).values(id=person_id, family_id=uow.family_id).on_conflict_do_nothing()
    await uow.session.execute(theirs)
    wrongly = people.c.family_id.is_distinct_from(uow.family_id)
    if await uow.session.scalar(delete(people).where(people.c.id == person_id, wrongly).returning(people.c.id)):
        await uow.session.execute(theirs)  # and where that one may be reached has gone


async def family_of(session: AsyncSession, person_id: UUID) -> UUID | None:
    """None for staff, and for somebody of whom nothing is known."""
    family_id: UUID | None = await session.scalar(select(people.c.family_id).where(people.c.id == person_id))
    return family_id


async def put_contact_points(uow: UnitOfWork, person_id: UUID, points: Sequence[ContactPoint]) -> None:
    """All of the person's contact points, in place of those before."""
    await uow.session.execute(delete(contact_points).where(contact_points.c.person_id == person_id))
    rows = [
        {**asdict(point), "safe_days": sorted(point.safe_days), "person_id": person_id, "position": position}
        for position, point in enumerate(points)
    ]
    if rows:
        await uow.session.execute(insert(contact_points), rows)


async def contact_points_of(session: AsyncSession, person_id: UUID) -> list[ContactPoint]:
    columns = [contact_points.c[name] for name in ContactPoint.__dataclass_fields__]
    wanted = select(*columns).where(contact_points.c.person_id == person_id).order_by(contact_points.c.position)
    return [
        ContactPoint(**{**row, "safe_days": frozenset(row["safe_days"])})
        for row in (await session.execute(wanted)).mappings()
    ]


async def put_needs(uow: UnitOfWork, person_id: UUID, needs: CommunicationNeeds) -> None:
    row = {**asdict(needs), "needs": sorted(needs.needs), "person_id": person_id}
    await uow.session.execute(
        postgresql.insert(communication_needs).values(row).on_conflict_do_update(index_elements=["person_id"], set_=row)
    )


async def needs_of(session: AsyncSession, person_ids: Collection[UUID]) -> dict[UUID, CommunicationNeeds]:
    """Of those of them who have been asked."""
    asked = select(communication_needs).where(communication_needs.c.person_id.in_(person_ids))
    return {
        row["person_id"]: CommunicationNeeds(
            frozenset(row["needs"]), row["language"], row["interpreter"], row["other"], row["reviewed_on"]
        )
        for row in (await session.execute(asked)).mappings()
    }
