"""What holds for every page."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from services.portal import pages
from services.portal.pages import ENVIRONMENT, HERE, Site
from shared.errors import AttuneError
from shared.settings import PublicSettings
from tests.unit.portal.conftest import ORGANISATION, PORTAL, World

Browse = Callable[..., httpx.AsyncClient]
TEMPLATES = sorted((HERE / "templates").iterdir())


async def signed_in(browse: Browse, world: World) -> httpx.AsyncClient:
    somebody = browse()
    await somebody.post("/sign-in", data={"token": world.token()})
    return somebody


async def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(browse: Browse) -> None:
    answer = await browse().get("/sign-in")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == "'self'"
    assert policy["media-src"] == f"{PORTAL}:8443"
    assert policy["connect-src"] == f"'self' {PORTAL}:8443 {PORTAL}"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    nonce = re.fullmatch(r"'self' 'nonce-([\w-]{16,})'", policy["script-src"])
    assert nonce
    assert re.findall(r"<script nonce=\"([^\"]+)\"", answer.text) == [nonce[1]]
    assert nonce[1] not in (await browse().get("/sign-in")).text
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_style_or_script_within(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"\sstyle=|\son\w+=|javascript:|<style", text)
    assert all(" src=" in script for script in re.findall(r"<script[^>]*>", text))
    assert not re.search(r"https?://", text)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_title_and_no_address_names_anybody(template: Path) -> None:
    text = template.read_text()
    titles = re.findall(r"{% block title %}(.*?){% endblock %}", text)
    addresses = re.findall(r"(?:href|action|src)=\"(.*?)\"", text)
    assert not [one for one in (*titles, *addresses) if re.search(r"\bnames?\b|\bwords\b", one)]


async def test_every_page_says_whose_it_is_and_where_to_complain(browse: Browse) -> None:
    for path in ("/sign-in", "/family", "/no/such/page"):
        text = (await browse().get(path)).text
        assert "Example Trust" in text
        assert "01632 960100" in text
        assert "PALS, 01632 960101" in text


async def test_a_familys_names_are_text_and_never_markup(browse: Browse, world: World) -> None:
    family = {
        "family_id": str(uuid4()),
        "people": [{"person_id": str(uuid4()), "name": "<script>alert(1)</script>", "role": "parent"}],
        "episode": None,
        "missing_before_filming": [],
        "involvement_ended_on": None,
    }
    world.answers.say("GET", "/v1/families", json={"families": [family]})
    world.answers.say("GET", f"/v1/families/{family['family_id']}", json=family)
    somebody = await signed_in(browse, world)
    text = (await somebody.get("/families")).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text


async def test_what_a_service_refuses_is_said_in_its_words(browse: Browse, world: World) -> None:
    said = {"title": "Not allowed", "detail": "You are not in this family's care team.", "reference": "ABCD1234"}
    family = uuid4()
    world.answers.say("GET", f"/v1/families/{family}", 403, json=said)
    answer = await (await signed_in(browse, world)).get(f"/families/{family}/rights")
    assert answer.status_code == 403
    assert "You are not in this family&#39;s care team." in answer.text
    assert "ABCD1234" in answer.text


async def test_a_service_that_is_away_is_said_to_be(browse: Browse, world: World) -> None:
    somebody = await signed_in(browse, world)
    world.answers.say("GET", "/v1/families", 502, text="bad gateway")
    answer = await somebody.get("/families")
    assert answer.status_code == 503
    assert "Nothing is lost" in answer.text


async def test_what_nobody_foresaw_is_a_page_too(browse: Browse, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = await signed_in(browse, world)
    world.answers.say("GET", "/v1/families", json={"other": "than promised"})
    answer = await somebody.get("/families")
    assert answer.status_code == 500
    assert "This is our fault, not yours." in answer.text
    assert "text/html" in answer.headers["content-type"]
    assert re.search(r'attune-ref">[0-9A-Z]{8}<', answer.text)


async def test_a_form_that_is_too_long_is_refused_unread(browse: Browse, world: World) -> None:
    somebody = await signed_in(browse, world)
    answer = await somebody.post("/families/new", data={"name-0": "x" * pages.FORM_BYTES})
    assert answer.status_code == 413
    assert world.answers.asked == []


async def test_a_form_keeps_what_was_entered_and_names_what_is_wrong(browse: Browse, world: World) -> None:
    somebody = await signed_in(browse, world)
    form = {
        "rows": "2",
        "name-0": "Wren",
        "role-0": "parent",
        "born-0-day": "31",
        "born-0-month": "2",
        "born-0-year": "1990",
    }
    answer = await somebody.post("/families/new", data=form)
    assert answer.status_code == 422
    assert '<a href="#born-0-day">' in answer.text
    assert 'value="Wren"' in answer.text
    assert "<title>Error: " in answer.text
    assert world.answers.asked == []


async def test_the_players_cookie_is_handed_on_as_it_was_made(browse: Browse, world: World) -> None:
    film = uuid4()
    cookie = f"attune-test-playback=signed; HttpOnly; Max-Age=900; Path=/v1/media/{film}; SameSite=strict"
    world.answers.say("POST", f"/v1/media/{film}/session", 204, headers={"Set-Cookie": cookie})
    answer = await (await signed_in(browse, world)).post(f"/media/{film}/session")
    assert answer.status_code == 204
    assert answer.headers["set-cookie"] == cookie


async def test_the_uploaders_cookie_is_for_the_uploads_address_and_for_minutes(browse: Browse, world: World) -> None:
    answer = await (await signed_in(browse, world)).post("/upload-session")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("attune-test-upload=")
    assert {"HttpOnly", "SameSite=strict", "Secure", "Path=/v1/uploads", "Max-Age=900"} <= set(cookie.split("; "))


def test_cookies_for_another_host_cannot_be_handed_out() -> None:
    with pytest.raises(AttuneError, match="one host"):
        Site(
            "attune",
            ORGANISATION,
            PublicSettings(portal_url=PORTAL, upload_url="https://upload.elsewhere.example", playback_url=PORTAL),
            development=False,
        )


def test_every_template_can_be_read() -> None:
    for template in TEMPLATES:
        ENVIRONMENT.get_template(template.name)
