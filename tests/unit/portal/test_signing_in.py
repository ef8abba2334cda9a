"""Who gets in, and what a browser is told to keep."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
import pytest

from shared.identity import Role, verify
from tests.unit.portal.conftest import PORTAL, World

Browse = Callable[..., httpx.AsyncClient]
SOME = UUID(int=7)


async def test_a_token_becomes_a_cookie_that_no_script_and_no_other_site_sees(browse: Browse, world: World) -> None:
    answer = await browse().post("/sign-in", data={"token": world.token()})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("attune-test-portal=")
    assert {"HttpOnly", "SameSite=strict", "Secure", "Path=/"} <= set(cookie.split("; "))


@pytest.mark.parametrize("role", [Role.FAMILY, Role.OPERATOR])
async def test_only_staff_sign_in_to_the_staffs_pages(browse: Browse, world: World, role: Role) -> None:
    token = world.token(role, uuid4() if role is Role.FAMILY else None)
    answer = await browse().post("/sign-in", data={"token": token})
    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers


async def test_a_familys_cookie_is_for_its_own_page_alone(browse: Browse, world: World) -> None:
    somebody = browse()
    answer = await somebody.post("/family/enter", data={"token": world.token(Role.FAMILY, uuid4())})
    assert (answer.status_code, answer.headers["location"]) == (303, "/family")
    assert "Path=/family" in answer.headers["set-cookie"].split("; ")
    assert (await somebody.get("/families")).headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    ("role", "person", "status"),
    [(Role.PRACTITIONER, SOME, 200), (Role.PRACTITIONER, UUID(int=8), 404), (Role.SUPERVISOR, SOME, 403)],
)
async def test_a_practitioner_makes_the_link_that_opens_a_familys_page(
    browse: Browse, world: World, role: Role, person: UUID, status: int
) -> None:
    family = uuid4()
    mother = {"person_id": str(SOME), "name": "Sam", "role": "parent", "purposes": []}
    world.answers.say("GET", f"/v1/families/{family}", json={"family_id": str(family), "people": [mother]})
    somebody = browse()
    await somebody.post("/sign-in", data={"token": world.token(role)})
    answer = await somebody.post(f"/families/{family}/people/{person}/link")
    assert answer.status_code == status
    found = re.search(rf"{PORTAL}/family#([\w.-]+)", answer.text)
    assert bool(found) == (status == 200)
    if found:
        identity = verify(found[1], world.issuers.public, datetime.now(UTC))
        assert (identity.role, identity.person_id, identity.family_id) == (Role.FAMILY, SOME, family)
        assert (await browse().post("/family/enter", data={"token": found[1]})).headers["location"] == "/family"


async def test_in_production_nobody_makes_such_a_link(browse: Browse) -> None:
    assert (await browse(development=False).post(f"/families/{SOME}/people/{SOME}/link")).status_code == 404


async def test_a_practitioner_is_no_family(browse: Browse, world: World) -> None:
    assert (await browse().post("/family/enter", data={"token": world.token()})).status_code == 422


@pytest.mark.parametrize("token", ["", "not.a.token", "expired"])
async def test_what_is_no_token_signs_nobody_in(browse: Browse, world: World, token: str) -> None:
    given = world.token(hours=-1) if token == "expired" else token
    answer = await browse().post("/sign-in", data={"token": given})
    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/sign-in", "/family/enter"])
async def test_in_production_there_is_no_page_that_takes_a_token(browse: Browse, world: World, path: str) -> None:
    answer = await browse(development=False).post(path, data={"token": world.token()})
    assert answer.status_code in (404, 405)
    assert "set-cookie" not in answer.headers
    assert "textarea" not in (await browse(development=False).get("/sign-in")).text


@pytest.mark.parametrize("path", ["/", "/families", "/families/new", f"/families/{SOME}", f"/recordings/{SOME}"])
async def test_who_is_not_signed_in_is_sent_to_sign_in(browse: Browse, world: World, path: str) -> None:
    answer = await browse().get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert world.answers.asked == []


async def test_signing_out_takes_the_cookie_away(browse: Browse, world: World) -> None:
    somebody = browse()
    await somebody.post("/sign-in", data={"token": world.token()})
    await somebody.post("/sign-out")
    assert (await somebody.get("/families")).headers["location"] == "/sign-in"


async def test_the_services_are_asked_in_the_name_of_who_has_signed_in(browse: Browse, world: World) -> None:
    somebody, token = browse(), world.token()
    world.answers.say("GET", "/v1/families", json={"families": []})
    await somebody.post("/sign-in", data={"token": token})
    assert (await somebody.get("/families")).status_code == 200
    [asked] = world.answers.asked
    assert asked.headers["Authorization"] == f"Bearer {token}"


async def test_a_session_that_the_services_refuse_is_over(browse: Browse, world: World) -> None:
    somebody = browse()
    world.answers.say("GET", "/v1/families", 401, json={"title": "Who is asking is not known", "detail": "Sign in."})
    await somebody.post("/sign-in", data={"token": world.token()})
    answer = await somebody.get("/families")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


@pytest.mark.parametrize(
    "origin", [None, "null", "https://elsewhere.example", PORTAL + ".elsewhere.example", PORTAL + ":1"]
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/families/new", f"/families/{SOME}/withdraw"])
async def test_a_change_that_does_not_come_from_a_page_of_ours_is_refused(
    browse: Browse, world: World, path: str, origin: str | None
) -> None:
    somebody = browse()
    await somebody.post("/sign-in", data={"token": world.token()})
    del somebody.headers["Origin"]
    headers = {"Origin": origin} if origin else {}
    answer = await somebody.post(path, data={"token": world.token(), "name-0": "Wren"}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert world.answers.asked == []
