"""The rules of an upload."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.upload.model import (
    Beginning,
    Complete,
    Kind,
    NotAFilm,
    NotReceived,
    Over,
    Rejection,
    State,
    Superseded,
    Upload,
    WrongOffset,
    has_come,
)
from services.upload.problems import problem_of
from shared.containers import HEAD, Container

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIFE = timedelta(days=7)
MP4 = bytes.fromhex("0000002066747970") + b"isom"


def upload(length: int = 100) -> Upload:
    return Upload(
        id=uuid4(),
        family_id=uuid4(),
        episode_id=uuid4(),
        uploaded_by=uuid4(),
        kind=Kind.PARENT_BABY,
        people=[uuid4()],
        filmed_on=NOW.date(),
        happy_to_film=True,
        length=length,
        created_at=NOW,
        expires_at=NOW + LIFE,
    )


def taken_over(it: Upload, now: datetime = NOW) -> UUID:
    token = uuid4()
    it.take_over(it.offset, token, now, LIFE)
    return token


def received(length: int = 100) -> Upload:
    it = upload(length)
    assert it.add(length, taken_over(it), Container.MP4)
    assert it.received(bytes(32), NOW)
    return it


def test_bytes_count_for_the_request_that_took_it_over_last() -> None:
    it = upload()
    first = taken_over(it)
    it.add(10, first, None)
    second = taken_over(it)
    with pytest.raises(Superseded):
        it.add(10, first, None)
    it.add(10, second, None)
    assert it.offset == 20


@given(st.lists(st.integers(1, 30), min_size=1))
def test_an_upload_is_complete_with_its_last_byte_and_not_before(lengths: list[int]) -> None:
    it = upload(sum(lengths))
    for length in lengths[:-1]:
        assert not it.add(length, taken_over(it), Container.MP4)
        assert it.state is State.RECEIVING
    assert it.add(lengths[-1], taken_over(it), Container.MP4)
    assert (it.state, it.offset, it.token) == (State.VERIFYING, it.length, None)


def test_nobody_goes_on_elsewhere_than_where_it_stands() -> None:
    it = upload()
    it.add(10, taken_over(it), None)
    for offset in (0, 9, 11, 100):
        with pytest.raises(WrongOffset):
            it.take_over(offset, uuid4(), NOW, LIFE)


def test_a_complete_upload_takes_nothing_more() -> None:
    it = upload()
    token = taken_over(it)
    it.add(100, token, Container.MP4)
    with pytest.raises(Complete):
        it.take_over(100, uuid4(), NOW, LIFE)
    with pytest.raises(Superseded):
        it.add(1, token, None)


@pytest.mark.parametrize("code", list(Rejection))
def test_what_is_over_takes_nothing_more(code: Rejection) -> None:
    it = upload()
    token = taken_over(it)
    assert it.reject(code, NOW)
    assert not it.reject(Rejection.ABANDONED, NOW)
    assert it.code is code
    with pytest.raises(Over):
        it.take_over(0, uuid4(), NOW, LIFE)
    with pytest.raises(Superseded):
        it.add(1, token, None)


def test_adding_puts_the_end_off() -> None:
    it = upload()
    assert not it.expired(NOW + LIFE - timedelta(seconds=1))
    taken_over(it, NOW + timedelta(days=3))
    assert not it.expired(NOW + LIFE)
    assert it.expired(NOW + LIFE + timedelta(days=3))
    with pytest.raises(Over):
        it.take_over(0, uuid4(), NOW + timedelta(days=11), LIFE)


def test_a_recording_stays_one() -> None:
    it = received()
    assert not it.received(bytes(32), NOW)
    assert not it.reject(Rejection.DAMAGED, NOW)
    assert it.state is State.RECEIVED
    assert not it.expired(NOW + 2 * LIFE)


def test_only_what_is_verified_becomes_a_recording() -> None:
    it = upload()
    assert not it.received(bytes(32), NOW)
    it.reject(Rejection.DAMAGED, NOW)
    assert not it.received(bytes(32), NOW)


def test_the_card_is_wiped_when_the_film_is_safe_and_once() -> None:
    it = upload()
    with pytest.raises(NotReceived):
        it.card_wiped("camera 1", date(2026, 11, 24))
    it = received()
    assert it.card_may_hold_it
    assert it.card_wiped("camera 1", date(2026, 11, 24))
    assert not it.card_wiped("camera 2", date(2026, 11, 25))
    assert (it.device_label, it.card_wiped_on, it.card_may_hold_it) == ("camera 1", date(2026, 11, 24), False)


@pytest.mark.parametrize(("code", "may"), [(code, code not in ("not_a_film", "cancelled")) for code in Rejection])
def test_a_card_may_hold_what_was_begun_and_not_finished(code: Rejection, may: bool) -> None:
    it = upload()
    assert it.card_may_hold_it
    it.reject(code, NOW)
    assert it.card_may_hold_it is may


@pytest.mark.parametrize("piece", [1, 7, 4096, 100_000])
def test_a_film_is_known_by_its_first_bytes_however_they_come(piece: int) -> None:
    whole = MP4 + bytes(10_000)
    beginning = Beginning.of(upload(len(whole)))
    for start in range(0, len(whole), piece):
        beginning.see(whole[start : start + piece])
        beginning.decide()
        assert (beginning.container is None) == (start + piece < HEAD)
    assert beginning.container is Container.MP4


def test_a_short_film_is_known_at_its_end() -> None:
    beginning = Beginning.of(upload(len(MP4)))
    beginning.see(MP4[:-1])
    beginning.decide()
    assert beginning.container is None
    beginning.see(MP4[-1:])
    beginning.decide()
    assert beginning.container is Container.MP4


def test_what_is_not_a_film_is_told_as_soon_as_there_is_enough() -> None:
    beginning = Beginning.of(upload(10_000))
    beginning.see(bytes(HEAD - 1))
    beginning.decide()
    beginning.see(b"#")
    with pytest.raises(NotAFilm):
        beginning.decide()


def test_a_film_of_a_format_that_we_do_not_open_is_refused_by_its_name() -> None:
    beginning = Beginning.of(upload(10_000))
    beginning.see(bytes.fromhex("060e2b34020501010d0102") + bytes(HEAD))
    with pytest.raises(NotAFilm) as refused:
        beginning.decide()
    problem = problem_of(refused.value)
    assert problem
    assert "(MXF)" in problem.detail


def test_a_day_has_come_when_it_has_somewhere() -> None:
    assert has_come(date(2026, 11, 25), NOW)
    assert not has_come(date(2026, 11, 26), NOW)
