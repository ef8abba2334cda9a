"""Seeks in a real Chromium, through the playback gateway."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from playwright.sync_api import Page, Request

from tests import films
from tests.benchmarks.run import Film, Stand
from tests.browser.browsing import PATIENCE, browsing
from tests.browser.test_portal import CELLS
from tests.integration.curation.test_in_a_browser import PAGE

SEEK = f"""async (to) => {{
  const began = performance.now();
  const there = await seek(to);
  const took = performance.now() - began;
  return [there, took, ({CELLS})(video)];
}}"""
HOLD = """async () => {
  const film = await (await fetch(video.currentSrc, { credentials: "include", cache: "no-store" })).blob();
  const loaded = once("loadeddata", "error");
  video.src = URL.createObjectURL(film);
  return await loaded;
}"""


@dataclass(frozen=True)
class Seek:
    took: float  # milliseconds from the wish to `seeked`
    right: bool  # the frame that was wished for is on the screen
    asked: bool  # the gateway, for some of it


def sought(stand: Stand, film: Film, times: int, frames: int, rate: int) -> tuple[list[Seek], list[Seek]]:
    """`times` seeks to frames anywhere in the film; and some of them anew when the browser holds it all, as a blob."""
    address = f"{stand.stack.url('curation')}/v1/media/{film.review_film}"
    token = stand.practitioner.clients["curation"].headers["Authorization"]
    asked = 0

    def count(request: Request) -> None:
        nonlocal asked
        asked += request.url == address and request.method == "GET"

    def seek(page: Page, frame: int) -> Seek:
        before = asked
        there, took, cells = page.evaluate(SEEK, (frame + 0.5) / rate)
        assert there == "seeked"
        return Seek(took, films.number_in(cells) == frame, asked > before)

    chance = random.Random(9)
    wishes = [chance.randrange(frames) for _ in range(times)]
    with _at_the_portal(stand.stack.url("portal")) as portal, browsing() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", count)
        page.goto(portal)
        assert page.evaluate("([address, token]) => begin(address, token)", [address, token]) == "loadeddata"
        ours = [seek(page, frame) for frame in wishes]
        assert page.evaluate(HOLD) == "loadeddata"
        return ours, [seek(page, frame) for frame in wishes[:200]]


@contextmanager
def _at_the_portal(url: str) -> Iterator[str]:
    """A page with a player where the portal would be, whose pages alone may watch."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", int(url.rpartition(":")[2])), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield url
    server.shutdown()
    server.server_close()
