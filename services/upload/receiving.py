"""Bytes on their way in: from a request's body into sealed segments, each a row under the request's token."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.upload import operations
from services.upload.model import Beginning, NotAFilm, Superseded, Upload
from services.upload.operations import Announced
from shared.database import Database, EpisodeEnded, unit_of_work
from shared.errors import AttuneError
from shared.media_store import (
    ArtefactReader,
    ArtefactWriter,
    NewArtefact,
    Permits,
    Segment,
    StandingPermit,
    Store,
    Unavailable,
    object_name,
)
from shared.settings import UploadSettings

SETTLE_SECONDS = 10.0


class Cut(AttuneError):
    """No more of the body comes: the client went away, or says nothing any more."""


class TooLong(AttuneError):
    """More bytes came than were announced, or than one checksum may be for."""


class ChecksumMismatch(AttuneError):
    """The bytes that came are not those that were sent."""


@dataclass
class Checksum:
    """What a client says of a body: by which algorithm (as hashlib names it), and the digest."""

    algorithm: str
    digest: bytes = field(repr=False)


@dataclass(frozen=True)
class Body:
    """What a request brings, piece by piece (an empty one: nothing came for a while); its length, where it was said."""

    pieces: AsyncIterator[bytes]
    length: int | None = None
    checksum: Checksum | None = None


@dataclass(frozen=True)
class UnderWay:
    """A request that adds to an upload."""

    writing: "asyncio.Task[bool]"
    ended: asyncio.Event


@dataclass(frozen=True)
class Intake:
    """Where films come in: all that receiving one touches."""

    database: Database
    store: Store
    bucket: str
    permits: Permits
    settings: UploadSettings
    under_way: dict[UUID, "UnderWay"] = field(default_factory=dict)  # by upload, in this process

    @property
    def life(self) -> timedelta:
        """How long an upload to which nothing is added is waited for."""
        return timedelta(seconds=self.settings.abandoned_after_seconds)

    def permit(self, upload: Upload) -> StandingPermit:
        """To write (and read back) this film, on behalf of who uploads it."""
        return self.permits.standing("film", upload.uploaded_by, write=[_artefact(upload.id, upload)])


def _artefact(upload_id: UUID, about: Announced | Upload) -> NewArtefact:
    """What the register is told of the film, each time the same."""
    return NewArtefact(
        upload_id,
        about.episode_id,
        "recording",
        people=about.people,
        filmed_on=about.filmed_on,
        happy_to_film=about.happy_to_film,
    )


async def begin(intake: Intake, upload_id: UUID, announced: Announced, by: UUID) -> Upload:
    """Ask consent, which registers the film, and expect it. Raises Refused, Unavailable, EpisodeEnded."""
    permit = await intake.permits.ask("film", by, write=[_artefact(upload_id, announced)])
    async with unit_of_work(intake.database, announced.episode_id, family_id=permit.family_id) as uow:
        return await operations.begin(uow, upload_id, announced, by, datetime.now(UTC), intake.life)


async def receive(intake: Intake, upload: Upload, offset: int, body: Body) -> Upload:
    """Take the upload over, add the body, and answer with how it stands then.

    What came before a Cut counts, unless there is a checksum: then all of it counts or nothing. Raises Over, Complete,
    WrongOffset, Superseded, Unknown, NotAFilm, TooLong, ChecksumMismatch, EpisodeEnded, Refused, Unavailable.
    """
    permit, token = intake.permit(upload), uuid4()
    await permit.current()
    async with unit_of_work(intake.database, upload.episode_id) as uow:
        upload, stored = await operations.take_over(uow, upload.id, token, offset, datetime.now(UTC), intake.life)
    beginning = await _beginning(intake, permit, upload, stored)

    async def count(segment: Segment) -> None:
        async with unit_of_work(intake.database, upload.episode_id) as uow:
            await operations.add_segment(uow, upload.id, token, segment, beginning.container)

    room, segment_bytes = upload.length - offset, intake.settings.segment_bytes
    writer = ArtefactWriter(
        intake.store, permit, intake.bucket, upload.id, stored=count, already=stored, segment_bytes=segment_bytes
    )
    try:
        async with writer:
            limit = min(room, segment_bytes) if body.checksum else room
            async with _ending_at_a_word(intake, upload.id, _write(writer, permit, beginning, body, limit)) as writing:
                await asyncio.wait([writing])
                # ended at a word, it is as good as cut
                counts = body.checksum is None if writing.cancelled() else writing.result()
                if counts:
                    await writer.flush()
                upload.offset = writer.length
                return upload
    except NotAFilm:
        async with unit_of_work(intake.database, upload.episode_id) as uow:
            await operations.not_a_film(uow, upload.id, token, datetime.now(UTC))
        raise
    except (Superseded, operations.Unknown, EpisodeEnded):
        await _take_back(intake, upload, writer.astray)
        raise


@asynccontextmanager
async def _ending_at_a_word(
    intake: Intake, upload_id: UUID, write: Coroutine[Any, Any, bool]
) -> AsyncIterator["asyncio.Task[bool]"]:
    """Runs it where `settle` finds it."""
    request = UnderWay(asyncio.create_task(write), asyncio.Event())
    intake.under_way[upload_id] = request
    try:
        yield request.writing
    finally:
        request.writing.cancel()
        await asyncio.gather(request.writing, return_exceptions=True)
        request.ended.set()
        if intake.under_way.get(upload_id) is request:
            del intake.under_way[upload_id]


async def settle(intake: Intake, upload_id: UUID) -> None:
    """Let a request of this process that adds to the upload end: it reads no more, and what has come counts.

    A client asks where its upload stands when its line has broken, which this side may not know yet.
    """
    request = intake.under_way.get(upload_id)
    if request:
        request.writing.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                await request.ended.wait()


async def _write(writer: ArtefactWriter, permit: StandingPermit, beginning: Beginning, body: Body, limit: int) -> bool:
    """Hand the pieces to the writer; whether what it holds in the end counts."""
    checksum = body.checksum
    came, digest = 0, checksum and hashlib.new(checksum.algorithm, usedforsecurity=False)
    if body.length and body.length > limit:
        raise TooLong
    try:
        async for piece in body.pieces:
            await permit.current()  # so that it ends with the permit even where few bytes come
            came += len(piece)
            if came > limit:
                raise TooLong
            beginning.see(piece)
            if digest:
                digest.update(piece)
            else:
                beginning.decide()
            await writer.write(piece)
    except Cut:
        return checksum is None
    if checksum and digest:
        if digest.digest() != checksum.digest:
            raise ChecksumMismatch
        beginning.decide()
    return True


async def _beginning(intake: Intake, permit: StandingPermit, upload: Upload, stored: tuple[Segment, ...]) -> Beginning:
    """What is known of the first bytes; some may have come by an earlier request, too few to tell."""
    beginning = Beginning.of(upload)
    if beginning.container is None and stored:
        await ArtefactReader(intake.store, permit, intake.bucket, upload.id).digest(stored, beginning.see)
    return beginning


async def _take_back(intake: Intake, upload: Upload, astray: Sequence[UUID]) -> None:
    """Delete what was stored and does not count; should it stay, it goes when the film is verified or erased."""
    with contextlib.suppress(Unavailable):
        for id in astray:
            async for found in intake.store.list_all(intake.bucket, object_name(upload.episode_id, upload.id, id)):
                await intake.store.delete(intake.bucket, found)
