"""The consent service and its verifier as processes, with Kafka between them and participants that only acknowledge."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from uuid_utils.compat import uuid7

from deploy.local.stack import Stack
from services.consent.erasures.verify_certificate import verify
from shared.contracts import PARTICIPANTS, Wire, cloudevents, topic_of
from shared.contracts.consent import ErasureAcknowledged, PurgeAsked
from tests.integration.consent.erasing import public_key
from tests.integration.consent.waiting import until
from tests.integration.consent.world import Consent, Family


@dataclass
class Participants:
    """All four: they purge nothing, and acknowledge every round that is asked, twice."""

    producer: AIOKafkaProducer
    told: list[tuple[str, UUID, dict[str, Any]]] = field(default_factory=list)  # type, key, value; of consent's topic

    def of(self, family: Family) -> list[str]:
        """The types of what was told of an episode, first occurrences in order."""
        types = [(type, json.dumps(value)) for type, key, value in self.told if key == family.episode]
        return [type.removeprefix("attune.").removesuffix(".v1") for type, _ in dict.fromkeys(types)]

    async def listen(self, consumer: AIOKafkaConsumer) -> None:
        async for record in consumer:
            headers = cloudevents.text(record.headers)
            event, wire = cloudevents.decode(headers["ce_type"], record.value)
            self.told.append((event.type, UUID(record.key.decode()), json.loads(record.value)))
            if isinstance(event, PurgeAsked):
                for participant in PARTICIPANTS:
                    for _ in range(2):
                        await self.acknowledge(event, wire, participant)

    async def acknowledge(self, asked: PurgeAsked, wire: Wire, participant: str) -> None:
        event = ErasureAcknowledged(
            erasure_id=asked.erasure_id,
            round=asked.round,
            participant=participant,
            objects=0,
            bytes=0,
            rows=0,
            jobs_cancelled=0,
        )
        headers = cloudevents.headers(event, wire, id=uuid7(), source=participant, time=datetime.now(UTC), cause=None)
        await self.producer.send_and_wait(
            topic_of(participant),
            cloudevents.encode(event, wire),
            key=str(wire.key).encode(),
            headers=[(name, value.encode()) for name, value in headers.items()],
        )


@asynccontextmanager
async def participants(stack: Stack) -> AsyncIterator[Participants]:
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_servers)
    consumer = AIOKafkaConsumer(
        topic_of("consent"), bootstrap_servers=stack.kafka_servers, auto_offset_reset="earliest"
    )
    await producer.start()
    await consumer.start()
    them = Participants(producer)
    listening = asyncio.create_task(them.listen(consumer))
    try:
        yield them
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await consumer.stop()
        await producer.stop()


async def certificate(consent: Consent, family: Family, erasure: str) -> bytes:
    answer: httpx.Response | None = None

    async def there() -> bool:
        nonlocal answer
        answer = await consent.ask("GET", f"/erasures/{erasure}/certificate", consent.practitioner(family))
        return answer.status_code == 200

    await until(there)
    assert answer is not None
    return answer.content


THE_WAY = [
    "consent.given",
    "consent.given",
    "consent.suspended",
    "consent.ended",
    "erasure.opened",
    "erasure.purge_asked",
    "erasure.purge_asked",
    "erasure.certified",
]


async def test_from_withdrawal_to_certificate_by_themselves(running: Consent, processes: Stack) -> None:
    async with participants(processes) as them:
        family = await running.ready_to_film()
        await running.filmed(family)
        erasure = (await running.withdrawn(family))["erasure_id"]
        said = verify(await certificate(running, family, erasure), await public_key(running))
        assert said["horizon"]["seconds"] == 5
        assert [one["round"] for one in said["rounds"]] == [1, 2]

        async def all_told() -> bool:
            return them.of(family)[-1:] == ["erasure.certified"]

        await until(all_told)
        assert them.of(family) == THE_WAY


@pytest.mark.parametrize(
    ("failpoint", "withdrawn"), [("ended-not-opened", False), ("before-commit", False), ("after-commit", True)]
)
async def test_killed_while_it_ends(running: Consent, processes: Stack, failpoint: str, withdrawn: bool) -> None:
    """Before the commit it is as if nobody had asked; after it everything follows, though nobody got an answer."""
    family = await running.ready_to_film()
    await running.filmed(family)
    processes.stop_process("consent")
    processes.start_process("consent", env={"ATTUNE_FAILPOINT": f"{failpoint}:kill"}, restart=False)
    with pytest.raises(httpx.TransportError):
        await running.withdrawn(family)
    assert processes.wait_died("consent") == -9
    processes.start_process("consent")
    async with participants(processes) as them:
        shown = await running.done("GET", f"/families/{family.id}", running.practitioner(family))
        assert shown["episode"]["state"] == ("ended" if withdrawn else "open")
        erasure = (await running.withdrawn(family))["erasure_id"]
        await certificate(running, family, erasure)

        async def all_told() -> bool:
            return them.of(family)[-1:] == ["erasure.certified"]

        await until(all_told)
        assert them.of(family) == THE_WAY


async def test_killed_while_it_certifies(running: Consent, processes: Stack) -> None:
    """The erasure is certified once, by whoever comes back."""
    family = await running.ready_to_film()
    processes.stop_process("consent")
    # the end itself is no erasure work; of that there are the acknowledgements, the rounds and the certificate
    processes.start_process("consent", env={"ATTUNE_FAILPOINT": "before-erasure-commit:kill:2"}, restart=False)
    async with participants(processes) as them:
        erasure = (await running.withdrawn(family))["erasure_id"]
        assert await asyncio.to_thread(processes.wait_died, "consent") == -9
        await asyncio.to_thread(processes.start_process, "consent")
        await certificate(running, family, erasure)

        async def all_told() -> bool:
            return them.of(family)[-1:] == ["erasure.certified"]

        await until(all_told)
        assert them.of(family) == THE_WAY


async def test_a_family_withdraws_while_the_broker_is_away(running: Consent, processes: Stack) -> None:
    """It stays in service and says what it waits for; what is to be told waits in the outbox."""
    family = await running.ready_to_film()
    await asyncio.to_thread(processes.stop_process, "kafka")
    said: dict[str, Any] = {}

    async def says_so() -> bool:
        answer = await running.http.get("/health/ready")
        assert answer.status_code == 200
        said.update(answer.json())
        return "events" in said["waiting_for"]

    await until(says_so)
    assert said["status"] == "waiting"
    erasure = (await running.withdrawn(family))["erasure_id"]
    await asyncio.to_thread(processes.start_process, "kafka")
    async with participants(processes):
        await certificate(running, family, erasure)

    async def ready() -> bool:
        return bool((await running.http.get("/health/ready")).json()["status"] == "ready")

    await until(ready)
