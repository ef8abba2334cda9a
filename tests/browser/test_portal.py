"""The job as people see it, in a real browser: from registering a family to the certificate of the erasure."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

from playwright.sync_api import Page, expect

from shared.identity.tokens import Role
from tests import films
from tests.browser.browsing import PATIENCE, Person
from tests.browser.conftest import FRAMES, Running

PARENT, BABY = "Wren Featherstone", "Robin Featherstone"
expect.set_options(timeout=PATIENCE)

# the grey of each cell of the strip at the top of the picture that is shown: a video, an image, or a tile of one within
CELLS = """(shown) => {
  const image = shown.querySelector("img");
  const [wide, high] = image
    ? [image.naturalWidth / 10, image.naturalHeight / 10]
    : [shown.videoWidth ?? shown.naturalWidth, shown.videoHeight ?? shown.naturalHeight];
  const scale = image && image.naturalWidth / image.getBoundingClientRect().width;
  const before = (side) => image && scale * (shown.getBoundingClientRect()[side] - image.getBoundingClientRect()[side]);
  const canvas = Object.assign(document.createElement("canvas"), { width: wide, height: high });
  const picture = canvas.getContext("2d");
  picture.drawImage(image ?? shown, before("left") ?? 0, before("top") ?? 0, wide, high, 0, 0, wide, high);
  const rows = Math.max(2, Math.round(high / 90));
  const { data } = picture.getImageData(0, Math.round(high / 90), wide, rows);
  return Array.from({ length: 34 }, (_, cell) => {
    let [sum, count] = [0, 0];
    for (let row = 0; row < rows; row++)
      for (let x = Math.ceil((cell + 0.25) * wide / 34); x < (cell + 0.75) * wide / 34; x++)
        for (let colour = 0; colour < 3; colour++, count++) sum += data[4 * (row * wide + x) + colour];
    return Math.round(sum / count);
  });
}"""


def shown(page: Page, video: str = "#video") -> int | None:
    """The number in the picture that stands on the screen."""
    return films.number_in(page.locator(video).evaluate(CELLS))


def glimpses(page: Page, along: float) -> int | None:
    """The number in the small picture over the slider, with the mouse so far along it, from 0 to 1."""
    box = page.locator("#position").bounding_box()
    assert box
    page.mouse.move(box["x"] + 8 + along * (box["width"] - 16), box["y"] + box["height"] / 2)
    page.locator("#glimpse").wait_for()
    return films.number_in(page.locator("#glimpse > div").evaluate(CELLS))


def looks_along_the_slider(page: Page) -> None:
    """By key frames, which stand at every twelfth; what the sound is like lies under it."""
    page.wait_for_function("() => document.querySelector('#glimpse img').naturalWidth")
    for along in (0, 0.33, 0.5, 0.98):
        number = glimpses(page, along)
        assert number is not None and number % 12 == 0 and -12 < number - along * (FRAMES - 1) < 2
    page.keyboard.press("Escape")
    expect(page.locator("#glimpse")).to_be_hidden()
    assert glimpses(page, 0.25) == 36
    page.mouse.down()
    expect(page.locator("#player")).to_have_attribute("data-frame", re.compile("3[678]"))
    assert glimpses(page, 0.75) == 108
    page.mouse.up()
    expect(page.locator("#player")).to_have_attribute("data-frame", re.compile("11[123]"))
    page.mouse.move(0, 0)
    expect(page.locator("#glimpse")).to_be_hidden()
    expect(page.locator("#waveform")).to_be_visible()


def stands_at(page: Page, frame: int) -> None:
    """Wait until the page says this frame, and see that it is the one on the screen."""
    expect(page.locator("#player")).to_have_attribute("data-frame", str(frame))
    page.wait_for_function("() => !document.getElementById('video').seeking")
    assert shown(page) == frame


def sign_in(somebody: Person, running: Running, practitioner: UUID) -> None:
    page = somebody.page
    page.goto("/")
    somebody.heading("Sign in")
    somebody.look("sign-in")
    page.get_by_label("Token").fill(running.token(Role.PRACTITIONER, practitioner))
    somebody.press("Sign in")
    somebody.heading("Work list")


def register(somebody: Person) -> str:
    """The family's id."""
    page = somebody.page
    somebody.follow("Register a family")
    somebody.heading("Register a family")
    somebody.look("register")
    somebody.press("Register the family")
    expect(page.get_by_role("alert")).to_contain_text("Enter the name of at least one person")
    somebody.look("register-problem")
    page.get_by_label("Name").nth(0).fill(PARENT)
    page.get_by_label("Name").nth(1).fill(BABY)
    somebody.press("Register the family")
    somebody.heading(f"{PARENT} and {BABY}")
    somebody.look("family-new")
    return page.url.rsplit("/", 1)[-1]


def talk_through_rights(somebody: Person) -> None:
    page = somebody.page
    somebody.follow("Talk through the rights")
    somebody.heading("Talk through the rights and responsibilities")
    points = page.locator("input[name=point]")
    somebody.look("rights")
    for number in range(points.count()):
        points.nth(number).check()
    somebody.press("Record the conversation")
    somebody.heading(f"{PARENT} and {BABY}")


