"""A film of 5 minutes, 1080p50 at 20 Mb/s (quick: 10 s), is sent by tus at 40 MB/s, as a card or a good line gives it;
a practitioner's Chromium has its page open. Told from the moment when the answer to the last byte has come: until the
recording is received (the sealed copy has been read back, most of it while the film still came), until its first look
can be asked for, and until the browser has decoded the first picture of it. The last figure is the whole of what is
asked for.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

from playwright.sync_api import Error

from deploy.demo import acts, upload
from tests import films
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.messages import connected
from tests.benchmarks.run import PATIENCE_SECONDS, Run, Stand
from tests.browser.browsing import browsing

RATE, BITS, ROUNDS = 50, "20M", 3
FIRST = PIECE = 1024 * 1024  # what is sent before the page is opened
LINE = 40e6  # bytes a second
SEEN = "addEventListener('loadeddata', () => (window.seen ??= Date.now() / 1000), true)"


async def measure(run: Run) -> list[Figure]:
    minute = await run.source(run.sized(60, 10), RATE, BITS)
    source, times = run.folder / "long.mp4", run.sized(5, 1)
    if not source.is_file():
        loops = ("-stream_loop", times - 1, "-i", minute, "-map", "0", "-c", "copy")
        await asyncio.to_thread(films.ffmpeg, *loops, source)
    stand = await run.everything()
    run.say(f"first looks at a film of {source.stat().st_size >> 20} MiB")
    rounds = [await _round(stand, source) for _ in range(run.sized(ROUNDS, 1))]
    received, ready, seen = (median(times) for times in zip(*rounds, strict=True))
    return [
        Figure("first look: last byte to recording received", "s", received),
        Figure("first look: last byte to a first look that can be asked for", "s", ready),
        Figure("first look: last byte to the first picture in a browser", "s", seen, goal=Goal(most=3.0)),
    ]


async def _round(stand: Stand, source: Path) -> tuple[float, float, float]:
    family = await acts.consenting_family(stand.practitioner)
    created = await upload.create(stand.practitioner, source.stat().st_size, family.film())
    recording = created.headers["Location"].rsplit("/", 1)[-1]
    with suppress(upload.CutOff):
        await upload.send(stand.practitioner, recording, source, cut_after=FIRST)
    token = stand.practitioner.clients["curation"].headers["Authorization"].removeprefix("Bearer ")
    with _watching(stand.stack.url("portal"), token, recording) as page:
        await asyncio.to_thread(page.opened.wait, PATIENCE_SECONDS)
        await _send(stand, recording, source)
        began = time.time()
        await stand.until("upload", f"/recordings/{recording}", 0.02, state="received")
        received = time.time() - began
        await stand.until("curation", f"/recordings/{recording}/first-look", 0.02, recording_id=recording)
        ready = time.time() - began
        await asyncio.to_thread(page.seen.wait, PATIENCE_SECONDS)
        seen = page.at - began
    await _discard(stand, recording)
    return received, ready, seen


async def _send(stand: Stand, recording: str, source: Path) -> None:
    """What is missing, no quicker than the line."""
    at, clock = await upload.offset(stand.practitioner, recording), asyncio.get_running_loop()
    began = clock.time()

    async def body() -> AsyncIterator[bytes]:
        sent = 0
        with source.open("rb") as file:
            file.seek(at)
            while piece := file.read(PIECE):
                await asyncio.sleep(began + sent / LINE - clock.time())
                yield piece
                sent += len(piece)

    headers = {**upload.TUS, "Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"}
    answer = await stand.practitioner.clients["upload"].patch(
        f"/v1/uploads/{recording}", headers=headers, content=body(), timeout=PATIENCE_SECONDS
    )
    assert answer.status_code == 204, answer.text


async def _discard(stand: Stand, recording: str) -> None:
    """So that nobody waits for its review film."""
    await stand.practitioner.post("consent", f"/recordings/{recording}/discards", {"reason_code": "wrong_film"}, 202)
    async with connected(stand.stack.database_url("transcoding")) as connection, asyncio.timeout(PATIENCE_SECONDS):
        while await connection.fetchval("SELECT count(*) FROM jobs WHERE state = 'running'"):
            await asyncio.sleep(0.2)


class _Page:
    """What a thread with a browser tells: Playwright's own loop is no other's."""

    def __init__(self) -> None:
        self.opened, self.seen, self.at = threading.Event(), threading.Event(), 0.0

    def look(self, portal: str, token: str, recording: str) -> None:
        with browsing() as browser:
            page = browser.new_context(base_url=portal).new_page()
            page.add_init_script(SEEN)
            page.goto("/sign-in")
            page.get_by_label("Token").fill(token)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("heading", level=1, name="Work list").wait_for()
            page.goto(f"/recordings/{recording}")
            self.opened.set()
            while not self.at:
                try:
                    self.at = float(page.evaluate("() => window.seen ?? 0"))
                except Error:  # it is being loaded anew
                    continue
                page.wait_for_timeout(20)
            self.seen.set()


@contextmanager
def _watching(portal: str, token: str, recording: str) -> Iterator[_Page]:
    page = _Page()
    thread = threading.Thread(target=page.look, args=(portal, token, recording), daemon=True)
    thread.start()
    yield page
    thread.join(PATIENCE_SECONDS)
