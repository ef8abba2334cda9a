"""A family's own page; that withdrawing waits for nobody but consent."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.portal.family import VIEWS
from shared.identity import Role
from tests.unit.portal.conftest import World

FAMILY, EPISODE = uuid4(), str(uuid4())


@pytest.fixture
async def family(browse: Callable[..., httpx.AsyncClient], world: World) -> httpx.AsyncClient:
    """At their page, while upload and curation are away."""
    people = [{"person_id": str(uuid4()), "name": "Wren", "role": "parent", "purposes": ["film"]}]
    episode = {"episode_id": EPISODE, "state": "open"}
    kept = {"artefact_id": str(uuid4()), "kind": "recording", "state": "kept"}
    for path, answer in (
        (f"/families/{FAMILY}", {"family_id": str(FAMILY), "people": people, "episode": episode}),
        (f"/families/{FAMILY}/artefacts", {"artefacts": [kept]}),
        (f"/families/{FAMILY}/consent-records", {"consent_records": []}),
        (f"/episodes/{EPISODE}", {**episode, "erasures": []}),
    ):
        world.answers.say("GET", f"/v1{path}", json=answer)
    away: dict[str, Any] = {"title": "A part of the system cannot be reached", "detail": "Try again.", "status": 503}
    world.answers.say("GET", "/v1/recordings", 503, json=away)
    world.answers.say("GET", "/v1/cards", 503, json=away)
    world.answers.say("GET", f"/v1/families/{FAMILY}/views", 503, json=away)
    somebody = browse()
    await somebody.post("/family/enter", data={"token": world.token(Role.FAMILY, FAMILY)})
    return somebody


async def test_what_cannot_be_shown_is_said_and_the_rest_is_shown(family: httpx.AsyncClient) -> None:
    answer = await family.get("/family")
    assert answer.status_code == 200
    assert "Who has watched cannot be shown at the moment." in answer.text
    assert "Nobody has watched anything." not in answer.text
    assert "Withdraw my consent" in answer.text


async def test_who_has_watched_goes_on_to_the_first_day(family: httpx.AsyncClient, world: World) -> None:
    view: dict[str, Any] = {"kind": "clip", "role": "practitioner", "refused": None, "recordings": []}
    view["first_at"] = "2026-11-24T10:00:00Z"
    views = [{**view, "view_id": str(uuid4())} for _ in range(VIEWS)]
    world.answers.say("GET", f"/v1/families/{FAMILY}/views", json={"views": views})
    earlier = f"?before={views[-1]['view_id']}"
    assert earlier in (await family.get("/family")).text
    assert (await family.get(f"/family{earlier}")).status_code == 200
    asked = [one.url.params for one in world.answers.asked if one.url.path.endswith("/views")]
    assert [one.get("before") for one in asked] == [None, views[-1]["view_id"]]
    world.answers.say("GET", f"/v1/families/{FAMILY}/views", json={"views": views[:-1]})
    assert "Earlier" not in (await family.get("/family")).text


async def test_a_family_withdraws_while_others_are_away(family: httpx.AsyncClient, world: World) -> None:
    world.answers.say("POST", f"/v1/episodes/{EPISODE}/withdrawals", json={"state": "ended"})
    assert (await family.get("/family/withdraw")).status_code == 200
    assert (await family.post("/family/withdraw", data={"x": "y"})).status_code == 422
    answer = await family.post("/family/withdraw", data={"sure": "yes"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/family")
    assert {request.url.host for request in world.answers.asked} == {"consent"}
    assert world.answers.asked[-1].url.path.endswith("/withdrawals")


def is_suspended(world: World, cause: str, due: str) -> None:
    episode = {"episode_id": str(EPISODE), "state": "suspended", "erasures": []}
    suspension = {"cause": cause, "suspended_at": "2026-11-24T09:00:00Z", "end_due_at": due}
    world.answers.say("GET", f"/v1/episodes/{EPISODE}", json={**episode, "suspensions": [suspension]})


async def test_a_family_says_whether_a_withdrawal_that_staff_reported_is_right(
    family: httpx.AsyncClient, world: World
) -> None:
    is_suspended(world, "withdrawal_reported", "2999-11-25T09:00:00Z")
    text = (await family.get("/family")).text
    assert "everything is erased on 25 November 2999" in text
    assert 'href="/family/withdraw"' in text and "No, it was a mistake" in text
    world.answers.say("POST", f"/v1/episodes/{EPISODE}/reinstatements", json={"state": "open"})
    answer = await family.post("/family/keep")
    assert (answer.status_code, answer.headers["location"]) == (303, "/family")
    assert world.answers.asked[-1].url.path.endswith("/reinstatements")


async def test_a_family_whose_withdrawal_is_held_is_told_so_and_offered_no_mistake(
    family: httpx.AsyncClient, world: World
) -> None:
    is_suspended(world, "withdrawal_confirmed", "2026-11-24T09:00:00Z")
    text = (await family.get("/family")).text
    assert "Everything is stopped" in text and "Nothing is erased yet" in text
    assert "/family/withdraw" not in text and "mistake" not in text and "hold" not in text


async def test_a_family_that_withdraws_while_a_hold_stands_hears_that_nothing_is_erased_yet(
    family: httpx.AsyncClient, world: World
) -> None:
    world.answers.say("POST", f"/v1/episodes/{EPISODE}/withdrawals", json={"state": "suspended"})
    await family.post("/family/withdraw", data={"sure": "yes"})
    is_suspended(world, "withdrawal_confirmed", "2026-11-24T09:00:00Z")
    assert (
        "You have withdrawn. Everything is stopped, and nobody can watch. Nothing is erased yet."
        in (await family.get("/family")).text
    )
