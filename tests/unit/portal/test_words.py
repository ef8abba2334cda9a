"""How things are said."""

from typing import get_args

import pytest
from httpx import Response

from services.notification.model import AUDIENCE, Audience, Failure, Need
from services.portal import words
from services.portal.visitor import Service, refusal_of
from shared.settings import ConsentSettings

RATE = {"numerator": 25, "denominator": 1}


def test_days_and_moments_are_said_as_people_say_them() -> None:
    assert words.day("2026-11-04") == "4 November 2026"
    assert words.moment("2026-11-24T14:05:00+00:00") == "24 November 2026, 2:05pm"
    assert words.moment("2026-07-01T23:30:00+00:00") == "2 July 2026, 12:30am"  # in summer an hour ahead
    assert words.day(None) == words.moment(None) == ""


@pytest.mark.parametrize(
    ("frame", "rate", "said"),
    [
        (0, RATE, "0:00.00"),
        (24, RATE, "0:00.96"),
        (1500, RATE, "1:00.00"),
        (1798, {"numerator": 30000, "denominator": 1001}, "0:59.99"),
    ],
)
def test_a_frame_has_its_place_in_time(frame: int, rate: dict[str, int], said: str) -> None:
    assert words.clock(frame, rate) == said


def test_a_family_is_called_by_those_in_it() -> None:
    assert words.names({"people": [{"name": "Wren"}]}) == "Wren"
    assert words.names({"people": [{"name": "Wren"}, {"name": "Jo"}, {"name": "Robin"}]}) == "Wren, Jo and Robin"


def test_sizes_are_read_at_a_glance() -> None:
    assert [words.size(count) for count in (0, 1, 3_700_000, 2_500_000_000)] == ["0 KB", "1 KB", "3.7 MB", "2.5 GB"]


def test_an_erasure_is_a_row_of_steps() -> None:
    stands = {state: [step["stand"] for step in words.erasure_steps(state)] for state, _, _ in words.ERASURE_STEPS}
    assert stands["purging"] == ["now", "to come", "to come", "to come"]
    assert stands["verifying"] == ["done", "done", "now", "to come"]
    assert stands["certified"] == ["done"] * 4


def test_what_is_no_problem_document_is_a_part_that_is_away() -> None:
    assert refusal_of(Response(502, text="<html>")).status == 503


def test_the_services_are_those_that_there_are() -> None:
    assert set(get_args(Service)) == {"consent", "upload", "transcoding", "curation", "notification"}


def test_the_reasons_to_discard_are_those_that_are_taken() -> None:
    assert tuple(words.DISCARDS) == ConsentSettings.model_fields["discard_reasons"].default


def test_everything_that_may_have_to_be_told_in_person_can_be_said() -> None:
    assert set(words.TO_TELL) == {template for template, audience in AUDIENCE.items() if audience is Audience.FAMILY}
    assert set(words.NOT_SENT) == set(Failure)
    assert set(words.NEEDS) == set(Need)


@pytest.mark.parametrize(
    ("language", "interpreter", "said"),
    [
        (None, False, []),
        ("en-GB", False, []),
        ("en", True, ["An interpreter"]),
        ("pl", False, ["Language: Polish"]),
        ("pl", True, ["An interpreter: Polish"]),
        ("und", True, ["An interpreter: Another language"]),
        ("yue", False, ["Language: yue"]),
    ],
)
def test_a_language_is_said_by_its_name(language: str | None, interpreter: bool, said: list[str]) -> None:
    assert words.needs({"needs": [], "language": language, "interpreter": interpreter, "other": None}) == said


def test_who_needs_nothing_else_and_who_was_not_asked_need_nothing_said() -> None:
    assert words.needs(None) == []
