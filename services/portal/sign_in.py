"""Signing in, for now with a development token: pasted, or handed to a family in a link. In production neither exists.

The token lives in a cookie that no script reads and that is sent to no other site. Families have one of their own, for
their own pages alone, so that a practitioner who hands over the tablet stays signed in.
"""

import logging
from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.responses import Response

from services.portal.pages import form_of, page, seen_after, site_of, text
from services.portal.visitor import Peers, Refusal, Visitor
from shared.errors import AttuneError
from shared.http import Router
from shared.identity import Identity, Role, TokenRefused, verify

log = logging.getLogger(__name__)

STAFF, FAMILY = "portal", "family"
PATHS = {STAFF: "/", FAMILY: "/family"}
ROLES = {STAFF: (Role.PRACTITIONER, Role.SUPERVISOR), FAMILY: (Role.FAMILY,)}
NOT_VALID = "This is not valid, or no longer. Ask for a new one."


class NotSignedIn(AttuneError):
    """Nobody, or nobody for these pages."""

    def __init__(self, who: str) -> None:
        super().__init__(who)
        self.who = who


def _identity(request: Request, token: str, who: str) -> Identity:
    """Raises NotSignedIn."""
    try:
        found = verify(token, request.app.state.keys, datetime.now(UTC))
    except TokenRefused as refused:
        log.info("token refused: %s", refused)
        raise NotSignedIn(who) from refused
    if found.role not in ROLES[who]:
        raise NotSignedIn(who)
    return found


def _visitor(request: Request, who: str) -> Visitor:
    """Raises NotSignedIn."""
    token = request.cookies.get(site_of(request).cookie(who), "")
    return Visitor(_identity(request, token, who), token, cast(Peers, request.app.state.peers))


async def staff(request: Request) -> Visitor:
    return _visitor(request, STAFF)


async def of_the_family(request: Request) -> Visitor:
    return _visitor(request, FAMILY)


Staff = Annotated[Visitor, Depends(staff)]
OfTheFamily = Annotated[Visitor, Depends(of_the_family)]


def to_sign_in(request: Request, error: Exception) -> Response:
    """What somebody who is not signed in sees instead of a page."""
    who = cast(NotSignedIn, error).who
    site = site_of(request)
    if request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        response: Response = page(request, "sign_in.jinja", status=401)
    elif who == FAMILY:
        response = page(request, "enter.jinja")
    else:
        response = seen_after(request, "/sign-in")
    if site.cookie(who) in request.cookies:
        response.delete_cookie(site.cookie(who), path=PATHS[who])
    return response


def _let_in(request: Request, token: str, who: str, address: str) -> Response:
    site = site_of(request)
    response = seen_after(request, address)
    response.set_cookie(site.cookie(who), token, path=PATHS[who], secure=site.secure, httponly=True, samesite="strict")
    return response


def _let_out(request: Request, who: str, address: str) -> Response:
    site = site_of(request)
    response = seen_after(request, address, "signed-out")
    response.delete_cookie(site.cookie(who), path=PATHS[who])
    return response


def routes(*, development: bool) -> Router:
    """Without `development` nobody can sign in yet: there is no page that takes a token."""
    router = Router(anonymous=True)

    @router.get("/sign-in")
    async def sign_in(request: Request) -> Response:
        return page(request, "sign_in.jinja")

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        return _let_out(request, STAFF, "/sign-in")

    @router.post("/family/leave")
    async def leave(request: Request) -> Response:
        return _let_out(request, FAMILY, "/family")

    if development:

        @router.post("/sign-in")
        async def take_token(request: Request) -> Response:
            token = text(await form_of(request), "token")
            try:
                _identity(request, token, STAFF)
            except NotSignedIn:
                refusal = Refusal(422, "There is a problem", NOT_VALID, errors=[{"at": "token", "problem": NOT_VALID}])
                return page(request, "sign_in.jinja", refusal=refusal)
            return _let_in(request, token, STAFF, "/")

        @router.post("/family/enter")
        async def enter(request: Request) -> Response:
            token = text(await form_of(request), "token")
            try:
                _identity(request, token, FAMILY)
            except NotSignedIn:
                refusal = Refusal(422, "There is a problem", NOT_VALID, errors=[{"at": "token", "problem": NOT_VALID}])
                return page(request, "enter.jinja", refusal=refusal)
            return _let_in(request, token, FAMILY, "/family")

    return router
