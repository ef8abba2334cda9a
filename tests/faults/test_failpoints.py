"""Every named failpoint, in the process that owns it, under load; afterwards I1 to I5 and I10 hold.

One load that goes on throughout; every process that owns points is led through them, all of them at once.
"""

import asyncio
import os
from pathlib import Path
from uuid import UUID

import pytest
from minio import Minio

from shared.failpoints import Failpoint
from tests.faults import permitted, told
from tests.faults.changes import CHANGES
from tests.faults.house import House
from tests.faults.judge import judged, until_quiet
from tests.faults.load import Load
from tests.patience import PATIENCE_SECONDS

# who owns the points, what each does, and at which pass
SCHEDULE = {
    "consent": [
        (Failpoint.AFTER_COMMIT, "kill", 4),
        (Failpoint.RELAY_SENT, "kill", 2),
        (Failpoint.ENDED_NOT_OPENED, "kill", 1),
    ],
    "upload": [
        (Failpoint.AFTER_COMMIT, "kill", 2),
        (Failpoint.AFTER_ERASURE_COMMIT, "kill", 1),
        (Failpoint.PERMIT_BEFORE_PUT, "pause", 1),
        (Failpoint.MID_PUT, "kill", 1),
    ],
    "transcoding": [
        (Failpoint.RELAY_SENT, "pause", 1),
        (Failpoint.BEFORE_ERASURE_COMMIT, "kill", 1),
        (Failpoint.MID_PURGE, "kill", 1),
    ],
    "transcoding-worker": [(Failpoint.PERMIT_BEFORE_PUT, "kill", 2), (Failpoint.MID_TRANSCODE, "kill", 1)],
    "curation": [(Failpoint.BEFORE_COMMIT, "kill", 3), (Failpoint.EFFECT_WITHOUT_OFFSET, "kill", 3)],
    "notification": [(Failpoint.BEFORE_COMMIT, "error", 2), (Failpoint.EFFECT_WITHOUT_OFFSET, "error", 2)],
    "notification-sender": [(Failpoint.MAIL_ACCEPTED, "kill", 1)],
}

# what nothing in this load leads to, or not surely
NOT_TOLD = {
    f"attune.{name}.v1"
    for name in (
        *("recording.preparation_failed", "clip.cut_failed", "reel.failed", "notification.undeliverable"),
        *("recording.first_look_ready", "erasure.stalled", "erasure.superseded"),
        *("still.requested", "still.made", "still.failed"),
    )
}


def test_every_failpoint_is_in_the_schedule() -> None:
    assert {point for points in SCHEDULE.values() for point, *_ in points} == set(Failpoint)


async def test_nothing_is_lost_and_nothing_happens_twice(house: House, tmp_path: Path) -> None:
    # two points may kill the worker on the same film
    async with judged(house, may_fail=True) as load, asyncio.TaskGroup() as group:
        for process in SCHEDULE:
            group.create_task(_lead_through(house, process, load, tmp_path / process))
    assert load.kept and load.withdrawn and load.discarded
    assert CHANGES.keys() - {record.type for record in await house.records()} <= NOT_TOLD


async def _lead_through(house: House, process: str, load: Load, hits: Path) -> None:
    """One point after the other is armed, reached and acts; at last the process comes back without any."""
    stack = house.stack
    await asyncio.to_thread(stack.stop_process, process)
    for point, act, passes in SCHEDULE[process]:
        hits.write_text("")
        armed = {"ATTUNE_FAILPOINT": f"{point}:{act}:{passes}", "ATTUNE_FAILPOINT_LOG": str(hits)}
        await asyncio.to_thread(stack.start_process, process, env=armed, restart=act != "kill", wait=False)
        await _until_reached(f"{point}:{act}", hits, load, f"{point} in {process}")
        if act == "kill":
            assert await asyncio.to_thread(stack.wait_died, process) == -9
        else:
            if act == "pause":
                await asyncio.sleep(8)  # longer than a permit lives
                await asyncio.to_thread(stack.resume, process)
            await asyncio.to_thread(stack.stop_process, process)
        print(f"{point} in {process}: {act}; {len(load.kept)} recordings, {len(load.erasures)} erasures")
    await asyncio.to_thread(stack.start_process, process, wait=False)


# by hand: in whose database, what is done in one transaction, how it is undone, and what the judge has to say of it
PLANTED = [
    (
        "curation",
        ["UPDATE review_tasks SET state = 'done' WHERE recording_id = $1"],
        ["UPDATE review_tasks SET state = 'ready' WHERE recording_id = $1"],
        "I5: attune.review.task_done.v1 of {} was not told with what happened",
    ),
    (
        "upload",
        [
            "INSERT INTO outbox (event_id, key, headers, value)"
            """ VALUES ($1, $1, '{"ce_type": "attune.recording.card_wiped.v1"}', '')""",
            "DELETE FROM outbox WHERE event_id = $1",
        ],
        [],
        "I5: attune.recording.card_wiped.v1 {} was committed and never told",
    ),
    (
        "notification",
        ["UPDATE assignees SET person_id = person_id WHERE recording_id = $1"],
        [],
        "I5: notification.assignees changed, and no event was settled with it",
    ),
]


async def test_the_judge_finds_what_is_planted(house: House) -> None:
    """A change not told, an event not sent, an effect that comes twice, a film read without a permit."""
    load = Load(house.world(), house.film)
    practitioner = await load.practitioner()
    recording = await load.upload(practitioner, await load.family(practitioner))
    await until_quiet(house, load)
    await load.world.close()
    for service, done, undone, said in PLANTED:
        records = await house.records([f"attune.{service}"])
        async with house.database(service) as database:
            before = await database.fetchval("SELECT coalesce(max(number), 0) FROM witness.seen")
            assert await told.complaints(house, records, [service]) == []
            async with database.transaction():
                for statement in done:
                    await database.execute(statement, UUID(recording))
            found = await told.complaints(house, records, [service])
            assert any(one.startswith(said.format(recording)) for one in found), found
            for statement in undone:
                await database.execute(statement, UUID(recording))
            await database.execute("DELETE FROM witness.seen WHERE number > $1", before)

    size = house.store_log.stat().st_size
    key, secret = house.stack.store.keys["curation"]
    store = Minio(house.stack.store.endpoint, key, secret, secure=False, region=house.stack.store.region)
    episode = await house.value("upload", "SELECT episode_id FROM uploads WHERE id = $1", UUID(recording))
    [name, *_] = house.store().names("renditions", f"{episode}/")
    with store.get_object("renditions", name) as answer:
        assert answer.status == 200
    assert [one for one in await permitted.complaints(house) if one.startswith(f"I10: curation read renditions/{name}")]
    os.truncate(house.store_log, size)
    assert await permitted.complaints(house) == []


async def _until_reached(hit: str, hits: Path, load: Load, what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while hit not in hits.read_text():
                assert load.failures == []
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"{what} was never reached")
