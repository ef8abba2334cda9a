"""How a page is made: templates of the NHS design system, the headers that keep it to itself, and what forms bring."""

import hashlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import ChainableUndefined, ChoiceLoader, Environment, FileSystemLoader, PackageLoader
from starlette.datastructures import FormData, MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.portal import words
from services.portal.visitor import Refusal, away
from shared.errors import AttuneError
from shared.http.answers import current_reference, is_away
from shared.settings import DevelopmentSettings, Organisation, PublicSettings

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
FORM_BYTES = 256 * 1024
FORM_FIELDS = 400
T = TypeVar("T")


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class Site:
    """What every page of this instance shares."""

    instance: str
    organisation: Organisation
    public: PublicSettings
    development: bool  # a pasted token signs in
    tokens: DevelopmentSettings | None = None  # with what a family's link is made, in development alone

    def __post_init__(self) -> None:
        """Raises AttuneError: the portal hands out cookies for the player and the uploader, and a browser takes
        them only for the portal's own host."""
        addresses = (self.public.portal_url, self.public.upload_url, self.public.playback_url)
        if not all(addresses) or len({urlsplit(one).hostname for one in addresses}) > 1:
            raise AttuneError("Give the portal, upload and playback public addresses on one host (any port or path)")

    @property
    def secure(self) -> bool:
        """Whether browsers send our cookies over TLS alone."""
        return self.public.portal_url.startswith("https:")

    def cookie(self, name: str) -> str:
        return f"{self.instance}-{name}"

    def policy(self, nonce: str) -> str:
        """Nothing from anywhere but here, and the films from where they are played and uploaded."""
        media, upload = origin(self.public.playback_url), origin(self.public.upload_url)
        return "; ".join(
            [
                "default-src 'none'",
                f"script-src 'self' 'nonce-{nonce}'",
                "style-src 'self'",
                f"img-src 'self' {media}",
                f"media-src {media}",
                f"connect-src 'self' {media} {upload}",
                "font-src 'none'",
                "manifest-src 'self'",
                "form-action 'self'",
                "base-uri 'none'",
                "frame-ancestors 'none'",
            ]
        )


def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(HERE / "templates"), PackageLoader("nhsuk_frontend_jinja")]),
        undefined=ChainableUndefined,  # which the design system's macros need
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"words": words, "errors_listed": _errors_listed, "principle_options": _principle_options}
    environment.filters |= {
        "day": words.day,
        "moment": words.moment,
        "size": words.size,
        "ref": words.ref,
    }
    files = sorted((HERE / "static").iterdir())
    version = hashlib.sha256(b"".join(one.read_bytes() for one in files)).hexdigest()[:12]
    environment.globals["static"] = f"/static/{version}"
    return environment


def _errors_listed(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """For the summary: each with a link to its field, where it is one of the page's and not of a service's."""
    return [
        {"text": str(one.get("problem", "")), **({} if "." in str(one.get("at", "")) else {"href": f"#{one['at']}"})}
        for one in errors
    ]


def _principle_options(codes: Sequence[str]) -> list[tuple[str, str]]:
    return [(code, words.principle(code)) for code in codes]


ENVIRONMENT = _environment()


def static_mounts(assets: Path) -> Mapping[str, StaticFiles]:
    """Our own scripts and style under an address that changes with them, and the design system's."""
    return {str(ENVIRONMENT.globals["static"]): Unchanging(HERE / "static"), "/assets": Unchanging(assets)}


class Unchanging(StaticFiles):
    """Files that a browser may keep for a day; nobody's data."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder)

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response


def site_of(request: Request) -> Site:
    return cast(Site, request.app.state.site)


def page(
    request: Request, template: str, *, status: int = 200, refusal: Refusal | None = None, **context: Any
) -> Response:
    """A page of ours. refusal: why it is shown (again); its status and its form are the page's.

    `visitor` may be among the context.
    """
    site, nonce = site_of(request), secrets.token_urlsafe(16)
    said = request.cookies.get(site.cookie("said"), "")
    html = ENVIRONMENT.get_template(template).render(
        cspNonce=nonce,
        site=site,
        organisation=site.organisation,
        path=request.url.path,
        said=words.SAID.get(said),
        today=date.today().isoformat(),  # noqa: DTZ011 - the day at the place where the portal stands
        refusal=refusal,
        **{"form": refusal and refusal.form, **context},
    )
    response = HTMLResponse(html, refusal.status if refusal else status)
    response.headers["Content-Security-Policy"] = site.policy(nonce)
    # with no referrer at all a browser would not say either from which origin a form comes
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if said:
        response.delete_cookie(site.cookie("said"))
    return response


def seen_after(request: Request, address: str, said: str = "") -> Response:
    """To another page after a form; `said`, a key of words.SAID, is told there once."""
    response = RedirectResponse(address, 303)
    if said:
        site = site_of(request)
        response.set_cookie(site.cookie("said"), said, max_age=60, secure=site.secure, httponly=True, samesite="strict")
    return response


def problem_page(request: Request, refusal: Refusal, **context: Any) -> Response:
    return page(request, "problem.jinja", refusal=refusal, **context)


async def form_of(request: Request) -> FormData:
    """What a form brings; files never come by forms. Raises Refusal."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > FORM_BYTES:
        raise Refusal(413, "This is too much for one form", "Shorten what you wrote and send it again.", "too-large")
    return await request.form(max_files=0, max_fields=FORM_FIELDS)


def text(form: FormData, name: str) -> str:
    """One field without the space round it; empty when it is missing."""
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def texts(form: FormData, name: str) -> list[str]:
    """All values of one name, in the order in which they stand on the page."""
    return [value.strip() for value in form.getlist(name) if isinstance(value, str) and value.strip()]


def ids(form: FormData, name: str) -> list[str]:
    """Those of its values that are ids."""
    return [value for value in texts(form, name) if is_id(value)]


def is_id(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def day_of(form: FormData, name: str) -> str:
    """A date from three fields, as ISO 8601; empty unless it is one."""
    parts = [text(form, f"{name}-{part}") for part in ("day", "month", "year")]
    try:
        return date(*(int(part) for part in reversed(parts))).isoformat()
    except ValueError:
        return ""


def number_of(form: FormData, name: str) -> int | None:
    value = text(form, name)
    return int(value) if value.isdecimal() and len(value) < 16 else None


def wanting(errors: Mapping[str, str]) -> None:
    """Raises Refusal if there are any: sentences by the name of the field that they are about."""
    if errors:
        listed = [{"at": field, "problem": sentence} for field, sentence in errors.items()]
        raise Refusal(422, "There is a problem", "Correct what is named and send it again.", "form", errors=listed)


class Guard:
    """Round every page: a change comes from a page of ours or is refused, and what nobody foresaw is said on a page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, started = Request(scope, receive), False
        ours = origin(site_of(request).public.portal_url)
        if request.method not in ("GET", "HEAD") and request.headers.get("origin") != ours:
            log.warning("refused a change that did not come from a page of ours")
            elsewhere = Refusal(
                403, "This did not come from Attune", "Open the page in Attune and do it there.", "origin"
            )
            await problem_page(request, elsewhere)(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).setdefault("Referrer-Policy", "same-origin")
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if started:
                raise
            said = current_reference()
            log.error("a page failed", exc_info=error, extra={"reference": said})
            if is_away(error):
                failed = away(said)
            else:
                detail = "This is our fault, not yours. Try again; if it goes on, tell the support desk the reference."
                failed = Refusal(500, "Something went wrong", detail, "internal", said)
            await problem_page(request, failed)(scope, receive, send)
