"""Who is told what because of which event."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.notification import people
from services.notification.model import LOCAL, Channel, ContactPoint, DeliveryState, Failure, Need, Template
from shared import telemetry
from shared.contracts.consent import (
    CareTeamChanged,
    CareTeamMember,
    ConsentEnded,
    ConsentGiven,
    ConsentNarrowed,
    ConsentReinstated,
    ConsentSuspended,
    ErasureStalled,
)
from shared.contracts.curation import ReviewTaskCreated, ReviewTaskReassigned
from shared.contracts.transcoding import PreparationFailed, Rate, RecordingReady
from shared.contracts.upload import RecordingRejected
from shared.database import UnitOfWork, lock
from tests.integration.notification.conftest import Notification
from tests.integration.notification.world import Family, eventually


def ready(recording_id: object) -> RecordingReady:
    rate = Rate(numerator=25, denominator=1)
    return RecordingReady.model_validate(
        {"recording_id": recording_id, "duration_ms": 1, "frames": 1, "rate": rate, "artefacts": ()}
    )


def team(**roles: object) -> CareTeamChanged:
    members = tuple(
        CareTeamMember.model_validate({"person_id": person, "role": role}) for role, person in roles.items()
    )
    return CareTeamChanged(version=1, members=members)


async def test_the_practitioner_is_told_that_a_recording_is_ready(notification: Notification, family: Family) -> None:
    recording, practitioner = uuid4(), await notification.somebody("practitioner")
    await notification.hears(ReviewTaskCreated(recording_id=recording, assignee_id=practitioner), family)
    cause = await notification.hears(ready(recording), family)
    async with notification.sending():
        (delivery,) = await notification.settles(family)
    (mail,) = notification.postbox.mails
    assert notification.postbox.recipients == ["practitioner@example.org"]
    assert (delivery.person_id, delivery.cause, delivery.state) == (practitioner, cause, DeliveryState.SENT)
    assert mail["Message-ID"] == f"<{delivery.id}.test@example.org>"
    assert mail["From"] == "team@example.org"
    assert telemetry.reference(recording) in mail.get_content()
    assert await notification.told() == [
        (
            "attune.notification.sent.v1",
            {
                "delivery_id": str(delivery.id),
                "cause": str(cause),
                "channel": "mail",
                "family_id": str(family.family_id),
                "episode_id": str(family.episode_id),
            },
        )
    ]


async def test_what_is_owed_to_somebody_not_yet_known_waits_until_they_are(
    notification: Notification, family: Family
) -> None:
    recording, practitioner = uuid4(), await notification.somebody("practitioner")
    await notification.hears(ready(recording), family)
    async with notification.sending():
        await notification.looked_at(family)
        (waiting,) = await notification.deliveries(family)
        assert (waiting.person_id, waiting.state) == (None, DeliveryState.WAITING)
        await notification.hears(ReviewTaskCreated(recording_id=recording, assignee_id=practitioner), family)
        (delivery,) = await notification.settles(family)
    assert (delivery.id, delivery.person_id, delivery.state) == (waiting.id, practitioner, DeliveryState.SENT)


async def test_a_message_goes_to_whoever_has_the_task_when_it_is_sent(
    notification: Notification, family: Family
) -> None:
    recording, first, second = uuid4(), uuid4(), await notification.somebody("second")
    await notification.hears(ReviewTaskCreated(recording_id=recording, assignee_id=first), family)
    await notification.hears(ready(recording), family)
    await notification.hears(ReviewTaskReassigned(recording_id=recording, assignee_id=second), family)
    async with notification.sending():
        await notification.settles(family)
    assert notification.postbox.recipients == ["second@example.org"]


async def test_a_failure_that_can_be_tried_again_is_the_practitioners_alone(
    notification: Notification, family: Family
) -> None:
    recording, practitioner, lead = uuid4(), await notification.somebody("practitioner"), uuid4()
    await notification.hears(team(practitioner=practitioner, team_lead=lead), family, of_family=True)
    await notification.hears(ReviewTaskCreated(recording_id=recording, assignee_id=practitioner), family)
    await notification.hears(PreparationFailed(recording_id=recording, code="no_space", retryable=True), family)
    async with notification.sending():
        (delivery,) = await notification.settles(family)
    assert (delivery.template, delivery.person_id) == (Template.FAILED_TRY_AGAIN, practitioner)


async def test_a_failure_for_good_is_told_to_the_team_lead_too_though_the_team_is_heard_of_last(
    notification: Notification, family: Family
) -> None:
    recording, practitioner = uuid4(), await notification.somebody("practitioner")
    lead = await notification.somebody("lead")
    await notification.hears(PreparationFailed(recording_id=recording, code="no_picture", retryable=False), family)
    await notification.hears(ReviewTaskCreated(recording_id=recording, assignee_id=practitioner), family)
    async with notification.sending():
        await notification.looked_at(family)
        await notification.hears(team(practitioner=practitioner, team_lead=lead), family, of_family=True)
        found = await notification.settles(family)
    assert {(one.template, one.person_id) for one in found} == {
        (Template.FAILED, practitioner),
        (Template.NEEDS_A_PERSON, lead),
    }
    assert len({one.cause for one in found}) == 1


@pytest.mark.parametrize("code", ["damaged", "abandoned", "of_tomorrow"])
async def test_who_filmed_is_told_that_it_did_not_arrive_though_there_is_no_task(
    notification: Notification, family: Family, code: str
) -> None:
    recording, practitioner, lead = uuid4(), await notification.somebody("practitioner"), uuid4()
    await notification.hears(team(practitioner=practitioner, team_lead=lead), family, of_family=True)
    await notification.hears(RecordingRejected(recording_id=recording, code=code, filmed_by=practitioner), family)
    async with notification.sending():
        (delivery,) = await notification.settles(family)
    assert (delivery.template, delivery.person_id) == (Template.NOT_RECEIVED, practitioner)
    (mail,) = notification.postbox.mails
    assert notification.postbox.recipients == ["practitioner@example.org"]
    assert telemetry.reference(recording) in mail.get_content()


async def test_of_what_did_not_arrive_before_events_said_who_filmed_the_work_list_tells_alone(
    notification: Notification, family: Family
) -> None:
    await notification.hears(RecordingRejected(recording_id=uuid4(), code="damaged"), family)
    assert await notification.deliveries(family) == []


@pytest.mark.parametrize("code", ["not_a_film", "cancelled", "discarded"])
async def test_what_whoever_filmed_did_or_saw_is_not_told_to_them(
    notification: Notification, family: Family, code: str
) -> None:
    await notification.hears(RecordingRejected(recording_id=uuid4(), code=code, filmed_by=uuid4()), family)
    assert await notification.deliveries(family) == []


async def test_each_of_a_family_is_told_that_what_they_said_was_received(
    notification: Notification, family: Family
) -> None:
    for name in ("one", "other"):
        await notification.somebody(name, family=family)
    await notification.somebody("stranger", family=Family())
    await notification.hears(ConsentSuspended(cause="withdrawal_confirmed"), family)
    async with notification.sending():
        found = await notification.settles(family)
    assert sorted(notification.postbox.recipients) == ["one@example.org", "other@example.org"]
    assert {(one.template, one.state) for one in found} == {(Template.REQUEST_RECEIVED, DeliveryState.SENT)}


async def test_a_family_is_told_that_what_it_asked_for_is_held_and_that_it_was_undone(
    notification: Notification, family: Family
) -> None:
    """It is never told that we do what it asked while we do not."""
    await notification.somebody("one", family=family)
    held = await notification.hears(ConsentSuspended(cause="withdrawal_confirmed", held=True), family)
    undone = await notification.hears(ConsentReinstated(), family)
    async with notification.sending():
        found = await notification.settles(family)
    assert {(one.template, one.cause, one.state) for one in found} == {
        (Template.REQUEST_HELD, held, DeliveryState.SENT),
        (Template.REQUEST_UNDONE, undone, DeliveryState.SENT),
    }
    texts = " ".join(mail.get_content() for mail in notification.postbox.mails)
    assert "Everything has stopped" in texts and "doing what you asked" not in texts
    assert "goes on as before" in texts and "call us" in texts


def agreed(person: UUID, by: UUID) -> ConsentGiven:
    return ConsentGiven(consent_record_id=uuid4(), person_id=person, purposes=("film",), given_by=by)


async def test_who_agreed_and_cannot_be_reached_is_told_in_person_though_the_other_is_written_to(
    notification: Notification, family: Family
) -> None:
    await notification.hears(team(team_lead=await notification.somebody("lead")), family, of_family=True)
    reached, other = await notification.somebody("one", family=family), uuid4()
    for person, by in ((reached, reached), (other, other), (uuid4(), other)):
        await notification.hears(agreed(person, by), family)
    await notification.hears(ConsentSuspended(cause="withdrawal_confirmed"), family)
    async with notification.sending():
        found = await notification.settles(family)
    received = {one.person_id: one.state for one in found if one.template is Template.REQUEST_RECEIVED}
    assert received == {reached: DeliveryState.SENT, other: DeliveryState.IN_PERSON}
    assert sorted(notification.postbox.recipients) == ["lead@example.org", "one@example.org"]


async def test_what_consent_says_of_a_person_outweighs_what_another_team_claimed(
    notification: Notification, family: Family
) -> None:
    """Whoever wrote down an address for somebody else's person reads nothing there."""
    person = await notification.somebody("elsewhere", family=Family())
    await notification.hears(agreed(person, person), family)
    assert await notification.points_of(person) == []
    await notification.hears(agreed(person, person), family)
    home = ContactPoint(Channel.MAIL, "home@example.org", safe=True)
    await notification.reachable(person, home, family=family)
    await notification.hears(agreed(person, person), family)
    assert [one.address for one in await notification.points_of(person)] == ["home@example.org"]


