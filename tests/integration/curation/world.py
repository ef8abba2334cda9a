"""The curation service as a process of its own, and what a test says to it: events over Kafka, requests over HTTP."""

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from joserfc.jwk import OKPKey
from uuid_utils.compat import uuid7

from shared.contracts import PARTITIONS, Event, Wire, cloudevents, topic_of
from shared.contracts.consent import CareTeamChanged, CareTeamMember
from shared.contracts.transcoding import FirstLookReady, Rate, RecordingReady, Rendition
from shared.contracts.upload import RecordingReceived
from shared.identity import Role
from shared.identity.tokens import mint
from shared.media_store import ArtefactWriter, Permits, Store
from shared.settings import HorizonSettings, StoreSettings
from tests.integration.curation.consent import Consent
from tests.patience import PATIENCE_SECONDS

PREPARED = ("review_film", "poster", "sprite", "waveform")
T = TypeVar("T")
E = TypeVar("E", bound=Event)


def until(what: Callable[[], T | bool | None], otherwise: str) -> T:
    """What it gives once it gives something. Raises AssertionError after PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := what():
            return found  # type: ignore[return-value]
        time.sleep(0.02)
    raise AssertionError(otherwise)


class Loop:
    """An event loop in a thread, so that tests read from top to bottom."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop)


@dataclass(frozen=True)
class Family:
    """One family under one consent, with a care team of two."""

    family_id: UUID = field(default_factory=uuid4)
    episode_id: UUID = field(default_factory=uuid4)
    practitioner: UUID = field(default_factory=uuid4)
    colleague: UUID = field(default_factory=uuid4)
    supervisor: UUID = field(default_factory=uuid4)
    parent: UUID = field(default_factory=uuid4)


@dataclass(frozen=True)
class Told:
    id: UUID
    event: Event
    wire: Wire
    cause: UUID | None


class Curation:
    """`hears` returns once the service has settled the event; `told` is what it published, in order."""

    def __init__(
        self,
        url: str,
        database_url: str,
        kafka_servers: str,
        keys: Path,
        store: StoreSettings,
        consent: Consent,
        process: "subprocess.Popen[bytes]",
        log: Path,
    ) -> None:
        self.url, self.database_url, self.consent = url, database_url, consent
        self.process, self.log = process, log
        self.loop = Loop()
        self._key = OKPKey.import_key(json.loads((keys / "development.jwk").read_text()))
        self._service_key = OKPKey.import_key(json.loads((keys / "transcoding.jwk").read_text()))
        self._store_settings = store
        self._told: list[Told] = []
        self.http = httpx.Client(base_url=url, timeout=PATIENCE_SECONDS)
        self._pool: asyncpg.Pool[Any] = self.loop(_pool(database_url))
        self._producer: AIOKafkaProducer = self.loop(_producer(kafka_servers))
        self._consumer: AIOKafkaConsumer = self.loop(_consumer(kafka_servers))
        self.loop.start(self._listen())

    def close(self) -> None:
        self.loop(self._producer.stop())
        self.loop(self._consumer.stop())
        self.loop(self._pool.close())
        self.http.close()

    async def _listen(self) -> None:
        async for record in self._consumer:
            headers = cloudevents.text(record.headers)
            attributes = cloudevents.attributes(headers)
            event, wire = cloudevents.decode(attributes.type, record.value)
            self._told.append(Told(attributes.id, event, wire, attributes.causation_id))

    async def _heard_all(self) -> bool:
        partitions = self._consumer.assignment()
        ends = await self._consumer.end_offsets(partitions)
        return all([await self._consumer.position(one) >= ends[one] for one in partitions])

    # events

    def send(self, event: Event, family: Family, id: UUID | None = None, *, by: str | None = None) -> UUID:
        """Publish it as its service would; does not wait for anybody."""
        id, wire = id or uuid7(), Wire(family_id=family.family_id, episode_id=family.episode_id)
        service = by or event.services[0]
        headers = cloudevents.headers(event, wire, id=id, source=service, time=datetime.now(UTC), cause=None)
        sent = self._producer.send_and_wait(
            topic_of(service),
            key=str(wire.key).encode(),
            value=cloudevents.encode(event, wire),
            headers=[(name, value.encode()) for name, value in headers.items()],
        )
        self.loop(sent)
        return id

    def hears(self, event: Event, family: Family, id: UUID | None = None) -> UUID:
        id = self.send(event, family, id)
        self.settled(id)
        return id

    def settled(self, id: UUID) -> str:
        """How the record was settled: done, ended or parked."""
        asked = "SELECT outcome FROM inbox WHERE event_id = $1"
        return str(until(lambda: self.value(asked, id), f"{id} was never settled"))

    def told(self, family: Family, type: type[E]) -> list[E]:
        """What of this type it published about the family's episode, once nothing waits in its outbox."""
        until(lambda: self.value("SELECT count(*) FROM outbox") == 0, "the outbox is never empty")
        until(lambda: self.loop(self._heard_all()), "what it sent is never heard")
        return [one.event for one in self._about(family) if isinstance(one.event, type)]

    def tells(self, family: Family, type: type[E], count: int = 1) -> list[E]:
        """Wait until it has published so many, and give those."""

        def enough() -> list[E] | None:
            found = self.told(family, type)
            return found if len(found) >= count else None

        return until(enough, f"not {count} {type.__name__}")

    def _about(self, family: Family) -> list[Told]:
        return [one for one in self._told if one.wire.key in (family.episode_id, family.family_id)]

    # its database

    def value(self, statement: str, *arguments: Any) -> Any:
        return self.loop(self._pool.fetchval(statement, *arguments))

    def rows(self, statement: str, *arguments: Any) -> list[Any]:
        return self.loop(self._pool.fetch(statement, *arguments))

    # people

    def token(self, person: UUID, role: Role = Role.PRACTITIONER, family_id: UUID | None = None) -> dict[str, str]:
        """The headers of a person's request."""
        token = mint(self._key, str(person), role, datetime.now(UTC), timedelta(hours=1), family_id)
        return {"Authorization": f"Bearer {token}"}

    def service_token(self) -> dict[str, str]:
        token = mint(self._service_key, "transcoding", Role.SERVICE, datetime.now(UTC), timedelta(minutes=1))
        return {"Authorization": f"Bearer {token}"}

    def parent(self, family: Family) -> dict[str, str]:
        return self.token(family.parent, Role.FAMILY, family.family_id)

    # what other services would have done

    def family(self) -> Family:
        """A family whose care team is known."""
        family = Family()
        self.hears(
            CareTeamChanged(
                version=1,
                members=(
                    CareTeamMember(person_id=family.practitioner, role="practitioner"),
                    CareTeamMember(person_id=family.colleague, role="practitioner"),
                    CareTeamMember(person_id=family.supervisor, role="supervisor"),
                ),
            ),
            family,
        )
        return family

    def recording(self, family: Family, frames: int = 500) -> RecordingReady:
        """A recording that was received and is ready; its film and what goes with it are registered, not stored."""
        came = received(family)
        self.hears(came, family)
        made = ready(came.recording_id, frames, [self.consent.register(family.episode_id) for _ in PREPARED])
        self.hears(made, family)
        return made

    def store(self, artefact_id: UUID, plain: bytes, media_type: str = "video/mp4", segment: int = 1 << 20) -> None:
        """Seal the artefact's bytes into the store as the transcoding service would."""
        self.loop(_seal(self._store_settings, self.consent, artefact_id, plain, media_type, segment))

    def film(self, family: Family, plain: bytes, segment: int = 1 << 20) -> UUID:
        """A film that can be watched."""
        film_id = film_of(self.recording(family))
        self.store(film_id, plain, segment=segment)
        return film_id


