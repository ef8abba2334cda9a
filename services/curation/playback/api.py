"""The playback gateway: films, clips and reels by range, under a permit, unsealed on the way, and written down."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Depends, Header, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel
from sqlalchemy import Row

from services.curation.changes import changing
from services.curation.playback import operations
from services.curation.playback.manifests import Manifests
from services.curation.playback.model import Kind, NoSuchBytes, Part, Playable, etag, requested
from services.curation.playback.sessions import LIFE, Sessions
from services.curation.playback.stream import Stream, pieces
from shared import telemetry
from shared.care_team import allow, care_team_of
from shared.database import Database
from shared.http import Caller, NotAllowed, NotFound, NotSignedIn, Problem, Router, Unavailable, authorise, documented
from shared.http.callers import bearer, identified
from shared.identity import Action, Identity, Role, relation_to
from shared.media_store import ArtefactReader, Manifest, Missing, Permits, Refused, StandingPermit, Store
from shared.media_store import Unavailable as StoreUnavailable
from shared.media_store.permits import elapsed

log = logging.getLogger(__name__)

MEDIA = {"description": "The bytes", "content": {kind: {} for kind in ("video/mp4", "image/jpeg", "image/png")}}


class NotSatisfiable(Problem):
    status, code, title = 416, "range-not-satisfiable", "There are no such bytes"
    detail = "Ask for bytes within the length that Content-Range names."


class ConsentRefuses(NotAllowed):
    code, title = "consent-refuses", "The family's consent does not allow this now"
    detail = "Close the film. The family's page says what their consent is at present."


@dataclass(frozen=True)
class Gateway:
    """What playback works with: whose permits, which bucket of which store, where it is written down."""

    database: Database
    permits: Permits
    store: Store
    bucket: str
    sessions: Sessions
    manifests: Manifests = field(default_factory=Manifests)


class View(BaseModel):
    """One person at one artefact in one sitting; `refused` says why they saw nothing."""

    view_id: UUID
    artefact_id: UUID
    kind: Kind
    recordings: list[UUID]
    viewer_id: UUID
    role: Role
    refused: str | None
    first_at: datetime
    last_at: datetime
    requests: int
    bytes: int  # handed out, each counted once

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        handed_out = sum(stretch.upper - stretch.lower for stretch in row.ranges)
        return cls.model_validate({**row._mapping, "recordings": row.made_from, "bytes": handed_out})


class Views(BaseModel):
    views: list[View]


def routes(gateway: Gateway) -> Router:
    router = Router(prefix="/v1")
    router.include_router(_media(gateway))

    @router.get("/families/{family_id}/views")
    async def views(
        family_id: UUID,
        caller: Caller,
        before: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Views:
        """Who watched what and when, and who was refused; the newest first, `before` is the last one of a page."""
        await allow(gateway.database, caller, Action.READ_ACCESS_LOG, family_id)
        async with gateway.database.sessions() as session:
            rows = await operations.views_of(session, family_id, before, limit)
        return Views(views=[View.of(row) for row in rows])

    return router


def _media(gateway: Gateway) -> Router:
    router = Router(prefix="/media/{artefact_id}", anonymous=True)

    async def viewer(
        artefact_id: UUID,
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> Identity:
        """By token, or by the cookie of a session. Raises NotSignedIn."""
        cookie = request.cookies.get(gateway.sessions.cookie)
        if credentials or not cookie:
            return await identified(request, credentials)
        found = gateway.sessions.viewer(cookie, artefact_id, datetime.now(UTC))
        if found is None:
            raise NotSignedIn("Open the film again: its session is over.")
        return found

    refusals = documented(NotSignedIn, NotAllowed, ConsentRefuses, NotFound)

    @router.post("/session", status_code=204, responses=documented(NotSignedIn, NotAllowed, NotFound))
    async def begin(artefact_id: UUID, caller: Caller) -> Response:
        """Set the cookie by which a video element may ask for this artefact, for a quarter of an hour."""
        await _found(gateway, artefact_id, caller)
        response = Response(status_code=204)
        response.set_cookie(
            gateway.sessions.cookie,
            gateway.sessions.begin(caller, artefact_id, datetime.now(UTC)),
            max_age=int(LIFE.total_seconds()),
            path=f"{gateway.sessions.path}/v1/media/{artefact_id}",
            secure=gateway.sessions.secure,
            httponly=True,
            samesite="strict",
        )
        return response

    @router.head("", response_class=Response, responses={200: {"description": "Its length and type"}, **refusals})
    async def look(artefact_id: UUID, viewer: Annotated[Identity, Depends(viewer)]) -> Response:
        what = await _found(gateway, artefact_id, viewer)
        _, _, manifest = await _opened(gateway, what, viewer)
        return Response(headers=_headers(artefact_id, manifest.length), media_type=manifest.media_type)

    @router.get(
        "",
        response_class=Response,
        responses={200: MEDIA, 206: MEDIA, **refusals, **documented(NotSatisfiable)},
    )
    async def play(
        artefact_id: UUID,
        viewer: Annotated[Identity, Depends(viewer)],
        range: Annotated[str | None, Header(max_length=200)] = None,
        if_range: Annotated[str | None, Header(max_length=200)] = None,
    ) -> Response:
        """The whole, or one range of it, of which a long one is answered in part: ask for what comes next."""
        what = await _found(gateway, artefact_id, viewer)
        permit, reader, manifest = await _opened(gateway, what, viewer)
        try:
            part = requested(range, if_range, etag(artefact_id), manifest.length)
        except NoSuchBytes as error:
            raise NotSatisfiable(headers={"Content-Range": f"bytes */{error.length}"}) from error
        whole = Part(0, manifest.length - 1)
        sending = pieces(reader, permit, manifest, part or whole)
        async with _failures_said(gateway, what, viewer):
            first = await anext(sending, b"")  # what fails by now can still be said
        await _write_down(gateway, what, viewer, part=part or whole)

        async def all_of_it() -> AsyncIterator[bytes]:
            yield first
            async for piece in sending:
                yield piece

        async def cut_off(reason: str) -> None:
            await _write_down(gateway, what, viewer, refused=reason)

        length = (part or whole).last - (part or whole).first + 1
        headers = _headers(artefact_id, length)
        if part:
            headers["Content-Range"] = f"bytes {part.first}-{part.last}/{manifest.length}"
        return Stream(
            all_of_it(),
            permit,
            cut_off,
            status_code=206 if part else 200,
            headers=headers,
            media_type=manifest.media_type,
        )

    return router


def _headers(artefact_id: UUID, length: int) -> dict[str, str]:
    return {"Accept-Ranges": "bytes", "Content-Length": str(length), "ETag": etag(artefact_id)}


async def _found(gateway: Gateway, artefact_id: UUID, viewer: Identity) -> Playable:
    """Raises NotFound, and NotAllowed for who is not of the care team and whose family it is not."""
    telemetry.note(artefact=artefact_id)
    async with gateway.database.sessions() as session:
        what = await operations.playable_of(session, artefact_id)
        team = await care_team_of(session, what.family_id) if what else None
    if what is None or team is None:
        raise NotFound
    telemetry.note(recording=what.made_from[0] if len(what.made_from) == 1 else None)
    try:
        authorise(viewer, Action.PLAY, relation_to(viewer, what.family_id, team.members))
    except NotAllowed as denied:
        if viewer.role is not Role.SERVICE:
            await _write_down(gateway, what, viewer, refused=f"not_for_this_{denied.members['reason']}")
        raise
    return what


async def _opened(
    gateway: Gateway, what: Playable, viewer: Identity
) -> tuple[StandingPermit, ArtefactReader, Manifest]:
    """Under a permit on the viewer's behalf. Raises ConsentRefuses, NotFound, Unavailable."""
    own = "stills" if what.kind is Kind.STILL else "review"
    purpose = "supervision" if viewer.role is Role.SUPERVISOR else own  # which lets nobody see a still
    permit = gateway.permits.standing(purpose, viewer.person_id, read=[what.artefact_id])
    known = gateway.manifests.of(what.artefact_id, elapsed())
    reader = ArtefactReader(gateway.store, permit, gateway.bucket, what.artefact_id, known)
    async with _failures_said(gateway, what, viewer):
        granted = await permit.current()  # also where the manifest is known
        manifest = await reader.manifest()
    gateway.manifests.keep(what.artefact_id, manifest, granted.expires_at, elapsed())
    return permit, reader, manifest


@asynccontextmanager
async def _failures_said(gateway: Gateway, what: Playable, viewer: Identity) -> AsyncIterator[None]:
    """Raises ConsentRefuses, which is written down, NotFound, Unavailable."""
    try:
        yield
    except Refused as refused:
        await _write_down(gateway, what, viewer, refused=refused.reason)
        raise ConsentRefuses(reason=refused.reason) from refused
    except StoreUnavailable as error:
        raise Unavailable from error
    except Missing as error:
        log.error("artefact %s is registered, and the store does not hold it", what.artefact_id)
        raise NotFound from error


async def _write_down(
    gateway: Gateway, what: Playable, viewer: Identity, *, part: Part | None = None, refused: str | None = None
) -> None:
    # under the family's lock, not the episode's: who asks after the end is written down too
    async with changing(gateway.database, what.family_id, what.family_id) as uow:
        await operations.write_down(uow, what, viewer, datetime.now(UTC), part=part, refused=refused)
