"""A recording's page, whatever state the recording is in."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deploy.local.supervisor import CHECKOUT
from shared.identity import Role
from shared.identity.tokens import DEVELOPMENT
from tests.unit.portal.conftest import PORTAL, World

Browse = Callable[..., httpx.AsyncClient]


class Recording:
    """One whose film could not be made ready, as the services tell it."""

    def __init__(self, world: World, *, retryable: bool, state: str = "open") -> None:
        self.id, self.family = str(uuid4()), str(uuid4())
        says = world.answers.say
        says("GET", f"/v1/recordings/{self.id}", json=self.arrival())
        failure = {"code": "stalled", "sentence": "Preparing the film stopped part-way.", "retryable": retryable}
        job = {"id": self.id, "state": "failed", "progress": None, "failure": failure}
        says("GET", f"/v1/recordings/{self.id}/job", json=job)
        says("GET", f"/v1/tasks/{self.id}", json={"state": "blocked", "recording_id": self.id})
        says("GET", f"/v1/families/{self.family}/reels", json={"reels": []})
        says("GET", f"/v1/families/{self.family}/clips", json={"clips": []})
        says("GET", "/v1/principles", json={"principles": ["being_attentive"], "version": 1})
        people = [{"person_id": str(uuid4()), "name": "Wren", "role": "parent", "purposes": ["film"]}]
        family = {"family_id": self.family, "people": people, "care_team": [], "episode": {"state": state}}
        says("GET", f"/v1/families/{self.family}", json=family)

    def arrival(self) -> dict[str, Any]:
        return {
            "recording_id": self.id,
            "family_id": self.family,
            "kind": "parent_baby",
            "filmed_on": "2026-11-24",
            "state": "received",
            "bytes": 1,
            "bytes_received": 1,
            "bytes_verified": 1,
            "to_do": None,
            "card_wiped": None,
        }


async def shown(browse: Browse, world: World, recording: Recording, role: Role = Role.PRACTITIONER) -> str:
    somebody = browse()
    await somebody.post("/sign-in", data={"token": world.token(role)})
    answer = await somebody.get(f"/recordings/{recording.id}")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("retryable", [True, False])
async def test_what_can_be_tried_again_has_a_button_for_it(browse: Browse, world: World, retryable: bool) -> None:
    text = await shown(browse, world, Recording(world, retryable=retryable))
    assert "Preparing the film stopped part-way." in text
    assert ("Try again" in text) is retryable


@pytest.mark.parametrize(("task", "follows"), [("preparing", True), (None, True), ("blocked", False)])
async def test_a_page_follows_until_the_task_says_too_that_it_failed(
    browse: Browse, world: World, task: str | None, follows: bool
) -> None:
    """Who prepares films knows of a failure a moment before the task does: the page must not stand still in between."""
    recording = Recording(world, retryable=False)
    if task:
        world.answers.say("GET", f"/v1/tasks/{recording.id}", json={"state": task, "recording_id": recording.id})
    else:
        del world.answers.said["GET", f"/v1/tasks/{recording.id}"]  # it is not even made yet
    text = await shown(browse, world, recording)
    assert "Preparing the film stopped part-way." in text
    assert ("data-busy" in text) is follows
    assert ("Needs you" in text) is not follows


async def test_the_work_list_says_what_to_do_about_a_film_that_could_not_be_made_ready(
    browse: Browse, world: World
) -> None:
    """In the words of the service that failed; a job that was tried again meanwhile has none."""
    one, again, somebody = Recording(world, retryable=True), Recording(world, retryable=True), browse()
    world.answers.say("GET", f"/v1/recordings/{again.id}/job", json={"state": "queued", "failure": None})
    tasks = [
        {
            "recording_id": it.id,
            "family_id": it.family,
            "kind": "parent_baby",
            "filmed_on": "2026-11-24",
            "state": "blocked",
        }
        for it in (one, again)
    ]
    for path, found in (
        ("/families", {"families": [{"family_id": it.family} for it in (one, again)]}),
        ("/tasks", {"tasks": tasks}),
        ("/recordings", {"recordings": []}),
        ("/cards", {"cards": []}),
        ("/deliveries", {"deliveries": []}),
    ):
        world.answers.say("GET", f"/v1{path}", json=found)
    await somebody.post("/sign-in", data={"token": world.token()})
    text = (await somebody.get("/")).text
    assert text.count("Preparing the film stopped part-way.") == 1
    assert text.count("The film could not be made ready.") == 1


async def test_trying_again_asks_the_service_that_failed(browse: Browse, world: World) -> None:
    recording, somebody = Recording(world, retryable=True), browse()
    world.answers.say("POST", f"/v1/recordings/{recording.id}/job/retry", 202, json={})
    await somebody.post("/sign-in", data={"token": world.token()})
    answer = await somebody.post(f"/recordings/{recording.id}/retry", data={"x": "y"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/recordings/{recording.id}")
    assert world.answers.asked[-1].url.path.endswith("/job/retry")


async def test_a_supervisor_is_offered_nothing_to_change(browse: Browse, world: World) -> None:
    text = await shown(browse, world, Recording(world, retryable=True), Role.SUPERVISOR)
    assert 'method="post"' not in text.replace('action="/sign-out" method="post"', "")


@pytest.mark.parametrize("state", ["suspended", "ended"])
async def test_without_consent_there_is_no_player_and_nothing_to_try(browse: Browse, world: World, state: str) -> None:
    recording = Recording(world, retryable=True, state=state)
    film = {"film_id": str(uuid4()), "poster_id": None, "frames": 9, "rate": {"numerator": 25, "denominator": 1}}
    world.answers.say("GET", f"/v1/recordings/{recording.id}/film", json=film)
    text = await shown(browse, world, recording)
    assert "<video" not in text
    assert "Try again" not in text
    assert "consent" in text


async def test_a_card_is_confirmed_while_nothing_can_be_watched(browse: Browse, world: World) -> None:
    text = await shown(browse, world, Recording(world, retryable=True, state="suspended"))
    assert "The card is wiped" in text and "/card-wiped" in text


async def test_a_card_whose_film_is_erased_stays_on_the_work_list_until_it_is_confirmed(
    browse: Browse, world: World
) -> None:
    card, safe, somebody = str(uuid4()), Recording(world, retryable=True), browse()
    known = {"filmed_on": "2026-11-20", "family_id": safe.family}
    waiting = [
        {"recording_id": card, "erased": True, **known},
        {"recording_id": safe.id, "erased": False, **known},
    ]
    for path, found in (
        ("/families", {"families": [{"family_id": safe.family}]}),
        ("/tasks", {"tasks": []}),
        ("/recordings", {"recordings": []}),
        ("/cards", {"cards": waiting}),
        ("/deliveries", {"deliveries": []}),
    ):
        world.answers.say("GET", f"/v1{path}", json=found)
    await somebody.post("/sign-in", data={"token": world.token()})
    text = (await somebody.get("/")).text
    assert f'href="/cards/{card}"' in text and f'href="/recordings/{safe.id}#card"' in text
    page = await somebody.get(f"/cards/{card}")
    assert "This film is erased here" in page.text
    wrong = await somebody.post(f"/cards/{card}", data={"device_label": ""})
    assert (wrong.status_code, "Enter what is written on the camera or the card" in wrong.text) == (422, True)
    world.answers.say("POST", f"/v1/recordings/{card}/card-wiped", json={})
    day = {"wiped_on-day": "24", "wiped_on-month": "11", "wiped_on-year": "2026"}
    answer = await somebody.post(f"/cards/{card}", data={"device_label": "camera 4", **day})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert world.answers.asked[-1].url.path == f"/v1/recordings/{card}/card-wiped"
    assert (await somebody.get(f"/cards/{uuid4()}")).status_code == 404


async def test_a_first_look_is_shown_until_the_film_is_there(browse: Browse, world: World) -> None:
    recording, rate = Recording(world, retryable=True), {"numerator": 25, "denominator": 1}
    job = {"id": recording.id, "state": "waiting", "progress": {"fraction": 0.34}, "failure": None}
    world.answers.say("GET", f"/v1/recordings/{recording.id}/job", json=job)
    look, film = (
        {"artefact_id": str(uuid4()), "frames": 9, "rate": rate},
        {"film_id": str(uuid4()), "poster_id": None},
    )
    world.answers.say("GET", f"/v1/recordings/{recording.id}/first-look", json=look)
    text = await shown(browse, world, recording)
    assert f'data-film="{look["artefact_id"]}"' in text
    assert "data-look" in text
    assert "This is a first look, perhaps at the beginning alone; you can mark clips in it." in text
    assert "The film is being prepared: 34% of it is done." in text
    assert "It is kept now, and made as soon as the film is prepared." in text
    world.answers.say("GET", f"/v1/recordings/{recording.id}/film", json=film | {"frames": 9, "rate": rate})
    text = await shown(browse, world, recording)
    assert f'data-film="{film["film_id"]}"' in text
    assert "data-look" not in text
    assert "It is kept now" not in text


def a_clip(recording: str, name: str, film: str | None) -> dict[str, Any]:
    said = {"clip_id": str(uuid4()), "recording_id": recording, "film_id": film, "name": name, "note": None}
    marked = {"first": 3, "end": 7, "principle": "guiding", "state": "requested" if film else "marked"}
    return said | marked


async def test_clips_of_the_familys_other_films_can_be_put_in_order_with_this_ones(
    browse: Browse, world: World
) -> None:
    recording, film, rate = Recording(world, retryable=True), str(uuid4()), {"numerator": 25, "denominator": 1}
    other = str(uuid4())
    mine, theirs, waits = (
        a_clip(recording.id, "mine", film),
        a_clip(other, "of another film", str(uuid4())),
        a_clip(other, "not there yet", None),
    )
    clips = f"/v1/families/{recording.family}/clips"
    shown_film = {"film_id": film, "poster_id": None, "frames": 9, "rate": rate}
    world.answers.say("GET", f"/v1/recordings/{recording.id}/film", json=shown_film)
    world.answers.say("GET", clips, json={"clips": [theirs, waits, mine]})
    text = await shown(browse, world, recording)
    assert text.index(f'data-clip="{mine["clip_id"]}"') < text.index(f'data-clip="{theirs["clip_id"]}"')
    assert f'href="/recordings/{other}"' in text
    assert waits["clip_id"] not in text
    world.answers.say("GET", clips, json={"clips": [theirs]})
    assert theirs["clip_id"] not in await shown(browse, world, recording), "no clip of this film is marked yet"


async def test_what_was_marked_on_a_first_look_waits_for_the_film(browse: Browse, world: World) -> None:
    recording, rate = Recording(world, retryable=True), {"numerator": 25, "denominator": 1}
    look = {"artefact_id": str(uuid4()), "frames": 9, "rate": rate}
    world.answers.say("GET", f"/v1/recordings/{recording.id}/first-look", json=look)
    clips = {"clips": [a_clip(recording.id, "mine", None)]}
    world.answers.say("GET", f"/v1/families/{recording.family}/clips", json=clips)
    text = await shown(browse, world, recording)
    assert "Waits for the film" in text and "0:00.12" in text
    assert "Take a still" not in text and "Put the ticked clips in this order" not in text


def test_the_portal_does_not_start_in_production_with_the_development_key(world: World, tmp_path: Path) -> None:
    jwks = world.issuers.write(tmp_path, DEVELOPMENT)
    settings = {
        "ATTUNE_ENVIRONMENT": "production",
        "ATTUNE_JWKS_FILE": str(jwks),
        "ATTUNE_PORTAL_ASSETS_FOLDER": str(tmp_path),
        **{f"ATTUNE_PUBLIC_{name}_URL": PORTAL for name in ("PORTAL", "UPLOAD", "PLAYBACK")},
        **{f"ATTUNE_ORGANISATION_{name}": "x" for name in ("NAME", "TEAM", "SITE", "PHONE", "MAIL", "COMPLAINTS")},
    }
    started = subprocess.run(
        [sys.executable, "-m", "services.portal.app"],
        cwd=CHECKOUT,
        env=os.environ | settings | {"OTEL_SDK_DISABLED": "true"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert started.returncode != 0
    assert "production must not trust the development issuer" in started.stdout + started.stderr
