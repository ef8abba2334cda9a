"""A real browser: it is Debian's where there is one, else the one that the lock names, which needs no root."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    Response,
    TimeoutError,
    ViewportSize,
    sync_playwright,
)

from deploy.local.npm import install_browser
from tests.patience import PATIENCE_SECONDS

PATIENCE = PATIENCE_SECONDS * 1000  # in milliseconds
SCREEN = ViewportSize(width=1280, height=900)
NARROW = ViewportSize(width=320, height=800)  # WCAG 1.4.10: nothing is to be scrolled sideways
GONE = re.compile(r"404 \(Not Found\) \S+/v1/media/([0-9a-f-]{36})$")
SHELL = ["--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]

T = TypeVar("T")


@contextmanager
def browsing() -> Iterator[Browser]:
    own = shutil.which("chromium") or shutil.which("chromium-browser")
    variables: dict[str, str | float | bool] = dict(os.environ)
    if own is None:
        folder = install_browser()
        own = str(folder / "chromium")
        variables |= {
            "FONTCONFIG_PATH": str(folder / "fonts"),
            "LD_LIBRARY_PATH": str(folder / "al2023" / "lib"),
        }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=own, args=SHELL, headless=True, timeout=PATIENCE, env=variables
        )
        yield browser
        browser.close()


class Person:
    """Somebody at a browser of their own. Whatever a page complains of is kept in `complaints`."""

    def __init__(self, browser: Browser, portal: str, hosts: set[str], shots: Path | None) -> None:
        self.context: BrowserContext = browser.new_context(
            base_url=portal, viewport=SCREEN, locale="en-GB", accept_downloads=True
        )
        self.context.set_default_timeout(PATIENCE)
        self.context.set_default_navigation_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.addresses: list[str] = []
        self.expected: tuple[str, ...] = ("422 (Unprocessable",)  # complaints that a test brings about
        self._hosts, self._shots = hosts, shots
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self._complain(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)

    def _complain(self, complaint: str) -> None:
        if not any(word in complaint for word in self.expected):
            self.complaints.append(complaint)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complain(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def _asked(self, request: Request) -> None:
        self.addresses.append(request.url)
        if not any(request.url.startswith(host) for host in self._hosts) and not request.url.startswith("blob:"):
            self._complain(f"asked another host: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self._complain(f"answered {response.status}: {response.url}")

    def look(self, name: str) -> None:
        """Keep a picture if one is wanted; hold the page against the rules of accessibility, and see it on a phone."""
        if self._shots:
            self.page.screenshot(path=str(self._shots / f"{name}.png"), full_page=True)
        found = self._ask(lambda: Axe().run(self.page))
        wrong = [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found.response["violations"]]
        self.complaints += [f"{name}: {one}" for one in wrong]
        self.page.set_viewport_size(NARROW)
        wide = self._ask(lambda: self.page.evaluate("() => document.documentElement.scrollWidth"))
        if wide > NARROW["width"]:
            self.complaints.append(f"{name}: {wide} pixels wide on a screen of {NARROW['width']}")
        self.page.set_viewport_size(SCREEN)

    def _ask(self, what: Callable[[], T]) -> T:
        """Anew where the page has loaded itself anew meanwhile, as one does when there is something else to do."""
        while True:
            try:
                return what()
            except Error as error:
                if "context was destroyed" not in error.message:
                    raise

    def sign_in(self, token: str) -> None:
        self.page.goto("/sign-in")
        self.page.get_by_label("Token").fill(token)
        self.press("Sign in")
        self.heading("Work list")

    def press(self, name: str, *, exact: bool = True) -> None:
        self.page.get_by_role("button", name=name, exact=exact).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name).first.click()

    def heading(self, text: str) -> None:
        """Wait for the page with this first heading."""
        try:
            self.page.get_by_role("heading", level=1, name=text).wait_for()
        except TimeoutError as error:
            raise AssertionError(f"no page “{text}”, but: {self.page.locator('body').inner_text()[:1500]}") from error
