"""The subscriber of docs/subscribing.md runs as it stands there."""

import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

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
    episode = uuid4()
    try:
        async with unit_of_work(consent, episode, family_id=uuid4()) as uow:
            uow.publish(ConsentEnded(erasure_id=uuid4(), cause="withdrawn"))
        async with asyncio.timeout(120):
            while f"attune.consent.ended.v1 {episode}\n" != (await process.stdout.readline()).decode():
                continue
    finally:
        relay.cancel()
        process.terminate()
        await process.wait()
        await consent.close()
