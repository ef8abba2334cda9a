"""The service and its sender as they run: events come twice, a sender dies, a mail is in the trace of its cause."""

import asyncio
import json
import secrets
import signal
from typing import Any
from uuid import UUID, uuid4

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import select

from services.notification.model import DeliveryState
from services.notification.tables import deliveries
from shared.contracts import PARTITIONS, cloudevents, topic_of
from shared.contracts.consent import (
    ConsentEnded,
    ConsentSuspended,
    ErasureCertified,
    PurgeAsked,
)
from shared.contracts.curation import ReviewTaskCreated
from shared.database import Database
from tests.integration.notification.service import Service
from tests.integration.notification.test_who_is_told import ready
from tests.integration.notification.world import Family, eventually


async def told(service: Service, family: Family) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """What it has published about the family: attributes and payload."""
    consumer = AIOKafkaConsumer(bootstrap_servers=service.stack.kafka_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(topic_of("notification"), number) for number in range(PARTITIONS)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, 0)
        found = []
        while [place for place in places if await consumer.position(place) < ends[place]]:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [(cloudevents.text(record.headers), json.loads(record.value or b"{}")) for record in records]
    finally:
        await consumer.stop()
    return [one for one in found if one[1].get("family_id") == str(family.family_id)]


async def tells(service: Service, family: Family, type: str, count: int = 1) -> list[tuple[dict[str, str], Any]]:
    async def enough() -> list[tuple[dict[str, str], Any]]:
        found = [one for one in await told(service, family) if one[0]["ce_type"] == type]
        return found if len(found) >= count else []

    return await eventually(enough)


async def state_of(database: Database, cause: UUID) -> str | None:
    async with database.sessions() as session:
        return await session.scalar(select(deliveries.c.state).where(deliveries.c.cause == cause))


async def test_an_event_that_comes_twice_is_told_once(service: Service, family: Family) -> None:
    practitioner, recording = uuid4(), uuid4()
    address = await service.reachable(practitioner)
    cause = await service.hears(ready(recording), family, times=3)
    await service.hears(ReviewTaskCreated(recording_id=recording, assignee_id=practitioner), family, times=3)
    await service.arrives(address)
    (headers, sent), *others = await tells(service, family, "attune.notification.sent.v1")
    assert not others
    assert headers["ce_causationid"] == sent["cause"] == str(cause)
    again = uuid4()
    await service.hears(ready(again), family)  # a later message of the same person has overtaken nothing
    await service.hears(ReviewTaskCreated(recording_id=again, assignee_id=practitioner), family)
    assert len(await service.arrives(address, 2)) == 2


async def test_a_mail_is_in_the_trace_of_the_event_that_caused_it(service: Service, family: Family) -> None:
    practitioner, recording, trace = uuid4(), uuid4(), secrets.token_hex(16)
    address = await service.reachable(practitioner)
    await service.hears(ReviewTaskCreated(recording_id=recording, assignee_id=practitioner), family)
    await service.hears(ready(recording), family, trace=trace)
    await service.arrives(address)

    async def spans() -> dict[str, dict[str, Any]]:
        async with httpx.AsyncClient(timeout=60) as http:
            answer = await http.get(f"{service.stack.url('traces')}/api/v2/trace/{trace}")
        found = {span["name"]: span for span in answer.json()} if answer.is_success else {}
        wanted = {"process recording.ready", "job mail", "send mail", "create notification.sent"}
        return found if wanted <= found.keys() else {}

    found = await eventually(spans)
    assert found["job mail"]["parentId"] == found["process recording.ready"]["id"]
    assert found["send mail"]["parentId"] == found["job mail"]["id"]
    assert found["create notification.sent"]["parentId"] == found["job mail"]["id"]
    assert found["send mail"]["localEndpoint"]["serviceName"] == "notification-sender"
    assert found["process recording.ready"]["localEndpoint"]["serviceName"] == "notification"
    assert found["job mail"]["tags"]["attune.recording"] == str(recording)
    assert address not in json.dumps(found)


async def test_a_sender_killed_after_the_servers_yes_sends_the_same_message_again(
    service: Service, family: Family
) -> None:
    practitioner, recording = uuid4(), uuid4()
    address = await service.reachable(practitioner)
    service.stack.stop_process("notification-sender")
    armed = {"ATTUNE_FAILPOINT": "mail-accepted:kill"}
    service.stack.start_process("notification-sender", env=armed, restart=False)
    await service.hears(ReviewTaskCreated(recording_id=recording, assignee_id=practitioner), family)
    cause = await service.hears(ready(recording), family)
    assert await asyncio.to_thread(service.stack.wait_died, "notification-sender") == -signal.SIGKILL
    database = service.database()
    assert await state_of(database, cause) == DeliveryState.WAITING
    service.stack.start_process("notification-sender")
    first, again = await service.arrives(address, 2)
    assert first["Message-ID"] == again["Message-ID"]
    assert len(await tells(service, family, "attune.notification.sent.v1")) == 1
    assert await state_of(database, cause) == DeliveryState.SENT
    await database.close()


async def test_a_family_that_withdraws_is_told_twice_and_then_forgotten(service: Service, family: Family) -> None:
    team, parent, erasure_id = await service.with_a_team(family), uuid4(), uuid4()
    address = await service.reachable(parent, by=team.practitioner, family=family)
    await service.hears(ConsentSuspended(cause="withdrawal_confirmed"), family, times=2)
    await service.hears(ConsentEnded(erasure_id=erasure_id, cause="withdrawal_confirmed"), family, times=2)
    for number in (1, 2):
        await service.hears(PurgeAsked(erasure_id=erasure_id, round=number), family)
    acknowledged = await tells(service, family, "attune.erasure.acknowledged.v1", 2)
    assert {payload["participant"] for _, payload in acknowledged} == {"notification"}
    await service.hears(ErasureCertified(erasure_id=erasure_id, certificate_id=uuid4()), family, times=2)
    mails = await service.arrives(address, 2)
    assert [mail["Subject"] for mail in mails] == ["We have received your request", "What we promised you is done"]
    assert len(await tells(service, family, "attune.notification.sent.v1", 2)) == 2

    async def forgotten() -> bool:
        """Of somebody of whom nothing is known, nobody may ask."""
        answer = await service.ask("GET", f"/people/{parent}/contact-points", team.practitioner)
        return answer.status_code == 403

    await eventually(forgotten)
    answer = await service.ask("GET", f"/families/{family.family_id}/deliveries", team.practitioner)
    (kept,) = answer.json()["deliveries"]
    assert (kept["message"], kept["state"], kept["person_id"]) == ("request_complete", "sent", str(parent))
    assert len(service.mails_to(address)) == 2
