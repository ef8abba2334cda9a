"""HTTP in: contact points and communication needs of a person, and what became of the messages."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from services.notification import operations, people
from services.notification.model import (
    Channel,
    CommunicationNeeds,
    ContactPoint,
    Delivery,
    DeliveryState,
    Failure,
    Need,
    SomebodyElse,
    Template,
)
from shared import care_team, telemetry
from shared.database import Database, NoOpenErasure, UnitOfWork, unit_of_work
from shared.http import Caller, Conflict, NotFound, Router, authorise, documented
from shared.identity import Action, Identity, Relation, Role

_PART = r"[^\s@<>()\[\],;:\"\\\x00-\x20\x7f]+"
Address = Annotated[str, StringConstraints(max_length=254, pattern=rf"^{_PART}@{_PART}$")]
Language = Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Day = Annotated[int, Field(ge=0, le=6)]


class Point(BaseModel):
    """`safe`: whether a message may be seen by nobody but the person; when, by days (0 is Monday) and local hours."""

    channel: Channel
    address: Address
    safe: bool
    preferred: bool = False
    safe_days: Annotated[frozenset[Day], Field(min_length=1)] = frozenset(range(7))
    safe_from: time | None = None
    safe_until: time | None = None

    @model_validator(mode="after")
    def hours_have_two_ends(self) -> Self:
        if (self.safe_from is None) != (self.safe_until is None) or (
            self.safe_from and self.safe_from == self.safe_until
        ):
            raise ValueError("give both safe_from and safe_until, and not the same, or neither")
        if any(end and end.tzinfo for end in (self.safe_from, self.safe_until)):
            raise ValueError("safe hours are local time, without an offset")
        return self


class ContactPoints(BaseModel):
    """All of a person's. `family_id`: of somebody in a family; none for staff."""

    family_id: UUID | None = None
    points: Annotated[list[Point], Field(max_length=10)]

    @model_validator(mode="after")
    def one_is_preferred(self) -> Self:
        if sum(point.preferred for point in self.points) > 1:
            raise ValueError("prefer one contact point at most")
        return self


class Needs(BaseModel):
    """What somebody needs so that they can read, hear or understand us; `language` and `interpreter` beside it.

    Where a plain mail in English does not meet it, they are told in person. `language`: none is English. `other` is for
    whoever tells them, and keeps no mail back.
    """

    needs: frozenset[Need]
    language: Language | None = None
    interpreter: bool = False
    other: Note | None = None
    reviewed_on: date


class NeedsOf(Needs):
    family_id: UUID | None = None


class Message(BaseModel):
    """One message that is, or was, owed to one person. In state `in_person` somebody must tell them."""

    delivery_id: UUID
    family_id: UUID
    episode_id: UUID
    person_id: UUID | None
    message: Template
    cause: UUID
    reference: str
    state: DeliveryState
    failure: Failure | None
    created_at: datetime | None
    settled_at: datetime | None
    needs: Needs | None


class Messages(BaseModel):
    deliveries: list[Message]


class KnownOtherwise(Conflict):
    code, title = "known-otherwise", "This person is known as somebody else"
    detail = "This id is known as staff, or as one of another family. Check the id."


class NotOwed(Conflict):
    code, title = "not-owed", "Nobody has to be told in person"
    detail = "The message was sent, or is still being tried. Look at its state."


