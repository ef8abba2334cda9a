"""What an erasure leaves of messages and contact points: the word that is owed, and after it nothing of the family."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select

from services.notification import operations
from services.notification.app import purge
from services.notification.model import LOCAL, Delivery, DeliveryState, Template
from services.notification.tables import assignees
from shared import participant
from shared.contracts.consent import (
    CareTeamChanged,
    CareTeamMember,
    ConsentEnded,
    ConsentGiven,
    ConsentSuspended,
    ErasureCertified,
    ErasureStalled,
    PurgeAsked,
)
from shared.contracts.curation import ReviewTaskCreated
from shared.contracts.transcoding import PreparationFailed
from shared.database import open_erasures
from tests.integration.notification.conftest import Notification
from tests.integration.notification.world import Family, eventually

SUSPENDED = ConsentSuspended(cause="withdrawal_confirmed")


@asynccontextmanager
async def purging(notification: Notification, artefacts: list[UUID] | None = None) -> AsyncIterator[None]:
    """The service's purges are worked off; consent lists these artefacts of a discarded recording."""
    listed = httpx.MockTransport(
        lambda _: httpx.Response(200, json={"artefacts": [str(one) for one in artefacts or []]})
    )
    async with httpx.AsyncClient(transport=listed, base_url="http://consent") as consent:
        working = asyncio.create_task(participant.purging(notification.database, consent, purge, operations.forget))
        yield
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def acknowledged(notification: Notification, rounds: int = 1) -> list[int]:
    """How many rows went in each round, once so many are acknowledged."""

    async def rows() -> list[int]:
        told = [payload["rows"] for type, payload in await notification.told() if "acknowledged" in type]
        return told if len(told) >= rounds else []

    return await eventually(rows)


async def door_is_open(notification: Notification) -> bool:
    async with notification.database.sessions() as session:
        return await session.scalar(select(open_erasures.c.id)) is not None


async def ends(notification: Notification, family: Family, *, stalls: bool = False) -> UUID:
    """The episode ends, everything is purged and the erasure is certified."""
    erasure_id = uuid4()
    await notification.hears(ConsentEnded(erasure_id=erasure_id, cause="withdrawal_confirmed"), family)
    if stalls:
        await notification.hears(ErasureStalled(erasure_id=erasure_id, waiting_for=("upload",)), family)
    before = len([1 for type, _ in await notification.told() if "acknowledged" in type])
    async with purging(notification):
        for number in (1, 2):
            await notification.hears(PurgeAsked(erasure_id=erasure_id, round=number), family)
        await acknowledged(notification, before + 2)
    await notification.hears(ErasureCertified(erasure_id=erasure_id, certificate_id=uuid4()), family)
    return erasure_id


@pytest.fixture
async def lead(notification: Notification, family: Family) -> UUID:
    lead = await notification.somebody("lead")
    team = (CareTeamMember(person_id=lead, role="team_lead"),)
    await notification.hears(CareTeamChanged(version=1, members=team), family, of_family=True)
    return lead


async def left(notification: Notification, family: Family) -> list[tuple[Template, DeliveryState]]:
    return [(one.template, one.state) for one in await notification.deliveries(family)]


async def test_after_the_last_word_nothing_is_known_of_the_family_but_that_it_was_told(
    notification: Notification, family: Family, lead: UUID
) -> None:
    person, recording = await notification.somebody("one", family=family), uuid4()
    await notification.hears(ReviewTaskCreated(recording_id=recording, assignee_id=lead), family)
    await notification.hears(PreparationFailed(recording_id=recording, code="x", retryable=True), family)
    await notification.hears(SUSPENDED, family)
    erasure_id = await ends(notification, family)  # before any of it was sent
    async with notification.sending():
        await notification.settles(family)

        async def forgotten() -> bool:
            return not await notification.points_of(person)

        await eventually(forgotten)
    subjects = [mail["Subject"] for mail in notification.postbox.mails]
    assert subjects == ["We have received your request", "What we promised you is done"]
    assert set(notification.postbox.recipients) == {"one@example.org"}
    (row,) = await notification.deliveries(family)
    assert (row.template, row.state, row.about) == (Template.REQUEST_COMPLETE, DeliveryState.SENT, erasure_id)
    assert not await door_is_open(notification)
    assert await notification.points_of(lead)
    async with notification.database.sessions() as session:
        assert (await session.execute(select(assignees))).all() == []


