"""Two replicas and one upload: whoever adds last has it, and what the other still brings never counts."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.failpoints import Failpoint
from tests.integration.upload.conftest import (
    MIB,
    Client,
    Clients,
    Inside,
    Process,
    Sending,
    Service,
    film,
    looking_into,
    until,
)
from tests.integration.upload.consent import Episode


async def is_stopped(process: Process) -> bool:
    with open(f"/proc/{process.popen.pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] == "T"


def go_on(process: Process) -> None:
    os.kill(process.popen.pid, signal.SIGCONT)


@asynccontextmanager
async def paused(client: Client, process: Process, where: str, plain: bytes) -> AsyncIterator[Sending]:
    """A request on its way through a process that stops in the middle of it."""
    async with client.adding(where, 0, len(plain)) as sending:
        sent = asyncio.create_task(sending.send(plain))
        await until(lambda: is_stopped(process), "the pause")
        try:
            yield sending
        finally:
            go_on(process)
            sent.cancel()


async def counted(inside: Inside, family: Episode, where: str) -> set[str]:
    """Names of what counts: the segments that have a row, and the manifest."""
    upload = where.rpartition("/")[2]
    rows = await inside.rows("SELECT id FROM segments WHERE upload_id = CAST(:id AS uuid)", id=upload)
    manifest = inside.permit(where, family).artefacts
    ids = [row.id for row in rows] + [grant.manifest_id for grant in manifest.values()]
    return {f"{family.id}/{upload}/{id}" for id in ids}


@pytest.mark.parametrize("point", [Failpoint.MID_PUT, Failpoint.PERMIT_BEFORE_PUT])
async def test_bytes_of_a_replica_that_was_overtaken_never_count(
    service: Service, clients: Clients, family: Episode, point: Failpoint
) -> None:
    slow = service.start({"ATTUNE_FAILPOINT": f"{point}:pause:1"})
    quick = service.start()
    plain = film(9 * MIB)
    async with looking_into(service) as inside:
        at_slow, at_quick = clients(slow, family.practitioner), clients(quick, family.practitioner)
        where = await at_slow.begun(family, len(plain))
        async with paused(at_slow, slow, where, plain) as overtaken:
            assert await at_quick.offset(where) == 0
            answer = await at_quick.add(where, 0, plain)
            assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(plain))), answer.text
            await at_quick.received(where)
            before = await inside.objects(family, where)
            go_on(slow)
            answer = await overtaken.answer()
            assert (answer.status_code, answer.json()["code"]) == (409, "taken-over")
        assert set(before) >= await counted(inside, family, where)
        assert set(await inside.objects(family, where)) == await counted(inside, family, where)
        assert await inside.film(where, family) == plain
        (rows,) = await inside.rows("SELECT count(*) AS n, sum(length) AS bytes FROM segments")
        assert (rows.n, rows.bytes) == (3, len(plain))


async def test_a_replica_that_stops_with_the_episode_locked_holds_nobody_up_for_long(
    service: Service, clients: Clients, family: Episode
) -> None:
    # passes: the announcement's commit, the take-over's, the first segment's
    slow = service.start({"ATTUNE_FAILPOINT": f"{Failpoint.BEFORE_COMMIT}:pause:3"})
    quick = service.start()
    plain = film(9 * MIB)
    async with looking_into(service) as inside:
        at_slow, at_quick = clients(slow, family.practitioner), clients(quick, family.practitioner)
        where = await at_slow.begun(family, len(plain))
        async with paused(at_slow, slow, where, plain) as overtaken:

            async def taken_over() -> bool:
                offset = await at_quick.offset(where)
                answer = await at_quick.add(where, offset, plain[offset:])
                assert answer.status_code in (204, 503), answer.text
                return answer.status_code == 204

            await until(taken_over, "the other replica's turn")
            await at_quick.received(where)
            go_on(slow)
            answer = await overtaken.answer()
            assert answer.status_code in (409, 503)
        stored, counts = set(await inside.objects(family, where)), await counted(inside, family, where)
        # 503: it did not learn whether its segment counts, so that one goes with the recording
        assert stored >= counts and len(stored - counts) <= (answer.status_code == 503)
        assert await inside.film(where, family) == plain
