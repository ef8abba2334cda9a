"""Not a byte is played without consent's leave, and none for long after it is taken back."""

import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.curation.watching import play, views
from tests.integration.curation.world import Curation, Family, until

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def ordinary_consent(curation: Curation) -> Iterator[None]:
    yield
    curation.consent.seconds, curation.consent.away = 30, False


@pytest.mark.parametrize("reason", ["suspended", "ended", "no_consent", "discarded"])
def test_consents_no_is_a_no_and_is_written_down(curation: Curation, family: Family, reason: str) -> None:
    film, who = curation.film(family, b"film"), curation.token(family.practitioner)
    assert play(curation, who, film).status_code == 200
    curation.consent.refusing[family.episode_id] = reason
    for method in ("GET", "HEAD", "GET"):
        answer = curation.http.request(method, f"/v1/media/{film}", headers=who)
        assert answer.status_code == 403
    assert (answer.json()["code"], answer.json()["reason"]) == ("consent-refuses", reason)
    refused, granted = views(curation, family)
    assert (refused["refused"], refused["requests"], refused["bytes"]) == (reason, 3, 0)
    assert (granted["refused"], granted["requests"], granted["bytes"]) == (None, 1, 4)


def test_consents_silence_is_no_no(curation: Curation, family: Family) -> None:
    film, who = curation.film(family, b"film"), curation.token(family.practitioner)
    curation.consent.away = True
    answer = play(curation, who, film)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    curation.consent.away = False
    assert play(curation, who, film).content == b"film"
    assert [one["refused"] for one in views(curation, family)] == [None]


def test_a_permit_is_asked_for_with_every_request(curation: Curation, family: Family) -> None:
    film = curation.film(family, b"film")
    before = len(curation.consent.questions_about(film))
    for asked in range(1, 4):
        play(curation, curation.token(family.practitioner), film, "bytes=0-1")
        assert len(curation.consent.questions_about(film)) == before + asked


def test_a_permit_is_asked_for_anew_before_each_segment(curation: Curation, family: Family) -> None:
    plain = secrets.token_bytes(5 * MIB)
    film = curation.film(family, plain, segment=MIB)
    before = len(curation.consent.questions_about(film))
    assert play(curation, curation.token(family.practitioner), film).content == plain
    assert len(curation.consent.questions_about(film)) == before + 5


def test_a_response_that_is_running_is_cut_off_once_consent_refuses(curation: Curation, family: Family) -> None:
    plain = secrets.token_bytes(28 * MIB)
    film = curation.film(family, plain, segment=MIB)
    got, whole = b"", True
    with curation.http.stream("GET", f"/v1/media/{film}", headers=curation.token(family.practitioner)) as answer:
        assert answer.headers["Content-Length"] == str(len(plain))
        try:
            for piece in answer.iter_raw():
                got += piece
                curation.consent.refusing[family.episode_id] = "suspended"
        except httpx.RemoteProtocolError:
            whole = False
    assert not whole, "a short answer must not look whole"
    assert got == plain[: len(got)]
    # what was in the sockets' buffers, and the segment under way
    assert len(got) < len(plain) - MIB
    refused, granted = until(lambda: len(found := views(curation, family)) == 2 and found, "the refusal is not known")
    assert (refused["refused"], granted["refused"]) == ("suspended", None)


def test_a_client_that_takes_nothing_is_cut_off_too(curation: Curation, family: Family) -> None:
    film = curation.film(family, secrets.token_bytes(28 * MIB), segment=8 * MIB)
    curation.consent.seconds = 3
    with curation.http.stream("GET", f"/v1/media/{film}", headers=curation.token(family.practitioner)) as answer:
        assert answer.status_code == 200
        curation.consent.refusing[family.episode_id] = "suspended"
        # not a byte is taken meanwhile
        until(lambda: len(views(curation, family)) == 2, "it was not cut off")
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()


def test_a_slow_client_gets_all_of_it_while_consent_holds(curation: Curation, family: Family) -> None:
    plain = secrets.token_bytes(24 * MIB)
    film = curation.film(family, plain, segment=8 * MIB)
    curation.consent.seconds = 2
    before = len(curation.consent.questions_about(film))
    got = bytearray()
    with curation.http.stream("GET", f"/v1/media/{film}", headers=curation.token(family.practitioner)) as answer:
        for piece in answer.iter_raw():
            got += piece
            if len(got) > MIB and len(curation.consent.questions_about(film)) < before + 3:
                # stay away until its permit was asked for anew
                until(lambda: len(curation.consent.questions_about(film)) >= before + 3, "never asked again")
    assert got == plain


def test_memory_stays_flat(curation: Curation, family: Family) -> None:
    plain = secrets.token_bytes(64 * MIB)
    film = curation.film(family, plain, segment=4 * MIB)
    play(curation, curation.token(family.practitioner), film, "bytes=0-1")
    process = Path(f"/proc/{curation.process.pid}")
    (process / "clear_refs").write_text("5")  # from here on its peak is counted anew
    before = peak_kib(process)
    got = [False] * 4

    def watch(number: int) -> None:
        answer = httpx.get(f"{curation.url}/v1/media/{film}", headers=curation.token(family.practitioner), timeout=90)
        got[number] = answer.content == plain

    watching = [threading.Thread(target=watch, args=(number,)) for number in range(len(got))]
    for one in watching:
        one.start()
    for one in watching:
        one.join()
    assert all(got)
    assert peak_kib(process) - before < 64 * 1024, "KiB more, for 4 x 64 MiB"


def peak_kib(process: Path) -> int:
    lines = (process / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