async def test_what_staff_were_owed_about_media_goes_with_it(
    notification: Notification, family: Family, lead: UUID
) -> None:
    recording = uuid4()
    await notification.hears(ReviewTaskCreated(recording_id=recording, assignee_id=lead), family)
    await notification.hears(PreparationFailed(recording_id=recording, code="x", retryable=False), family)
    erasure_id = uuid4()
    await notification.hears(ConsentEnded(erasure_id=erasure_id, cause="withdrawal_confirmed"), family)
    async with purging(notification), notification.sending():
        await notification.hears(PurgeAsked(erasure_id=erasure_id, round=1), family)
        assert await acknowledged(notification) == [3]  # two messages and whose task it was
    assert await notification.deliveries(family) == []
    assert notification.postbox.mails == []


async def test_a_word_that_waits_for_safe_hours_is_owed_through_the_whole_erasure(
    notification: Notification, family: Family, lead: UUID
) -> None:
    tomorrow = frozenset({(datetime.now(UTC).astimezone(LOCAL) + timedelta(days=1)).weekday()})
    person = await notification.somebody("one", family=family, safe_days=tomorrow)
    await notification.hears(SUSPENDED, family)
    await ends(notification, family)
    async with notification.sending():
        await notification.looked_at(family)
    assert sorted(await left(notification, family)) == [
        (Template.REQUEST_COMPLETE, DeliveryState.WAITING),
        (Template.REQUEST_RECEIVED, DeliveryState.WAITING),
    ]
    (point,) = await notification.points_of(person)
    assert point.address == "one@example.org"
    assert await door_is_open(notification)


async def test_a_family_that_must_be_told_in_person_is_forgotten_once_it_was(
    notification: Notification, family: Family, lead: UUID
) -> None:
    person = await notification.somebody("unsafe", family=family, safe=False)
    await ends(notification, family)
    async with notification.sending():
        await notification.settles(family)
    assert await notification.points_of(person)  # else nobody knows whom to tell
    async with notification.database.sessions() as session:
        found = await operations.deliveries_of(session, [family.family_id], DeliveryState.IN_PERSON)
    async with operations.door(notification.database, family.episode_id) as uow:
        delivery = await uow.session.get_one(Delivery, found[0].id)
        assert await operations.told(uow, delivery, datetime.now(UTC))
    assert not await notification.points_of(person)
    assert not await door_is_open(notification)
    assert await left(notification, family) == [(Template.REQUEST_COMPLETE, DeliveryState.TOLD)]


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_family_is_known_until_no_consent_that_ended_owes_it_a_word(
    notification: Notification, family: Family, lead: UUID, at_once: bool
) -> None:
    person, earlier = await notification.somebody("unsafe", family=family, safe=False), Family(family.family_id)
    for ended in (earlier, family):
        await ends(notification, ended)
    async with notification.sending():
        await notification.settles(family)
    async with notification.database.sessions() as session:
        found = await operations.deliveries_of(session, [family.family_id], DeliveryState.IN_PERSON)
    assert {one.episode_id for one in found} == {family.episode_id, earlier.episode_id}
    both = asyncio.Barrier(2 if at_once else 1)

    async def tell(one: Delivery) -> None:
        async with operations.door(notification.database, one.episode_id) as uow:
            delivery = await uow.session.get_one(Delivery, one.id)
            await both.wait()
            assert await operations.told(uow, delivery, datetime.now(UTC))

    if at_once:
        await asyncio.gather(*map(tell, found))
    else:
        await tell(found[0])
        assert await notification.points_of(person)
        await tell(found[1])
    assert not await notification.points_of(person)


