"""A load that goes on while something befalls the house, and is judged when all is quiet again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.house import OURS, House
from tests.faults.invariants import complaints, failures
from tests.faults.load import PATIENCE_SECONDS, Load


@asynccontextmanager
async def judged(house: House, *, practitioners: int = 2, may_fail: bool = False) -> AsyncIterator[Load]:
    """While the block runs practitioners are at work; then all has to become quiet, and I1 to I5 and I10 hold.

    may_fail: whether work may end as failed with a reason, as it may where workers are killed again and again.
    """
    world = house.world()
    load = Load(world, house.film, failed_before=frozenset(await failures(house)))
    running = asyncio.create_task(load.run(practitioners))
    try:
        yield load
        load.stopping.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await running
        assert not load.failures, load.failures
        await until_quiet(house, load)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await world.close()
    await is_well(house, load, may_fail=may_fail)


async def is_well(house: House, load: Load, *, may_fail: bool = False) -> None:
    """I1 to I5 and I10 hold, no worker has kept anything, and since the load began nothing has failed."""
    wrong = await complaints(house, load) + [f"{path} is left in a scratch folder" for path in house.scratch()]
    if not may_fail:
        wrong += [failure for failure in await failures(house) if failure not in load.failed_before]
    if wrong:
        pytest.fail("\n".join(wrong))


async def until_quiet(house: House, load: Load) -> None:
    """Until every process is ready and nothing goes on any more."""
    await asyncio.to_thread(house.stack.wait_ready, *OURS, seconds=PATIENCE_SECONDS)
    what = ""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while what := await house.is_busy():
                await _tell_in_person(house, load)
                await asyncio.sleep(1.0)
    except TimeoutError:
        pytest.fail(f"it never becomes quiet: {what}")


async def _tell_in_person(house: House, load: Load) -> None:
    """What could not be sent somebody says to their faces; until then an erasure's last message is owed."""
    owed = "SELECT id, family_id::text FROM deliveries WHERE state = 'in_person'"
    for delivery in await house.rows("notification", owed):
        if practitioner := load.cares_for.get(delivery["family_id"]):
            await practitioner.call("notification", "POST", f"/deliveries/{delivery['id']}/told")
