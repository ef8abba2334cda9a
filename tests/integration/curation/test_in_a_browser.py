"""A browser plays, seeks and is stopped: the gateway's bounded answers are enough for a real video element."""

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from playwright.sync_api import Page

from services.curation.playback.model import CAP
from tests.browser.browsing import browsing
from tests.integration.curation.watching import views
from tests.integration.curation.world import Curation, Family
from tests.patience import PATIENCE_SECONDS

SECONDS = 20
OPEN = "address => { const seen = once('loadeddata', 'error'); video.src = address; return seen }"
PAGE = """<!doctype html><title>A player</title><video crossorigin="use-credentials" muted preload="metadata"></video>
<script>
const video = document.querySelector("video"), once = (...names) =>
  new Promise(settle => names.forEach(name => video.addEventListener(name, () => settle(name), {once: true})));
async function begin(address, token) {
  const begun = await fetch(address + "/session",
    {method: "POST", credentials: "include", headers: {Authorization: token}});
  if (begun.status !== 204) return "session " + begun.status;
  const loaded = once("loadeddata", "error");
  video.src = address;
  return await loaded;
}
async function seek(to) {
  const there = once("seeked", "error");
  video.currentTime = to;
  return await there;
}
function brightness() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [1, 1];
  const picture = canvas.getContext("2d");
  picture.drawImage(video, 0, 0, 1, 1);
  return picture.getImageData(0, 0, 1, 1).data[0];
}
</script>"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Grows brighter from black to white; noisy, so that it takes many answers."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    brighter = f"color=black:s=640x360:r=25:d={SECONDS},geq=lum=255*T/{SECONDS}:cb=128:cr=128,noise=alls=40:allf=t"
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "8M", "-minrate", "8M", "-g", "12"]
    kept = ["-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)]
    subprocess.run([get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", brighter, *coded, *kept], check=True)
    return path.read_bytes()


@pytest.fixture
def page(portal: str) -> Iterator[Page]:
    """At the portal, whose page this is; the same page is at another site under another name of this host."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", int(portal.rsplit(":", 1)[1])), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with browsing() as browser:
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(portal, timeout=PATIENCE_SECONDS * 1000)
        yield page
    server.shutdown()
    server.server_close()


def test_a_film_is_played_at_any_place_until_consent_is_taken_back(
    curation: Curation, family: Family, page: Page, film: bytes
) -> None:
    assert len(film) > 4 * CAP
    address = f"{curation.url}/v1/media/{curation.film(family, film, segment=CAP)}"
    token = curation.token(family.practitioner)["Authorization"]
    assert page.evaluate("([address, token]) => begin(address, token)", [address, token]) == "loadeddata"
    assert page.evaluate("video.duration") == pytest.approx(SECONDS, abs=0.1)
    for to in (17, 3, 11, 19, 0.5, 8):
        assert page.evaluate("to => seek(to)", to) == "seeked"
        assert page.evaluate("brightness()") == pytest.approx(255 * to / SECONDS, abs=25), "another place is shown"
    [view] = views(curation, family)
    assert view["requests"] > len(film) / CAP / 2
    curation.consent.refusing[family.episode_id] = "suspended"
    page.reload(timeout=PATIENCE_SECONDS * 1000)  # the page before may show on what it holds; nothing of it was kept
    assert page.evaluate(OPEN, address) == "error"
    refused, _ = views(curation, family)
    assert refused["refused"] == "suspended"


def test_a_page_of_another_site_cannot_watch(
    curation: Curation, family: Family, portal: str, page: Page, film: bytes
) -> None:
    address = f"{curation.url}/v1/media/{curation.film(family, film)}"
    token = curation.token(family.practitioner)["Authorization"]
    assert page.evaluate("([address, token]) => begin(address, token)", [address, token]) == "loadeddata"
    page.goto(portal.replace("127.0.0.1", "localhost"), timeout=PATIENCE_SECONDS * 1000)
    for plain in ("video.crossOrigin = 'use-credentials'", "video.removeAttribute('crossorigin')"):
        page.evaluate(plain)
        assert page.evaluate(OPEN, address) == "error"
