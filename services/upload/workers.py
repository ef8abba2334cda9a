"""Long work: reading a sealed film back, and clearing away what will never be one."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select

from services.upload import operations
from services.upload.model import MEDIA_TYPES, OVER, State, Upload
from services.upload.receiving import Intake
from services.upload.tables import uploads
from shared import jobs, media_store, telemetry
from shared.database import EpisodeEnded, unit_of_work
from shared.jobs import HandBack, Job, LeaseLost
from shared.media_store import (
    ArtefactReader,
    ArtefactWriter,
    FinishedOtherwise,
    Forbidden,
    Missing,
    Refused,
    Segment,
    Tampered,
    Unavailable,
)
from shared.media_store.sealing import Bytes
from shared.participant import Counts, Scope

log = logging.getLogger(__name__)

REFUSED_SECONDS = 30.0  # until consent is asked again
LOOK_SECONDS = 0.5  # between two looks at whether more of a film has come
STILL_SECONDS = 60.0  # that more of it is waited for
SWEEP_SECONDS = 30.0
SWEPT = 100  # at a time


async def verifying(intake: Intake) -> None:
    """Read back what has been uploaded and make recordings of it, for ever."""

    async def work(job: Job) -> None:
        await verify(intake, job)

    async def give_up(job: Job, code: str, detail: str) -> None:
        """Never: the film is whole. The age of the oldest job tells a person that it waits."""
        await jobs.hand_back(intake.database, job, delay=REFUSED_SECONDS)

    await jobs.work_off(intake.database, [operations.VERIFY], "upload-verify", work, give_up)


async def verify(intake: Intake, job: Job) -> None:
    """Compare the whole sealed copy with what was counted, finish it, and say that the recording was received.

    It is read back while it still comes, so that little is left to do after the last byte.
    """
    telemetry.note(recording=job.subject_id)
    upload = await _find(intake, job)
    permit, loop, read = intake.permit(upload), asyncio.get_running_loop(), 0
    segments: list[Segment] = []

    def count(plain: Bytes) -> None:  # called in a thread
        nonlocal read
        read += len(plain)
        done = jobs.progress(intake.database, job, {"bytes": read, "of": upload.length})
        asyncio.run_coroutine_threadsafe(done, loop).result()

    try:
        reader = ArtefactReader(intake.store, permit, intake.bucket, upload.id)
        async with aclosing(_counted(intake, job, segments)) as counted:
            read_back = await reader.digest(counted, count)
        upload = await _find(intake, job)
        manifest_id = (await permit.current()).artefacts[upload.id].manifest_id
        await _drop_strays(intake, upload, {manifest_id, *(segment.id for segment in segments)})
        async with ArtefactWriter(intake.store, permit, intake.bucket, upload.id, already=segments) as writer:
            assert upload.container  # nothing is complete before its first bytes were known
            manifest = await writer.finish(MEDIA_TYPES[upload.container], read_back)
    except Refused as refused:
        raise HandBack(f"consent says {refused.reason}", delay=REFUSED_SECONDS) from refused
    except (Unavailable, Forbidden) as away:
        raise HandBack("consent or the store cannot be asked") from away
    except (Tampered, Missing, FinishedOtherwise) as damage:
        log.exception("recording %s: the sealed copy is damaged", upload.id)
        async with unit_of_work(intake.database, job.episode_id) as uow:
            await operations.damaged(uow, job, type(damage).__name__, datetime.now(UTC))
        return
    async with unit_of_work(intake.database, job.episode_id) as uow:
        await operations.received(uow, job, manifest.sha256, datetime.now(UTC))


async def _find(intake: Intake, job: Job) -> Upload:
    async with intake.database.sessions() as session:
        try:
            return await operations.find(session, job.subject_id)
        except operations.Unknown:  # it was erased in this moment
            raise LeaseLost(str(job.id)) from None


async def _counted(intake: Intake, job: Job, segments: list[Segment]) -> AsyncGenerator[Segment, None]:
    """What counts, in order and to the last, each as it comes; `segments` are those that came.

    Raises HandBack when none comes for a while, or when a film that has come wholly is waiting.
    """
    clock = asyncio.get_running_loop()
    last_came = clock.time()
    if (await _find(intake, job)).state is State.RECEIVING:
        await jobs.wait(intake.database, job, intake.life)
    async with intake.database.jobs.told() as told:
        while True:
            told.clear()
            upload = await _find(intake, job)
            async with intake.database.sessions() as session:
                following = await operations.segments_of(session, upload.id, since=len(segments))
                another_waits = await operations.waits_to_be_verified(session)
            for segment in following:
                segments.append(segment)
                yield segment
            if upload.state is State.VERIFYING:
                return
            if upload.state is not State.RECEIVING:
                raise LeaseLost(str(job.id))
            if following:
                last_came = clock.time()
                continue
            if another_waits or clock.time() > last_came + STILL_SECONDS:
                raise HandBack("it is read back when it has come wholly")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), LOOK_SECONDS)


async def _drop_strays(intake: Intake, upload: Upload, counted: set[UUID]) -> None:
    """Delete what lost requests stored and nobody counted. No more is being counted: the upload is complete."""
    names = {media_store.object_name(upload.episode_id, upload.id, id) for id in counted}
    async for found in intake.store.list_all(intake.bucket, f"{upload.episode_id}/{upload.id}/"):
        if found.name not in names:
            await intake.store.delete(intake.bucket, found)


async def sweeping(intake: Intake, horizon: timedelta) -> None:
    """Turn away what nobody goes on with and delete the bytes of what is over, for ever."""
    while True:
        try:
            with telemetry.quietly():
                await sweep(intake, datetime.now(UTC), horizon)
        except Exception:  # a part is away, or one upload is not as expected: all of them are looked at again
            log.warning("uploads cannot be swept", exc_info=True)
        await asyncio.sleep(SWEEP_SECONDS)


async def sweep(intake: Intake, now: datetime, horizon: timedelta) -> None:
    """What is over is deleted only when no write of it can still be under way: `horizon` after its end."""
    for upload in await _where(intake, uploads.c.state == State.RECEIVING, uploads.c.expires_at <= now):
        await _abandon(intake, upload, now)
    settled = uploads.c.closed_at <= now - horizon
    for upload in await _where(intake, uploads.c.state.in_(OVER), uploads.c.swept_at.is_(None), settled):
        await media_store.purge(intake.store, intake.bucket, upload.episode_id, upload.id)
        with contextlib.suppress(EpisodeEnded, operations.Unknown):  # its erasure does the rest
            async with unit_of_work(intake.database, upload.episode_id) as uow:
                await operations.swept(uow, upload.id, now)


async def _where(intake: Intake, *conditions: ColumnElement[bool]) -> Sequence[Upload]:
    async with intake.database.sessions() as session:
        return (await session.scalars(select(Upload).where(*conditions).limit(SWEPT))).all()


async def _abandon(intake: Intake, upload: Upload, now: datetime) -> None:
    """Unless its episode is suspended: then nothing may be lost, and it is waited for as long again."""
    suspended = False
    try:
        await intake.permit(upload).current()
    except Refused as refused:
        suspended = refused.reason == "suspended"
    with contextlib.suppress(EpisodeEnded, operations.Unknown):
        async with unit_of_work(intake.database, upload.episode_id) as uow:
            if suspended:
                await operations.wait_longer(uow, upload.id, now, intake.life)
            else:
                await operations.abandon(uow, upload.id, now)


async def purge(intake: Intake, scope: Scope) -> Counts:
    """This service's part of an erasure: the bytes, and which films may still be on a camera's card."""
    async with intake.database.sessions() as session:
        cards = await operations.cards_not_wiped(session, scope)
    which = scope.artefacts if scope.recording_id else (None,)
    purged = [await media_store.purge(intake.store, intake.bucket, scope.episode_id, artefact) for artefact in which]
    return Counts(sum(one.objects for one in purged), sum(one.bytes for one in purged), cards=cards)
