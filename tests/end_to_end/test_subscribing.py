"""The subscriber of docs/subscribing.md runs as it stands there."""

import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local.supervisor import CHECKOUT
from shared.contracts.consent import ConsentEnded
from shared.database import Database, unit_of_work
from shared.messaging import Relay
from shared.messaging.topics import declare
from shared.settings import DatabaseSettings, KafkaSettings
from tests import stack

PAGE = CHECKOUT / "docs" / "subscribing.md"


def subscriber() -> str:
    found = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_it_is_twenty_lines() -> None:
    assert len([line for line in subscriber().splitlines() if line.strip()]) <= 20


async def test_it_tells_each_event_once(
    database: Callable[[str], stack.Database], kafka_servers: str, tmp_path: Path
) -> None:
    kafka = KafkaSettings(servers=kafka_servers, replication=1)
    await declare(kafka)
    consent = Database(DatabaseSettings(url=database("consent").url), "consent")
    script = tmp_path / "subscriber.py"
    script.write_text(subscriber())
    environment = os.environ | {"ATTUNE_KAFKA_SERVERS": kafka_servers, "GROUP": f"test-{uuid4()}"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    relay = asyncio.create_task(Relay(consent, kafka).run())
    lines, episode, another = process.stdout, uuid4(), uuid4()

    async def lines_until(of: UUID) -> list[str]:
        """Other tests' events are told as well."""
        said = [""]
        while str(of) not in said[-1]:
            said.append((await lines.readline()).decode())
        return said

    try:
        async with unit_of_work(consent, episode, family_id=uuid4()) as uow:
            uow.publish(ConsentEnded(erasure_id=uuid4(), cause="withdrawn"))
        async with asyncio.timeout(120):
            told = await lines_until(episode)
            await send_again(kafka_servers, episode, another)
            told += await lines_until(another)
        ours = [line for line in told if str(episode) in line or str(another) in line]
        assert ours == [f"attune.consent.ended.v1 {one}\n" for one in (episode, another)]
    finally:
        relay.cancel()
        process.terminate()
        await process.wait()
        await consent.close()


async def send_again(servers: str, episode: UUID, another: UUID) -> None:
    """The record of this episode as it was sent, and after it, in the same partition, one of another episode."""
    async with AIOKafkaConsumer("attune.consent", bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        record = await anext(one async for one in consumer if one.key == str(episode).encode())
    ids = [(name, str(another).encode() if name == "ce_id" else value) for name, value in record.headers]
    others = record.value.replace(str(episode).encode(), str(another).encode())
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for key, value, headers in ((episode, record.value, record.headers), (another, others, ids)):
            await producer.send_and_wait(
                record.topic, value, str(key).encode(), headers=list(headers), partition=record.partition
            )
