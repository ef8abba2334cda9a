"""The work list: nothing that waits is out of reach."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.portal.work_list import TASKS
from tests.unit.portal.conftest import World


@pytest.mark.parametrize("which", ["", "done=true&"])
async def test_tasks_go_on_to_the_oldest(browse: Callable[..., httpx.AsyncClient], world: World, which: str) -> None:
    task = {"family_id": str(uuid4()), "kind": "parent_baby", "filmed_on": "2026-11-24", "state": "done"}
    tasks = [{**task, "recording_id": str(uuid4())} for _ in range(TASKS)]
    world.answers.say("GET", "/v1/families", json={"families": []})
    world.answers.say("GET", "/v1/tasks", json={"tasks": tasks})
    world.answers.say("GET", "/v1/recordings", json={"recordings": []})
    world.answers.say("GET", "/v1/cards", json={"cards": []})
    world.answers.say("GET", "/v1/deliveries", json={"deliveries": []})
    somebody = browse()
    await somebody.post("/sign-in", data={"token": world.token()})
    older = f"/?{which}before={tasks[-1]['recording_id']}"
    assert older.replace("&", "&amp;") in (found := (await somebody.get(f"/?{which}")).text) or older in found
    assert (await somebody.get(older)).status_code == 200
    asked = world.answers.asked[-1 - [one.url.path for one in reversed(world.answers.asked)].index("/v1/tasks")]
    assert asked.url.params["before"] == tasks[-1]["recording_id"]
    world.answers.say("GET", "/v1/tasks", json={"tasks": tasks[:-1]})
    assert "Older films" not in (await somebody.get(f"/?{which}")).text


async def listed(browse: Callable[..., httpx.AsyncClient], world: World, family: dict[str, Any], **more: Any) -> str:
    """The work list of somebody who looks after this family."""
    nothing: dict[str, Any] = {"tasks": [], "recordings": [], "cards": [], "deliveries": []}
    for what, found in (nothing | more).items():
        world.answers.say("GET", f"/v1/{what}", json={what: found})
    world.answers.say("GET", "/v1/families", json={"families": [{"family_id": family["family_id"]}]})
    world.answers.say("GET", f"/v1/families/{family['family_id']}", json=family)
    somebody = browse()
    await somebody.post("/sign-in", data={"token": world.token()})
    return (await somebody.get("/")).text


def family(**more: Any) -> dict[str, Any]:
    people = [{"person_id": str(uuid4()), "name": "Wren", "role": "parent", "purposes": ["film"]}]
    known: dict[str, Any] = {"family_id": str(uuid4()), "people": people, "care_team": [], "episode": {"state": "open"}}
    return known | more


async def test_when_our_work_has_ended_the_family_is_to_be_asked_what_is_erased(
    browse: Callable[..., httpx.AsyncClient], world: World
) -> None:
    asked = "ask what is to be erased"
    ended = {"involvement_ended_on": "2026-11-20"}
    assert asked in await listed(browse, world, family(**ended))
    assert asked not in await listed(browse, world, family(involvement_ended_on=None))
    assert asked not in await listed(browse, world, family(**ended, episode={"state": "ended"}))


@pytest.mark.parametrize("known", [True, False])
async def test_who_must_be_told_in_person_is_on_the_list_also_where_nobody_is_known_to_be_reached(
    browse: Callable[..., httpx.AsyncClient], world: World, known: bool
) -> None:
    theirs = family()
    message = {
        "delivery_id": str(uuid4()),
        "family_id": theirs["family_id"],
        "person_id": theirs["people"][0]["person_id"] if known else None,
        "message": "request_held",
        "reference": "AB12",
        "failure": "no_safe_contact_point",
        "needs": None,
    }
    text = await listed(browse, world, theirs, deliveries=[message])
    assert "There is no safe way to write to them." in text and "What they need" not in text
    assert "I have told them" in text and "nothing is erased yet" in text
    assert ("Tell Wren" in text, "Tell the family" in text) == (known, not known)


async def test_who_tells_them_in_person_sees_what_they_need(
    browse: Callable[..., httpx.AsyncClient], world: World
) -> None:
    theirs = family()
    message = {
        "delivery_id": str(uuid4()),
        "family_id": theirs["family_id"],
        "person_id": theirs["people"][0]["person_id"],
        "message": "request_complete",
        "reference": "AB12",
        "failure": "not_by_mail",
        "needs": {
            "needs": ["more_time", "sign_language"],
            "language": "so",
            "interpreter": True,
            "other": "<Ring> twice",
            "reviewed_on": "2026-11-24",
        },
    }
    text = await listed(browse, world, theirs, deliveries=[message])
    assert "A message by mail would not meet what they need." in text
    assert "Sign language · More time · An interpreter: Somali · &lt;Ring&gt; twice" in text
