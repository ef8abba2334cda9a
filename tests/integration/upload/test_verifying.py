"""The sealed copy is read back before anybody is told that the film is safe."""

import asyncio
import hashlib
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
        asked = text("SELECT progress['bytes']::int FROM jobs WHERE subject_id = :upload")
        return await session.scalar(asked, {"upload": upload.id}) or 0


async def test_what_has_come_is_read_back_before_the_last_byte_comes(intake: Intake, family: Episode) -> None:
    plain = film(10 * MIB)
    upload = await coming(intake, family, plain)
    verifying = asyncio.create_task(workers.verify(intake, await claimed(intake)))

    async def all_but_what_is_still_in_hand() -> bool:
        return await read_back(intake, upload) >= 4 * MIB

    await until(all_but_what_is_still_in_hand)
    assert (await found(intake, upload)).state is State.RECEIVING
    assert await told(intake) == []
    await the_last_byte(intake, upload, plain)
    await verifying
    upload = await found(intake, upload)
    assert (upload.state, upload.sha256) == (State.RECEIVED, hashlib.sha256(plain).digest())
    assert len(await told(intake)) == 1


async def test_who_reads_along_makes_way_for_a_film_that_has_come_wholly(intake: Intake, family: Episode) -> None:
    plain = film(5 * MIB)
    slow = await coming(intake, family, plain)
    along = await claimed(intake)
    whole = await taken_in(intake, family, plain)
    with pytest.raises(HandBack) as back:
        await workers.verify(intake, along)
    await jobs.hand_back(intake.database, along, delay=back.value.delay)
    await workers.verify(intake, await claimed(intake))
    assert (await found(intake, whole)).state is State.RECEIVED
    assert await jobs.claim(intake.database, [operations.VERIFY], "test") is None  # until the last byte has come
    await the_last_byte(intake, slow, plain)
    await workers.verify(intake, await claimed(intake))
    assert (await found(intake, slow)).state is State.RECEIVED


async def test_a_film_to_which_nothing_is_added_for_long_is_read_back_in_the_end(
    intake: Intake, family: Episode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "STILL_SECONDS", 0.0)
    monkeypatch.setattr(workers, "LOOK_SECONDS", 0.01)
    plain = film(5 * MIB)
    upload = await coming(intake, family, plain)
    along = await claimed(intake)
    with pytest.raises(HandBack) as back:
        await workers.verify(intake, along)
    await the_last_byte(intake, upload, plain)  # before it has let go
    await jobs.hand_back(intake.database, along, delay=back.value.delay)
    await workers.verify(intake, await claimed(intake))
    assert (await found(intake, upload)).state is State.RECEIVED


async def test_who_reads_along_a_film_that_is_not_wanted_any_more_stops(intake: Intake, family: Episode) -> None:
    upload = await coming(intake, family, film(5 * MIB))
    verifying = asyncio.create_task(workers.verify(intake, await claimed(intake)))

    async def begun() -> bool:
        return await read_back(intake, upload) > 0

    await until(begun)
    async with unit_of_work(intake.database, family.id) as uow:
        await operations.cancel(uow, upload.id, datetime.now(UTC))
    with pytest.raises(LeaseLost):
        await verifying
    assert (await found(intake, upload)).state is State.CANCELLED


async def test_damage_is_noticed_before_the_last_byte(intake: Intake, family: Episode) -> None:
    upload = await coming(intake, family, film(9 * MIB))
    async for one in intake.store.list_all(intake.bucket, f"{family.id}/{upload.id}/"):
        await intake.store.delete(intake.bucket, one)
    await workers.verify(intake, await claimed(intake))
    upload = await found(intake, upload)
    assert (upload.state, upload.code) == (State.REJECTED, Rejection.DAMAGED)