def agree(somebody: Person, name: str) -> None:
    page = somebody.page
    somebody.follow(f"Consent for {name}")
    somebody.heading(f"Consent for {name}")
    somebody.press("Record this consent")
    expect(page.get_by_role("alert")).to_contain_text("Tick what they agreed to")
    somebody.look("consent-problem")
    page.get_by_label("Being filmed").check()
    page.get_by_label("The practitioner watches the film").check()
    page.get_by_role("group", name="Who agreed?").get_by_label(PARENT).check()
    page.get_by_label("Spoken, before a witness").check()
    page.get_by_label("If spoken: the witness").fill("A colleague")
    somebody.look("consent")
    somebody.press("Record this consent")
    somebody.heading(f"{PARENT} and {BABY}")


def upload(somebody: Person, film: Path) -> str:
    """The recording's id."""
    page = somebody.page
    page.get_by_role("button", name="Upload a film").click()
    somebody.heading("Upload a film")
    page.get_by_label("Yes, I asked them").check()
    somebody.look("upload")
    page.get_by_label("The film, as it came off the camera").set_input_files(film)
    somebody.press("Upload the film")
    page.wait_for_url("**/recordings/*")
    somebody.heading("Parent and baby, filmed on")
    return page.url.rsplit("/", 1)[-1]


def wait_for_film(somebody: Person) -> None:
    page = somebody.page
    page.locator("#player:not([data-look])").wait_for()  # a first look of it may come before
    page.wait_for_function("() => document.getElementById('video').readyState >= 2")


