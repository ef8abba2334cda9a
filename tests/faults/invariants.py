"""I1 to I5 and I10, read from the databases, the topics and the store by code that shares nothing with the services."""

import hashlib
import json
from collections import Counter
from uuid import UUID
from weakref import WeakKeyDictionary

from deploy.system import DATABASES
from tests.faults import permitted, told
from tests.faults.house import House, Record
from tests.faults.load import Load


async def complaints(house: House, load: Load) -> list[str]:
    """What of I1 to I5 and I10 does not hold in a quiet house, and what the load did that was lost."""
    records = await house.records()
    return [
        *await _i1(house),
        *await _i2(house, load),
        *await _i3(house, load),
        *await _i4(house),
        *await _i5(house, records),
        *await permitted.complaints(house),
    ]


async def failures(house: House) -> list[str]:
    """What is marked failed, given up or left to a person."""
    found = []
    for what, service, query in (
        ("recording or clip failed", "transcoding", "SELECT id, failure FROM works WHERE state = 'failed'"),
        ("upload rejected", "upload", "SELECT id, code FROM uploads WHERE state = 'rejected'"),
        ("task blocked", "curation", "SELECT recording_id FROM review_tasks WHERE state = 'blocked'"),
        ("clip failed", "curation", "SELECT clip_id, reason FROM clips WHERE state = 'failed'"),
        ("message undeliverable", "notification", "SELECT id, failure FROM deliveries WHERE failure IS NOT NULL"),
        *(
            ("job failed", service, "SELECT kind, failure FROM jobs WHERE state = 'failed'")
            for service in ("upload", "transcoding", "curation", "notification")
        ),
    ):
        found += [f"{what}: {tuple(row)}" for row in await house.rows(service, query)]
    told = await house.records(["attune.transcoding", "attune.notification"])
    return found + [
        f"{record.type} of {record.subject} was told: {record.value}"
        for record in told
        if "failed" in record.type or "undeliverable" in record.type
    ]


async def _i1(house: House) -> list[str]:
    """No recording without consent of everyone in it, a rights conversation, and "happy to film"."""
    found = []
    talks = "SELECT count(*) FROM rights_conversations WHERE family_id = $1 AND held_on <= $2"
    agreed = (
        "SELECT count(*) FROM consent_records WHERE person_id = $1 AND 'film' = ANY(purposes)"
        " AND given_on <= $2 AND episode_id = $3"
    )
    async with house.database("consent") as consent:
        for upload in await house.rows("upload", "SELECT * FROM uploads WHERE state = 'received'"):
            if not upload["happy_to_film"]:
                found.append(f"I1: {upload['id']} was taken though nobody was happy to film")
            if not await consent.fetchval(talks, upload["family_id"], upload["filmed_on"]):
                found.append(f"I1: {upload['id']} was taken before the rights conversation")
            for person in upload["people"]:
                if not await consent.fetchval(agreed, person, upload["filmed_on"], upload["episode_id"]):
                    found.append(f"I1: {upload['id']} was taken without the consent of {person}")
    return found


async def _i2(house: House, load: Load) -> list[str]:
    """Every accepted recording is ready or failed with a reason, with exactly one task; or erased."""
    found = []
    received = {str(row["id"]) for row in await house.rows("upload", "SELECT id FROM uploads WHERE state = 'received'")}
    async with house.database("transcoding") as transcoding, house.database("curation") as curation:
        for recording in received:
            works = await transcoding.fetch("SELECT state, failure FROM works WHERE id = $1", UUID(recording))
            if [work["state"] for work in works] not in (["made"], ["failed"]):
                found.append(f"I2: {recording} is neither ready nor failed")
            elif works[0]["state"] == "failed" and not works[0]["failure"]:
                found.append(f"I2: {recording} failed without a reason")
            tasks = "SELECT count(*) FROM review_tasks WHERE recording_id = $1 AND kind IS NOT NULL"
            if (tasks_found := await curation.fetchval(tasks, UUID(recording))) != 1:
                found.append(f"I2: {recording} has {tasks_found} tasks")
        for service, database, query in (
            ("transcoding", transcoding, "SELECT id FROM works WHERE make = 'review_film'"),
            ("curation", curation, "SELECT recording_id FROM review_tasks"),
        ):
            strangers = {str(row[0]) for row in await database.fetch(query)} - received
            found += [f"I2: {service} has {stranger}, which was never received or is erased" for stranger in strangers]
        found += [f"I2: {recording} was taken, and is lost" for recording in load.kept if recording not in received]
        for table, id, made in (("clips", "clip_id", load.clips), ("reels", "reel_id", load.reels)):
            for one in made:
                state = await curation.fetchval(f"SELECT state FROM {table} WHERE {id} = $1", UUID(one))
                if state not in ("ready", "failed"):
                    found.append(f"I2: {one} of {table} is neither ready nor failed")
    return found


