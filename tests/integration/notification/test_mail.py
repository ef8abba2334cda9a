"""What the mail server does, and what becomes of the message."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import aiosmtplib
import pytest
from sqlalchemy import select, update

from deploy.local.supervisor import CHECKOUT
from services.notification.model import LOCAL, Channel, ContactPoint, Delivery, DeliveryState, Failure, Template
from shared.contracts.consent import CareTeamChanged, CareTeamMember, ConsentSuspended
from shared.jobs import jobs
from tests.integration.notification.conftest import Does, Notification
from tests.integration.notification.world import Family, eventually


@pytest.fixture
async def owed(notification: Notification, family: Family) -> Family:
    """A family that is owed one message, and has a team lead."""
    lead = CareTeamMember(person_id=await notification.somebody("lead"), role="team_lead")
    await notification.hears(CareTeamChanged(version=1, members=(lead,)), family, of_family=True)
    await notification.somebody("one", family=family)
    await notification.hears(ConsentSuspended(cause="withdrawal_confirmed"), family)
    return family


def of_family(found: list[Delivery]) -> Delivery:
    (delivery,) = (one for one in found if one.template is Template.REQUEST_RECEIVED)
    return delivery


async def test_where_it_is_not_safe_any_more_nothing_is_sent_though_the_server_was_asked_already(
    notification: Notification, owed: Family
) -> None:
    async with notification.sending() as sender:
        enter = sender.post.entered

        @asynccontextmanager
        async def slowly() -> AsyncIterator[aiosmtplib.SMTP]:
            async with enter() as server:
                told = of_family(await notification.deliveries(owed))
                assert told.person_id
                at = ContactPoint(Channel.MAIL, "one@example.org", safe=False)
                await notification.reachable(told.person_id, at, family=owed)
                yield server

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(sender.post, "entered", slowly)
            found = await notification.settles(owed)
    assert (of_family(found).state, of_family(found).failure) == (
        DeliveryState.IN_PERSON,
        Failure.NO_SAFE_CONTACT_POINT,
    )
    assert notification.postbox.recipients == ["lead@example.org"]


async def test_a_server_that_is_busy_is_asked_again(notification: Notification, owed: Family) -> None:
    notification.postbox.answers = ["451 later", "452 later"]
    async with notification.sending():
        (delivery,) = await notification.settles(owed)
    assert delivery.state is DeliveryState.SENT
    assert len(notification.postbox.mails) == 1


async def test_after_enough_attempts_somebody_must_tell_them(notification: Notification, owed: Family) -> None:
    notification.postbox.refused = {"one@example.org": "450 mailbox busy"}
    async with notification.sending():
        found = await notification.settles(owed)
    assert (of_family(found).state, of_family(found).failure) == (DeliveryState.IN_PERSON, Failure.GAVE_UP)
    assert notification.postbox.recipients == ["lead@example.org"]


@pytest.mark.parametrize("at", ["RCPT", "DATA"])
async def test_a_refusal_for_good_is_not_argued_with(notification: Notification, owed: Family, at: str) -> None:
    if at == "RCPT":
        notification.postbox.refused = {"one@example.org": "550 no such user"}
    else:
        notification.postbox.answers = ["554 not here"]
    async with notification.sending():
        found = await notification.settles(owed)
    assert (of_family(found).state, of_family(found).failure) == (DeliveryState.IN_PERSON, Failure.REFUSED)
    assert [type for type, payload in await notification.told() if payload.get("code") == "refused"] == [
        "attune.notification.undeliverable.v1"
    ]
    async with notification.database.sessions() as session:
        attempts = select(jobs.c.attempts).where(jobs.c.subject_id == of_family(found).id)
        assert await session.scalar(attempts) == 1


async def test_a_server_that_falls_silent_is_asked_again(notification: Notification, owed: Family) -> None:
    notification.postbox.answers = [Does.HANG]
    async with notification.sending(timeout_seconds=0.5):
        (delivery,) = await notification.settles(owed)
    assert delivery.state is DeliveryState.SENT


async def test_a_message_whose_answer_is_lost_comes_again_as_the_same_message(
    notification: Notification, owed: Family
) -> None:
    notification.postbox.answers = [Does.DROP_BEFORE_IT_ANSWERS]
    async with notification.sending():
        await notification.settles(owed)
    first, again = notification.postbox.mails
    assert first["Message-ID"] == again["Message-ID"]


async def test_a_message_that_was_taken_is_sent_however_they_part(notification: Notification, owed: Family) -> None:
    notification.postbox.answers = [Does.DROP_AFTER_IT_ANSWERED]
    async with notification.sending():
        (delivery,) = await notification.settles(owed)
    assert delivery.state is DeliveryState.SENT
    assert len(notification.postbox.mails) == 1


async def test_while_no_server_answers_nothing_fails_and_the_sender_is_not_ready(
    notification: Notification, owed: Family
) -> None:
    async with notification.sending(port=1) as sender:

        async def away() -> bool:
            return not sender.post.reachable

        await eventually(away)
        await notification.looked_at(owed)
        (delivery,) = await notification.deliveries(owed)
        assert delivery.state is DeliveryState.WAITING
    async with notification.database.sessions.begin() as session:
        row = (await session.execute(select(jobs.c.attempts).where(jobs.c.subject_id == delivery.id))).one()
        assert row.attempts == 0
        await session.execute(update(jobs).values(not_before=datetime.now(UTC)))
    async with notification.sending():
        await notification.settles(owed)
    assert len(notification.postbox.mails) == 1


async def test_outside_safe_hours_a_message_waits_until_they_come_or_change(
    notification: Notification, family: Family
) -> None:
    now = datetime.now(LOCAL)
    tomorrow = frozenset({(now + timedelta(days=1)).weekday()})
    person = await notification.somebody("one", family=family, safe_days=tomorrow)
    await notification.hears(ConsentSuspended(cause="withdrawal_confirmed"), family)
    async with notification.sending():
        await notification.looked_at(family)
        (delivery,) = await notification.deliveries(family)
        assert delivery.state is DeliveryState.WAITING
        async with notification.database.sessions() as session:
            not_before = await session.scalar(select(jobs.c.not_before).where(jobs.c.subject_id == delivery.id))
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), LOCAL)
        assert not_before
        assert midnight <= not_before < midnight + timedelta(minutes=5)
        assert notification.postbox.mails == []
        (point,) = await notification.points_of(person)
        await notification.reachable(person, replace(point, safe_days=frozenset(range(7))), family=family)
        await notification.settles(family)
    assert notification.postbox.recipients == ["one@example.org"]


async def test_two_senders_send_a_message_once(notification: Notification, family: Family) -> None:
    await notification.somebody("one", family=family)
    for _ in range(20):
        await notification.hears(ConsentSuspended(cause="withdrawal_confirmed"), family)
    async with notification.sending(), notification.sending():
        found = await notification.settles(family)
    assert len(found) == 20
    assert len({mail["Message-ID"] for mail in notification.postbox.mails}) == 20
    assert len(notification.postbox.mails) == 20


KILLED = """
import asyncio, sys
from services.notification.smtp import Post
from services.notification.workers import Sender
from shared.database import Database
from shared.settings import DatabaseSettings, Organisation, SmtpSettings
organisation = Organisation(name="n", team="t", site="s", phone="p", mail="m", complaints="c")
sender = Sender(Database(DatabaseSettings(), "notification"), Post(SmtpSettings(), "test"), organisation, "")
asyncio.run(sender.run("killed"))
"""


async def test_a_sender_killed_between_the_answer_and_the_commit_repeats_the_same_message_once(
    notification: Notification, owed: Family
) -> None:
    environment = {
        "ATTUNE_DATABASE_URL": notification.database.dsn,
        "ATTUNE_SMTP_HOST": "127.0.0.1",
        "ATTUNE_SMTP_PORT": str(notification.postbox.port),
        "ATTUNE_SMTP_STARTTLS": "false",
        "ATTUNE_SMTP_SENDER": "team@example.org",
        "ATTUNE_FAILPOINT": "mail-accepted:kill",
        "ATTUNE_ENVIRONMENT": "development",
    }
    died = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, env=environment, cwd=CHECKOUT)
    assert await died.wait() == -9
    (delivery,) = await notification.deliveries(owed)
    assert delivery.state is DeliveryState.WAITING
    async with notification.sending():
        await notification.settles(owed)
    first, again = notification.postbox.mails
    assert first["Message-ID"] == again["Message-ID"]
    assert [type for type, _ in await notification.told()] == ["attune.notification.sent.v1"]


async def test_a_message_that_takes_senders_down_is_given_up(notification: Notification, owed: Family) -> None:
    (delivery,) = await notification.deliveries(owed)
    async with notification.database.sessions.begin() as session:
        await session.execute(update(jobs).where(jobs.c.subject_id == delivery.id).values(silent=[uuid4(), uuid4()]))
    async with notification.sending():
        found = await notification.settles(owed)
    assert (of_family(found).state, of_family(found).failure) == (DeliveryState.IN_PERSON, Failure.GAVE_UP)


async def test_addresses_beyond_ascii_are_written_to_where_the_server_can(
    notification: Notification, family: Family
) -> None:
    await notification.somebody("zoë", family=family)
    await notification.hears(ConsentSuspended(cause="withdrawal_confirmed"), family)
    async with notification.sending():
        await notification.settles(family)
    assert notification.postbox.recipients == ["zoë@example.org"]
