"""Killed at any moment, the upload goes on: in the end there is one recording, told once."""

import asyncio
import contextlib
import hashlib

import httpx

from shared.failpoints import Failpoint
from tests.integration.upload.conftest import MIB, Client, Clients, Service, film, looking_into, until
from tests.integration.upload.consent import Episode
from tests.integration.upload.events import told


async def tries(client: Client, where: str, plain: bytes) -> None:
    """As a client does: ask where it stands and send the rest, until it is all there or nobody answers."""
    with contextlib.suppress(httpx.HTTPError):
        while (offset := await client.offset(where)) < len(plain):
            await client.add(where, offset, plain[offset:])


async def test_killed_at_one_point_after_the_other_it_ends_as_one_recording(
    service: Service, clients: Clients, family: Episode
) -> None:
    plain = film(30 * MIB)
    where = ""
    points = [
        (Failpoint.AFTER_COMMIT, 1),  # the announcement; the client never hears of it
        (Failpoint.PERMIT_BEFORE_PUT, 2),
        (Failpoint.MID_PUT, 50),
        (Failpoint.BEFORE_COMMIT, 3),  # of this process: the take-over, a segment, a segment
        (Failpoint.AFTER_COMMIT, 3),
    ]
    async with looking_into(service) as inside:
        for point, passes in points:
            process = service.start({"ATTUNE_FAILPOINT": f"{point}:kill:{passes}"})
            client = clients(process, family.practitioner)
            if not where:
                with contextlib.suppress(httpx.HTTPError):
                    await client.begin(family, len(plain))
                (row,) = await inside.rows("SELECT id FROM uploads")
                where = f"/v1/uploads/{row.id}"
            else:
                (before,) = await inside.rows('SELECT "offset" AS at FROM uploads')
                await tries(client, where, plain)
                (after,) = await inside.rows('SELECT "offset" AS at FROM uploads')
                assert after.at >= before.at
            assert process.popen.wait(60) == -9, point
        (row,) = await inside.rows('SELECT "offset" AS at FROM uploads')
        assert 0 < row.at < len(plain)
        left = -(-(len(plain) - row.at) // (4 * MIB))
        # before the commit that makes it a recording: verified, and not yet said
        process = service.start({"ATTUNE_FAILPOINT": f"{Failpoint.BEFORE_COMMIT}:kill:{1 + left + 1}"})
        await tries(clients(process, family.practitioner), where, plain)
        assert await asyncio.to_thread(process.popen.wait, 60) == -9
        (row,) = await inside.rows("SELECT state FROM uploads")
        assert row.state == "verifying"
        # and right after it, when nobody has been told
        process = service.start({"ATTUNE_FAILPOINT": f"{Failpoint.AFTER_COMMIT}:kill:1"})
        assert await asyncio.to_thread(process.popen.wait, 90) == -9
        (row,) = await inside.rows("SELECT state FROM uploads")
        assert row.state == "received"
        client = clients(service.start(), family.practitioner)
        recording = await client.recording(where)
        assert recording["sha256"] == hashlib.sha256(plain).hexdigest()
        assert await inside.film(where, family) == plain

        async def sent() -> bool:
            return not await inside.rows("SELECT 1 FROM outbox")

        await until(sent, "the relay's turn")
    (event,) = await told(service.stack.kafka_servers, where)
    assert event.type == "attune.recording.received.v1"
    assert event.value["bytes"] == len(plain)
    assert event.value["filmed_by"] == str(family.practitioner)
    assert event.value["episode_id"] == str(family.id)
