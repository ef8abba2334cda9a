"""Who may watch what, by token or by cookie, and from whose pages."""

from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from shared.identity import Role
from tests.integration.curation.watching import play, views
from tests.integration.curation.world import Curation, Family


@pytest.fixture(scope="module")
def watched(curation: Curation) -> tuple[Family, UUID]:
    """A family and its film, for tests that change neither."""
    family = curation.family()
    return family, curation.film(family, b"film")


def test_each_watches_under_a_permit_on_their_own_behalf(curation: Curation, family: Family) -> None:
    film = curation.film(family, b"film")
    people = [
        (curation.token(family.practitioner), family.practitioner, "review"),
        (curation.token(family.supervisor, Role.SUPERVISOR), family.supervisor, "supervision"),
        (curation.parent(family), family.parent, "review"),
    ]
    for who, person, purpose in people:
        before = len(curation.consent.questions_about(film))
        assert play(curation, who, film).content == b"film"
        asked = curation.consent.questions_about(film)[before:]
        assert {(one["on_behalf_of"], one["purpose"]) for one in asked} == {(str(person), purpose)}
        assert all(one["write"] == [] for one in asked)


def test_nobody_else_watches_and_each_attempt_is_written_down(curation: Curation, family: Family) -> None:
    film, other = curation.film(family, b"film"), curation.family()
    before = len(curation.consent.questions_about(film))
    strangers = [
        (curation.token(other.practitioner), other.practitioner, "practitioner", "not_for_this_relation"),
        (curation.token(other.supervisor, Role.SUPERVISOR), other.supervisor, "supervisor", "not_for_this_relation"),
        (curation.parent(other), other.parent, "family", "not_for_this_relation"),
        (curation.token(uuid4(), Role.OPERATOR), None, "operator", "not_for_this_role"),
    ]
    for who, _, _, _ in strangers:
        for method in ("GET", "HEAD"):
            assert curation.http.request(method, f"/v1/media/{film}", headers=who).status_code == 403
        assert curation.http.post(f"/v1/media/{film}/session", headers=who).status_code == 403
    assert play(curation, curation.service_token(), film).status_code == 403
    assert len(curation.consent.questions_about(film)) == before, "consent is not even asked"
    written = views(curation, family)
    assert [(one["role"], one["refused"]) for one in reversed(written)] == [
        (role, why) for _, _, role, why in strangers
    ]
    assert [one["viewer_id"] for one in reversed(written)][:3] == [str(person) for _, person, _, _ in strangers[:3]]
    assert {(one["requests"], one["bytes"]) for one in written} == {(3, 0)}


def test_without_a_token_nobody_is_known(curation: Curation, watched: tuple[Family, UUID]) -> None:
    _, film = watched
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Cookie": "a=b"}):
        assert curation.http.get(f"/v1/media/{film}", headers=headers).status_code == 401


def test_what_cannot_be_watched_is_not_there(curation: Curation, family: Family) -> None:
    recording = curation.recording(family).recording_id  # as received: never served, whoever asks
    curation.consent.registered[recording] = curation.consent.registered[curation.consent.register(family.episode_id)]
    for unknown in (uuid4(), recording):
        assert play(curation, curation.token(family.practitioner), unknown).status_code == 404


def test_a_page_watches_by_a_cookie_for_this_artefact_alone(curation: Curation, family: Family) -> None:
    film, other = curation.film(family, b"film"), curation.film(family, b"other")
    with httpx.Client(base_url=curation.url, timeout=90) as browser:
        begun = browser.post(f"/v1/media/{film}/session", headers=curation.parent(family))
        assert (begun.status_code, begun.content) == (204, b"")
        said = begun.headers["Set-Cookie"]
        name, _, attributes = said.partition("=")
        assert name == f"{instance(curation)}-playback"
        for attribute in (f"Path=/v1/media/{film}", "HttpOnly", "SameSite=strict", "Max-Age=900"):
            assert attribute in attributes
        assert browser.get(f"/v1/media/{film}", headers={"Range": "bytes=1-2"}).content == b"il"
        assert browser.get(f"/v1/media/{other}").status_code == 401, "the cookie is not sent there"
        value = browser.cookies[name]
    with httpx.Client(base_url=curation.url, timeout=90, cookies={name: value}) as thief:
        assert thief.get(f"/v1/media/{other}").status_code == 401, "and is no good there"
        assert thief.get(f"/v1/families/{family.family_id}/views").status_code == 401
        assert thief.post(f"/v1/media/{film}/session").status_code == 401, "and does not prolong itself"
    [view] = views(curation, family)
    assert (view["viewer_id"], view["role"]) == (str(family.parent), "family")


def test_a_cookie_lasts_no_longer_than_the_care_team_and_consent(curation: Curation, family: Family) -> None:
    film = curation.film(family, b"film")
    with httpx.Client(base_url=curation.url, timeout=90) as browser:
        browser.post(f"/v1/media/{film}/session", headers=curation.token(family.practitioner))
        assert browser.get(f"/v1/media/{film}").status_code == 200
        curation.consent.refusing[family.episode_id] = "suspended"
        assert browser.get(f"/v1/media/{film}").status_code == 403


def instance(curation: Curation) -> str:
    environment = Path(f"/proc/{curation.process.pid}/environ").read_text()
    return next(one.partition("=")[2] for one in environment.split("\0") if one.startswith("ATTUNE_INSTANCE="))


def test_only_the_portals_pages_may_read_what_is_answered(
    curation: Curation, portal: str, watched: tuple[Family, UUID]
) -> None:
    family, film = watched
    who = curation.token(family.practitioner)
    ours = play(curation, who, film, "bytes=0-1", Origin=portal)
    assert ours.headers["Access-Control-Allow-Origin"] == portal
    assert ours.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Content-Range" in ours.headers["Access-Control-Expose-Headers"]
    theirs = play(curation, who, film, "bytes=0-1", Origin="https://elsewhere.example")
    assert "Access-Control-Allow-Origin" not in theirs.headers
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Authorization"}
    preflight = curation.http.options(f"/v1/media/{film}/session", headers={"Origin": portal} | asked)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (200, portal)
    elsewhere = curation.http.options(
        f"/v1/media/{film}/session", headers={"Origin": "https://elsewhere.example"} | asked
    )
    assert elsewhere.status_code == 400
