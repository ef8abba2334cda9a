"""What nobody goes on with, and what is over, leaves nothing behind; and nothing is lost while consent is suspended."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from services.upload import operations, workers
from services.upload.model import Rejection, State, Superseded, Upload
from services.upload.receiving import Body, Intake, receive
from shared.database import unit_of_work
from shared.media_store import Unavailable
from tests.integration.upload.conftest import MIB, film, taken_in
from tests.integration.upload.consent import Consent, Episode
from tests.integration.upload.test_verifying import claimed, found, objects, told

HORIZON = timedelta(seconds=65)
WEEK = timedelta(days=7)


def later(**by: int) -> datetime:
    return datetime.now(UTC) + timedelta(**by)


async def half(intake: Intake, family: Episode) -> Upload:
    return await taken_in(intake, family, film(5 * MIB), length=10 * MIB)


async def test_an_upload_that_nobody_finishes_is_given_up(intake: Intake, family: Episode) -> None:
    upload = await half(intake, family)
    await workers.sweep(intake, later(days=6), HORIZON)
    assert (await found(intake, upload)).state is State.RECEIVING
    assert await told(intake) == []
    now = later(days=7, seconds=1)
    await workers.sweep(intake, now, HORIZON)
    await workers.sweep(intake, now, HORIZON)
    upload = await found(intake, upload)
    assert (upload.state, upload.code) == (State.REJECTED, Rejection.ABANDONED)
    assert await told(intake) == [("attune.recording.rejected.v1", str(upload.id))]
    assert len(await objects(intake.store, family)) == 2, "a write may still be under way"
    await workers.sweep(intake, now + HORIZON, HORIZON)
    assert await objects(intake.store, family) == set()
    assert (await found(intake, upload)).swept_at
    async with intake.database.sessions() as session:
        assert await operations.segments_of(session, upload.id) == ()


async def test_a_stopped_upload_leaves_nothing(intake: Intake, family: Episode) -> None:
    kept = await taken_in(intake, family, film(2 * MIB))
    upload = await half(intake, family)
    async with unit_of_work(intake.database, family.id) as uow:
        await operations.cancel(uow, upload.id, datetime.now(UTC))
    await workers.sweep(intake, later(seconds=66), HORIZON)
    assert {name.split("/")[1] for name in await objects(intake.store, family)} == {str(kept.id)}
    await workers.verify(intake, await claimed(intake))
    await workers.sweep(intake, later(days=100), HORIZON)
    assert len(await objects(intake.store, family)) == 2, "a recording stays"


async def test_an_upload_of_a_suspended_episode_is_waited_for(intake: Intake, family: Episode) -> None:
    upload = await half(intake, family)
    family.refusing = "suspended"
    now = later(days=8)
    await workers.sweep(intake, now, HORIZON)
    upload = await found(intake, upload)
    assert (upload.state, upload.expires_at) == (State.RECEIVING, now + WEEK)
    family.refusing = None
    await workers.sweep(intake, now + WEEK, HORIZON)
    assert (await found(intake, upload)).code is Rejection.ABANDONED


async def test_while_consent_is_away_nothing_is_given_up(intake: Intake, family: Episode, consent: Consent) -> None:
    upload = await half(intake, family)
    consent.away = True
    try:
        with pytest.raises(Unavailable):
            await workers.sweep(intake, later(days=8), HORIZON)
    finally:
        consent.away = False
    assert (await found(intake, upload)).state is State.RECEIVING


async def test_bytes_that_come_after_the_end_do_not_count(intake: Intake, family: Episode) -> None:
    upload = await half(intake, family)

    async def ended_meanwhile() -> AsyncIterator[bytes]:
        yield bytes(4 * MIB)
        async with unit_of_work(intake.database, family.id) as uow:
            await operations.cancel(uow, upload.id, datetime.now(UTC))
        yield bytes(MIB)

    with pytest.raises(Superseded):
        await receive(intake, upload, 5 * MIB, Body(ended_meanwhile()))
    assert len(await objects(intake.store, family)) == 2
    assert (await found(intake, upload)).offset == 5 * MIB
