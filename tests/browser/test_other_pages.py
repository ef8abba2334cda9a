"""Pages beside the job: what is done when a film is no film, when somebody is unsure, when a colleague joins."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from uuid import uuid4

from playwright.sync_api import Page, Route, expect

from shared.identity.tokens import Role
from tests import films
from tests.browser.browsing import PATIENCE, Person
from tests.browser.conftest import Running
from tests.browser.families import Family
from tests.browser.test_portal import CELLS, stands_at, wait_for_film
from tests.browser.test_uploading import bring_in

expect.set_options(timeout=PATIENCE)


def test_a_film_that_cannot_be_prepared_says_what_to_do_and_can_be_discarded(
    running: Running, person: Callable[[], Person], film: Path, tmp_path: Path
) -> None:
    practitioner = uuid4()
    family, somebody = Family(running, practitioner), person()
    page = somebody.page
    somebody.sign_in(running.token(Role.PRACTITIONER, practitioner))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(film.read_bytes()[:200_000])
    bring_in(somebody, family, broken)
    expect(page.locator("#stand .nhsuk-tag")).to_have_text("Needs you")
    expect(page.locator("#stand")).to_contain_text("Copy it from the camera again")
    somebody.look("recording-blocked")
    page.get_by_role("heading", name="When you are done").wait_for()  # without loading the page anew
    page.goto("/")
    expect(page.locator("#list")).to_contain_text("Copy it from the camera again")
    somebody.follow("Parent and baby, filmed on")
    page.get_by_role("link", name="Discard this film").click()
    somebody.heading("Discard the film of")
    somebody.press("Discard this film")
    expect(page.get_by_role("alert").first).to_contain_text("Say why")
    somebody.look("discard")
    page.get_by_label("It is the wrong film").check()
    somebody.press("Discard this film")
    somebody.heading("Erasure of one recording")
    expect(page.get_by_role("main")).to_contain_text("Everything is deleted")


def test_a_withdrawal_that_the_family_has_not_confirmed_can_be_undone(
    running: Running, person: Callable[[], Person]
) -> None:
    practitioner = uuid4()
    family, somebody = Family(running, practitioner), person()
    page = somebody.page
    somebody.sign_in(running.token(Role.PRACTITIONER, practitioner))
    somebody.follow("Families")
    somebody.heading("Families")
    somebody.look("families")

    somebody.follow("Jay Featherstone and Pip Featherstone")
    somebody.follow("How we may reach Jay Featherstone")
    page.get_by_label("Email address").fill("jay@example.org")
    page.get_by_label("Yes: nobody else reads it").check()
    somebody.look("contact")
    somebody.press("Save")
    somebody.follow("How we may reach Jay Featherstone")
    expect(page.get_by_label("Email address")).to_have_value("jay@example.org")
    expect(page.get_by_role("main")).to_contain_text("Nobody has asked them yet.")
    somebody.follow("Record what they need")
    somebody.press("Save")
    expect(page.get_by_role("alert").first).to_contain_text("Choose the language they understand best")
    somebody.look("needs-missing")
    page.get_by_label("Sign language").check()
    page.get_by_label("Which language do they understand best?").select_option("Polish")
    page.get_by_label("Yes").check()
    page.get_by_label("Anything else (optional)").fill("Ring twice")
    somebody.look("needs")
    somebody.press("Save")
    expect(page.get_by_role("main")).to_contain_text("Sign language · An interpreter: Polish · Ring twice")
    somebody.look("contact-needs")
    somebody.follow("Change what they need")
    expect(page.get_by_label("Sign language")).to_be_checked()

    page.goto(f"/families/{family.id}")
    colleague = uuid4()
    page.get_by_text("Add a colleague").click()
    page.get_by_label("Staff id of your colleague").fill(str(colleague))
    page.get_by_label("Their role").select_option("Supervisor")
    somebody.look("family-team")
    somebody.press("Add to the care team")
    expect(page.get_by_role("main")).to_contain_text("Supervisor:")

    page.get_by_role("button", name="Withdraw consent for the family").click()
    somebody.heading("Withdraw consent for the family")
    page.get_by_label("Jay Featherstone").check()
    page.get_by_label("By phone").check()
    page.get_by_label("Not yet").check()
    page.get_by_label("I have read what happens now").check()
    somebody.look("withdraw")
    somebody.press("Withdraw consent")
    page.get_by_role("heading", name="Consent is suspended").wait_for()
    somebody.look("family-suspended")
    page.goto(f"/families/{family.id}/upload")
    expect(page.get_by_role("main")).to_contain_text("no film can be taken in")
    page.goto(f"/families/{family.id}")
    somebody.press("Take the withdrawal back")
    somebody.heading("Take the withdrawal back")
    page.get_by_label("Nobody: it was recorded by mistake").check()
    page.get_by_label("Why?").fill("It was another family that withdrew")
    somebody.look("reinstate")
    somebody.press("Reinstate consent")
    expect(page.get_by_role("main")).to_contain_text("Consent given")

    supervisor = person()
    supervisor.sign_in(running.token(Role.SUPERVISOR, colleague))
    supervisor.page.goto(f"/families/{family.id}")
    supervisor.heading("Jay Featherstone and Pip Featherstone")
    expect(supervisor.page.get_by_role("button", name="Upload a film")).to_have_count(0)
    supervisor.look("family-supervisor")

    stranger = person()
    stranger.expected += ("404 (Not Found)",)
    stranger.sign_in(running.token(Role.PRACTITIONER, uuid4()))
    stranger.page.goto(f"/families/{family.id}")
    stranger.heading("We cannot find this page")
    expect(stranger.page.locator("body")).not_to_contain_text("Featherstone")
    stranger.look("not-found")


# plays from the beginning to the end: the grey of the cells of each picture that the screen is given
PLAYED = f"""(video) => new Promise((done) => {{
  const shown = [];
  const look = () => {{
    shown.push(({CELLS})(video));
    video.requestVideoFrameCallback(look);
  }};
  video.addEventListener("ended", () => done(shown), {{ once: true }});
  video.addEventListener("seeked", () => {{
    video.requestVideoFrameCallback(look);
    video.play();
  }}, {{ once: true }});
  video.currentTime = 0;
}})"""


def test_slow_motion_shows_every_picture_and_keeps_the_pitch(
    running: Running, person: Callable[[], Person], tmp_path: Path
) -> None:
    practitioner = uuid4()
    family, somebody = Family(running, practitioner), person()
    page, frames = somebody.page, 60
    somebody.sign_in(running.token(Role.PRACTITIONER, practitioner))
    bring_in(somebody, family, films.make(tmp_path / "IMG_0050.mp4", frames, 50))
    wait_for_film(somebody)
    expect(page.locator("#player")).to_have_attribute("data-numerator", "50")
    video = page.locator("#video")
    for said, speed in (("½ speed", 0.5), ("¼ speed", 0.25)):
        somebody.press(said)
        expect(page.get_by_role("button", name=said)).to_have_attribute("aria-pressed", "true")
        assert video.evaluate("(video) => [video.playbackRate, video.preservesPitch]") == [speed, True]

    def played() -> set[int | None]:
        return {films.number_in(cells) for cells in video.evaluate(PLAYED)}

    deadline = monotonic() + PATIENCE / 1000
    while (shown := played()) != set(range(frames)):  # a browser that comes too late may leave some out
        assert monotonic() < deadline, f"never shown: {set(range(frames)) - shown}"


MADE_ELSEWHERE = """async (clip) => {
  const answer = await fetch(`${location.href}/clips`, { method: "POST", body: new URLSearchParams(clip) });
  if (!answer.ok) throw new Error(answer.status);
  await (await import(document.querySelector('script[src$="/portal.js"]').src)).refresh();
}"""


def follow_another_clip(page: Page, name: str) -> None:
    """Made in another window: the page learns of it when it next looks."""
    clip = {"first": "0", "last": "9", "name": name, "principle": "guiding", "note": ""}
    page.evaluate(MADE_ELSEWHERE, clip)
    expect(page.locator("#reel")).to_contain_text(name)


def test_a_still_is_taken_once_the_family_agrees_to_pictures(
    running: Running, person: Callable[[], Person], film: Path
) -> None:
    practitioner = uuid4()
    family, somebody = Family(running, practitioner), person()
    page = somebody.page
    somebody.sign_in(running.token(Role.PRACTITIONER, practitioner))
    bring_in(somebody, family, film)
    wait_for_film(somebody)
    for label, words in (("First frame", "10"), ("Last frame", "24"), ("What goes well?", "She looks")):
        page.get_by_label(label).fill(words)
    page.get_by_label("Principle of attuned interaction").select_option("guiding")
    somebody.press("Make this clip")
    take = page.get_by_role("button", name="Take a still of She looks")
    take.click()
    expect(page.locator("#reel")).to_contain_text("Stop the film at a frame of this clip, then take the still.")
    page.locator("#player").focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    stands_at(page, 12)
    somebody.expected += ("403",)
    take.click()
    expect(page.locator("#reel")).to_contain_text("Not everybody in this film agrees that pictures are made from it.")
    somebody.look("still-refused")

    held: list[Route] = []
    page.route("**/stills", lambda route: held.append(route))
    take.click()
    expect(page.locator("#reel")).not_to_contain_text("Not everybody in this film agrees")
    follow_another_clip(page, "They laugh")  # the page follows while an answer is awaited, and after it has come
    held[0].continue_()
    page.unroute("**/stills")
    expect(page.locator("#reel")).to_contain_text("Not everybody in this film agrees that pictures are made from it.")
    expect(page.locator("#reel")).not_to_have_attribute("data-sending", "yes")
    follow_another_clip(page, "He smiles")
    expect(page.locator("#reel")).to_contain_text("Not everybody in this film agrees that pictures are made from it.")
    family.agrees("film", "review", "stills")
    take.click()
    still = page.get_by_role("list", name="Stills of She looks").get_by_role("img", name="frame 12")
    expect(still).to_be_visible()
    page.wait_for_function("() => document.querySelector('img[data-still]')?.naturalWidth")
    assert films.number_in(still.evaluate(CELLS)) == 12
    somebody.look("still")
    family.agrees("film", "review")  # only that purpose has ended: the film goes on, its pictures do not
    expect(page.locator("#clips")).to_contain_text("This picture may not be shown.")
    expect(page.locator("#gone")).to_be_hidden()
