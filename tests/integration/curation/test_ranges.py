"""The playback gateway gives the bytes that were asked for, in bounded pieces."""

import random
import secrets
from uuid import UUID, uuid4

import pytest

from services.curation.playback.model import CAP
from tests.integration.curation.watching import play, views
from tests.integration.curation.world import Curation, Family

PLAIN = secrets.token_bytes(9_500_000)
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def watched(curation: Curation) -> tuple[Family, UUID]:
    """A family and its film of PLAIN, for tests that change neither."""
    family = curation.family()
    return family, curation.film(family, PLAIN)


def test_the_whole_is_given_without_a_range_and_nobody_may_keep_it(
    curation: Curation, watched: tuple[Family, UUID]
) -> None:
    family, film = watched
    answer = play(curation, curation.token(family.practitioner), film)
    assert answer.status_code == 200
    assert answer.content == PLAIN
    said = answer.headers
    assert (said["Content-Type"], said["Content-Length"], said["Accept-Ranges"]) == (
        "video/mp4",
        str(len(PLAIN)),
        "bytes",
    )
    assert said["ETag"] == f'"{film}"'
    assert said["Cache-Control"] == "no-store"
    assert said["X-Content-Type-Options"] == "nosniff"
    assert said["Cross-Origin-Resource-Policy"] == "same-site"
    assert "Last-Modified" not in said


def some_ranges() -> list[tuple[int, int]]:
    chance, length = random.Random(3), len(PLAIN)
    edges = [MIB, 4 * MIB, 256 * 1024, length]
    chosen = [(0, 0), (length - 1, length - 1), (0, CAP - 1), *((edge - 1, min(edge, length - 1)) for edge in edges)]
    for _ in range(15):
        first = chance.randrange(length)
        chosen.append((first, chance.randrange(first, min(length, first + CAP))))
    return chosen


def test_a_range_is_these_bytes_and_no_others(curation: Curation, watched: tuple[Family, UUID]) -> None:
    family, film = watched
    who = curation.token(family.practitioner)
    for first, last in some_ranges():
        answer = play(curation, who, film, f"bytes={first}-{last}")
        assert answer.status_code == 206
        assert answer.content == PLAIN[first : last + 1]
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(PLAIN)}"
        assert answer.headers["Content-Length"] == str(last - first + 1)


def test_an_open_range_is_answered_in_bounded_pieces_from_which_a_player_goes_on(
    curation: Curation, watched: tuple[Family, UUID]
) -> None:
    family, film = watched
    who, got, answers = curation.token(family.practitioner), b"", 0
    while len(got) < len(PLAIN):
        answer = play(curation, who, film, f"bytes={len(got)}-")
        assert answer.status_code == 206
        assert 0 < len(answer.content) <= CAP
        got, answers = got + answer.content, answers + 1
    assert got == PLAIN
    assert answers == -(-len(PLAIN) // CAP)


def test_a_suffix_is_the_end_of_it(curation: Curation, watched: tuple[Family, UUID]) -> None:
    family, film = watched
    who = curation.token(family.practitioner)
    assert play(curation, who, film, "bytes=-1000").content == PLAIN[-1000:]
    longest = play(curation, who, film, f"bytes=-{10 * len(PLAIN)}")
    assert longest.content == PLAIN[:CAP]


@pytest.mark.parametrize("beyond", [f"bytes={len(PLAIN)}-", f"bytes={len(PLAIN)}-{len(PLAIN) + 5}", "bytes=-0"])
def test_bytes_that_are_not_there_are_refused_with_how_many_there_are(
    curation: Curation, watched: tuple[Family, UUID], beyond: str
) -> None:
    family, film = watched
    answer = play(curation, curation.token(family.practitioner), film, beyond)
    assert (answer.status_code, answer.json()["code"]) == (416, "range-not-satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(PLAIN)}"


def test_several_ranges_or_none_that_can_be_read_are_answered_with_the_whole(
    curation: Curation, watched: tuple[Family, UUID]
) -> None:
    family, film = watched
    for unread in ("bytes=0-1,5-6", "lines=1-2", "bytes=5-2"):
        answer = play(curation, curation.token(family.practitioner), film, unread)
        assert (answer.status_code, len(answer.content)) == (200, len(PLAIN))


def test_a_range_of_another_film_than_the_player_has_is_answered_with_the_whole(
    curation: Curation, watched: tuple[Family, UUID]
) -> None:
    family, film = watched
    who = curation.token(family.practitioner)
    same = play(curation, who, film, "bytes=5-9", **{"If-Range": f'"{film}"'})
    assert (same.status_code, same.content) == (206, PLAIN[5:10])
    other = play(curation, who, film, "bytes=5-9", **{"If-Range": f'"{uuid4()}"'})
    assert (other.status_code, len(other.content)) == (200, len(PLAIN))


def test_head_says_what_there_is_and_is_no_view(curation: Curation, family: Family) -> None:
    film = curation.film(family, b"x" * 1000)
    answer = curation.http.head(f"/v1/media/{film}", headers=curation.token(family.practitioner))
    assert (answer.status_code, answer.content) == (200, b"")
    assert (answer.headers["Content-Length"], answer.headers["Accept-Ranges"]) == ("1000", "bytes")
    assert answer.headers["Content-Type"] == "video/mp4"
    assert views(curation, family) == []


def test_an_empty_artefact_is_empty(curation: Curation, family: Family) -> None:
    film = curation.film(family, b"")
    answer = play(curation, curation.token(family.practitioner), film)
    assert (answer.status_code, answer.content) == (200, b"")
    assert play(curation, curation.token(family.practitioner), film, "bytes=0-").status_code == 416


@pytest.mark.parametrize(
    ("kind", "media_type"), [("poster", "image/jpeg"), ("sprite", "image/jpeg"), ("waveform", "image/png")]
)
def test_what_goes_with_a_film_is_a_picture(curation: Curation, family: Family, kind: str, media_type: str) -> None:
    ready = curation.recording(family)
    [artefact] = [one.artefact_id for one in ready.artefacts if one.kind == kind]
    curation.store(artefact, b"a picture", media_type)
    answer = play(curation, curation.token(family.practitioner), artefact)
    assert (answer.content, answer.headers["Content-Type"]) == (b"a picture", media_type)
