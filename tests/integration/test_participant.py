"""A participant's part in an erasure: its jobs are counted, its scratch is waited for, its door stays shut."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import PostgresDsn
from sqlalchemy import func, select, text, update

from shared import jobs, participant
from shared.contracts import Event
from shared.contracts.consent import ConsentEnded, ErasureCertified, PurgeAsked, RecordingDiscarded
from shared.database import (
    Database,
    EpisodeEnded,
    UnitOfWork,
    closed_erasures,
    erasure_work,
    lock,
    open_erasures,
    outbox,
    unit_of_work,
)
from shared.participant import Counts, Scope
from shared.settings import DatabaseSettings
from tests.stack import Database as Fresh

KIND = "work"
FAMILY = UUID(int=1)
HANDLERS: dict[type[Event], Callable[[Any, UnitOfWork], Awaitable[None]]] = {
    ConsentEnded: participant.ended,
    RecordingDiscarded: participant.discarded,
    PurgeAsked: participant.purge_asked,
    ErasureCertified: participant.certified,
}


@dataclass
class Service:
    database: Database
    episode_id: UUID = field(default_factory=uuid4)
    waiting: list[dict[str, Any]] = field(default_factory=list)  # what consent answers a pull with
    purges: int = 0

    async def hears(self, event: Event) -> None:
        async with self.database.sessions.begin() as session:
            wire, _ = await lock(session, self.episode_id, FAMILY)
            uow = UnitOfWork(session, self.database.service, wire)
            await HANDLERS[type(event)](event, uow)
            await uow.write_outbox()

    async def has_work(self, *about: UUID, **given: Any) -> UUID:
        async with unit_of_work(self.database, self.episode_id, family_id=FAMILY) as uow:
            return await jobs.enqueue(uow, KIND, uuid4(), spec={}, about=about, **given)

    async def acknowledged(self, rounds: int = 1) -> list[dict[str, Any]]:
        async with asyncio.timeout(60):
            while True:
                async with self.database.sessions() as session:
                    values = await session.scalars(select(outbox.c.value).order_by(outbox.c.sequence))
                told = [json.loads(value) for value in values]
                if len(told) >= rounds:
                    return told
                await asyncio.sleep(0.05)

    async def count(self, what: Any) -> int:
        async with self.database.sessions() as session:
            return await session.scalar(select(func.count()).select_from(what)) or 0

    @asynccontextmanager
    async def taking_part(self) -> AsyncIterator[None]:
        """Purges are worked off, and consent is asked what waits."""

        async def purge(scope: Scope) -> Counts:
            self.purges += 1
            return Counts()

        async def forget(uow: UnitOfWork, scope: Scope) -> int:
            return 0

        def consent(request: httpx.Request) -> httpx.Response:
            if request.url.path == "/v1/erasures":
                return httpx.Response(200, json={"erasures": self.waiting})
            return httpx.Response(200, json={"artefacts": []})

        async with httpx.AsyncClient(transport=httpx.MockTransport(consent), base_url="http://consent") as client:
            working = [
                asyncio.create_task(participant.purging(self.database, client, purge, forget)),
                asyncio.create_task(participant.pulling(self.database, client)),
            ]
            try:
                yield
            finally:
                for task in working:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task


@pytest.fixture
async def service(database: Callable[[str], Fresh], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    monkeypatch.setattr(participant, "PULL_SECONDS", 0.1)
    made = Database(DatabaseSettings(url=PostgresDsn(database("transcoding").url)), "transcoding")
    yield Service(made)
    await made.close()


async def test_the_jobs_that_an_erasure_cancels_are_counted_once_and_forgotten(service: Service) -> None:
    erasure, recording, another = uuid4(), uuid4(), uuid4()
    await service.has_work(recording)
    await service.has_work(another, recording)  # a reel of both
    kept = await service.has_work(another)
    await service.hears(RecordingDiscarded(recording_id=recording, erasure_id=erasure, reason_code="not_wanted"))
    for number in (1, 2):
        await service.hears(PurgeAsked(erasure_id=erasure, round=number, recording_id=recording))
    async with service.taking_part():
        told = await service.acknowledged(2)
    assert sorted(one["jobs_cancelled"] for one in told) == [0, 2]
    async with service.database.sessions() as session:
        assert list(await session.scalars(select(jobs.jobs.c.id).where(jobs.jobs.c.kind == KIND))) == [kept]
        assert await session.scalar(select(jobs.jobs.c.state).where(jobs.jobs.c.id == kept)) == "queued"

    whole = uuid4()
    await service.hears(ConsentEnded(erasure_id=whole, cause="withdrawn"))
    await service.hears(PurgeAsked(erasure_id=whole, round=1))
    async with service.taking_part():
        told = await service.acknowledged(3)
    assert told[-1]["jobs_cancelled"] == 1


async def test_a_purge_waits_for_the_scratch_of_what_it_cancelled(service: Service) -> None:
    erasure, recording = uuid4(), uuid4()
    job_id = await service.has_work(recording)
    job = await jobs.claim(service.database, [KIND], "worker", "/scratch/1")
    assert job
    await service.hears(PurgeAsked(erasure_id=erasure, round=1, recording_id=recording))
    async with service.database.sessions.begin() as session:  # somebody has asked for it once more
        await session.execute(update(jobs.jobs).where(jobs.jobs.c.id == job_id).values(state="running", closed_at=None))
    async with service.taking_part():
        async with asyncio.timeout(60):
            while await jobs.heartbeat(service.database, job):  # the worker learns that it must stop
                await asyncio.sleep(0.05)
        assert not await service.count(outbox)
        await jobs.wiped(service.database, "/scratch/1")
        async with service.database.sessions.begin() as session:
            await session.execute(update(jobs.jobs).values(not_before=text("clock_timestamp()")))
        (told,) = await service.acknowledged()
    assert told["jobs_cancelled"] == 1


async def test_a_late_answer_does_not_open_the_door_of_a_certified_erasure(service: Service) -> None:
    erasure = uuid4()
    ended = ConsentEnded(erasure_id=erasure, cause="withdrawn")
    asked = PurgeAsked(erasure_id=erasure, round=1)
    async with service.taking_part():
        await service.hears(ended)
        await service.hears(asked)
        await service.acknowledged()
        await service.hears(ErasureCertified(erasure_id=erasure, certificate_id=uuid4()))
        # a pull that was answered before the certificate, and events that come twice
        ids = {"episode_id": str(service.episode_id), "family_id": str(FAMILY)}
        service.waiting.append(asked.model_dump(mode="json") | ids)
        await service.hears(ended)
        await service.hears(asked)
        before = service.purges
        for _ in range(3):  # what is asked after it shows that the pulls were handled
            witness = PurgeAsked(erasure_id=uuid4(), round=1, recording_id=uuid4())
            service.waiting.append(witness.model_dump(mode="json") | ids)
            async with asyncio.timeout(60):
                while service.purges == before:
                    await asyncio.sleep(0.05)
            before = service.purges
            service.waiting.pop()
            await service.hears(ErasureCertified(erasure_id=witness.erasure_id, certificate_id=uuid4()))
    assert await service.count(open_erasures.select().subquery()) == 0
    assert await service.count(closed_erasures.select().subquery()) == 4
    assert [one["erasure_id"] for one in await service.acknowledged()].count(str(erasure)) == 1
    with pytest.raises(EpisodeEnded):
        await service.has_work()
    with pytest.raises(Exception, match=str(service.episode_id)):
        async with erasure_work(service.database, service.episode_id):
            pass
