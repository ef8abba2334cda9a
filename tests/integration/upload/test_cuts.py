"""Connections that break: what arrived counts, to the byte, and another process may go on."""

import asyncio
import hashlib

import pytest

from tests.integration.upload.conftest import MIB, Client, Clients, Inside, Service, film, looking_into, until
from tests.integration.upload.consent import Episode


@pytest.mark.parametrize("came", [1, 4095, 4096, 300_000, 4 * MIB, 9 * MIB + 17])
async def test_a_cut_connection_loses_no_byte(client: Client, family: Episode, inside: Inside, came: int) -> None:
    plain = film(10 * MIB, seed=came)
    where = await _cut_after(client, family, plain, came)
    answer = await client.add(where, came, plain[came:])
    assert answer.status_code == 204, answer.text
    await client.received(where)
    assert await inside.film(where, family) == plain


async def _cut_after(client: Client, family: Episode, plain: bytes, came: int) -> str:
    """An upload whose line broke when so many bytes had come; those that an abort overtakes in the kernel never did."""
    for seconds in (0.5, 5.0, 50.0):
        where = await client.begun(family, len(plain))
        async with client.adding(where, 0, len(plain)) as sending:
            await sending.send(plain[:came])
            await asyncio.sleep(seconds)
            sending.cut()
        if await client.offset(where) == came:
            return where
    raise AssertionError("however long it was given, it did not count what had come")


async def test_who_asks_where_it_stands_ends_a_request_whose_line_is_dead(
    client: Client, family: Episode, inside: Inside
) -> None:
    plain = film(10 * MIB)
    where = await client.begun(family, len(plain))
    async with client.adding(where, 0, len(plain)) as dead:  # open, and nothing comes any more
        await dead.send(plain[: 5 * MIB + 3])

        async def a_segment() -> bool:
            return await client.arrived(where) == 4 * MIB

        await until(a_segment, "the first segment")
        assert 4 * MIB < await client.offset(where) <= 5 * MIB + 3
        offset = await client.offset(where)
        answer = await dead.answer()
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(offset))
        assert (await client.add(where, offset, plain[offset:])).status_code == 204
    await client.received(where)
    assert await inside.film(where, family) == plain


async def test_a_cut_body_with_a_checksum_counts_not_at_all(client: Client, family: Episode) -> None:
    where = await client.begun(family, 2 * MIB)
    async with client.adding(where, 0, MIB, **{"Upload-Checksum": f"sha256 {'A' * 43}="}) as sending:
        await sending.send(film(MIB)[:-1])
        await asyncio.sleep(0.5)
        sending.cut()
    await asyncio.sleep(0.5)
    assert await client.offset(where) == 0  # who asks waits until that request has ended
    async with client.adding(where, 0, MIB) as sending:  # a later request is never overtaken by the first
        await sending.send(film(MIB))
        assert (await sending.answer()).headers["upload-offset"] == str(MIB)
    assert await client.offset(where) == MIB


async def test_an_upload_goes_on_in_another_process(service: Service, clients: Clients, family: Episode) -> None:
    first = service.start()
    plain = film(13 * MIB)
    async with looking_into(service) as inside:
        client = clients(first, family.practitioner)
        where = await client.begun(family, len(plain))
        async with client.adding(where, 0, len(plain)) as sending:
            await sending.send(plain[: 11 * MIB])

            async def two_segments() -> bool:
                return await client.arrived(where) == 8 * MIB

            await until(two_segments, "the second segment")
            first.popen.kill()
            first.popen.wait()
        client = clients(service.start(), family.practitioner)
        assert await client.offset(where) == 8 * MIB
        assert (await client.add(where, 8 * MIB, plain[8 * MIB :])).status_code == 204
        recording = await client.received(where)
        assert recording["sha256"] == hashlib.sha256(plain).hexdigest()
        assert await inside.film(where, family) == plain


async def test_a_process_that_is_told_to_stop_finishes_the_request_under_way(
    service: Service, clients: Clients, family: Episode
) -> None:
    process = service.start()
    client = clients(process, family.practitioner)
    plain = film(6 * MIB)
    where = await client.begun(family, len(plain))
    async with client.adding(where, 0, len(plain)) as sending:
        await sending.send(plain[: 5 * MIB])
        process.popen.terminate()
        await asyncio.sleep(0.5)
        await sending.send(plain[5 * MIB :])
        answer = await sending.answer()
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(6 * MIB))
    assert process.popen.wait(60) == 0
