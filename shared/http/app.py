"""The one way a process of ours is put together and run: its routes, health, metrics and work in the background."""

import asyncio
import logging
import math
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, NoReturn

import uvicorn
from fastapi import APIRouter, FastAPI, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Scope

from shared.errors import AttuneError
from shared.http.answers import CatchAll, SecurityHeaders, on_http_exception, on_invalid, on_problem
from shared.http.problems import SCHEMA, NotReady, Problem
from shared.http.routes import OpenRoute, Route
from shared.identity import Keys
from shared.settings import HttpSettings
from shared.telemetry import metrics, quietly
from shared.telemetry.metrics import Readings

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
UPLOAD_HEADERS = ["Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"]
UPLOAD_HEADERS += ["Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Checksum", "Upload-Expires"]
UPLOAD_HEADERS += ["X-HTTP-Method-Override"]

Check = Callable[[], Awaitable[bool]]
"""Whether something that the process needs is there; an error or five seconds of silence is a no."""
Work = Callable[[], Coroutine[Any, Any, None]]
"""Something that goes on until it is cancelled."""
Observation = Callable[[], Awaitable[Readings]]
"""Measures gauges when somebody asks for them."""


class WorkEnded(AttuneError):
    """Work in the background came to an end by itself."""


def create_app(
    title: str,
    routers: Sequence[APIRouter] = (),
    *,
    keys: Keys,
    needs: Mapping[str, Check] | None = None,
    waits_for: Mapping[str, Check] | None = None,
    background: Mapping[str, Work] | None = None,
    observations: Mapping[str, Observation] | None = None,
    resources: Callable[[], AbstractAsyncContextManager[Any]] = nullcontext,
    origins: Sequence[str] = (),
    cookie: str | None = None,
) -> FastAPI:
    """An application with `/health/live`, `/health/ready`, `/metrics` and `/openapi.json` beside its own routes.

    keys: whose tokens are believed. needs: without one of these it is not ready. waits_for: others', without which it
    goes on answering, and says so. background, observations: by name. resources: held open round it all. origins:
    whose pages may call it from a browser. cookie: one that may carry the token instead.
    """
    app = FastAPI(
        title=title,
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(background or {}, resources),
        telemetry={"exclude": _is_probe, "operation_spans": False, "logs": False},
        exception_handlers={
            Problem: on_problem,
            RequestValidationError: on_invalid,
            HTTPException: on_http_exception,
        },
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(
                CORSMiddleware,
                allow_origins=origins,
                allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "Range", *UPLOAD_HEADERS],
                expose_headers=["Content-Range", "Location", *UPLOAD_HEADERS],
                allow_credentials=bool(cookie),
            ),
            Middleware(CatchAll),
        ],
    )
    app.state.keys, app.state.origins, app.state.cookie = keys, frozenset(origins), cookie
    app.state.died, app.state.stop = None, lambda: None
    for router in routers:
        app.include_router(router)
    app.include_router(_own_routes(needs or {}, waits_for or {}, observations or {}))
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and not isinstance(route.original_route, Route):
            raise TypeError(f"{route.path}: take shared.http.Router, whose routes know who asks")
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def run(app: FastAPI, settings: HttpSettings) -> NoReturn:
    """Serve until SIGTERM or SIGINT, let requests finish, stop the background, exit: not with 0 if any of it died."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises it once more when it is done, and would die of it
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=settings.drain_seconds,
            ssl_certfile=settings.certificate_file,
            ssl_keyfile=settings.certificate_key_file,
        )
    )
    app.state.stop = lambda: setattr(server, "should_exit", True)
    server.run()
    sys.exit(1 if app.state.died or not server.started else 0)


def _lifespan(
    background: Mapping[str, Work], resources: Callable[[], AbstractAsyncContextManager[Any]]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with resources(), asyncio.TaskGroup() as group:
                stopping = asyncio.Event()
                running = [
                    group.create_task(_watched(app, name, work, stopping), name=name)
                    for name, work in background.items()
                ]
                log.info("%s has started", app.title)
                yield
                stopping.set()
                for task in running:
                    task.cancel()
        except Exception:
            log.critical("%s could not start or stop", app.title, exc_info=True)
            raise

    return lifespan


async def _watched(app: FastAPI, name: str, work: Work, stopping: asyncio.Event) -> None:
    """Should the work die, the process stops as at SIGTERM and says so: half of it alive is worse than a restart."""
    try:
        await work()
        raise WorkEnded(name)
    except BaseException as error:
        if stopping.is_set():
            if not isinstance(error, WorkEnded | asyncio.CancelledError):
                log.exception("%s failed while it stopped", name)
            return
        log.critical("%s died; the process stops", name, exc_info=True)
        app.state.died = name
        app.state.stop()


def _is_probe(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith("/health/") or path == "/metrics"


def _own_routes(
    needs: Mapping[str, Check], waits_for: Mapping[str, Check], observations: Mapping[str, Observation]
) -> APIRouter:
    router = APIRouter(route_class=OpenRoute, include_in_schema=False)
    checks = {**needs, **waits_for}
    away: set[str] = set()  # as of the last look
    shown: dict[str, Readings] = {name: {} for name in observations}  # as of the last observation

    async def look() -> list[str]:
        """What is away now; it is measured each time, and logged when it changes, since probes ask every moment."""
        answers = await asyncio.gather(*map(_missing, checks.values()))
        for name, missing in zip(checks, answers, strict=True):
            metrics.WAITING_FOR.set(int(bool(missing)), {"check": name})
            if missing and name not in away:
                away.add(name)
                log.warning("not ready: %s (%s)", name, missing)
            elif not missing and name in away:
                away.remove(name)
                log.info("there again: %s", name)
        return [name for name in checks if name in away]

    async def observed(name: str) -> None:
        """A gauge keeps what it was told: so what is no longer seen is told to be 0, what cannot be measured NaN."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                readings = dict.fromkeys(shown[name], 0.0) | await observations[name]()
        except Exception as error:
            log.warning("not measured: %s (%s)", name, error)
            metrics.UNOBSERVED.add(1, {"check": name})
            readings = dict.fromkeys(shown[name], math.nan)
        for series, value in readings.items():
            series.show(value)
        shown[name] = readings

    @router.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/health/ready")
    async def ready() -> dict[str, str | list[str]]:
        with quietly():
            waiting_for = await look()
        if not needs.keys().isdisjoint(waiting_for):
            raise NotReady(waiting_for=waiting_for)
        return {"status": "waiting" if waiting_for else "ready", "waiting_for": waiting_for}

    @router.get("/metrics")
    async def measured() -> Response:
        with quietly():
            await asyncio.gather(look(), *map(observed, observations))
        content, media_type = metrics.exposition()
        return Response(content, media_type=media_type)

    return router


async def _missing(holds: Check) -> str:
    """How it shows that something is away; nothing when it is there. Not an error's text: that may quote an address."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return "" if await holds() else "no"
    except Exception as error:
        return type(error).__name__


def _openapi(app: FastAPI) -> dict[str, Any]:
    if not app.openapi_schema:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = SCHEMA
        app.openapi_schema = document
    return app.openapi_schema
