"""The sealed copy is read back before anybody is told that the film is safe."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text

from services.upload import operations, receiving, workers
from services.upload.model import Rejection, State, Upload
from services.upload.receiving import Body, Intake
from shared import jobs
from shared.database import unit_of_work
from shared.jobs import HandBack, Job, LeaseLost
from shared.media_store import ArtefactReader, Permit, Store, object_name
from tests.integration.upload.conftest import MIB, film, taken_in, until
from tests.integration.upload.consent import Consent, Episode


async def claimed(intake: Intake, kind: str = operations.VERIFY) -> Job:
    job = await jobs.claim(intake.database, [kind], "test")
    assert job
    return job


async def found(intake: Intake, upload: Upload) -> Upload:
    async with intake.database.sessions() as session:
        return await operations.find(session, upload.id)


async def told(intake: Intake) -> list[tuple[str, str]]:
    """Type and subject of what waits to be sent."""
    async with intake.database.sessions() as session:
        rows = await session.execute(text("SELECT headers->>'ce_type', headers->>'ce_subject' FROM outbox ORDER BY 1"))
        return [(row[0], row[1]) for row in rows]


async def permit(intake: Intake, upload: Upload) -> Permit:
    return await intake.permit(upload).current()


async def objects(store: Store, family: Episode) -> set[str]:
    return {one.name async for one in store.list_all("recordings", f"{family.id}/")}


async def test_a_film_is_a_recording_when_it_has_been_read_back(intake: Intake, family: Episode) -> None:
    plain = film(10 * MIB)
    upload = await taken_in(intake, family, plain)
    assert (await found(intake, upload)).state is State.VERIFYING
    assert await told(intake) == []
    job = await claimed(intake)
    await workers.verify(intake, job)
    upload = await found(intake, upload)
    assert (upload.state, upload.sha256) == (State.RECEIVED, hashlib.sha256(plain).digest())
    assert await told(intake) == [("attune.recording.received.v1", str(upload.id))]
    async with intake.database.sessions() as session:
        progress = await session.scalar(text("SELECT progress FROM jobs WHERE kind = 'verify'"))
    assert progress == {"bytes": len(plain), "of": len(plain)}
    manifest = await ArtefactReader(intake.store, await permit(intake, upload), intake.bucket, upload.id).verify()
    assert (manifest.media_type, manifest.length) == ("video/mp4", len(plain))
    with pytest.raises(LeaseLost):  # an attempt that is not the last one changes nothing
        await workers.verify(intake, job)
    assert len(await told(intake)) == 1


async def test_another_attempt_finds_the_same_manifest_and_finishes(intake: Intake, family: Episode) -> None:
    upload = await taken_in(intake, family, film(5 * MIB))
    lost = await claimed(intake)
    async with intake.database.sessions.begin() as session:
        await session.execute(text("UPDATE jobs SET leased_until = now() - interval '1 second'"))
    job = await claimed(intake)
    assert job.token != lost.token
    with pytest.raises(LeaseLost):
        await workers.verify(intake, lost)
    await workers.verify(intake, job)
    assert (await found(intake, upload)).state is State.RECEIVED
    assert len(await told(intake)) == 1


@pytest.mark.parametrize("damage", ["altered", "gone", "exchanged"])
async def test_a_damaged_copy_is_never_a_recording(intake: Intake, family: Episode, damage: str) -> None:
    upload = await taken_in(intake, family, film(9 * MIB))
    async with intake.database.sessions() as session:
        segments = await operations.segments_of(session, upload.id)
    first, second = (object_name(family.id, upload.id, segment.id) for segment in segments[:2])
    under = await permit(intake, upload)
    if damage == "gone":
        async for one in intake.store.list_all(intake.bucket, first):
            await intake.store.delete(intake.bucket, one)
    else:
        sealed = await intake.store.get(intake.bucket, second if damage == "exchanged" else first, under)
        if damage == "altered":
            sealed[len(sealed) // 2] ^= 1
        await intake.store.put(intake.bucket, first, sealed, under)
    await workers.verify(intake, await claimed(intake))
    upload = await found(intake, upload)
    assert (upload.state, upload.code) == (State.REJECTED, Rejection.DAMAGED)
    assert await told(intake) == [("attune.recording.rejected.v1", str(upload.id))]
    async with intake.database.sessions() as session:
        failure = await session.scalar(text("SELECT failure FROM jobs WHERE state = 'failed'"))
        event = json.loads(await session.scalar(text("SELECT value FROM outbox")))
    assert (event["code"], event["filmed_by"]) == ("damaged", str(upload.uploaded_by))
    assert failure["code"] == "damaged"


async def test_what_nobody_counted_is_removed_before_the_film_is_finished(intake: Intake, family: Episode) -> None:
    plain = film(5 * MIB)
    upload = await taken_in(intake, family, plain)
    other = await taken_in(intake, family, plain)
    under = await permit(intake, upload)
    stray = object_name(family.id, upload.id, uuid4())
    await intake.store.put(intake.bucket, stray, b"of a request that lost", under)
    everything = await objects(intake.store, family)
    assert stray in everything
    assert (await claimed(intake)).subject_id == upload.id
    async with intake.database.sessions.begin() as session:
        await session.execute(text("UPDATE jobs SET leased_until = now() - interval '1 second'"))
    await workers.verify(intake, await claimed(intake))
    manifest = object_name(family.id, upload.id, under.artefacts[upload.id].manifest_id)
    assert await objects(intake.store, family) == everything - {stray} | {manifest}
    await workers.verify(intake, await claimed(intake))
    assert (await found(intake, other)).state is State.RECEIVED


@pytest.mark.parametrize("reason", ["suspended", "ended"])
async def test_without_a_permit_nothing_is_read_and_nothing_lost(
    intake: Intake, family: Episode, consent: Consent, reason: str
) -> None:
    upload = await taken_in(intake, family, film(5 * MIB))
    family.refusing = reason
    job = await claimed(intake)
    with pytest.raises(HandBack):
        await workers.verify(intake, job)
    family.refusing, consent.away = None, True
    try:
        with pytest.raises(HandBack):
            await workers.verify(intake, job)
    finally:
        consent.away = False
    assert (await found(intake, upload)).state is State.VERIFYING
    await workers.verify(intake, job)
    assert (await found(intake, upload)).state is State.RECEIVED


async def coming(intake: Intake, family: Episode, plain: bytes) -> Upload:
    """A film of which all but the last byte has come."""
    return await taken_in(intake, family, plain[:-1], length=len(plain))


async def the_last_byte(intake: Intake, upload: Upload, plain: bytes) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield plain[-1:]

    await receiving.receive(intake, await found(intake, upload), len(plain) - 1, Body(pieces()))


async def read_back(intake: Intake, upload: Upload) -> int:
    """How many bytes of it have been."""
    async with intake.database.sessions() as session:
        asked = text("SELECT max(progress['bytes']::int) FROM jobs WHERE subject_id = :upload")
        return await session.scalar(asked, {"upload": upload.id}) or 0


async def followed(intake: Intake, upload: Upload, least: int) -> "asyncio.Task[None]":
    """Whoever follows the film, once at least so many bytes of it have been read back."""
    following = asyncio.create_task(workers.follow(intake, await claimed(intake, operations.FOLLOW)))

    async def so_many() -> bool:
        return await read_back(intake, upload) >= least

    await until(so_many)
    return following


async def open_jobs(intake: Intake) -> list[str]:
    async with intake.database.sessions() as session:
        assert not await session.scalar(text("SELECT count(*) FROM jobs WHERE state = 'cancelled'"))  # by nobody
        asked = text("SELECT kind FROM jobs WHERE state IN ('queued', 'running') ORDER BY 1")
        return list(await session.scalars(asked))


async def test_what_has_come_is_read_back_before_the_last_byte_comes(intake: Intake, family: Episode) -> None:
    plain = film(10 * MIB)
    upload = await coming(intake, family, plain)
    following = await followed(intake, upload, len(plain) - 1)
    assert (await found(intake, upload)).state is State.RECEIVING
    assert await told(intake) == []
    await the_last_byte(intake, upload, plain)
    await following
    upload = await found(intake, upload)
    assert (upload.state, upload.sha256) == (State.RECEIVED, hashlib.sha256(plain).digest())
    assert len(await told(intake)) == 1
    assert await open_jobs(intake) == []


async def test_a_film_that_nobody_followed_is_read_back_in_the_end(intake: Intake, family: Episode) -> None:
    plain = film(5 * MIB)
    upload = await coming(intake, family, plain)
    assert await open_jobs(intake) == ["follow"]
    await the_last_byte(intake, upload, plain)
    assert await open_jobs(intake) == ["verify"]
    await workers.verify(intake, await claimed(intake))
    assert (await found(intake, upload)).state is State.RECEIVED


async def test_who_verifies_leaves_a_film_to_who_followed_it_as_long_as_that_one_lives(
    intake: Intake, family: Episode
) -> None:
    plain = film(5 * MIB)
    upload = await coming(intake, family, plain)
    dies = await claimed(intake, operations.FOLLOW)
    await the_last_byte(intake, upload, plain)
    assert await jobs.claim(intake.database, [operations.VERIFY], "test") is None  # for a while
    async with intake.database.sessions.begin() as session:
        await session.execute(text("UPDATE jobs SET not_before = now() WHERE kind = 'verify'"))
    job = await claimed(intake)
    with pytest.raises(HandBack):
        await workers.verify(intake, job)
    async with intake.database.sessions.begin() as session:
        await session.execute(text("UPDATE jobs SET leased_until = now() - interval '1 second' WHERE kind = 'follow'"))
    await workers.verify(intake, job)
    assert (await found(intake, upload)).state is State.RECEIVED
    with pytest.raises(LeaseLost):  # it lives after all
        await workers.follow(intake, dies)
    assert len(await told(intake)) == 1
    assert await open_jobs(intake) == []


@pytest.mark.parametrize("why", ["nothing comes", "suspended", "damaged"])
async def test_who_cannot_follow_leaves_it_to_who_verifies(
    intake: Intake, family: Episode, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    plain = film(5 * MIB)
    upload = await coming(intake, family, plain)
    job = await claimed(intake, operations.FOLLOW)
    match why:
        case "nothing comes":
            monkeypatch.setattr(workers, "STILL_SECONDS", 0.0)
            monkeypatch.setattr(workers, "LOOK_SECONDS", 0.01)
        case "suspended":
            family.refusing = why
        case "damaged":
            async for one in intake.store.list_all(intake.bucket, f"{family.id}/{upload.id}/"):
                await intake.store.delete(intake.bucket, one)
    await workers.follow(intake, job)
    family.refusing = None
    assert await open_jobs(intake) == []
    assert (await found(intake, upload)).state is State.RECEIVING
    await the_last_byte(intake, upload, plain)
    await workers.verify(intake, await claimed(intake))
    assert (await found(intake, upload)).state is (State.REJECTED if why == "damaged" else State.RECEIVED)


async def test_who_follows_a_film_that_is_not_wanted_any_more_stops(intake: Intake, family: Episode) -> None:
    upload = await coming(intake, family, film(5 * MIB))
    following = await followed(intake, upload, 1)
    async with unit_of_work(intake.database, family.id) as uow:
        await operations.cancel(uow, upload.id, datetime.now(UTC))
    with pytest.raises(LeaseLost):
        await following
    assert (await found(intake, upload)).state is State.CANCELLED


async def test_what_was_read_back_and_is_gone_since_is_no_recording(intake: Intake, family: Episode) -> None:
    plain = film(5 * MIB)
    upload = await coming(intake, family, plain)
    following = await followed(intake, upload, len(plain) - 1)
    lost = sorted(await objects(intake.store, family))[0]
    async for one in intake.store.list_all(intake.bucket, lost):
        await intake.store.delete(intake.bucket, one)
    await the_last_byte(intake, upload, plain)
    await following
    assert await told(intake) == []
    async with intake.database.sessions.begin() as session:
        await session.execute(text("UPDATE jobs SET not_before = now() WHERE kind = 'verify'"))
    await workers.verify(intake, await claimed(intake))
    assert (await found(intake, upload)).code is Rejection.DAMAGED
