"""What somebody needs so that they can understand us: asked, recorded, and shown where they are to be reached."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.unit.portal.conftest import World

FAMILY, PERSON = str(uuid4()), str(uuid4())
CONTACT, NEEDS = (f"/families/{FAMILY}/people/{PERSON}/{what}" for what in ("contact", "needs"))
ASKED = {"language": "so", "interpreter": "yes", "needs": ["spoken", "more_time"], "other": " Ring twice "}
DAY = {"reviewed_on-day": "24", "reviewed_on-month": "11", "reviewed_on-year": "2026"}
KEPT = {
    "family_id": FAMILY,
    "needs": ["spoken", "more_time"],
    "language": "so",
    "interpreter": True,
    "other": "Ring twice",
    "reviewed_on": "2026-11-24",
}


@pytest.fixture
async def somebody(browse: Callable[..., httpx.AsyncClient], world: World) -> httpx.AsyncClient:
    people = [{"person_id": PERSON, "name": "Wren", "role": "parent"}]
    world.answers.say("GET", f"/v1/families/{FAMILY}", json={"family_id": FAMILY, "people": people})
    world.answers.say("PUT", f"/v1/people/{PERSON}/needs", json=KEPT)
    visitor = browse()
    await visitor.post("/sign-in", data={"token": world.token()})
    return visitor


async def test_what_they_said_is_recorded_as_they_said_it(somebody: httpx.AsyncClient, world: World) -> None:
    answer = await somebody.post(NEEDS, data=ASKED | DAY)
    assert (answer.status_code, answer.headers["location"]) == (303, CONTACT)
    asked = world.answers.asked[-1]
    assert (asked.method, asked.url.host, json.loads(asked.content)) == ("PUT", "notification", KEPT)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"language": ""}, "Choose the language they understand best"),
        ({"interpreter": ""}, "Say whether they need an interpreter"),
        ({"language": "und", "other": ""}, "Say which language"),
        ({"reviewed_on-day": "31"}, "Enter the day on which you asked, with day, month and year"),
    ],
)
async def test_nothing_is_presumed_and_what_was_ticked_stays(
    somebody: httpx.AsyncClient, world: World, given: dict[str, Any], said: str
) -> None:
    answer = await somebody.post(NEEDS, data=ASKED | DAY | given)
    assert answer.status_code == 422
    assert said in answer.text
    assert answer.text.count(" checked") == 2 + bool({**ASKED, **given}["interpreter"])
    assert {one.method for one in world.answers.asked} == {"GET"}


async def test_the_page_of_their_address_says_what_they_need_or_that_they_are_to_be_asked(
    somebody: httpx.AsyncClient, world: World
) -> None:
    for status in (403, 404):  # known of, or not yet
        world.answers.say("GET", f"/v1/people/{PERSON}/needs", status, json={"title": "No", "detail": "Ask."})
        assert "Nobody has asked them yet" in (await somebody.get(CONTACT)).text
        assert " checked" not in (await somebody.get(NEEDS)).text
    world.answers.say("GET", f"/v1/people/{PERSON}/needs", json=KEPT)
    text = (await somebody.get(CONTACT)).text
    assert "To be talked with rather than written to · More time · An interpreter: Somali · Ring twice" in text
    assert "24 November 2026" in text
    world.answers.say("GET", f"/v1/people/{PERSON}/needs", json=KEPT | {"language": "yue"})  # none of ours
    assert '<option value="yue" selected>' in (await somebody.get(NEEDS)).text
    nothing = KEPT | {"needs": [], "language": None, "interpreter": False, "other": None}
    world.answers.say("GET", f"/v1/people/{PERSON}/needs", json=nothing)
    assert "They need nothing else." in (await somebody.get(CONTACT)).text
    world.answers.say("GET", f"/v1/people/{PERSON}/needs", 503, json={"title": "Away", "detail": "Wait."})
    assert (await somebody.get(CONTACT)).status_code == 503
