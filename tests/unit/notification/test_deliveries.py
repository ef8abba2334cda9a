"""The states of a message, and when it is tried again."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest

from services.notification.model import (
    AUDIENCE,
    OUTLIVES,
    Audience,
    CommunicationNeeds,
    Delivery,
    DeliveryState,
    Failure,
    Need,
    Template,
    leads,
    pause_after,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def delivery() -> Delivery:
    return Delivery(uuid4(), uuid4(), Template.READY, Audience.ASSIGNEE, uuid4(), uuid4(), uuid4())


def test_what_cannot_be_sent_is_owed_until_somebody_has_told_them() -> None:
    owed = delivery()
    owed.cannot_be_sent(Failure.REFUSED)
    assert owed.owed
    assert owed.told(NOW)
    assert (owed.state, owed.owed, owed.settled_at) == (DeliveryState.TOLD, False, NOW)
    assert owed.failure is Failure.REFUSED  # and it stays known why


def test_nobody_tells_what_was_sent_or_told_before() -> None:
    sent = delivery()
    assert not sent.told(NOW)  # it is still being tried
    sent.sent(NOW)
    assert not sent.told(NOW)
    assert sent.state is DeliveryState.SENT


def test_every_message_has_an_audience() -> None:
    assert set(AUDIENCE) == set(Template)


def test_what_a_family_is_told_is_owed_after_the_end_and_what_staff_is_told_of_recordings_is_not() -> None:
    no_longer_true = {Template.REQUEST_HELD, Template.REQUEST_UNDONE}
    assert {one for one in Template if AUDIENCE[one] is Audience.FAMILY} - OUTLIVES == no_longer_true
    of_their_films = {Audience.ASSIGNEE, Audience.FILMED_BY}
    assert not {template for template in Template if AUDIENCE[template] in of_their_films} & OUTLIVES


def needs(*needs: Need, **more: Any) -> CommunicationNeeds:
    known: dict[str, Any] = {"language": None, "interpreter": False, "other": None, "reviewed_on": date(2026, 11, 24)}
    return CommunicationNeeds(**{"needs": frozenset(needs), **known, **more})


@pytest.mark.parametrize("need", Need)
def test_a_plain_mail_meets_few_needs(need: Need) -> None:
    met = need in (Need.LARGE_PRINT, Need.LIP_READING, Need.MORE_TIME)
    assert needs(need).met_by_mail is met
    assert not needs(need, Need.BRAILLE).met_by_mail


@pytest.mark.parametrize(
    ("language", "interpreter", "met"),
    [
        (None, False, True),
        ("en", False, True),
        ("en-GB", False, True),
        ("EN", False, True),
        ("en", True, False),
        (None, True, False),
        ("so", False, False),
        ("enm", False, False),
        ("und", False, False),
    ],
)
def test_a_mail_is_in_english_and_without_an_interpreter(language: str | None, interpreter: bool, met: bool) -> None:
    assert needs(language=language, interpreter=interpreter, other="Ring twice").met_by_mail is met


def test_a_team_without_a_lead_is_told_as_a_whole() -> None:
    lead, practitioner, supervisor = uuid4(), uuid4(), uuid4()
    assert leads({lead: "team_lead", practitioner: "practitioner"}) == {lead}
    assert leads({practitioner: "practitioner", supervisor: "supervisor"}) == {practitioner, supervisor}
    assert leads({}) == set()


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 30), (2, 60), (3, 120), (8, 3600), (500, 3600)])
def test_pauses_double_up_to_an_hour(attempts: int, seconds: float) -> None:
    assert pause_after(attempts, 30) == seconds
