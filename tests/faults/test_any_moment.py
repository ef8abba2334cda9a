"""Any process of ours is killed or stopped at any moment; a write that was stopped comes too late.

The campaign is random: `ATTUNE_FAULTS_SEED` repeats one, `ATTUNE_FAULTS` says how many faults it has.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psutil
from minio import Minio

from deploy.demo import upload
from deploy.local.stack import StackError
from shared.failpoints import Failpoint
from shared.identity import ServiceToken
from shared.media_store import NewArtefact, Permits
from tests.faults.harm import freeze, thaw
from tests.faults.house import HORIZON_SECONDS, OURS, House
from tests.faults.judge import judged
from tests.faults.load import PATIENCE_SECONDS, Load

SEED = int(os.environ.get("ATTUNE_FAULTS_SEED") or random.SystemRandom().randrange(10**9))
FAULTS = int(os.environ.get("ATTUNE_FAULTS", "25"))
STOPPED_SECONDS = (0.2, 2.0, 5.0, 14.0, 25.0)  # shorter and longer than a permit, a session, a lease, a transaction
INFRASTRUCTURE = ("postgres", "kafka", "s3")


@dataclass(frozen=True)
class Fault:
    """What happens to which process after a while; for how many seconds it is stopped, 0: it is killed."""

    after: float
    process: str
    stopped: float


def faults(seed: int, count: int) -> list[Fault]:
    chance = random.Random(seed)
    return [
        Fault(
            after=chance.uniform(0.1, 4.0),
            process=chance.choice(OURS * 3 + INFRASTRUCTURE),
            stopped=chance.choice((0.0,) * 5 + STOPPED_SECONDS),
        )
        for _ in range(count)
    ]


async def test_any_process_may_be_killed_or_stopped_at_any_moment(house: House) -> None:
    campaign = faults(SEED, FAULTS)
    print(f"ATTUNE_FAULTS_SEED={SEED}: {sum(not one.stopped for one in campaign)} kills of {FAULTS} faults")
    async with judged(house, may_fail=True) as load, asyncio.TaskGroup() as group:
        group.create_task(load.goes_on(4))  # of four one stays, one withdraws and one discards
        one_at_a_time = {fault.process: asyncio.Lock() for fault in campaign}
        for fault in campaign:
            await asyncio.sleep(fault.after)
            assert load.failures == []
            group.create_task(_befall(house, fault, one_at_a_time[fault.process]))
    assert load.kept and load.withdrawn and load.discarded


async def _befall(house: House, fault: Fault, one_at_a_time: asyncio.Lock) -> None:
    async with one_at_a_time:
        with suppress(StackError, psutil.NoSuchProcess):  # it is dead already, and about to come back
            if not fault.stopped:
                await asyncio.to_thread(house.stack.kill, fault.process)
                return
            frozen = await asyncio.to_thread(freeze, house.stack, fault.process)
            try:
                await asyncio.sleep(fault.stopped)
            finally:
                await asyncio.to_thread(thaw, house.stack, fault.process, frozen)


async def test_a_worker_stopped_between_permit_and_write_keeps_the_certificate_waiting(
    house: House, tmp_path: Path
) -> None:
    """It may hold plain bytes: nothing is certified before it runs again, is refused by the store, and has wiped."""
    async with judged(house, practitioners=0) as load:
        practitioner = await load.practitioner()
        family = await load.family(practitioner)
        await asyncio.to_thread(house.stack.stop_process, "transcoding-worker")
        async with _stopped_at(house, "transcoding-worker", tmp_path) as reached:
            await load.upload(practitioner, family)
            await reached()
            erasure = await load.withdraw(practitioner, family)
            await asyncio.sleep(2 * HORIZON_SECONDS)
            assert house.scratch() != []
            assert await house.value("consent", "SELECT state FROM erasures WHERE id = $1", UUID(erasure)) == "purging"
        await _until_certified(house, erasure)
        assert _names(house, family.episode) == []
    await asyncio.to_thread(house.stack.restart_process, "transcoding-worker")


async def test_a_service_stopped_between_permit_and_write_is_refused_by_the_store(house: House, tmp_path: Path) -> None:
    """Its other replica has purged and the certificate is out when it runs again: its write is too late."""
    async with judged(house, practitioners=0) as load:
        practitioner = await load.practitioner()
        family = await load.family(practitioner)
        await asyncio.to_thread(house.stack.start_process, "upload", replica=2)
        await asyncio.to_thread(house.stack.stop_process, "upload")
        await _until_relayed_again(house)
        async with _stopped_at(house, "upload", tmp_path) as reached:
            recording = await load.expected(practitioner, family, house.film)
            sending = asyncio.create_task(_send_once(load, practitioner.id, recording, house))
            await reached()
            await _until_certified(house, await load.withdraw(practitioner, family))
            granted = await _last_answer(house, recording, "granted")
            assert _names(house, family.episode) == []
        assert await sending >= 400
        # the store said that the permit had run out, so it asked for another: refused
        assert await _last_answer(house, recording, "ended") > granted > 0
        assert _names(house, family.episode) == []
        await asyncio.to_thread(house.stack.restart_process, "upload")
        await asyncio.to_thread(house.stack.stop_process, "upload-2")


async def test_what_lands_after_the_certificate_is_unreadable_and_removed(house: House) -> None:
    """The body of a write was under way all along, slower than any deadline of ours: the reconciler finds it."""
    async with judged(house, practitioners=0, may_fail=True) as load:  # its addresses went with the first certificate
        practitioner = await load.practitioner()
        family = await load.family(practitioner)
        artefact = uuid4()
        key = house.stack.instance.key_file("upload")
        async with httpx.AsyncClient(base_url=house.stack.url("consent"), auth=ServiceToken(key)) as consent:
            about = NewArtefact(
                artefact,
                UUID(family.episode),
                "recording",
                people=[UUID(person) for person in family.people],
                filmed_on=await house.value("consent", "SELECT current_date"),
                happy_to_film=True,
            )
            permit = await Permits(consent).ask("film", practitioner.id, write=[about])
        access, secret = house.stack.store.keys["upload"]
        store = Minio(house.stack.store.endpoint, access, secret, secure=False, region=house.stack.store.region)
        name = f"{family.episode}/{artefact}/{uuid4()}"
        url = store.get_presigned_url(
            "PUT",
            "recordings",
            name,
            expires=timedelta(seconds=permit.seconds),
            request_date=permit.granted_at,
        )
        certified = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield bytes(50_000)
            await certified.wait()
            yield bytes(50_000)

        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            landing = asyncio.create_task(client.put(url, content=body(), headers={"Content-Length": "100000"}))
            erasure = await load.withdraw(practitioner, family)
            await _until_certified(house, erasure)
            assert _names(house, family.episode) == []
            certified.set()
            assert (await landing).status_code == 200
        assert (
            await house.value("consent", "SELECT key FROM consent_episodes WHERE id = $1", UUID(family.episode)) is None
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            superseding = "SELECT count(*) FROM erasures WHERE supersedes = $1 AND state = 'certified'"
            while not await house.value("consent", superseding, UUID(erasure)):
                await asyncio.sleep(0.2)
        assert _names(house, family.episode) == []


async def _send_once(load: Load, practitioner: UUID, recording: str, house: House) -> int:
    """One request, however long its answer takes."""
    person = load.world.person("practitioner", practitioner)
    headers = {**upload.TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    answer = await person.clients["upload"].patch(
        f"/v1/uploads/{recording}", headers=headers, content=house.film.read_bytes(), timeout=PATIENCE_SECONDS
    )
    return answer.status_code


@asynccontextmanager
async def _stopped_at(house: House, process: str, folder: Path) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Started so that it stops itself before its first write; it goes on when the block has ended."""
    hits = folder / "hits"
    hits.touch()
    armed = {"ATTUNE_FAILPOINT": f"{Failpoint.PERMIT_BEFORE_PUT}:pause", "ATTUNE_FAILPOINT_LOG": str(hits)}
    await asyncio.to_thread(house.stack.start_process, process, env=armed)

    async def reached() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not hits.read_text():
                await asyncio.sleep(0.1)

    try:
        yield reached
    finally:
        await asyncio.to_thread(house.stack.resume, process)


async def _until_relayed_again(house: House) -> None:
    """Until the other replica leads the relay: one that is stopped would keep the lead."""
    leads = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await house.value("upload", f"{leads} pg_database WHERE datname = current_database())"):
            await asyncio.sleep(0.1)


async def _until_certified(house: House, erasure: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await house.value("consent", "SELECT 1 FROM certificates WHERE erasure_id = $1", UUID(erasure)):
            await asyncio.sleep(0.2)


async def _last_answer(house: House, recording: str, outcome: str) -> int:
    """The number, in the permit log, of the last answer of this kind about the recording; 0: there is none."""
    last = "SELECT max(number) FROM permit_log WHERE $1 = ANY(written) AND outcome = $2"
    return await house.value("consent", last, UUID(recording), outcome) or 0


def _names(house: House, episode: str) -> list[str]:
    return [name for bucket in ("recordings", "renditions") for name in house.store().names(bucket, f"{episode}/")]
