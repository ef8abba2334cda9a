"""Goals in the parent's words, their ratings, and shared reviews; the words stay in this database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.curation import SharedReviewHeld
from shared.identity import Role
from tests.integration.curation.test_clips import marked, order
from tests.integration.curation.world import Curation, Family

TODAY = datetime.now(UTC).date()
WORDS = {"saw": "She turns to me", "felt": "Warm", "thought": "She knows me"}


def reel(curation: Curation, family: Family) -> str:
    clip = marked(curation, family, curation.recording(family))
    return str(order(curation, family, [clip["clip_id"]]).json()["reel_id"])


def hold(curation: Curation, family: Family, **said: Any) -> httpx.Response:
    body = {"held_on": str(TODAY), "cycle": 1, "words": WORDS, "summary": "She waits, and looks"} | said
    return curation.http.post(
        f"/v1/families/{family.family_id}/shared-reviews", json=body, headers=curation.token(family.practitioner)
    )


def test_a_goal_is_in_the_parents_words_and_keeps_all_its_ratings(curation: Curation, family: Family) -> None:
    headers, path = curation.token(family.practitioner), f"/v1/families/{family.family_id}/goals"
    words = "I want to get to know my baby more — “really” know her 🙂"
    made = curation.http.post(path, json={"words": words, "now": 3, "hoped": 8}, headers=headers)
    assert made.status_code == 201
    goal_id = made.json()["goal_id"]
    for now, hoped in ((5, 8), (10, 10)):
        rated = curation.http.post(f"/v1/goals/{goal_id}/ratings", json={"now": now, "hoped": hoped}, headers=headers)
        assert rated.status_code == 201
    for reader in (headers, curation.parent(family), curation.token(family.supervisor, Role.SUPERVISOR)):
        [goal] = curation.http.get(path, headers=reader).json()["goals"]
        assert goal["words"] == words
        assert [(rating["now"], rating["hoped"]) for rating in goal["ratings"]] == [(3, 8), (5, 8), (10, 10)]


@pytest.mark.parametrize("wrong", [{"now": 0}, {"now": 11}, {"hoped": 0}, {"hoped": 11}, {"words": " "}, {"now": "x"}])
def test_a_rating_is_from_1_to_10_and_a_goal_has_words(
    curation: Curation, family: Family, wrong: dict[str, object]
) -> None:
    answer = curation.http.post(
        f"/v1/families/{family.family_id}/goals",
        json={"words": "Help my baby feel safe", "now": 3, "hoped": 8} | wrong,
        headers=curation.token(family.practitioner),
    )
    assert answer.status_code == 422
    assert curation.value("SELECT count(*) FROM goals WHERE family_id = $1", family.family_id) == 0


def test_a_shared_review_is_told_without_a_word_of_what_was_said(curation: Curation, family: Family) -> None:
    answer = hold(curation, family, reel_id=reel(curation, family), cycle=2)
    assert answer.status_code == 201, answer.text
    review = answer.json()
    assert review["words"] == WORDS
    assert curation.tells(family, SharedReviewHeld) == [
        SharedReviewHeld(shared_review_id=UUID(review["shared_review_id"]), cycle=2)
    ]
    for reader in (curation.token(family.colleague), curation.parent(family)):
        path = f"/v1/families/{family.family_id}/shared-reviews"
        assert curation.http.get(path, headers=reader).json() == {"shared_reviews": [review]}


def test_a_shared_review_may_be_of_single_clips(curation: Curation, family: Family) -> None:
    clips = [marked(curation, family, curation.recording(family))["clip_id"] for _ in range(2)]
    answer = hold(curation, family, clips=clips, words={"felt": ""}, summary="")
    assert answer.status_code == 201
    assert answer.json()["clips"] == clips
    assert answer.json()["words"] == {"saw": None, "felt": None, "thought": None}
    assert answer.json()["summary"] is None


def test_a_cycle_has_one_shared_review(curation: Curation, family: Family) -> None:
    watched = reel(curation, family)
    assert hold(curation, family, reel_id=watched).status_code == 201
    again = hold(curation, family, reel_id=watched)
    assert (again.status_code, again.json()["code"]) == (409, "cycle-recorded")
    assert hold(curation, family, reel_id=watched, cycle=2).status_code == 201
    assert [held.cycle for held in curation.told(family, SharedReviewHeld)] == [1, 2]


def test_a_shared_review_that_cannot_be_is_refused_and_changes_nothing(curation: Curation, family: Family) -> None:
    mine, other = reel(curation, family), curation.family()
    theirs = reel(curation, other)
    clip = marked(curation, other, curation.recording(other))["clip_id"]
    for wrong in (
        {},
        {"reel_id": str(uuid4())},
        {"reel_id": theirs},
        {"clips": [clip]},
        {"reel_id": mine, "clips": [clip]},
        {"reel_id": mine, "held_on": str(TODAY + timedelta(days=2))},
        {"reel_id": mine, "cycle": 0},
        {"reel_id": mine, "held_on": "yesterday"},
    ):
        assert hold(curation, family, **wrong).status_code == 422, wrong
    assert curation.told(family, SharedReviewHeld) == []
    assert curation.value("SELECT count(*) FROM shared_reviews WHERE family_id = $1", family.family_id) == 0


def test_what_the_family_said_is_for_its_care_team_and_itself(curation: Curation, family: Family) -> None:
    goal = curation.http.post(
        f"/v1/families/{family.family_id}/goals",
        json={"words": "Develop my confidence", "now": 3, "hoped": 8},
        headers=curation.token(family.practitioner),
    ).json()["goal_id"]
    other = curation.family()
    for headers in (curation.token(other.practitioner), curation.parent(other), curation.service_token()):
        for method, path, body in (
            ("GET", f"/v1/families/{family.family_id}/goals", None),
            ("GET", f"/v1/families/{family.family_id}/shared-reviews", None),
            ("POST", f"/v1/families/{family.family_id}/goals", {"words": "x", "now": 1, "hoped": 2}),
            ("POST", f"/v1/goals/{goal}/ratings", {"now": 1, "hoped": 2}),
            ("POST", f"/v1/families/{family.family_id}/shared-reviews", {"held_on": str(TODAY), "cycle": 1}),
        ):
            assert curation.http.request(method, path, json=body, headers=headers).status_code == 403, path
    assert (
        curation.http.post(
            f"/v1/goals/{uuid4()}/ratings", json={"now": 1, "hoped": 2}, headers=curation.token(family.practitioner)
        ).status_code
        == 404
    )
