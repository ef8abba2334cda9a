"""The pages, put together. No database, no events: everything is asked of the services."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from services.portal import cards, consents, doors, families, family, recordings, reviews, sign_in, work_list
from services.portal.pages import Guard, Site, problem_page, static_mounts
from services.portal.sign_in import NotSignedIn, to_sign_in
from services.portal.visitor import SERVICES, Peers, Refusal, not_there
from shared import telemetry
from shared.http import create_app, run
from shared.identity import Keys, load_keys
from shared.settings import (
    ConsentSettings,
    DevelopmentSettings,
    Environment,
    HttpSettings,
    Organisation,
    PeerSettings,
    PortalSettings,
    PublicSettings,
    Settings,
)


def portal(site: Site, peers: Peers, keys: Keys, assets_folder: Path, purposes: Sequence[str]) -> FastAPI:
    """The application. purposes: what this organisation asks consent for."""
    routers = [
        sign_in.routes(development=site.development),
        doors.routes(),
        work_list.routes(),
        families.routes(site.tokens),
        consents.routes(purposes),
        recordings.routes(),
        cards.routes(),
        reviews.routes(),
        family.routes(),
    ]
    for router in routers:
        router.include_in_schema = False  # pages, and no API
    app = create_app(
        "Attune portal",
        routers,
        keys=keys,
        waits_for={name: partial(peers.is_live, name) for name in SERVICES},
        resources=peers.open,
    )
    app.state.site, app.state.peers = site, peers
    for path, files in static_mounts(assets_folder).items():
        app.mount(path, files)
    app.add_exception_handler(NotSignedIn, to_sign_in)
    app.add_exception_handler(Refusal, on_refusal)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_no_such_address)
    app.user_middleware.append(Middleware(Guard))  # the innermost
    return app


def main() -> None:
    telemetry.setup("portal")
    settings, peers = Settings(), Peers(PeerSettings())
    development = settings.environment is not Environment.PRODUCTION
    tokens = DevelopmentSettings()
    links = tokens if development and tokens.development_key_file else None
    site = Site(settings.instance, Organisation(), PublicSettings(), development, links)
    keys = load_keys(settings.jwks_file, settings.environment)  # refuses the development key in production
    run(portal(site, peers, keys, PortalSettings().assets_folder, ConsentSettings().purposes), HttpSettings())


async def on_refusal(request: Request, error: Exception) -> Response:
    refusal = cast(Refusal, error)
    if refusal.status == 401:  # the services know the token no more
        return to_sign_in(request, NotSignedIn("family" if request.url.path.startswith("/family") else "portal"))
    return problem_page(request, not_there(refusal.reference) if refusal.status == 404 else refusal)


async def on_http_exception(request: Request, error: Exception) -> Response:
    status = cast(HTTPException, error).status_code
    if status == 405:
        return problem_page(request, Refusal(405, "This address does not do that", "Go back and try another way."))
    return problem_page(request, not_there())


async def on_no_such_address(request: Request, error: Exception) -> Response:
    return problem_page(request, not_there())


if __name__ == "__main__":
    main()
