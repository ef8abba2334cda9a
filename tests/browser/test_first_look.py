"""A film is looked at before it is made ready, and marked; the film itself takes over where she is."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from playwright.sync_api import expect

from shared.identity.tokens import Role
from tests.browser.browsing import PATIENCE, Person
from tests.browser.conftest import FRAMES, Running
from tests.browser.families import Family
from tests.browser.test_portal import stands_at, wait_for_film
from tests.browser.test_uploading import bring_in
from tests.stack import Databases

expect.set_options(timeout=PATIENCE)


def test_the_film_takes_the_first_looks_place_where_she_is_and_keeps_her_marks(
    running: Running, person: Callable[[], Person], film: Path
) -> None:
    practitioner, transcoding = uuid4(), Databases(running.stack)
    family, she = Family(running, practitioner), person()
    page = she.page
    running.stack.stop_process("transcoding-worker")
    try:
        she.sign_in(running.token(Role.PRACTITIONER, practitioner))
        recording = bring_in(she, family, film)
        held = f"UPDATE jobs SET not_before = now() + interval '1 hour' WHERE subject_id = '{recording}' RETURNING id"
        expect(page.locator("#stand .nhsuk-tag")).to_have_text("Being prepared")
        while not transcoding.sql(held, "transcoding"):
            page.wait_for_timeout(50)
    finally:
        running.stack.start_process("transcoding-worker")

    page.locator("#player[data-look]").wait_for()
    page.wait_for_function("() => document.getElementById('video').readyState >= 2")
    page.evaluate("() => { window.stays = 'yes' }")
    expect(page.locator("#stand")).to_contain_text("This is a first look")
    page.locator("#player").focus()
    for key, frame in (("End", FRAMES - 1), ("Home", 0), ("Shift+ArrowRight", 25), ("i", 25), ("ArrowRight", 26)):
        page.keyboard.press(key)
        stands_at(page, frame)
    page.keyboard.press("o")
    page.get_by_label("What goes well?").fill("She looks")
    page.get_by_label("Principle of attuned interaction").select_option("guiding")
    she.press("Make this clip")
    expect(page.locator("#clips .nhsuk-tag")).to_have_text("Waits for the film")
    she.press("Play She looks")
    stands_at(page, 26)
    page.get_by_label("First frame").fill("30")
    page.get_by_label("Last frame").fill("40")
    page.locator("#player").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    stands_at(page, 50)
    she.press("½ speed")
    she.look("first-look")
    page.locator("#player").focus()

    transcoding.sql(f"UPDATE jobs SET not_before = now() WHERE subject_id = '{recording}' RETURNING id", "transcoding")
    wait_for_film(she)
    stands_at(page, 50)
    assert page.evaluate("() => window.stays") == "yes"  # it is still the same page
    expect(page.locator("#player")).to_be_focused()
    expect(page.get_by_role("button", name="½ speed")).to_have_attribute("aria-pressed", "true")
    assert page.locator("#video").evaluate("(video) => video.playbackRate") == 0.5
    expect(page.get_by_label("First frame")).to_have_value("30")
    expect(page.get_by_label("Last frame")).to_have_value("40")
    expect(page.locator("#clips .nhsuk-tag", has_text="Ready")).to_have_count(1)
    page.get_by_role("button", name="This film is reviewed").wait_for()
    page.locator("#player").focus()
    page.keyboard.press("ArrowRight")  # heard once
    stands_at(page, 51)
