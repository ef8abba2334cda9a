"""Suspending, reinstating, ending."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.consent.episodes.model import Cause, ConsentEpisode, EpisodeState, Route, Suspension, ends_by, takes_back
from services.consent.episodes.operations import cooling_off
from shared.settings import ConsentSettings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def episode(state: EpisodeState = EpisodeState.OPEN) -> ConsentEpisode:
    return ConsentEpisode(uuid4(), uuid4(), b"wrapped", NOW, state)


def suspension(due: datetime, cause: Cause = Cause.WITHDRAWAL_CONFIRMED) -> Suspension:
    return Suspension(uuid4(), cause, uuid4(), Route.PHONE, NOW, due)


@pytest.mark.parametrize("state", EpisodeState)
def test_only_an_open_one_is_suspended(state: EpisodeState) -> None:
    one = episode(state)
    assert one.suspend() is (state is EpisodeState.OPEN)
    assert one.state is (EpisodeState.SUSPENDED if state is EpisodeState.OPEN else state)


@pytest.mark.parametrize("state", EpisodeState)
def test_only_a_suspended_one_is_reinstated(state: EpisodeState) -> None:
    one = episode(state)
    assert one.reinstate() is (state is EpisodeState.SUSPENDED)
    assert one.state is (EpisodeState.OPEN if state is EpisodeState.SUSPENDED else state)


def test_the_key_goes_with_the_end() -> None:
    one = episode()
    one.end(Cause.WITHDRAWAL_CONFIRMED, NOW)
    assert (one.state, one.key, one.key_destroyed_at, one.ended_at) == (EpisodeState.ENDED, None, NOW, NOW)


@pytest.mark.parametrize("state", [EpisodeState.OPEN, EpisodeState.ENDED])
def test_only_a_suspended_one_ends(state: EpisodeState) -> None:
    assert ends_by(episode(state), [suspension(NOW)], False, NOW) is None


def test_a_hold_keeps_it() -> None:
    assert ends_by(episode(EpisodeState.SUSPENDED), [suspension(NOW)], True, NOW) is None


def test_it_ends_when_the_cooling_off_is_over_and_not_before() -> None:
    one = suspension(NOW + timedelta(seconds=1))
    assert ends_by(episode(EpisodeState.SUSPENDED), [one], False, NOW) is None
    assert ends_by(episode(EpisodeState.SUSPENDED), [one], False, NOW + timedelta(seconds=1)) is one


def test_of_several_it_ends_by_the_first_that_is_due() -> None:
    reported, confirmed = suspension(NOW + timedelta(days=1), Cause.WITHDRAWAL_REPORTED), suspension(NOW)
    assert ends_by(episode(EpisodeState.SUSPENDED), [reported, confirmed], False, NOW) is confirmed


def test_every_cause_has_a_cooling_off() -> None:
    settings = ConsentSettings(cooling_off_confirmed_seconds=3, cooling_off_reported_seconds=7)
    assert {cause: cooling_off(cause, settings).total_seconds() for cause in Cause} == {
        Cause.WITHDRAWAL_CONFIRMED: 3,
        Cause.WITHDRAWAL_REPORTED: 7,
    }
    assert cooling_off(Cause.WITHDRAWAL_CONFIRMED, ConsentSettings()) == timedelta(0)


def test_a_withdrawal_is_taken_back_only_by_who_withdrew_and_a_report_by_staff_too() -> None:
    confirmed, reported = suspension(NOW), suspension(NOW, Cause.WITHDRAWAL_REPORTED)
    assert takes_back(confirmed.decided_by, [confirmed])
    assert takes_back(reported.decided_by, [reported])
    assert takes_back(None, [reported])
    assert not takes_back(None, [confirmed])
    assert not takes_back(uuid4(), [confirmed])
    assert not takes_back(uuid4(), [reported])
    assert not takes_back(None, [reported, confirmed])
    assert not takes_back(confirmed.decided_by, [reported, confirmed])