def received(family: Family, recording_id: UUID | None = None) -> RecordingReceived:
    return RecordingReceived(
        recording_id=recording_id or uuid7(),
        kind="parent_baby",
        filmed_on=date(2026, 11, 20),
        filmed_by=family.practitioner,
        bytes=1000,
        container="mp4",
    )


def ready(recording_id: UUID, frames: int = 500, artefacts: Sequence[UUID] = (), rate: int = 50) -> RecordingReady:
    return RecordingReady(
        recording_id=recording_id,
        duration_ms=frames * 1000 // rate,
        frames=frames,
        rate=Rate(numerator=rate, denominator=1),
        artefacts=tuple(
            Rendition(artefact_id=artefact, kind=kind)
            for artefact, kind in zip(artefacts or [uuid4() for _ in PREPARED], PREPARED, strict=True)
        ),
    )


def look_at(recording_id: UUID, frames: int = 500, artefact: UUID | None = None, rate: int = 50) -> FirstLookReady:
    return FirstLookReady(
        recording_id=recording_id,
        artefact_id=artefact or uuid4(),
        duration_ms=frames * 1000 // rate,
        frames=frames,
        rate=Rate(numerator=rate, denominator=1),
    )


def film_of(ready: RecordingReady) -> UUID:
    return next(one.artefact_id for one in ready.artefacts if one.kind == "review_film")


async def _pool(url: str) -> "asyncpg.Pool[Any]":
    return await asyncpg.create_pool(url, min_size=1, max_size=2)


async def _producer(servers: str) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    await producer.start()
    return producer


async def _consumer(servers: str) -> AIOKafkaConsumer:
    """From now on."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await consumer.start()
    partitions = [TopicPartition(topic_of("curation"), number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    return consumer


async def _seal(
    settings: StoreSettings, consent: Consent, artefact_id: UUID, plain: bytes, media_type: str, segment: int
) -> None:
    async with httpx.AsyncClient(base_url=consent.url) as client, Store(settings, HorizonSettings()) as store:
        permit = await Permits(client).ask("review", uuid4(), read=[artefact_id])
        async with ArtefactWriter(store, permit, "renditions", artefact_id, segment_bytes=segment) as writer:
            await writer.write(plain)
            await writer.finish(media_type)
