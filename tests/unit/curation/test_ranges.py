"""Laws of ranges: what a player is given is what it asked for, or the beginning of it, or all."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.curation.playback.model import CAP, NoSuchBytes, Part, etag, requested

TAG = etag(uuid4())
LENGTHS = st.integers(0, 20 * CAP)
NUMBERS = st.integers(0, 30 * CAP)


@given(LENGTHS, NUMBERS, NUMBERS)
def test_a_range_is_answered_from_its_first_byte_and_never_beyond_its_last(length: int, first: int, last: int) -> None:
    asked = f"bytes={first}-{last}"
    if last < first:
        assert requested(asked, None, TAG, length) is None
    elif first >= length:
        with pytest.raises(NoSuchBytes):
            requested(asked, None, TAG, length)
    else:
        part = requested(asked, None, TAG, length)
        assert part
        assert part.first == first
        assert part.last <= min(last, length - 1)
        assert part.last == min(last, length - 1, first + CAP - 1)


@given(LENGTHS, NUMBERS)
def test_an_open_range_is_answered_in_bounded_pieces_that_reach_the_end(length: int, first: int) -> None:
    reached = first
    if first >= length:
        with pytest.raises(NoSuchBytes):
            requested(f"bytes={first}-", None, TAG, length)
        return
    while reached < length:
        part = requested(f"bytes={reached}-", None, TAG, length)
        assert part
        assert part.first == reached
        assert 0 <= part.last - part.first < CAP
        reached = part.last + 1
    assert reached == length


@given(LENGTHS, NUMBERS)
def test_a_suffix_is_the_last_bytes_or_all_there_are(length: int, suffix: int) -> None:
    if not suffix or not length:
        with pytest.raises(NoSuchBytes) as none:
            requested(f"bytes=-{suffix}", None, TAG, length)
        assert none.value.length == length
    else:
        part = requested(f"bytes=-{suffix}", None, TAG, length)
        assert part
        assert part.first == max(0, length - suffix)
        assert part.last == min(length, part.first + CAP) - 1


@pytest.mark.parametrize(
    "unread",
    [
        *("", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-2,5-6", "bytes=1--2", "bytes=+1-2", "lines=1-2"),
        *("1-2", "bytes=0x1-2", "bytes=1.5-2", "bytes=٣-٤", f"bytes={'9' * 5000}-", "bytes=5-4"),
    ],
)
def test_what_is_no_single_range_of_bytes_is_none(unread: str) -> None:
    assert requested(unread, None, TAG, 1000) is None


@pytest.mark.parametrize("written", ["bytes=1-2", "Bytes=1-2", " bytes = 1 - 2 "])
def test_a_range_is_read_however_it_is_written(written: str) -> None:
    assert requested(written, None, TAG, 1000) == Part(1, 2)


def test_a_range_of_what_the_player_has_is_given_and_else_the_whole() -> None:
    assert requested("bytes=1-2", TAG, TAG, 1000) == Part(1, 2)
    for other in (etag(uuid4()), f"W/{TAG}", TAG.strip('"'), "Tue, 24 Nov 2026 10:00:00 GMT", ""):
        assert requested("bytes=1-2", other, TAG, 1000) is None
    assert requested(None, TAG, TAG, 1000) is None