async def test_a_family_is_known_while_another_erasure_of_theirs_goes_on(
    notification: Notification, family: Family, lead: UUID
) -> None:
    person, later = await notification.somebody("one", family=family), Family(family.family_id)
    ending = ConsentEnded(erasure_id=(erasure := uuid4()), cause="withdrawal_confirmed")
    await notification.hears(ending, later)
    await ends(notification, family)
    async with notification.sending():
        await notification.settles(family)
        assert await notification.points_of(person)
        await notification.hears(ErasureCertified(erasure_id=erasure, certificate_id=uuid4()), later)

        async def forgotten() -> bool:
            return not await notification.points_of(person)

        await eventually(forgotten)
    assert notification.postbox.recipients == ["one@example.org"] * 2


async def test_what_is_still_owed_to_staff_keeps_the_door_open_but_not_the_contact_points(
    notification: Notification, family: Family
) -> None:
    person = await notification.somebody("one", family=family)
    await ends(notification, family, stalls=True)  # and no care team is known that could be told

    async def forgotten() -> bool:
        return not await notification.points_of(person)

    async with notification.sending():
        await eventually(forgotten)
        assert await door_is_open(notification)
        team = (CareTeamMember(person_id=await notification.somebody("lead"), role="team_lead"),)
        await notification.hears(CareTeamChanged(version=1, members=team), family, of_family=True)
        await notification.settles(family)

    assert not await door_is_open(notification)
    assert await left(notification, family) == [(Template.REQUEST_COMPLETE, DeliveryState.SENT)]


async def test_a_family_that_has_agreed_again_stays_reachable(
    notification: Notification, family: Family, lead: UUID
) -> None:
    person = await notification.somebody("one", family=family)
    again = Family(family.family_id)
    given = ConsentGiven(consent_record_id=uuid4(), person_id=person, purposes=("film",))
    await notification.hears(given, again)
    await ends(notification, family)
    async with notification.sending():
        await notification.settles(family)
    assert await notification.points_of(person)
    await ends(notification, again)
    async with notification.sending():
        await notification.settles(family)

        async def forgotten() -> bool:
            return not await notification.points_of(person)

        await eventually(forgotten)


async def test_a_stall_that_is_over_is_told_to_nobody(notification: Notification, family: Family, lead: UUID) -> None:
    erasure_id = await ends(notification, family)
    async with notification.sending():
        await notification.settles(family)
    found = await left(notification, family)
    async with operations.door(notification.database, family.episode_id) as uow:  # the family is to be told in person
        delivery = await uow.session.get_one(Delivery, (await notification.deliveries(family))[0].id)
        assert await operations.told(uow, delivery, datetime.now(UTC))
    await notification.hears(ErasureStalled(erasure_id=erasure_id, waiting_for=("upload",)), family)
    assert len(await left(notification, family)) < len(found)


async def test_a_discarded_recording_takes_its_messages_along_and_nobody_elses(
    notification: Notification, family: Family, lead: UUID
) -> None:
    discarded, kept, erasure_id = uuid4(), uuid4(), uuid4()
    await notification.somebody("one", family=family)
    for recording in (discarded, kept):
        await notification.hears(ReviewTaskCreated(recording_id=recording, assignee_id=lead), family)
        await notification.hears(PreparationFailed(recording_id=recording, code="x", retryable=True), family)
    async with purging(notification, [discarded]):
        await notification.hears(PurgeAsked(erasure_id=erasure_id, round=1, recording_id=discarded), family)
        assert await acknowledged(notification) == [2]
    await notification.hears(ErasureCertified(erasure_id=erasure_id, certificate_id=uuid4()), family)
    assert not await door_is_open(notification)
    async with notification.sending():
        await notification.settles(family)
    (delivery,) = await notification.deliveries(family)
    assert (delivery.about, delivery.state) == (kept, DeliveryState.SENT)
    assert len(notification.postbox.mails) == 1