async def _i3(house: House, load: Load) -> list[str]:
    """No byte of what ended or was discarded in a store, on its disk, in a table; no film in the clear anywhere."""
    found = []
    register = await house.rows(
        "consent",
        "SELECT a.id::text, a.kind, e.state = 'ended' OR a.key IS NULL AS gone"
        " FROM artefacts a JOIN consent_episodes e ON e.id = a.episode_id",
    )
    live = {row["id"] for row in register if not row["gone"]}
    recordings_gone = {row["id"] for row in register if row["gone"] and row["kind"] == "recording"}
    ended = {
        row["id"] for row in await house.rows("consent", "SELECT id::text FROM consent_episodes WHERE state = 'ended'")
    }
    for bucket in ("recordings", "renditions"):
        names = house.store().names(bucket, "")
        found += [f"I3: {name} is still in {bucket}" for name in names if name.split("/")[1] not in live]
    gone = ended | {row["id"] for row in register if row["gone"]}
    for path in (house.stack.folder / "s3").rglob("*"):
        if path.is_file() and gone & set(path.parts):
            found.append(f"I3: {path.name} is still on the store's disk")
    for service, table, column in (
        ("upload", "uploads", "id"),
        ("transcoding", "works", "id"),
        ("transcoding", "attempts", "artefact_id"),
        ("curation", "review_tasks", "recording_id"),
        ("curation", "clips", "recording_id"),
        ("curation", "films", "recording_id"),
        ("notification", "assignees", "recording_id"),
    ):
        for row in await house.rows(service, f"SELECT episode_id::text, {column}::text AS about FROM {table}"):
            if row["episode_id"] in ended or row["about"] in recordings_gone:
                found.append(f"I3: {service}.{table} still has a row of {row['about']}, which is erased")
    keys = "SELECT id FROM consent_episodes WHERE state = 'ended' AND key IS NOT NULL"
    found += [f"I3: the key of {row['id']} still exists" for row in await house.rows("consent", keys)]
    canaries = [film.read_bytes()[film.stat().st_size // 2 :][:64] for film in (house.film, house.long_film)]
    for path in house.stack.folder.rglob("*"):
        if path.is_file() and not path.name.endswith("index"):  # of the broker's log: 10 MiB each, of numbers alone
            content = path.read_bytes()
            if any(canary in content for canary in canaries):
                found.append(f"I3: a film lies in the clear in {path.relative_to(house.stack.folder)}")
    found += [f"I3: {episode} was withdrawn and did not end" for episode in load.withdrawn if episode not in ended]
    certificates = Counter(str(row[0]) for row in await house.rows("consent", "SELECT erasure_id FROM certificates"))
    wrong = (erasure for erasure in load.erasures if certificates[erasure] != 1)
    return found + [f"I3: the erasure {erasure} has {certificates[erasure]} certificates" for erasure in wrong]


# by artefact, the hash of what it was when a judge first looked at it: erasures have come and gone since
_was: WeakKeyDictionary[House, dict[str, str]] = WeakKeyDictionary()


async def _i4(house: House) -> list[str]:
    """Every other artefact unseals to what it was: a film to its source, a rendition to what it was found to be."""
    found, store, was = [], house.store(), _was.setdefault(house, {})
    digests = {
        film.stat().st_size: hashlib.sha256(film.read_bytes()).hexdigest() for film in (house.film, house.long_film)
    }
    async with house.database("consent") as register:
        for upload in await house.rows("upload", "SELECT id, length FROM uploads WHERE state = 'received'"):
            try:
                plain = await store.plain(register, "recordings", str(upload["id"]))
                if hashlib.sha256(plain).hexdigest() != digests[upload["length"]]:
                    found.append(f"I4: {upload['id']} is not what was uploaded")
            except Exception as error:
                found.append(f"I4: {upload['id']} does not unseal ({type(error).__name__})")
        for work in await house.rows("transcoding", "SELECT id, artefacts FROM works WHERE state = 'made'"):
            for made in json.loads(work["artefacts"]):
                try:
                    plain = await store.plain(register, "renditions", made["artefact_id"])
                    digest = hashlib.sha256(plain).hexdigest()
                    if was.setdefault(made["artefact_id"], digest) != digest:
                        found.append(f"I4: the {made['kind']} of {work['id']} is not what it was")
                except Exception as error:
                    found.append(f"I4: the {made['kind']} of {work['id']} does not unseal ({type(error).__name__})")
    return found


async def _i5(house: House, records: list[Record]) -> list[str]:
    """Nothing was parked, nothing is owed twice, and what was told is what happened."""
    found = []
    for service in DATABASES:
        if parked := await house.rows(service, "SELECT type, reason, detail FROM dead_letters"):
            found.append(f"I5: {service} has parked {[tuple(row) for row in parked]}")
    doubled = "SELECT cause, template, count(*) FROM deliveries GROUP BY cause, template, person_id HAVING count(*) > 1"
    found += [f"I5: {tuple(row)} is owed twice" for row in await house.rows("notification", doubled)]
    return [*found, *await told.complaints(house, records)]
