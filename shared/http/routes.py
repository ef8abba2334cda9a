"""Routes whose every answer is documented, that read only what they say they read, and that know who asks."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast

from fastapi import APIRouter, Request, Response, params
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from shared.http.callers import identified
from shared.http.problems import (
    BadRequest,
    Invalid,
    NotAllowed,
    NotSignedIn,
    Problem,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
    documented,
)

BODY_BYTES = 1024 * 1024


class Route(APIRoute):
    """Answers a known caller: a route without `Caller` among its parameters is refused at start."""

    anonymous = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.anonymous and not any(one.call is identified for one in _dependants(self.dependant)):
            raise TypeError(f"{self.path}: it does not ask who the caller is; take a `Caller`, or use OpenRoute")
        said = self.responses
        self.responses = documented(*self._answers())
        for status, response in said.items():
            implied = self.responses.get(status, {}).get("description")
            both = filter(None, [implied, response.get("description")])
            self.responses[status] = response | {"description": ", or: ".join(dict.fromkeys(both))}

    def _answers(self) -> Iterator[type[Problem]]:
        """The problems that follow from the route's form."""
        if not self.anonymous:
            yield from (NotSignedIn, NotAllowed)
        if self.body_field:
            yield from (BadRequest, TooLarge, UnsupportedMedia)
        if self.body_field or any(_parameters(one) for one in _dependants(self.dependant)):
            yield Invalid
        yield from (Problem, Unavailable)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle
        wanted = cast(params.Body, self.body_field.field_info).media_type

        async def checked(request: Request) -> Response:
            given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if given != wanted and _has_body(request):
                raise UnsupportedMedia(f"Send the body as {wanted}.")
            return await handle(Request(request.scope, _at_most(BODY_BYTES, request)))

        return checked


class OpenRoute(Route):
    """Answers anybody: for what carries no one's data, or asks who it is in its own way."""

    anonymous = True


class Router(APIRouter):
    """An APIRouter of such routes."""

    def __init__(self, *, prefix: str = "", anonymous: bool = False) -> None:
        super().__init__(prefix=prefix, route_class=OpenRoute if anonymous else Route, redirect_slashes=False)


def _dependants(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _dependants(inner)


def _parameters(dependant: Dependant) -> bool:
    return any([dependant.path_params, dependant.query_params, dependant.header_params, dependant.cookie_params])


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _at_most(limit: int, request: Request) -> Receive:
    """The request's body, unless it is longer than `limit` bytes, said or unsaid."""
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and int(said) > limit:
        raise TooLarge(f"Send at most {limit} bytes in one request.")
    read = 0

    async def receive() -> Message:
        nonlocal read
        message = await request.receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise TooLarge(f"Send at most {limit} bytes in one request.")
        return message

    return receive