def mark_with_the_keyboard(somebody: Person, first: int, last: int, name: str) -> None:
    """Not one click: the film by keys, the form by tab and typing."""
    page = somebody.page
    page.locator("#player").focus()
    page.keyboard.press("Home")
    stands_at(page, 0)
    for _ in range(first // 25):
        page.keyboard.press("Shift+ArrowRight")
    for _ in range(first % 25):
        page.keyboard.press("ArrowRight")
    stands_at(page, first)
    page.keyboard.press("i")
    for _ in range((last - first) // 25):
        page.keyboard.press("Shift+ArrowRight")
    for _ in range((last - first) % 25):
        page.keyboard.press("ArrowRight")
    stands_at(page, last)
    page.keyboard.press("o")
    expect(page.locator("#first")).to_have_value(str(first))
    expect(page.locator("#last")).to_have_value(str(last))
    page.locator("#name").focus()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type("Receiving")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("checkbox", name=name).wait_for()
    expect(page.locator("#player")).to_be_focused()
    expect(page.locator("#player")).to_have_attribute("data-frame", str(last))  # the film has kept its place


def frames_played(somebody: Person) -> list[list[int]]:
    """Press Play on a reel's page; of each clip, one after another, the frames that were shown."""
    page = somebody.page
    seen = page.evaluate_handle(
        """() => { const seen = []; const player = document.getElementById("reel-player");
        new MutationObserver(() => seen.push(player.dataset.stand.split(":").map(Number)))
          .observe(player, { attributes: true, attributeFilter: ["data-stand"] }); return seen; }"""
    )
    somebody.press("Play")
    expect(page.locator("#reel-player")).to_have_attribute("data-ended", "yes")
    stands = seen.json_value()
    clips = [number for number, _ in stands]
    assert clips == sorted(clips)
    return [[frame for number, frame in stands if number == clip] for clip in sorted(set(clips))]


def test_from_the_first_meeting_to_the_certificate(running: Running, person: Callable[[], Person], film: Path) -> None:
    practitioner = uuid4()
    she = person()
    page = she.page
    sign_in(she, running, practitioner)
    she.look("work-list-empty")
    family = register(she)
    talk_through_rights(she)
    agree(she, PARENT)
    agree(she, BABY)
    she.look("family-ready")
    recording = upload(she, film)
    she.look("recording-arriving")
    wait_for_film(she)

    # frame by frame
    page.locator("#player").focus()
    for key, frame in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", FRAMES - 1), ("Home", 0)):
        page.keyboard.press(key)
        stands_at(page, frame)
    page.get_by_role("button", name="1 frame forward").click()
    stands_at(page, 1)
    looks_along_the_slider(page)
    she.look("recording")

    mark_with_the_keyboard(she, 10, 24, "She looks, he smiles")
    mark_with_the_keyboard(she, 60, 87, "They take turns")
    expect(page.locator("#clips .nhsuk-tag", has_text="Ready")).to_have_count(2)
    she.look("recording-clips")

    # the second clip first, by keyboard alone
    for name in ("She looks, he smiles", "They take turns"):
        page.get_by_role("checkbox", name=name).focus()
        page.keyboard.press("Space")
    page.get_by_role("button", name="Move up They take turns").focus()
    page.keyboard.press("Enter")
    she.press("Put the ticked clips in this order")
    page.get_by_role("link", name="2 clips, put in order").click()
    she.heading("Clips for the shared review")
    expect(page.locator("#edits > li").nth(0)).to_contain_text("They take turns")

    # the edit list plays before, and whether or not, a reel has been made
    expect(page.locator("#reel-player")).to_have_attribute("data-ready", "yes")
    she.look("reel")
    speed_of_both = "() => [...document.querySelectorAll('#reel-player video')].map((one) => one.playbackRate)"
    for said, speed in (("½ speed", 0.5), ("Full speed", 1)):
        she.press(said)
        assert page.evaluate(speed_of_both) == [speed, speed]
    for frames, (first, last) in zip(frames_played(she), [(60, 87), (10, 24)], strict=True):
        assert frames[0] >= first
        assert frames[-1] >= last  # a slow machine may show one more before it stops
    page.wait_for_function("() => !document.querySelector('#reel-player video:not([hidden])').seeking")
    assert shown(page, "#reel-player video:not([hidden])") == 24
    page.locator("#stand .nhsuk-tag", has_text="Ready").wait_for()

    # the shared review
    page.goto(f"/families/{family}/goals")
    page.get_by_label("What would the parent like from this?").fill("I want to get to know my baby more")
    page.get_by_label("Where are you now").select_option("4")
    page.get_by_label("Where do you hope to be?").select_option("8")
    she.press("Record the goal")
    expect(page.locator("blockquote")).to_contain_text("I want to get to know my baby more")
    she.look("goals")
    page.goto(f"/families/{family}")
    page.get_by_role("button", name="Record a shared review").click()
    she.heading("Record a shared review")
    for question, words in (("see", "She looks at me"), ("feel", "Warm"), ("think", "She knows me")):
        page.get_by_label(f"What did they {question}?").fill(words)
    she.look("shared-review")
    she.press("Record the shared review")
    she.heading(f"{PARENT} and {BABY}")
    expect(page.get_by_role("main")).to_contain_text("She knows me")
    she.look("family-full")

    # the card, and the list
    page.goto("/")
    page.get_by_role("heading", name="Camera cards to wipe").wait_for()
    she.look("work-list")
    page.goto(f"/recordings/{recording}")
    page.get_by_label("Camera or card").fill("Camcorder 4, card 2")
    she.press("The card is wiped")
    expect(page.get_by_role("main")).to_contain_text("Camcorder 4, card 2")

    withdraws_while_the_film_plays(she, running, person(), recording, family)


def withdraws_while_the_film_plays(she: Person, running: Running, parent: Person, recording: str, family: str) -> None:
    page, own = she.page, parent.page
    wait_for_film(she)
    she.press("¼ speed")
    she.press("Play")
    page.wait_for_function("() => document.getElementById('video').currentTime > 0.2")

    link = page.context.new_page()  # handed over in person
    link.goto(f"/families/{family}")
    link.get_by_role("button", name=f"Make a link for {PARENT}").click()
    own.goto(link.locator("#link").get_attribute("href") or "")
    link.close()
    parent.heading("Your family")
    expect(own).to_have_url(f"{running.stack.url('portal')}/family")
    expect(own.get_by_role("main")).to_contain_text("A practitioner of your care team")  # who has watched
    expect(own.get_by_role("main")).to_contain_text("A film as it came off the camera")  # what is kept
    parent.look("own-page")
    own.get_by_role("button", name="Withdraw my consent").click()
    parent.heading("Do you want to withdraw?")
    parent.look("own-withdraw")
    parent.press("Withdraw now")
    expect(own.get_by_role("alert")).to_contain_text("Tick the box if you are sure")
    own.get_by_label("Yes, I am sure. Erase everything.").check()

    she.expected += ("403", "404")  # the browser itself says what the player is refused
    parent.press("Withdraw now")
    parent.heading("Your family")
    expect(own.get_by_role("main")).to_contain_text("Nobody can watch your films any more")
    expect(page.locator("#gone")).to_contain_text("This film is closed")
    assert page.locator("#video").evaluate("(video) => video.currentSrc && video.src") in ("", None)
    assert page.locator("#video").evaluate("(video) => video.readyState") == 0
    expect(page.locator("#stand")).to_contain_text(re.compile("withdrawn|erased"))
    she.look("recording-closed")
    parent.look("own-erasing")

    with own.expect_download() as downloading:
        own.get_by_role("link", name="Keep the certificate").click()
    assert '"certificate"' in downloading.value.path().read_text()
    parent.look("own-certified")
    she.page.goto(f"/families/{family}")
    she.look("family-ended")
    she.follow("Everything, begun on")
    she.heading("Erasure of everything")
    she.look("erasure")
    nothing_personal_in_addresses(she, parent)


def nothing_personal_in_addresses(*people: Person) -> None:
    for one in people:
        for address in (address.split("#")[0] for address in one.addresses):  # what stands behind it is never sent
            assert "Featherstone" not in address
            assert "IMG_0042" not in address
            assert "eyJ" not in address  # a token
