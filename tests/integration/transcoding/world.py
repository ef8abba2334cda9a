"""Workers over a real database, store, jail and ffmpeg; and somebody who gives permits over HTTP as consent does."""

import asyncio
import base64
import os
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from sqlalchemy import text

from deploy.local.stack import Store as Server
from services.transcoding import operations
from services.transcoding.jailed import Jail
from services.transcoding.model import Cut, Make
from services.transcoding.workers import Worker
from shared.contracts import Event, cloudevents
from shared.database import Database, unit_of_work
from shared.media_store import ArtefactReader, ArtefactWriter, NewArtefact, Permits, Store
from shared.settings import BucketSettings, HorizonSettings, StoreSettings
from tests.patience import PATIENCE_SECONDS
from tests.serving import serving

BUCKETS = BucketSettings()
UPLOAD_SECONDS = 60  # of the test's own: nothing is asked of how it brings a film in


@dataclass
class PermitGiver:
    """Gives whatever is asked for, registers it and keeps its key; `refusing` is why it does not."""

    seconds: int = 2
    refusing: str | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    refused: threading.Event = field(default_factory=threading.Event)
    episodes: dict[str, str] = field(default_factory=dict)  # of every artefact that was registered, in order
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    url: str = ""

    def answer(self, question: dict[str, Any]) -> JSONResponse:
        self.asked.append(question)
        if self.refusing:
            self.refused.set()
            return JSONResponse({"reason": self.refusing}, 403)
        for new in question["write"]:
            self.episodes.setdefault(new["artefact_id"], new["episode_id"])
        asked = [*question["read"], *(new["artefact_id"] for new in question["write"])]
        granted = {one: {"episode_id": self.episodes[one], **self._secret(one)} for one in asked}
        at = datetime.now(UTC).isoformat()
        seconds = UPLOAD_SECONDS if question["purpose"] == "film" else self.seconds
        return JSONResponse({"granted_at": at, "seconds": seconds, "artefacts": granted})

    def _secret(self, artefact: str) -> dict[str, str]:
        made = {"key": base64.b64encode(os.urandom(32)).decode(), "manifest_id": str(uuid4())}
        return self.secrets.setdefault(artefact, made)

    @contextmanager
    def serving(self) -> Iterator["PermitGiver"]:
        """On a port of its own, in a thread of its own."""
        app = FastAPI()

        @app.post("/v1/permits")
        async def permits(question: dict[str, Any]) -> JSONResponse:
            return self.answer(question)

        with serving(app) as self.url:
            yield self


def store_settings(s3: Server, user: str) -> StoreSettings:
    access, secret = s3.keys[user]
    return StoreSettings.model_validate(
        {"endpoint": s3.endpoint, "secure": False, "region": s3.region, "access_key": access, "secret_key": secret}
    )


@dataclass
class World:
    """One family's films, and what becomes of them."""

    database: Database
    giver: PermitGiver
    s3: Server
    folder: Path
    consent: httpx.AsyncClient
    store: Store  # as transcoding sees it
    family: UUID = field(default_factory=uuid4)
    episode: UUID = field(default_factory=uuid4)
    practitioner: UUID = field(default_factory=uuid4)

    async def recording(self, film: Path) -> UUID:
        """Sealed as upload does; its review film is asked for."""
        recording = uuid4()
        permit = Permits(self.consent).standing(
            "film", self.practitioner, write=[NewArtefact(recording, self.episode, "recording")]
        )
        async with (
            Store(store_settings(self.s3, "upload"), HorizonSettings()) as store,
            ArtefactWriter(store, permit, BUCKETS.recordings, recording) as writer,
        ):
            await writer.write(film.read_bytes())
            await writer.finish("video/mp4")
        await self.ask(Make.REVIEW_FILM, recording, [recording])
        return recording

    async def ask(self, make: Make, id: UUID, made_from: Sequence[UUID], cuts: Sequence[Cut] = ()) -> None:
        async with unit_of_work(self.database, self.episode, family_id=self.family) as uow:
            await operations.ask(uow, make, id, self.practitioner, made_from, cuts)

    async def again(self, id: UUID) -> None:
        async with unit_of_work(self.database, self.episode) as uow:
            await operations.again(uow, id)

    def worker(self, name: str = "worker", kind: type[Worker] = Worker) -> Worker:
        return kind(self.database, Permits(self.consent), self.store, BUCKETS, self.folder / name, Jail(), name)

    @asynccontextmanager
    async def working(self, worker: Worker | None = None) -> AsyncIterator[None]:
        """A worker works off the jobs as long as the block runs."""
        running = asyncio.create_task((worker or self.worker()).run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    # what is seen of it

    async def row(self, query: str, **values: Any) -> Any:
        """The first row of an answer; none."""
        async with self.database.sessions() as session:
            return (await session.execute(text(query), values)).first()

    async def sql(self, statement: str, **values: Any) -> None:
        async with self.database.sessions.begin() as session:
            await session.execute(text(statement), values)

    async def job(self, id: UUID) -> Any:
        """The newest for it."""
        return await self.row("SELECT * FROM jobs WHERE subject_id = :id ORDER BY created_at DESC LIMIT 1", id=id)

    async def becomes(self, id: UUID, *states: str) -> Any:
        """Until its job is in one of these states: the job."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (job := await self.job(id)).state not in states:
                await asyncio.sleep(0.05)
        return job

    async def made(self, id: UUID) -> dict[str, UUID]:
        """What counts: artefacts by kind."""
        work = await self.row("SELECT state, artefacts FROM works WHERE id = :id", id=id)
        assert work.state == "made"
        return {one["kind"]: UUID(one["artefact_id"]) for one in work.artefacts}

    async def told(self) -> list[Event]:
        """What waits in the outbox, in order."""
        async with self.database.sessions() as session:
            rows = await session.execute(
                text("SELECT headers ->> 'ce_type' AS type, value FROM outbox ORDER BY sequence")
            )
            return [cloudevents.decode(row.type, row.value)[0] for row in rows]

    async def stored(self) -> set[UUID]:
        """Artefacts of which the store holds anything."""
        listed = self.store.list_all(BUCKETS.renditions, f"{self.episode}/")
        return {UUID(one.name.split("/")[1]) async for one in listed}

    async def plain(self, artefact: UUID) -> bytes:
        permit = Permits(self.consent).standing("review", self.practitioner, read=[artefact])
        reader = ArtefactReader(self.store, permit, BUCKETS.renditions, artefact)
        return b"".join([piece async for piece in reader.read()])
