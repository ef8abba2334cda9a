"""HTTP in: films, by tus."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from uuid_utils.compat import uuid7

from services.upload import operations, receiving, tus
from services.upload.model import OVER, Upload, has_come
from services.upload.operations import Announced
from services.upload.problems import (
    BytesLost,
    ConsentRefused,
    FilmNeeded,
    OffsetMismatch,
    TakenOver,
    UploadComplete,
    UploadOver,
    WrongVersion,
    told,
)
from services.upload.receiving import Intake
from shared import telemetry
from shared.database import unit_of_work
from shared.http import (
    BadRequest,
    Caller,
    NotFound,
    Router,
    TooLarge,
    UnsupportedMedia,
    authorise,
    documented,
)
from shared.identity import Action, Relation

Length = Annotated[int, Header(alias="Upload-Length", ge=0, description="Bytes of the whole film")]
Offset = Annotated[int, Header(alias="Upload-Offset", ge=0, description="Where the body's first byte belongs")]
Metadata = Annotated[
    str | None,
    Header(
        alias="Upload-Metadata",
        description="`episode_id`, `people` (ids, comma-separated), `filmed_on` (a date), `happy_to_film` (true), "
        "`kind` (parent_baby or shared_review); each value in base64. File names are never taken.",
    ),
]
Digest = Annotated[str | None, Header(alias="Upload-Checksum", description="`sha256` and the body's digest in base64")]
Spoken = [Depends(tus.spoken)]


def _check(announced: Announced, max_bytes: int) -> None:
    """Raises TooLarge, Invalid."""
    if announced.length > max_bytes:
        raise TooLarge(f"A film may have {max_bytes} bytes. Film in shorter pieces, or ask for help.")
    if announced.length == 0:
        raise tus.invalid("Upload-Length", "the file is empty: choose the film itself")
    if not has_come(announced.filmed_on, datetime.now(UTC)):
        raise tus.invalid("Upload-Metadata.filmed_on", "that day has not come yet")


def routes(intake: Intake) -> Router:
    router, anybody = Router(prefix="/v1"), Router(anonymous=True)

    async def own(upload_id: UUID, caller: Caller) -> Upload:
        """The caller's own upload. Raises NotFound."""
        authorise(caller, Action.UPLOAD, Relation.CARE_TEAM)
        telemetry.note(recording=upload_id)
        async with intake.database.sessions() as session:
            with told():
                upload = await operations.find(session, upload_id)
        if upload.uploaded_by != caller.person_id:
            raise NotFound
        return upload

    @anybody.options("/uploads", status_code=204, response_class=Response)
    async def capabilities() -> Response:
        """What this server can do of tus."""
        return Response(status_code=204, headers=tus.capabilities(intake.settings.max_bytes))

    @router.post(
        "/uploads",
        status_code=201,
        response_class=Response,
        dependencies=Spoken,
        openapi_extra=tus.REQUEST_BODY,
        responses=documented(
            WrongVersion, BadRequest, ConsentRefused, TooLarge, UnsupportedMedia, FilmNeeded, BytesLost
        ),
    )
    async def begin(
        request: Request,
        caller: Caller,
        length: Length,
        metadata: Metadata = None,
        checksum: Digest = None,
    ) -> Response:
        """Announce a film. What consent does not cover is refused here, before a byte is taken."""
        authorise(caller, Action.UPLOAD, Relation.CARE_TEAM)  # the permit is refused to whoever is not in the family's
        announced = tus.announced(metadata, length)
        _check(announced, intake.settings.max_bytes)
        body = tus.body(request, checksum) if "content-type" in request.headers else None
        upload_id = uuid7()
        telemetry.note(recording=upload_id, episode=announced.episode_id)
        with told():
            upload = await receiving.begin(intake, upload_id, announced, caller.person_id)
            if body:
                upload = await receiving.receive(intake, upload, 0, body)
        return Response(status_code=201, headers={"Location": f"{tus.PATHS}/{upload_id}", **tus.described(upload)})

    @router.head(
        "/uploads/{upload_id}",
        response_class=Response,
        dependencies=Spoken,
        responses=documented(WrongVersion, NotFound, UploadOver),
    )
    async def stands_at(upload_id: UUID, caller: Caller) -> Response:
        """How many bytes have arrived. A request that adds to it in this process ends: who asks has lost the line."""
        await own(upload_id, caller)
        await receiving.settle(intake, upload_id)
        upload = await own(upload_id, caller)
        if upload.state in OVER or upload.expired(datetime.now(UTC)):
            raise UploadOver
        return Response(headers=tus.described(upload))

    @router.patch(
        "/uploads/{upload_id}",
        status_code=204,
        response_class=Response,
        dependencies=Spoken,
        openapi_extra=tus.REQUEST_BODY,
        responses=documented(
            WrongVersion,
            BadRequest,
            NotFound,
            OffsetMismatch,
            TakenOver,
            UploadComplete,
            UploadOver,
            TooLarge,
            UnsupportedMedia,
            FilmNeeded,
            ConsentRefused,
            BytesLost,
        ),
    )
    async def add(
        upload_id: UUID, request: Request, caller: Caller, offset: Offset, checksum: Digest = None
    ) -> Response:
        """Add bytes. Whoever adds last has the upload; what an earlier request still brings does not count."""
        body = tus.body(request, checksum)
        upload = await own(upload_id, caller)
        with told():
            upload = await receiving.receive(intake, upload, offset, body)
        return Response(status_code=204, headers=tus.described(upload))

    @router.delete(
        "/uploads/{upload_id}",
        status_code=204,
        response_class=Response,
        dependencies=Spoken,
        responses=documented(WrongVersion, NotFound, UploadComplete, UploadOver, ConsentRefused),
    )
    async def cancel(upload_id: UUID, caller: Caller) -> Response:
        """Stop an upload; what arrived of it is deleted."""
        upload = await own(upload_id, caller)
        with told():
            async with unit_of_work(intake.database, upload.episode_id) as uow:
                await operations.cancel(uow, upload_id, datetime.now(UTC))
        return Response(status_code=204)

    router.include_router(anybody)
    return router
