"""A film that does not get through at once, and one that may not."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, Route, expect

from shared.identity.tokens import Role
from tests.browser.browsing import PATIENCE, Person
from tests.browser.conftest import Running
from tests.browser.families import Family

expect.set_options(timeout=PATIENCE)


@pytest.fixture
def uploader(running: Running, person: Callable[[], Person]) -> Person:
    """A practitioner at the upload page of a family that has agreed to everything."""
    practitioner = uuid4()
    family = Family(running, practitioner)
    somebody = person()
    somebody.sign_in(running.token(Role.PRACTITIONER, practitioner))
    somebody.page.goto(f"/families/{family.id}/upload")
    return somebody


def choose(somebody: Person, film: Path, *, happy: bool = True) -> None:
    somebody.page.get_by_label("Yes, I asked them" if happy else "No", exact=True).check()
    somebody.page.get_by_label("The film, as it came off the camera").set_input_files(film)
    somebody.press("Upload the film")


def bring_in(somebody: Person, family: Family, film: Path) -> str:
    """The recording's id; its page is open then."""
    somebody.page.goto(f"/families/{family.id}/upload")
    choose(somebody, film)
    somebody.page.wait_for_url("**/recordings/*")
    return somebody.page.url.rsplit("/", 1)[-1]


def test_an_upload_goes_on_where_it_stopped_after_the_page_was_closed(uploader: Person, film: Path) -> None:
    page, tried = uploader.page, list[str]()
    uploader.expected += ("net::ERR_INTERNET_DISCONNECTED",)

    def break_the_line(route: Route) -> None:
        tried.append(route.request.method)
        if route.request.method == "PATCH":
            route.abort("internetdisconnected")
        else:
            route.continue_()

    page.route("**/v1/uploads**", break_the_line)
    choose(uploader, film)
    page.get_by_text("card as it is").wait_for()
    page.wait_for_function("() => Object.keys(localStorage).some((key) => key.startsWith('tus::'))")
    uploader.look("uploading")
    page.reload()  # whatever it was doing, it begins anew
    page.unroute("**/v1/uploads**")
    expect(page.get_by_role("main")).to_contain_text("An upload is not finished")
    uploader.look("upload-unfinished")
    kept = page.evaluate("() => JSON.stringify(localStorage)")
    assert film.name not in kept
    began = len([one for one in uploader.addresses if one.endswith("/v1/uploads")])
    choose(uploader, film)
    page.wait_for_url("**/recordings/*")
    uploader.heading("Parent and baby, filmed on")
    assert len([one for one in uploader.addresses if one.endswith("/v1/uploads")]) == began  # it was announced once
    assert tried.count("POST") == 1


def test_an_upload_goes_on_by_itself_after_the_device_slept(uploader: Person, film: Path) -> None:
    """Asleep nothing runs and no line holds; what wakes first is the page, and then the network."""
    page, sent = uploader.page, list[str]()
    uploader.expected += ("net::ERR_INTERNET_DISCONNECTED", "net::ERR_FAILED")
    device = page.context.new_cdp_session(page)

    def fall_asleep(route: Route) -> None:
        sent.append(route.request.method)
        if sent.count("PATCH") != 1 or route.request.method != "PATCH":
            return route.continue_()
        page.context.set_offline(True)
        route.abort("internetdisconnected")
        device.send("Page.setWebLifecycleState", {"state": "frozen"})

    page.route("**/v1/uploads**", fall_asleep)
    choose(uploader, film)
    while "PATCH" not in sent:
        page.wait_for_timeout(20)
    device.send("Page.setWebLifecycleState", {"state": "active"})
    page.get_by_text("There is no network. It goes on by itself").wait_for()
    uploader.look("upload-without-network")
    page.context.set_offline(False)
    page.wait_for_url("**/recordings/*")
    assert sent.count("POST") == 1


def time_passes(page: Page, until: Callable[[], bool]) -> None:
    """By the page's clock, a second in 20 ms."""
    for _ in range(int(PATIENCE / 20)):
        if until():
            return
        page.clock.run_for(1000)
        page.wait_for_timeout(20)
    pytest.fail("it never comes to pass")


def test_an_upload_goes_on_by_itself_when_attune_was_out_of_reach_for_long(uploader: Person, film: Path) -> None:
    """There is a network, but it does not lead to Attune: a guest network, or before the trust lets the device in."""
    page, away, sent = uploader.page, True, list[str]()
    uploader.expected += ("net::ERR_ADDRESS_UNREACHABLE", "net::ERR_FAILED")

    def lead_nowhere(route: Route) -> None:
        sent.append(route.request.method)
        if away and route.request.method in ("PATCH", "HEAD"):
            route.abort("addressunreachable")
        else:
            route.continue_()

    page.route("**/v1/uploads**", lead_nowhere)
    page.clock.install()
    choose(uploader, film)
    time_passes(page, lambda: page.get_by_text("Attune cannot be reached. It goes on by itself").count() > 0)
    away, tried = False, len(sent)
    time_passes(page, lambda: len(sent) > tried)
    page.wait_for_url("**/recordings/*")
    assert sent.count("POST") == 1


def test_what_may_not_be_taken_in_is_refused_in_a_sentence(uploader: Person, film: Path, tmp_path: Path) -> None:
    page = uploader.page
    uploader.expected += ("403 (Forbidden)", "415 (Unsupported")
    choose(uploader, film, happy=False)
    expect(page.get_by_role("alert")).to_contain_text("A film can be kept only if the family said on the day")
    uploader.look("upload-refused")
    letter = tmp_path / "letter.mp4"
    letter.write_bytes(b"Dear colleague, this is a letter and no film.\n" * 400)
    choose(uploader, letter)
    expect(page.get_by_role("alert")).to_contain_text("Choose the film itself")
