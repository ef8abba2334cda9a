"""What goes wrong, said as RFC 9457 problem details."""

from collections.abc import Mapping
from typing import Any, ClassVar

from shared.errors import AttuneError

MEDIA_TYPE = "application/problem+json"
REF = "#/components/schemas/Problem"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "reference"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "The last part of `type`; for programs"},
        "detail": {"type": "string", "description": "A sentence that says what to do"},
        "reference": {"type": "string", "description": "By which an operator finds what happened"},
    },
}


class Problem(AttuneError):
    """Raise it, or a subclass, anywhere under a request: it becomes the answer.

    `detail` is a sentence that says what to do, without personal data; `members` are added to the answer as they are.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"
    detail: str = "Try again; if it goes on, tell the support desk the reference."
    headers: Mapping[str, str] = {}

    def __init__(self, detail: str | None = None, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail or self.detail)
        self.detail = detail or self.detail
        self.headers = {**self.headers, **(headers or {})}
        self.members = members


class BadRequest(Problem):
    status, code, title = 400, "bad-request", "The request cannot be read"
    detail = "Send a well-formed body, as the API's description says."


class NotSignedIn(Problem):
    status, code, title = 401, "not-signed-in", "Who is asking is not known"
    detail = "Sign in again and repeat the request with a valid token."
    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}


class NotAllowed(Problem):
    status, code, title = 403, "not-allowed", "Not allowed"
    detail = "Ask a member of the family's care team to do this, or to add you to the team."


class NotFound(Problem):
    status, code, title = 404, "not-found", "There is no such thing"
    detail = "Check the address or the id; what it named may also have been erased."


class MethodNotAllowed(Problem):
    status, code, title = 405, "method-not-allowed", "The method is not for this address"
    detail = "Use one of the methods that the Allow header names."


class Conflict(Problem):
    status, code, title = 409, "conflict", "It has changed in the meantime"
    detail = "Look at the present state and decide again."


class ConsentOver(Conflict):
    code, title = "consent-over", "The consent for these films has ended"
    detail = "Nothing more can be done with films of this consent. Record a new consent to film again."


class TooLarge(Problem):
    status, code, title = 413, "too-large", "The body is too large"
    detail = "Send less in one request."


class UnsupportedMedia(Problem):
    status, code, title = 415, "unsupported-media-type", "The body is of a kind that is not read here"
    detail = "Send the body with the content type that the API's description names."


class Invalid(Problem):
    """`errors`: where, and what is wrong there; never what was sent."""

    status, code, title = 422, "invalid", "Something in the request is not right"
    detail = "Correct what `errors` names and send it again."


class Unavailable(Problem):
    status, code, title = 503, "unavailable", "A part of the system cannot be reached"
    detail = "Nothing is lost. Try again in a moment."
    headers: Mapping[str, str] = {"Retry-After": "5"}


class NotReady(Unavailable):
    code, title = "not-ready", "Not ready"
    detail = "Wait until what `waiting_for` names is there again."


def documented(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: the problems that it may answer with, beside those that every route has."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        says = f"{kind.title} (`{kind.code}`)"
        if already := by_status.get(kind.status):
            already["description"] += f", or: {says}"
        else:
            by_status[kind.status] = {"description": says, "content": {MEDIA_TYPE: {"schema": {"$ref": REF}}}}
    return by_status
