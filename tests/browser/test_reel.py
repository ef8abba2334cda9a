"""A reel of two films, whose pictures do not come equally fast."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from playwright.sync_api import expect

from shared.identity.tokens import Role
from tests import films
from tests.browser.browsing import PATIENCE, Person
from tests.browser.conftest import Running
from tests.browser.families import Family
from tests.browser.test_portal import frames_played, shown, wait_for_film
from tests.browser.test_uploading import bring_in

expect.set_options(timeout=PATIENCE)


def test_each_clip_of_a_reel_is_played_by_its_own_films_rate(
    running: Running, person: Callable[[], Person], tmp_path: Path
) -> None:
    practitioner = uuid4()
    family, she = Family(running, practitioner), person()
    page = she.page
    she.sign_in(running.token(Role.PRACTITIONER, practitioner))
    for rate, first, last in ((25, 20, 30), (50, 40, 60)):
        bring_in(she, family, films.make(tmp_path / f"{rate}.mp4", 3 * rate, rate))
        wait_for_film(she)
        page.get_by_label("First frame").fill(str(first))
        page.get_by_label("Last frame").fill(str(last))
        page.get_by_label("What goes well?").fill(f"At {rate}")
        page.get_by_label("Principle of attuned interaction").select_option("guiding")
        she.press("Make this clip")
        page.get_by_role("checkbox", name=f"At {rate}").wait_for()
    for rate in (25, 50):
        page.get_by_role("checkbox", name=f"At {rate}").check()
    she.press("Move up At 25")
    she.look("recording-clips-of-two-films")
    she.press("Put the ticked clips in this order")
    page.get_by_role("link", name="2 clips, put in order").click()
    expect(page.locator("#reel-player")).to_have_attribute("data-ready", "yes")
    for frames, (first, last) in zip(frames_played(she), ((20, 30), (40, 60)), strict=True):
        assert first <= frames[0] <= frames[-1] and frames[-1] >= last
    page.wait_for_function("() => !document.querySelector('#reel-player video:not([hidden])').seeking")
    assert shown(page, "#reel-player video:not([hidden])") == 60
    page.locator("#stand .nhsuk-tag", has_text="Ready").wait_for()
