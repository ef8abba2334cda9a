"""Every view and every denial is written down, before a byte leaves, and shown to whom it concerns."""

import threading
from typing import Any
from uuid import uuid4

import asyncpg

from shared.contracts.consent import ConsentEnded
from shared.identity import Role
from tests.integration.curation.watching import play, views
from tests.integration.curation.world import Curation, Family


def test_a_sitting_is_one_view_that_counts_each_byte_once(curation: Curation, family: Family) -> None:
    film, who = curation.film(family, bytes(10_000)), curation.token(family.practitioner)
    for first, last in ((0, 999), (500, 1499), (1500, 1999), (5000, 5999), (0, 999)):
        play(curation, who, film, f"bytes={first}-{last}")
    play(curation, curation.parent(family), film, "bytes=0-0")
    parents, practitioners = views(curation, family)
    assert (practitioners["bytes"], practitioners["requests"]) == (3000, 5)
    assert practitioners["kind"] == "review_film"
    assert practitioners["artefact_id"] == str(film)
    assert practitioners["viewer_id"] == str(family.practitioner)
    assert len(practitioners["recordings"]) == 1
    assert practitioners["first_at"] < practitioners["last_at"] < parents["first_at"]
    assert (parents["bytes"], parents["requests"], parents["role"]) == (1, 1, "family")


def test_who_comes_back_later_has_another_view(curation: Curation, family: Family) -> None:
    film, who = curation.film(family, b"film"), curation.token(family.practitioner)
    play(curation, who, film)
    curation.value("UPDATE views SET last_at = last_at - interval '31 minutes' WHERE artefact_id = $1", film)
    play(curation, who, film)
    assert [one["requests"] for one in views(curation, family)] == [1, 1]


def test_two_at_once_are_both_counted(curation: Curation, family: Family) -> None:
    film, who = curation.film(family, bytes(64_000)), curation.token(family.practitioner)
    together = [
        threading.Thread(target=play, args=(curation, who, film, f"bytes={n * 1000}-{n * 1000 + 999}"))
        for n in range(20)
    ]
    for one in together:
        one.start()
    for one in together:
        one.join()
    [view] = views(curation, family)
    assert (view["requests"], view["bytes"]) == (20, 20_000)


def test_no_byte_leaves_that_cannot_be_written_down(curation: Curation, family: Family) -> None:
    film, who = curation.film(family, b"a film that nobody may see unseen"), curation.token(family.practitioner)

    async def locked() -> "asyncpg.Connection[Any]":
        connection = await asyncpg.connect(curation.database_url)
        await connection.execute("BEGIN; LOCK TABLE views IN ACCESS EXCLUSIVE MODE")
        return connection

    connection = curation.loop(locked())
    try:
        answer = play(curation, who, film)
        assert answer.status_code == 503
        assert b"film that" not in answer.content
    finally:
        curation.loop(connection.close())
    assert play(curation, who, film).status_code == 200


def test_the_care_team_and_the_family_see_who_watched_and_nobody_else(curation: Curation, family: Family) -> None:
    film = curation.film(family, b"film")
    play(curation, curation.token(family.practitioner), film)
    readers = [curation.parent(family), curation.token(family.supervisor, Role.SUPERVISOR)]
    for reader in [*readers, curation.token(uuid4(), Role.OPERATOR)]:
        assert len(views(curation, family, reader)) == 1
    other = curation.family()
    for stranger in (curation.token(other.practitioner), curation.parent(other), curation.service_token()):
        answer = curation.http.get(f"/v1/families/{family.family_id}/views", headers=stranger)
        assert answer.status_code == 403


def test_the_list_of_views_goes_on_from_page_to_page(curation: Curation, family: Family) -> None:
    films = [curation.film(family, b"film") for _ in range(5)]
    for film in films:
        play(curation, curation.token(family.practitioner), film)
    seen: list[str] = []
    asked: dict[str, str] = {"limit": "2"}
    while page := curation.http.get(
        f"/v1/families/{family.family_id}/views", params=asked, headers=curation.token(family.practitioner)
    ).json()["views"]:
        seen += [one["artefact_id"] for one in page]
        asked["before"] = page[-1]["view_id"]
    assert seen == [str(film) for film in reversed(films)]


def test_who_asks_after_the_end_is_refused_and_written_down_still(curation: Curation, family: Family) -> None:
    film, who = curation.film(family, b"film"), curation.token(family.practitioner)
    curation.hears(ConsentEnded(erasure_id=uuid4(), cause="withdrawal"), family)
    curation.consent.refusing[family.episode_id] = "ended"
    assert play(curation, who, film).json()["reason"] == "ended"
    assert [one["refused"] for one in views(curation, family)] == ["ended"]
