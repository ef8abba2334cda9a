"""What a consent record allows, and when one cannot be accepted."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from services.consent.families.model import Person, PersonRole
from services.consent.records.model import (
    SENTENCES,
    Authority,
    Method,
    Narrowing,
    Statement,
    Unacceptable,
    purposes_now,
    purposes_on,
    unacceptable,
)
from services.consent.records.rights import POINTS, Whose, not_talked_through

PARENT = Person(uuid4(), PersonRole.PARENT, "Ada")
BABY = Person(uuid4(), PersonRole.BABY, "Bea")
UNBORN = Person(uuid4(), PersonRole.UNBORN, "Cy")
MONDAY = date(2026, 11, 23)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)


def at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def statement(version: int, purposes: set[str], given_on: date, **more: object) -> Statement:
    values = {"valid_until": None, "disputed": False, "recorded_at": at(given_on, 12)} | more
    return Statement(BABY.id, version, frozenset(purposes), given_on, **values)  # type: ignore[arg-type]


def test_the_latest_version_counts_whatever_its_order() -> None:
    statements = [statement(2, {"film"}, TUESDAY), statement(1, {"film", "review"}, MONDAY)]
    assert purposes_now(BABY.id, statements, [], WEDNESDAY) == {"film"}
    assert purposes_on(BABY.id, statements, [], MONDAY) == {"film", "review"}


def test_nothing_was_agreed_before_the_first_record() -> None:
    assert purposes_on(BABY.id, [statement(1, {"film"}, TUESDAY)], [], MONDAY) == frozenset()


def test_anothers_record_says_nothing() -> None:
    assert purposes_now(PARENT.id, [statement(1, {"film"}, MONDAY)], [], TUESDAY) == frozenset()


@pytest.mark.parametrize(("until", "allowed"), [(MONDAY, False), (TUESDAY, True), (None, True)])
def test_it_is_valid_until_its_last_day_included(until: date | None, allowed: bool) -> None:
    now = purposes_now(BABY.id, [statement(1, {"film"}, MONDAY, valid_until=until)], [], TUESDAY)
    assert ("film" in now) is allowed


def test_a_record_that_ran_out_does_not_revive_the_one_before() -> None:
    statements = [statement(1, {"film"}, MONDAY), statement(2, {"film"}, MONDAY, valid_until=MONDAY)]
    assert purposes_now(BABY.id, statements, [], TUESDAY) == frozenset()


def test_a_disputed_record_allows_nothing_and_revives_nothing() -> None:
    statements = [statement(1, {"film"}, MONDAY), statement(2, {"film"}, TUESDAY, disputed=True)]
    assert purposes_now(BABY.id, statements, [], TUESDAY) == frozenset()


def test_a_narrowing_takes_one_purpose_of_one_person() -> None:
    statements = [statement(1, {"film", "training"}, MONDAY)]
    assert purposes_now(BABY.id, statements, [Narrowing(BABY.id, "training", at(TUESDAY, 9))], TUESDAY) == {"film"}
    assert "training" in purposes_now(BABY.id, statements, [Narrowing(PARENT.id, "training", at(TUESDAY, 9))], TUESDAY)


def test_before_the_narrowing_it_was_agreed() -> None:
    statements, narrowing = [statement(1, {"film"}, MONDAY)], Narrowing(BABY.id, "film", at(TUESDAY, 9))
    assert purposes_on(BABY.id, statements, [narrowing], MONDAY) == {"film"}
    assert purposes_on(BABY.id, statements, [narrowing], TUESDAY) == frozenset()


def test_agreeing_again_afterwards_counts() -> None:
    statements = [statement(1, {"film"}, MONDAY), statement(2, {"film"}, WEDNESDAY)]
    assert purposes_now(BABY.id, statements, [Narrowing(BABY.id, "film", at(TUESDAY, 9))], WEDNESDAY) == {"film"}


def test_agreeing_again_the_same_day_counts() -> None:
    statements = [statement(1, {"film"}, MONDAY), statement(2, {"film"}, TUESDAY, recorded_at=at(TUESDAY, 15))]
    assert purposes_now(BABY.id, statements, [Narrowing(BABY.id, "film", at(TUESDAY, 9))], TUESDAY) == {"film"}


def test_a_paper_signed_before_does_not_undo_a_narrowing() -> None:
    late = statement(2, {"film"}, MONDAY, recorded_at=at(WEDNESDAY, 9))
    assert purposes_now(BABY.id, [late], [Narrowing(BABY.id, "film", at(TUESDAY, 9))], WEDNESDAY) == frozenset()


def wrong(**more: object) -> set[Unacceptable]:
    right: dict[str, object] = {
        "person_id": BABY.id,
        "given_by": PARENT.id,
        "authority": Authority.PARENTAL_RESPONSIBILITY,
        "purposes": ["film"],
        "method": Method.E_SIGN,
        "has_evidence": None,
        "has_witness": False,
        "given_on": TUESDAY,
        "valid_until": None,
        "people": [PARENT, BABY, UNBORN],
        "known_purposes": ["film", "review"],
        "earliest_day": None,
        "latest_day": TUESDAY,
    }
    return set(unacceptable(**(right | more)))  # type: ignore[arg-type]


def test_a_good_record() -> None:
    assert wrong() == set()
    assert wrong(person_id=PARENT.id, authority=Authority.SELF) == set()
    assert wrong(person_id=UNBORN.id, authority=Authority.COURT_ORDER, valid_until=TUESDAY) == set()
    assert wrong(method=Method.PAPER, has_evidence=True) == set()
    assert wrong(method=Method.SPOKEN, has_witness=True) == set()
    assert wrong(earliest_day=TUESDAY) == set()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"person_id": uuid4()}, Unacceptable.UNKNOWN_PERSON),
        ({"given_by": uuid4()}, Unacceptable.UNKNOWN_GIVER),
        ({"authority": Authority.SELF}, Unacceptable.NOT_SELF),
        ({"person_id": PARENT.id}, Unacceptable.NOT_SELF),
        ({"given_by": UNBORN.id}, Unacceptable.GIVER_CANNOT_AGREE),
        ({"given_by": BABY.id, "authority": Authority.SELF}, Unacceptable.GIVER_CANNOT_AGREE),
        ({"purposes": ["film", "advertising"]}, Unacceptable.UNKNOWN_PURPOSE),
        ({"method": Method.PAPER, "has_witness": True}, Unacceptable.NO_EVIDENCE),
        ({"method": Method.PAPER, "has_evidence": False}, Unacceptable.UNKNOWN_EVIDENCE),
        ({"has_evidence": False}, Unacceptable.UNKNOWN_EVIDENCE),
        ({"method": Method.SPOKEN, "has_evidence": True}, Unacceptable.NO_WITNESS),
        ({"given_on": WEDNESDAY}, Unacceptable.GIVEN_IN_FUTURE),
        ({"given_on": MONDAY, "earliest_day": TUESDAY}, Unacceptable.GIVEN_BEFORE_THE_END),
        ({"valid_until": MONDAY}, Unacceptable.ENDS_BEFORE_IT_BEGINS),
    ],
)
def test_a_record_that_cannot_be_accepted(change: dict[str, object], reason: Unacceptable) -> None:
    assert wrong(**change) == {reason}


def test_every_complaint_is_a_sentence() -> None:
    assert SENTENCES.keys() == set(Unacceptable)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


def test_the_points_promise_what_they_must() -> None:
    said = {point.point: point for point in POINTS}
    assert len(said) == len(POINTS)
    assert said["care_unchanged"].text == "Refusing or withdrawing changes nothing in your care."
    assert "stop at any time" in said["stop_any_time"].text
    assert [point for point in POINTS if point.whose is Whose.FAMILY and point.text.startswith("You tell")]


def test_an_old_version_of_a_point_was_not_talked_through() -> None:
    now = [(point.point, point.version) for point in POINTS]
    assert not_talked_through(now) == []
    assert [point.point for point in not_talked_through([*now[1:], (POINTS[0].point, 0)])] == [POINTS[0].point]
