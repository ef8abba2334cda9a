"""The sealed copy is read back before anybody is told that the film is safe."""

import hashlib
from uuid import uuid4

import pytest
from sqlalchemy import text

from services.upload import operations, workers
from services.upload.model import Rejection, State, Upload
from services.upload.receiving import Intake
from shared import jobs
from shared.jobs import HandBack, Job, LeaseLost
from shared.media_store import ArtefactReader, Permit, Store, object_name
from tests.integration.upload.conftest import MIB, film, taken_in
from tests.integration.upload.consent import Consent, Episode


async def claimed(intake: Intake) -> Job:
    job = await jobs.claim(intake.database, [operations.VERIFY], "test")
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
        progress = await session.scalar(text("SELECT progress FROM jobs"))
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