@pytest.mark.parametrize("statement", range(2))
async def test_an_address_given_while_consent_is_being_heard_of_is_kept(
    notification: Notification, family: Family, statement: int
) -> None:
    """They come under different locks. Before that statement of the one the other is done, or waits for it."""
    person, home = uuid4(), ContactPoint(Channel.MAIL, "home@example.org", safe=True)
    giving: list[asyncio.Task[None]] = []
    begun = itertools.count()

    async def done_or_waiting() -> bool:
        async with notification.database.sessions() as session:
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            return giving[0].done() or bool(await session.scalar(text(waiting)))

    async with notification.database.sessions.begin() as session:

        async def first(statement_of: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
            if next(begun) == statement:
                giving.append(asyncio.create_task(notification.reachable(person, home, family=family)))
                await eventually(done_or_waiting)
            return await statement_of(*arguments)

        watched = SimpleNamespace(
            execute=partial(first, session.execute), scalar=partial(first, session.scalar), scalars=session.scalars
        )
        wire, _ = await lock(session, family.episode_id, family.family_id)
        await people.know_from_consent(UnitOfWork(cast(AsyncSession, watched), "notification", wire), person)
    await giving[0]
    assert await notification.points_of(person) == [home]


async def test_withdrawing_one_purpose_is_told_once(notification: Notification, family: Family) -> None:
    await notification.somebody("one", family=family)
    for act in (uuid4(), uuid4()):
        for _ in range(2):
            event = ConsentNarrowed(person_id=uuid4(), purpose="supervision", withdrawal_id=act)
            await notification.hears(event, family)
    async with notification.sending():
        found = await notification.settles(family)
    assert [one.template for one in found] == [Template.REQUEST_RECEIVED] * 2
    assert len({one.about for one in found}) == 2


async def test_a_suspension_that_the_family_did_not_ask_for_is_not_confirmed_to_it(
    notification: Notification, family: Family
) -> None:
    await notification.somebody("one", family=family)
    await notification.hears(ConsentSuspended(cause="safeguarding"), family)
    assert await notification.deliveries(family) == []


async def test_somebody_without_a_safe_contact_point_must_be_told_in_person_and_the_team_lead_hears_of_it(
    notification: Notification, family: Family
) -> None:
    lead = await notification.somebody("lead")
    await notification.hears(team(team_lead=lead), family, of_family=True)
    person = await notification.somebody("unsafe", family=family, safe=False)
    cause = await notification.hears(ConsentSuspended(cause="withdrawal_confirmed"), family)
    async with notification.sending():
        task, mail = await notification.settles(family)
    assert (task.person_id, task.state, task.failure) == (
        person,
        DeliveryState.IN_PERSON,
        Failure.NO_SAFE_CONTACT_POINT,
    )
    assert (mail.template, mail.person_id, mail.state) == (Template.TELL_IN_PERSON, lead, DeliveryState.SENT)
    assert notification.postbox.recipients == ["lead@example.org"]
    (undeliverable, payload), (sent, _) = await notification.told()
    assert (undeliverable, sent) == ("attune.notification.undeliverable.v1", "attune.notification.sent.v1")
    assert (payload["code"], payload["cause"]) == ("no_safe_contact_point", str(cause))


async def test_whose_needs_a_mail_does_not_meet_is_told_in_person_at_once_and_the_team_lead_hears_of_it(
    notification: Notification, family: Family
) -> None:
    lead = await notification.somebody("lead")
    await notification.needs(lead, Need.SPOKEN)  # staff are written to all the same: nobody is asked to tell them
    await notification.hears(team(team_lead=lead), family, of_family=True)
    never = frozenset({(datetime.now(LOCAL) + timedelta(days=3)).weekday()})  # which is not waited for
    person = await notification.somebody("spoken", family=family, safe_days=never)
    await notification.needs(person, Need.SPOKEN, Need.LARGE_PRINT, family=family)
    other = await notification.somebody("large", family=family)
    await notification.needs(other, Need.LARGE_PRINT, family=family)
    await notification.hears(ConsentSuspended(cause="withdrawal_confirmed"), family)
    async with notification.sending():
        found = await notification.settles(family)
    received = {one.person_id: (one.state, one.failure) for one in found if one.template is Template.REQUEST_RECEIVED}
    assert received == {
        person: (DeliveryState.IN_PERSON, Failure.NOT_BY_MAIL),
        other: (DeliveryState.SENT, None),
    }
    assert sorted(notification.postbox.recipients) == ["large@example.org", "lead@example.org"]
    codes = [payload["code"] for type, payload in await notification.told() if type.endswith("undeliverable.v1")]
    assert codes == ["not_by_mail"]


async def test_a_family_of_which_nobody_can_be_reached_must_be_told_in_person(
    notification: Notification, family: Family
) -> None:
    await notification.hears(team(team_lead=await notification.somebody("lead")), family, of_family=True)
    await notification.hears(ConsentSuspended(cause="withdrawal_reported"), family)
    async with notification.sending():
        task, _ = await notification.settles(family)
    assert (task.person_id, task.state) == (None, DeliveryState.IN_PERSON)


async def test_that_a_team_lead_cannot_be_reached_is_a_task_and_no_further_message(
    notification: Notification, family: Family
) -> None:
    await notification.hears(team(team_lead=uuid4()), family, of_family=True)
    erasure_id = uuid4()
    await notification.hears(ConsentEnded(erasure_id=erasure_id, cause="withdrawal_confirmed"), family)
    await notification.hears(ErasureStalled(erasure_id=erasure_id, waiting_for=("upload",)), family)
    async with notification.sending():
        (task,) = await notification.settles(family)
    assert (task.template, task.state) == (Template.NOT_FINISHED, DeliveryState.IN_PERSON)
