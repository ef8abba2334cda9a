"""Every way a request can fail, turned into problem details, and the middleware round it all."""

import logging
import secrets
from collections.abc import Mapping
from typing import Any, cast

import httpx
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from opentelemetry import trace
from sqlalchemy import exc as sqlalchemy
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.database import is_contention
from shared.http.problems import (
    MEDIA_TYPE,
    BadRequest,
    Conflict,
    Invalid,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    NotReady,
    NotSignedIn,
    Problem,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from shared.telemetry.references import ALPHABET, reference

log = logging.getLogger(__name__)

_REFUSALS = (
    BadRequest,
    NotSignedIn,
    NotAllowed,
    NotFound,
    MethodNotAllowed,
    Conflict,
    TooLarge,
    UnsupportedMedia,
    Invalid,
)
_BY_STATUS: Mapping[int, type[Problem]] = {kind.status: kind for kind in _REFUSALS}


def current_reference() -> str:
    """Of the trace under way; without one a random one, which the log has too."""
    context = trace.get_current_span().get_span_context()
    return reference(context.trace_id) if context.is_valid else "".join(secrets.choice(ALPHABET) for _ in range(8))


def answer(problem: Problem, reference: str | None = None) -> Response:
    """The problem as a response."""
    content = problem.members | {
        "type": f"urn:attune:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "reference": reference or current_reference(),
    }
    return JSONResponse(content, problem.status, dict(problem.headers), MEDIA_TYPE)


async def on_problem(_: Request, problem: Exception) -> Response:
    said, spoken = current_reference(), cast(Problem, problem)
    if spoken.status >= 500 and not isinstance(spoken, NotReady):  # which is logged when it changes, not when asked
        log.error("answered with %s", spoken.code, exc_info=problem, extra={"reference": said})
    return answer(spoken, said)


async def on_invalid(_: Request, error: Exception) -> Response:
    """Where it is wrong and how; what was sent is personal data and is not repeated."""
    errors = cast(RequestValidationError, error).errors()
    if any(one["type"] == "json_invalid" for one in errors):
        return answer(BadRequest("Send a body that is valid JSON."))
    return answer(Invalid(errors=[{"at": ".".join(map(str, one["loc"])), "problem": _wrong(one)} for one in errors]))


def _wrong(error: Mapping[str, Any]) -> str:
    """Pydantic's sentence without what it quotes of the input."""
    kind, sentence = error["type"], str(error["msg"])
    return sentence.partition(", ")[0] if kind.endswith(("_parsing", "_type")) else sentence


async def on_http_exception(request: Request, error: Exception) -> Response:
    """What Starlette and FastAPI refuse by themselves."""
    if isinstance(error.__cause__, Problem):  # raised while the body was read; FastAPI wraps it
        return answer(error.__cause__)
    refused = cast(HTTPException, error)
    if refused.status_code not in _BY_STATUS:
        raise refused  # nobody foresaw it: CatchAll answers
    problem = _BY_STATUS[refused.status_code](headers=refused.headers)
    if refused.status_code == MethodNotAllowed.status:
        problem.headers = {"Allow": ", ".join(sorted(_methods(request)))}
    return answer(problem)


def _methods(request: Request) -> set[str]:
    """Of all routes at this address: Starlette names those of the first alone."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.original_route.matches(dict(request.scope))[0] is not Match.NONE:
            methods |= route.methods or set()
    return methods


def is_away(error: Exception) -> bool:
    """Whether a part that we need could not be reached, so that trying again is right."""
    if isinstance(error, sqlalchemy.DBAPIError) and (error.connection_invalidated or is_contention(error)):
        return True
    return isinstance(
        error,
        ConnectionError
        | TimeoutError
        | httpx.TransportError
        | sqlalchemy.InterfaceError
        | sqlalchemy.OperationalError
        | sqlalchemy.TimeoutError,
    )


class CatchAll:
    """Answers what nobody foresaw: 503 when a part is away, else 500; the log has the rest under the same reference."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            log.info("the client went away")
        except Exception as error:
            if started:
                raise  # so that the server cuts the connection: a short answer must not look whole
            said = current_reference()
            problem = Unavailable() if is_away(error) else Problem()
            log.error("answered with %s", problem.code, exc_info=error, extra={"reference": said})
            await answer(problem, said)(scope, receive, send)


SECURITY_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-site",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",  # browsers heed it over TLS alone
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class SecurityHeaders:
    """Puts on every answer what it does not say itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)
