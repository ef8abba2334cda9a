"""Somebody at the portal's pages who writes a canary into every field that takes text, whatever it is called."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.end_to_end.canaries.book import Book, forms

NO_TEXT = ("hidden", "radio", "checkbox", "submit", "button", "file", "time", "date", "number", "range")
SHAPES = {"language": 1, "address": 2}  # fields that take a canary only in another form
DAY = datetime.now(UTC).date()
DATE = {"day": str(DAY.day), "month": str(DAY.month), "year": str(DAY.year)}


@dataclass
class Form:
    """What a page asks for."""

    action: str
    texts: list[str] = field(default_factory=list)
    fixed: list[tuple[str, str]] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # radios, ticks, lists


class Forms(HTMLParser):
    """Those of one page."""

    def __init__(self, address: str, page: str) -> None:
        super().__init__()
        self.address = address
        self.found: list[Form] = []
        self.open: Form | None = None
        self.list_of = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form" and said.get("method") == "post":
            self.open = Form(said.get("action") or self.address)
            self.found.append(self.open)
        name, value, form = said.get("name", ""), said.get("value", ""), self.open
        if form is None:
            return
        if tag == "option" and self.list_of and value:
            form.choices[self.list_of].append(value)
        if not name:
            return
        kind = said.get("type", "text")
        if tag == "select":
            self.list_of = name
            form.choices[name] = []
        elif tag == "textarea" or (tag == "input" and kind not in NO_TEXT):
            form.texts.append(name)
        elif tag == "input" and kind in ("radio", "checkbox"):
            form.choices[name].append(value)
        elif tag == "input" and kind == "hidden":
            form.fixed.append((name, value))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.open = None
        if tag == "select":
            self.list_of = ""


@dataclass
class Reader:
    """A browser without a picture: it keeps cookies and sends what forms hold."""

    url: str
    book: Book
    asked: set[tuple[str, str, int]] = field(default_factory=set)  # method, path, status
    carried: dict[str, str] = field(
        default_factory=dict
    )  # action without ids, and field -> its canary in what was taken
    offered: set[str] = field(default_factory=set)  # actions without ids of all forms on all pages

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False, headers=self._headers("a browser"))

    def _headers(self, where: str) -> dict[str, str]:
        new = self.book.new
        return {
            "User-Agent": new(f"{where}: User-Agent"),
            "Accept-Language": new(f"{where}: Accept-Language"),
            "Referer": f"{self.url}/{new(f'{where}: Referer')}",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tracestate": f"k={new(f'{where}: tracestate')}",
        }

    def ask(self, method: str, path: str, expect: int = 200, **options: Any) -> httpx.Response:
        """With a canary in the query. Raises AssertionError."""
        params = {self.book.new(f"portal {method} {path}: a name in the query"): self.book.new("portal: the query")}
        headers = {"Origin": self.url} | options.pop("headers", {})
        answer = self.http.request(method, path, params=params | options.pop("params", {}), headers=headers, **options)
        self.asked.add((method, path, answer.status_code))
        if method == "GET" and "text/html" in answer.headers.get("Content-Type", ""):
            self.offered |= {without_ids(form.action) for form in Forms(path, answer.text).found}
        assert answer.status_code == expect, (
            f"{method} {path}: {answer.status_code}, not {expect}: {answer.text[-3000:]}"
        )
        return answer

    def send(
        self, page: str, action: str = "", given: Mapping[str, Any] | None = None, expect: int = 303
    ) -> httpx.Response:
        """Fill in and send the form on this page that goes to `action`; first as no form may be sent."""
        known = dict(given or {})
        form = next(one for one in Forms(page, self.ask("GET", page).text).found if one.action == (action or page))
        unknown = known.keys() - set(form.texts) - form.choices.keys() - dict(form.fixed).keys() - {"add"}
        assert not unknown, f"{page} has no {unknown} in its form for {form.action}"
        texts = {
            name: DATE.get(name.rsplit("-", 1)[-1]) or self.book.new(f"portal POST {form.action}: {name}")
            for name in form.texts
            if name not in known
        }
        canaries = {name: text for name, text in texts.items() if text not in DATE.values()}
        filled = {name: forms(text)[SHAPES[name]] if name in SHAPES else text for name, text in texts.items()}
        filled |= dict(form.fixed)
        ticked: dict[str, Any] = {name: values[:1] for name, values in form.choices.items()}
        body = {**filled, **ticked, **known, self.book.new("portal: an unknown field"): self.book.new("portal: it")}
        much = {**body, **{name: canary * 2000 for name, canary in canaries.items()}}
        self._refused(form.action, body, 403, headers={"Origin": f"http://{self.book.new('portal: Origin')}.example"})
        if canaries:
            self._refused(form.action, much, 422)
            self._refused(form.action, {name: canary * 30_000 for name, canary in canaries.items()}, 413)
        answer = self.ask("POST", form.action, expect, data=body)
        if expect == 303:
            place = without_ids(form.action)
            self.carried |= {f"{place} {name}": canary for name, canary in canaries.items()}
        return answer

    def _refused(self, action: str, body: Mapping[str, Any], status: int, **options: Any) -> None:
        self.ask("POST", action, status, data=body, **options)


def without_ids(path: str) -> str:
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "{id}", urlsplit(path).path)
