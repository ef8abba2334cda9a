"""One process of a service, to be killed: a consumer, a relay or a worker."""

import asyncio
import json
import logging
import signal
import sys
from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from shared import jobs
from shared.jobs import Job, queue, working
from shared.messaging import Relay
from shared.messaging import events as consumer
from tests.integration.messaging.watching import watch
from tests.integration.messaging.world import World, attempts


async def consume(world: World, member: int) -> None:
    database = world.database()
    watch(world.database())
    consumer.SESSION_SECONDS = 6.0  # the least that a broker allows
    events = world.events(member)
    events.bind(database, world.kafka)
    await events.run()


async def relay(world: World, member: int) -> None:
    await Relay(world.writers_database(), world.kafka).run()


async def work(world: World, member: int) -> None:
    """Begins a job and never ends it."""
    database = world.database()
    queue.LEASE, working.HEARTBEAT_SECONDS = timedelta(seconds=3), 1.0

    async def begin(job: Job) -> None:
        async with database.sessions.begin() as session:
            await session.execute(insert(attempts).values(event_id=job.subject_id, member=member))
        await asyncio.Event().wait()

    async def give_up(job: Job, code: str, detail: str) -> None:
        raise AssertionError(code)

    await jobs.work_off(database, ["job"], f"worker-{member}", begin, give_up)


async def main(given: dict[str, Any]) -> None:
    logging.basicConfig(level=logging.WARNING)
    world = World(given["dsn"], given["writer_dsn"], given["servers"], given["name"])
    running = asyncio.create_task(
        {"consume": consume, "relay": relay, "work": work}[given["does"]](world, given["member"])
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        print("stopped", flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