def routes(database: Database) -> Router:
    router = Router(prefix="/v1")

    async def allow(caller: Identity, person_id: UUID, family_id: UUID | None) -> None:
        """A family's only with the care team, staff's only themselves."""
        if family_id:
            await care_team.allow(database, caller, Action.CONTACT_POINTS, family_id)
        else:
            own = caller.role is not Role.SERVICE and caller.person_id == person_id
            authorise(caller, Action.CONTACT_POINTS, Relation.SELF if own else Relation.NONE)

    @asynccontextmanager
    async def person(caller: Identity, person_id: UUID, family_id: UUID | None) -> AsyncIterator[UnitOfWork]:
        """A change of what is known of somebody, under the lock of the family or, for staff, of the person."""
        await allow(caller, person_id, family_id)
        whose = family_id or person_id
        try:
            async with unit_of_work(database, whose, family_id=whose) as uow:
                await people.know(uow, person_id, family_id)
                yield uow
        except SomebodyElse as error:
            raise KnownOtherwise from error

    async def family_of(person_id: UUID) -> UUID | None:
        async with database.sessions() as session:
            return await people.family_of(session, person_id)

    async def listed(families: Collection[UUID] | None, state: DeliveryState | None) -> Messages:
        async with database.sessions() as session:
            found = await operations.deliveries_of(session, families, state)
            needs = await people.needs_of(session, {one.person_id for one in found if one.person_id})
        return Messages(deliveries=[shown(one, needs.get(one.person_id) if one.person_id else None) for one in found])

    @router.put("/people/{person_id}/contact-points", responses=documented(Conflict))
    async def put_contact_points(caller: Caller, person_id: UUID, given: ContactPoints) -> ContactPoints:
        async with person(caller, person_id, given.family_id) as uow:
            points = [ContactPoint(**point.model_dump()) for point in given.points]
            await people.put_contact_points(uow, person_id, points)
            await operations.reachable_anew(uow, person_id)
        return given

    @router.get("/people/{person_id}/contact-points")
    async def get_contact_points(caller: Caller, person_id: UUID) -> ContactPoints:
        family_id = await family_of(person_id)
        await allow(caller, person_id, family_id)
        async with database.sessions() as session:
            points = await people.contact_points_of(session, person_id)
        return ContactPoints.model_validate({"family_id": family_id, "points": points}, from_attributes=True)

    @router.put("/people/{person_id}/needs", responses=documented(Conflict))
    async def put_needs(caller: Caller, person_id: UUID, given: NeedsOf) -> NeedsOf:
        async with person(caller, person_id, given.family_id) as uow:
            needs = CommunicationNeeds(**given.model_dump(exclude={"family_id"}))
            await people.put_needs(uow, person_id, needs)
            await operations.reachable_anew(uow, person_id)
        return given

    @router.get("/people/{person_id}/needs", responses=documented(NotFound))
    async def get_needs(caller: Caller, person_id: UUID) -> NeedsOf:
        family_id = await family_of(person_id)
        await allow(caller, person_id, family_id)
        async with database.sessions() as session:
            found = (await people.needs_of(session, [person_id])).get(person_id)
        if found is None:
            raise NotFound("Nobody has asked them yet what they need. Ask, and record it.")
        return NeedsOf.model_validate(vars(found) | {"family_id": family_id})

    @router.get("/families/{family_id}/deliveries")
    async def of_family(caller: Caller, family_id: UUID, state: DeliveryState | None = None) -> Messages:
        await care_team.allow(database, caller, Action.DELIVERY_STATUS, family_id)
        return await listed([family_id], state)

    @router.get("/deliveries")
    async def mine(caller: Caller, state: DeliveryState | None = None) -> Messages:
        """Of the families whose care team the caller is in; of all for an operator."""
        if caller.role is Role.OPERATOR:
            authorise(caller, Action.DELIVERY_STATUS)
            return await listed(None, state)
        authorise(caller, Action.DELIVERY_STATUS, Relation.CARE_TEAM)  # of each that is listed
        async with database.sessions() as session:
            families = await care_team.families_of(session, caller.person_id)
        return await listed(families, state)

    @router.post("/deliveries/{delivery_id}/told", responses=documented(NotFound, Conflict))
    async def told(caller: Caller, delivery_id: UUID) -> Message:
        """Somebody has told the person."""
        async with database.sessions() as session:
            found = await session.get(Delivery, delivery_id)
        if found is None:
            authorise(caller, Action.DELIVERY_STATUS, Relation.CARE_TEAM)
            raise NotFound
        await care_team.allow(database, caller, Action.DELIVERY_STATUS, found.family_id)
        try:
            async with operations.door(database, found.episode_id) as uow:
                delivery = await uow.session.get(Delivery, delivery_id)
                if delivery is None:
                    raise NotFound
                if not await operations.told(uow, delivery, datetime.now(UTC)):
                    raise NotOwed
        except NoOpenErasure as error:
            raise NotFound from error
        return shown(delivery, None)

    return router


def shown(delivery: Delivery, needs: CommunicationNeeds | None) -> Message:
    return Message(
        delivery_id=delivery.id,
        family_id=delivery.family_id,
        episode_id=delivery.episode_id,
        person_id=delivery.person_id,
        message=delivery.template,
        cause=delivery.cause,
        reference=telemetry.reference(delivery.about),
        state=delivery.state,
        failure=delivery.failure,
        created_at=delivery.created_at,
        settled_at=delivery.settled_at,
        needs=Needs.model_validate(vars(needs)) if needs else None,
    )
