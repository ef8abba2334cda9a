"""Long work: reading a sealed film back, and clearing away what will never be one."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
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
from shared.errors import AttuneError
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
from shared.media_store.sealing import Bytes, sealed_length
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


async def following(intake: Intake) -> None:
    """Read back what still comes, one film at a time, for ever."""

    async def work(job: Job) -> None:
        await follow(intake, job)

    async def give_up(job: Job, code: str, detail: str) -> None:
        """It is verified when it has come wholly."""
        await jobs.dismiss(intake.database, job)

    await jobs.work_off(intake.database, [operations.FOLLOW], "upload-follow", work, give_up)


async def verify(intake: Intake, job: Job) -> None:
    """Compare the whole sealed copy with what was counted, finish it, and say that the recording was received."""
    telemetry.note(recording=job.subject_id)
    upload = await _find(intake, job)
    async with intake.database.sessions() as session:
        segments = await operations.segments_of(session, upload.id)
        if await jobs.is_worked_on(session, operations.FOLLOW, upload.id):
            raise HandBack("who has read it back as it came finishes it", delay=jobs.LEASE.total_seconds())
    try:
        await _finish(intake, job, upload, segments, await _read_back(intake, job, upload, segments))
    except Refused as refused:
        raise HandBack(f"consent says {refused.reason}", delay=REFUSED_SECONDS) from refused
    except (Unavailable, Forbidden) as away:
        raise HandBack("consent or the store cannot be asked") from away
    except (Tampered, Missing, FinishedOtherwise) as damage:
        log.exception("recording %s: the sealed copy is damaged", upload.id)
        async with unit_of_work(intake.database, job.episode_id) as uow:
            await operations.damaged(uow, job, type(damage).__name__, datetime.now(UTC))


async def follow(intake: Intake, job: Job) -> None:
    """The same, beginning while the film still comes: then little is left to do after its last byte.

    Whatever goes wrong is left to who verifies it in the end.
    """
    telemetry.note(recording=job.subject_id)
    upload, segments = await _find(intake, job), list[Segment]()
    try:
        async with aclosing(_counted(intake, job, segments)) as counted:
            read_back = await _read_back(intake, job, upload, counted)
        upload = await _find(intake, job)
        async with intake.database.sessions() as session:
            trace = await jobs.trace_of(session, operations.VERIFY, upload.id)
        with telemetry.span(f"job {operations.VERIFY}", trace, job=job.id, recording=upload.id):  # of the last bytes
            await _finish(intake, job, upload, segments, read_back)
    except (NothingComes, Refused, Unavailable, Forbidden, Tampered, Missing, FinishedOtherwise) as reason:
        log.info("recording %s is not read back as it comes: %s", upload.id, type(reason).__name__)
        async with unit_of_work(intake.database, job.episode_id) as uow:
            await jobs.finish(uow, job)


class NothingComes(AttuneError):
    """Nothing was added to an upload for a while."""


async def _find(intake: Intake, job: Job) -> Upload:
    async with intake.database.sessions() as session:
        try:
            return await operations.find(session, job.subject_id)
        except operations.Unknown:  # it was erased in this moment
            raise LeaseLost(str(job.id)) from None


async def _read_back(
    intake: Intake, job: Job, upload: Upload, segments: Iterable[Segment] | AsyncIterable[Segment]
) -> bytes:
    """The SHA-256 of the whole as it lies in the store, each segment compared with what was counted."""
    loop, read = asyncio.get_running_loop(), 0

    def count(plain: Bytes) -> None:  # called in a thread
        nonlocal read
        read += len(plain)
        done = jobs.progress(intake.database, job, {"bytes": read, "of": upload.length})
        asyncio.run_coroutine_threadsafe(done, loop).result()

    reader = ArtefactReader(intake.store, intake.permit(upload), intake.bucket, upload.id)
    return await reader.digest(segments, count)


async def _counted(intake: Intake, job: Job, segments: list[Segment]) -> AsyncGenerator[Segment, None]:
    """What counts, in order and to the last, each as it comes; `segments` are those that came. Raises NothingComes."""
    clock = asyncio.get_running_loop()
    last_came = clock.time()
    permit = intake.permit(await _find(intake, job))
    async with intake.database.jobs.told() as told:  # of the one that verifies it, after the last
        while True:
            told.clear()
            with telemetry.quietly():
                upload = await _find(intake, job)
                async with intake.database.sessions() as session:
                    following = await operations.segments_of(session, upload.id, since=len(segments))
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
            if clock.time() > last_came + STILL_SECONDS:
                raise NothingComes(str(upload.id))
            await permit.current()  # so that it ends with the permit also while nothing comes
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await told.wait()


async def _finish(intake: Intake, job: Job, upload: Upload, segments: Sequence[Segment], read_back: bytes) -> None:
    """What has been read back is finished and told of."""
    assert upload.container  # nothing is complete before its first bytes were known
    permit = intake.permit(upload)
    await _drop_strays(intake, upload, (await permit.current()).artefacts[upload.id].manifest_id, segments)
    async with ArtefactWriter(intake.store, permit, intake.bucket, upload.id, already=segments) as writer:
        manifest = await writer.finish(MEDIA_TYPES[upload.container], read_back)
    async with unit_of_work(intake.database, job.episode_id) as uow:
        await operations.received(uow, job, manifest.sha256, datetime.now(UTC))


async def _drop_strays(intake: Intake, upload: Upload, manifest_id: UUID, counted: Sequence[Segment]) -> None:
    """Delete what lost requests stored and nobody counted. No more is being counted: the upload is complete.

    Raises Missing should of what counts anything not be listed, or not be as long: it may have been read back long ago.
    """
    sizes = {_name(upload, segment.id): sealed_length(segment.length) for segment in counted}
    there = set()
    async for found in intake.store.list_all(intake.bucket, f"{upload.episode_id}/{upload.id}/"):
        if found.name not in sizes and found.name != _name(upload, manifest_id):
            await intake.store.delete(intake.bucket, found)
        elif sizes.get(found.name) == found.bytes:
            there.add(found.name)
    if there != sizes.keys():
        raise Missing("segments that were read back")


def _name(upload: Upload, id: UUID) -> str:
    return media_store.object_name(upload.episode_id, upload.id, id)


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
