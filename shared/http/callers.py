"""Who asks, from the request; and whether they may."""

import logging
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.http.problems import NotAllowed, NotSignedIn
from shared.identity import Action, Denied, ExpiredToken, Identity, Reason, Relation, TokenRefused, decide, verify

log = logging.getLogger(__name__)
bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", scheme_name="bearer")

_DENIED = {
    Reason.ROLE: "This is not for your role; ask a practitioner of the family's care team.",
    Reason.RELATION: "You are not in this family's care team; ask one of its members to add you.",
    Reason.CALLER: "This service may not do this.",
}


async def identified(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Identity:
    """The bearer of the token. Raises NotSignedIn."""
    token = credentials.credentials if credentials else _cookie(request)
    if not token:
        raise NotSignedIn
    try:
        return verify(token, request.app.state.keys, datetime.now(UTC))
    except TokenRefused as refused:
        log.info("token refused: %s", refused)
        error = 'Bearer error="invalid_token"'
        detail = "Your sign-in is over; sign in again." if isinstance(refused, ExpiredToken) else None
        raise NotSignedIn(detail, headers={"WWW-Authenticate": error}) from refused


Caller = Annotated[Identity, Depends(identified)]


def authorise(caller: Identity, action: Action, relation: Relation = Relation.NONE) -> None:
    """Raises NotAllowed unless the table allows it."""
    decision = decide(caller, action, relation)
    if isinstance(decision, Denied):
        log.warning("denied: %s by a %s (%s)", action, caller.role, decision.reason)
        raise NotAllowed(_DENIED[decision.reason], reason=decision.reason)


def _cookie(request: Request) -> str | None:
    """A token in the cookie of the player and the uploader, where this service takes one.

    A browser sends a cookie wherever a page points it, but it always says from which origin a change comes.
    """
    name = request.app.state.cookie
    if name and (request.method in ("GET", "HEAD") or request.headers.get("origin") in request.app.state.origins):
        return request.cookies.get(name)
    return None
