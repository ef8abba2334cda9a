"""A part is away for two minutes while an upload, a film, an erasure and a mail are under way.

Meanwhile whoever needs it says so; afterwards all goes on by itself: nothing is lost, nothing doubled, nothing
marked failed. `ATTUNE_OUTAGE_SECONDS` sets how long an outage is.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from deploy.demo import upload
from deploy.demo.acts import Family
from deploy.demo.world import Person
from tests.faults.harm import away
from tests.faults.house import OURS, House
from tests.faults.judge import judged
from tests.faults.load import PATIENCE_SECONDS, Load

OUTAGE_SECONDS = float(os.environ.get("ATTUNE_OUTAGE_SECONDS", "120"))
PIECE = 64 * 1024


@dataclass(frozen=True)
class Outage:
    """What is away, how it went, by which names they say so who need it, and who of them can do nothing without."""

    part: str
    how: str
    names: frozenset[str]
    needed_by: frozenset[str]
    not_ready: frozenset[str] = frozenset()

    def is_said(self, by: str, ready: bool, waits_for: set[str]) -> bool:
        return bool(waits_for & self.names) and not (ready and by in self.not_ready)


KEEP = frozenset(OURS) - {"portal"}  # who has a database
APPS = frozenset({"consent", "upload", "transcoding", "curation", "notification"})
KAFKA = Outage("kafka", "killed", frozenset({"events", "relay"}), APPS)
POSTGRES = Outage("postgres", "killed", frozenset({"database"}), KEEP, KEEP)
STORE = Outage(
    "s3",
    "frozen",
    frozenset({"store", "verifier"}),
    frozenset({"consent", "consent-verifier", "upload", "transcoding", "transcoding-worker", "curation"}),
    frozenset({"consent-verifier", "upload", "transcoding-worker"}),
)
CONSENT = Outage(
    "consent",
    "frozen",
    frozenset({"consent"}),
    frozenset({"upload", "transcoding", "transcoding-worker", "curation", "notification", "portal"}),
)

UNDER_WAY = {
    "an upload": ("upload", "SELECT count(*) FROM uploads WHERE state = 'receiving' AND \"offset\" > 0"),
    "a film": (
        "transcoding",
        "SELECT count(*) FROM jobs WHERE kind = 'review_film' AND state = 'running' AND progress IS NOT NULL",
    ),
    "an erasure": ("consent", "SELECT count(*) FROM erasures WHERE state <> 'certified'"),
    "a mail": ("notification", "SELECT count(*) FROM jobs WHERE kind = 'mail' AND state IN ('queued', 'running')"),
}


@pytest.mark.parametrize("outage", [KAFKA, POSTGRES, STORE, CONSENT], ids=lambda outage: outage.part)
async def test_two_minutes_without_a_part_cost_nothing(house: House, outage: Outage) -> None:
    async with judged(house, practitioners=1) as load:
        async with _all_under_way(house, load) as go_on, away(house.stack, outage.part, outage.how):
            go_on.set()
            await asyncio.to_thread(house.stack.start_process, "mail", wait=False)
            begun = time.monotonic()
            await _until_said(house, outage)
            if outage is CONSENT:
                await _says_so(load)
            while time.monotonic() < begun + OUTAGE_SECONDS:
                assert load.failures == []
                await asyncio.sleep(0.5)
            await _until_well(house, set(KEEP) - outage.needed_by - {outage.part})
            print(f"{outage.part} {outage.how} for {time.monotonic() - begun:.0f} s")
        await _until_well(house, set(OURS))
        await load.goes_on(1, last=True)


@asynccontextmanager
async def _all_under_way(house: House, load: Load) -> AsyncIterator[asyncio.Event]:
    """All of UNDER_WAY is; an upload sends its second half once it may go on, and has arrived when the block ends."""
    go_on, halfway = asyncio.Event(), asyncio.Event()
    practitioner = await load.practitioner()
    family = await load.family(practitioner)
    recording = await load.expected(practitioner, family, house.long_film)
    sending = asyncio.create_task(_send_in_halves(load, practitioner, recording, house.long_film, halfway, go_on))
    try:
        await asyncio.to_thread(house.stack.stop_process, "mail")
        await halfway.wait()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await _until_under_way(house, load, practitioner, family)
        yield go_on
        await sending
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await asyncio.to_thread(house.stack.start_process, "mail")


async def _until_under_way(house: House, load: Load, practitioner: Person, family: Family) -> None:
    while True:
        leaving = await load.family(practitioner)
        await load.upload(practitioner, leaving)
        film = await load.upload(practitioner, family, house.long_film)
        load.kept.append(film)
        await load.withdraw(practitioner, leaving)
        async for under_way in _looks(house, film):
            if all(under_way.values()):
                return


async def _looks(house: House, film: str) -> AsyncIterator[dict[str, int]]:
    """What is under way, again and again until the film is ready."""
    while (
        await house.value("transcoding", "SELECT count(*) FROM works WHERE id::text = $1 AND state = 'made'", film) == 0
    ):
        yield {what: await house.value(service, query) for what, (service, query) in UNDER_WAY.items()}
        await asyncio.sleep(0.2)


async def _send_in_halves(
    load: Load, practitioner: Person, recording: str, film: Path, halfway: asyncio.Event, go_on: asyncio.Event
) -> None:
    whole = film.read_bytes()
    middle = len(whole) // 2

    async def body() -> AsyncIterator[bytes]:
        for at in range(0, middle, PIECE):
            yield whole[at : min(at + PIECE, middle)]
        halfway.set()
        await go_on.wait()
        for at in range(middle, len(whole), PIECE):
            yield whole[at : at + PIECE]

    headers = {**upload.TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    with suppress(httpx.HTTPError):
        await practitioner.clients["upload"].patch(f"/v1/uploads/{recording}", headers=headers, content=body())
    await load.sent(practitioner, recording, film)
    load.kept.append(recording)


async def _until_said(house: House, outage: Outage) -> None:
    """Until everybody who needs it says that they wait for it."""
    missing = set(outage.needed_by)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while missing := {one for one in missing if not outage.is_said(one, *await house.says(one))}:
                await asyncio.sleep(1.0)
    except TimeoutError:
        pytest.fail(f"without {outage.part}, {sorted(missing)} never said that they wait for it")


async def _until_well(house: House, processes: set[str]) -> None:
    """Until each of them is ready and waits for nothing."""
    unwell = processes
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while unwell := {process for process in unwell if await house.says(process) != (True, set())}:
                await asyncio.sleep(1.0)
    except TimeoutError:
        pytest.fail(f"{sorted(unwell)} are not well: {[await house.says(one) for one in sorted(unwell)]}")


async def _says_so(load: Load) -> None:
    """A film cannot begin without consent: the answer is 503, and says what to do."""
    practitioner = load.world.person("practitioner", uuid4())
    said = Family("", [str(uuid4())], "", str(uuid4())).film()
    answer = await upload.create(practitioner, 1000, said, expect=503)
    assert answer.json()["detail"]
