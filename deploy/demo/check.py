"""Checks the demo's report against Kafka, the databases, the store, the mails and the trace viewer, by code of its own.

    python check.py report.json access.json [SECONDS]

It tells the whole story again from what is there, and holds the report against that, value by value: `retold`. What
only the client saw is held against its bounds: `free`. Then it looks for what no report says: bytes that are left, keys
that are left, spans without a parent.

One long file on purpose: it stands alone, imports nothing of `services/` or `shared/`, and unseals by its own reading
of the format. Prints a line per complaint, each beginning with the name of the step it is about, or with "facts" or
"figures". Exit code: 0 everything in the report is so; 1 something is not.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from minio import Minio
from minio.error import S3Error

Report = dict[str, Any]
Access = dict[str, Any]
T = TypeVar("T")
STEPS = (
    "registered",
    "rights",
    "refused",
    "consented",
    "reachable",
    "received",
    "task",
    "discarded",
    "ready",
    "mail",
    "goal",
    "clips",
    "reel",
    "watched",
    "shared_review",
    "discarded_alone",
    "prepared",
    "withdrawn",
    "meanwhile",
    "certified",
    "kept",
)
TOPICS = ("attune.consent", "attune.upload", "attune.transcoding", "attune.curation", "attune.notification")
BUCKETS = ("recordings", "renditions", "evidence")
BLOCK, TAG, SALT = 256 * 1024, 16, 32
PATIENCE_SECONDS = 60.0  # for what follows the end of the story: the last mail, the last span, a wiped scratch
ON_THE_LINE = 512 * 1024  # bytes of a response that can be under way when it is cut off


class Gone(Exception):
    """Something that the story cannot be told without is not there. Begins with the name of the step."""


@dataclass(frozen=True)
class Record:
    """One event, and where it lies."""

    id: str
    type: str
    subject: str
    trace_id: str
    topic: str
    partition: int
    offset: int
    key: str  # the family, or the consent episode
    time: str
    value: dict[str, Any]

    def place(self) -> dict[str, Any]:
        names = ("id", "type", "subject", "trace_id", "topic", "partition", "offset")
        return {name: getattr(self, name) for name in names}


class Looked:
    """What is there. Everything is read once, however often it is asked for; `patience` in seconds."""

    def __init__(self, access: Access, patience: float = PATIENCE_SECONDS) -> None:
        self.access, self.patience, self.store = access, patience, Store(access)
        self._read: dict[object, Any] = {}

    async def once(self, key: object, read: Callable[[], Awaitable[T]]) -> T:
        if key not in self._read:
            self._read[key] = await read()
        found: T = self._read[key]
        return found

    async def settled(self, what: str, unsettled: Callable[[], Awaitable[str]]) -> str:
        """What is still not settled when patience is at its end; nothing when all is."""

        async def read() -> str:
            deadline = asyncio.get_running_loop().time() + self.patience
            while (wrong := await unsettled()) and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.5)
            return wrong

        return await self.once(("settled", what), read)

    async def records(self) -> list[Record]:
        """Every event of every topic, each where it was first told, in the order of their times."""
        return await self.once("records", self._records)

    async def _records(self) -> list[Record]:
        consumer = AIOKafkaConsumer(
            *TOPICS, bootstrap_servers=self.access["kafka"], auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        found: dict[str, Record] = {}
        try:
            ends = await consumer.end_offsets(sorted(consumer.assignment()))
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    for raw in records:
                        record = record_of(raw)
                        found.setdefault(record.id, record)
        finally:
            await consumer.stop()
        return sorted(found.values(), key=lambda record: record.time)

    async def rows(self, service: str, query: str, *values: Any) -> list[dict[str, Any]]:
        return await self.once((service, query, values), lambda: self.anew(service, query, *values))

    async def anew(self, service: str, query: str, *values: Any) -> list[dict[str, Any]]:
        database = await asyncpg.connect(self.access["databases"][service])
        try:
            return [dict(row) for row in await database.fetch(query, *values)]
        finally:
            await database.close()

    async def mails(self, people: list[str]) -> list[EmailMessage]:
        """What was caught, once each of these was written to."""

        async def caught() -> list[EmailMessage]:
            mails = [path.read_bytes() for path in sorted(Path(self.access["mail"]).glob("*.eml"))]
            return [message_from_bytes(mail, policy=policy.default) for mail in mails]

        async def missing() -> str:
            written_to = " ".join(str(mail["To"]) for mail in await caught())
            return next((person for person in people if person not in written_to), "")

        async def read() -> list[EmailMessage]:
            await self.settled("mails", missing)
            return await caught()

        return await self.once("mails", read)

    async def digest(self, path: str) -> str:
        """SHA-256 of a source file. Raises OSError."""

        async def read() -> str:
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()

        return await self.once(("file", path), read)

    async def left(self, episode: str) -> tuple[str, ...]:
        """Where something of the episode lies: in a bucket by listing, on the store's disk."""

        async def read() -> tuple[str, ...]:
            listed = [f"in {bucket}" for bucket in BUCKETS[:2] if self.store.names(bucket, f"{episode}/")]
            lie = (path.is_file() and episode in str(path) for path in Path(self.access["s3"]["folder"]).rglob("*"))
            return *listed, *(["on the store's disk"] if any(lie) else [])

        return await self.once(("left", episode), read)

    async def plain(self, bucket: str, artefact: str) -> bytes:
        """Raises LookupError, InvalidTag, S3Error."""

        async def read() -> bytes:
            register = await asyncpg.connect(self.access["databases"]["consent"])
            try:
                return await self.store.plain(register, bucket, artefact)
            finally:
                await register.close()

        return await self.once((bucket, artefact), read)

    async def trace(self, id: str, of: set[str]) -> tuple[set[str], list[str]]:
        """Which of these services are not in it, and what hangs in the air, once its last span has arrived."""

        async def read() -> tuple[set[str], list[str]]:
            missing, orphans = of, ["nothing"]

            async def whole() -> str:
                nonlocal missing, orphans
                answer = await viewer.get(f"/api/v2/trace/{id}")
                spans = answer.json() if answer.status_code == 200 else []
                missing = of - {span["localEndpoint"]["serviceName"] for span in spans}
                orphans = list(without_parent(spans))
                return "not whole" if missing or orphans else ""

            async with httpx.AsyncClient(base_url=self.access["traces"]) as viewer:
                await self.settled(f"trace {id}", whole)
            return missing, orphans

        return await self.once(("trace", id), read)


def record_of(raw: Any) -> Record:
    headers = {name: (value or b"").decode() for name, value in raw.headers}
    return Record(
        headers["ce_id"],
        headers["ce_type"],
        headers["ce_subject"],
        headers["traceparent"].split("-")[1],
        raw.topic,
        raw.partition,
        raw.offset,
        (raw.key or b"").decode(),
        headers["ce_time"],
        json.loads(raw.value),
    )


class Store:
    """Reads the sealed objects, and opens them with keys from consent's database and the master key."""

    def __init__(self, access: Access) -> None:
        key, secret = access["s3"]["key"], access["s3"]["secret"]
        self.s3 = Minio(access["s3"]["endpoint"], access_key=key, secret_key=secret, secure=False, region="us-east-1")
        self.master = Path(access["master_key"]).read_bytes()

    def names(self, bucket: str, prefix: str) -> list[str]:
        return [str(found.object_name) for found in self.s3.list_objects(bucket, prefix=prefix, recursive=True)]

    def get(self, bucket: str, name: str) -> bytes:
        answer = self.s3.get_object(bucket, name)
        try:
            return answer.read()
        finally:
            answer.close()

    async def plain(self, register: "asyncpg.Connection[Any]", bucket: str, artefact: str) -> bytes:
        """The whole artefact, unsealed, its segments checked against its manifest; `register`: consent's database."""
        row = await register.fetchrow(
            "SELECT a.key, a.manifest_id, e.id AS episode, e.key AS episode_key"
            " FROM artefacts a JOIN consent_episodes e ON e.id = a.episode_id WHERE a.id = $1",
            UUID(artefact),
        )
        if row is None:
            raise LookupError(f"{artefact} is not registered")
        episode_key = unwrap(self.master, row["episode_key"], row["episode"])
        key = unwrap(episode_key, row["key"], UUID(artefact))

        def segment(id: UUID) -> bytes:
            return unseal(key, UUID(artefact), id, self.get(bucket, f"{row['episode']}/{artefact}/{id}"))

        manifest = json.loads(segment(row["manifest_id"]))
        whole = b"".join(segment(UUID(id)) for id, _, _ in manifest["segments"])
        if hashlib.sha256(whole).hexdigest() != manifest["sha256"]:
            raise LookupError(f"{artefact} is not what its manifest says")
        return whole


def unwrap(key: bytes, wrapped: bytes, of: UUID) -> bytes:
    return AESGCM(key).decrypt(wrapped[:12], wrapped[12:], of.bytes)


def unseal(key: bytes, artefact: UUID, segment: UUID, sealed: bytes) -> bytes:
    """As the format is written down: salt, then blocks of 256 KiB with their tags."""
    salt, ids = sealed[:SALT], artefact.bytes + segment.bytes
    cipher = AESGCM(HKDF(SHA256(), 32, salt, b"attune/1 key" + ids).derive(key))
    blocks = [sealed[at : at + BLOCK + TAG] for at in range(SALT, len(sealed), BLOCK + TAG)]
    return b"".join(
        cipher.decrypt(
            number.to_bytes(12, "big"),
            block,
            b"attune/1" + ids + number.to_bytes(8, "big") + bytes([number == len(blocks) - 1]),
        )
        for number, block in enumerate(blocks)
    )


# the story, told again

Told = tuple[str, list[Record], dict[str, Any]]  # step, its events, its outcome


async def retold(report: Report, looked: Looked) -> AsyncIterator[Told]:
    """Each step as it is found to have been. Raises Gone when there is nothing to tell on by.

    Only where to begin is taken from the report, and what only the client saw.
    """
    said = {step["name"]: step["outcome"] for step in report["steps"]}
    told = await looked.records()

    def all_of(type: str, **fields: Any) -> list[Record]:
        return [
            record for record in told if record.type == f"attune.{type}.v1" and record.value.items() >= fields.items()
        ]

    def one(step: str, type: str, **fields: Any) -> Record:
        return only(step, f"event {type}", all_of(type, **fields))

    episode = report["facts"]["episode_id"]
    [of_family, *_] = await looked.rows(
        "consent",
        "SELECT f.id::text AS family, f.registered_by::text AS practitioner FROM families f"
        " JOIN consent_episodes e ON e.family_id = f.id WHERE e.id::text = $1",
        episode,
    ) or [{}]
    if not of_family:
        raise Gone("facts: there is no such consent episode")
    family, practitioner = of_family["family"], of_family["practitioner"]
    people = await looked.rows("consent", "SELECT role, id::text FROM people WHERE family_id::text = $1", family)
    yield (
        "registered",
        [one("registered", type, family_id=family) for type in ("family.registered", "care_team.changed")],
        {"family_id": family, "people": len(people)},
    )

    talks = "SELECT points FROM rights_conversations WHERE family_id::text = $1"
    talk = only("rights", "conversation", await looked.rows("consent", talks, family))
    yield "rights", [], {"points": len(json.loads(talk["points"]))}

    asked = "SELECT outcome FROM permit_log WHERE on_behalf_of::text = $1 ORDER BY number LIMIT 1"
    first = only("refused", "first question", await looked.rows("consent", asked, practitioner))
    yield "refused", [], {"reason": first["outcome"]}

    records = "SELECT person_id::text, purposes FROM consent_records WHERE episode_id::text = $1"
    given = await looked.rows("consent", records, episode)
    purposes = only("consented", "set of purposes", list({tuple(record["purposes"]) for record in given}))
    yield (
        "consented",
        all_of("consent.given", episode_id=episode),
        {"episode_id": episode, "people": len({r["person_id"] for r in given}), "purposes": list(purposes)},
    )

    parent = only("reachable", "parent", [person["id"] for person in people if person["role"] == "parent"])
    mails = await looked.mails([practitioner, parent])
    written_to = [
        next((str(mail["To"]) for mail in mails if person in str(mail["To"])), "") for person in (practitioner, parent)
    ]
    yield "reachable", [], {"addresses": written_to}

    discarded = one("discarded", "recording.discarded", episode_id=episode)
    received = only(
        "received",
        "recording",
        [record for record in all_of("recording.received", episode_id=episode) if record.subject != discarded.subject],
    )
    recording = received.subject
    if received.value["bytes"] != Path(report["facts"]["film"]).stat().st_size:
        raise Gone("received: it has not as many bytes as the source file")
    yield (
        "received",
        [received],
        {
            "recording_id": recording,
            "bytes": received.value["bytes"],
            "sha256": await looked.digest(report["facts"]["film"]),
            "resumed_at": said["received"].get("resumed_at"),
        },
    )

    task = one("task", "review.task_created", recording_id=recording)
    if task.value["assignee_id"] != practitioner:
        raise Gone("task: it is not the practitioner's")
    yield "task", [task], {"recording_id": recording, "assignee_id": practitioner}

    of_discard = one("discarded", "erasure.opened", erasure_id=discarded.value["erasure_id"])
    yield (
        "discarded",
        [discarded, of_discard],
        {"recording_id": discarded.subject, "erasure_id": of_discard.subject},
    )

    ready = one("ready", "recording.ready", recording_id=recording)
    yield (
        "ready",
        [ready, one("ready", "review.task_ready", recording_id=recording)],
        {
            "frames": ready.value["frames"],
            "progress": said["ready"].get("progress"),
            "artefacts": ready.value["artefacts"],
        },
    )

    sent = one("mail", "notification.sent", cause=ready.id)
    mine = [mail for mail in mails if str(mail["Message-ID"]).startswith(f"<{sent.subject}.")]
    mail = only("mail", "mail", mine)
    if practitioner not in str(mail["To"]):
        raise Gone("mail: it went to somebody else")
    yield (
        "mail",
        [sent],
        {"mails": len(mine), "message_id": str(mail["Message-ID"]), "subject": str(mail["Subject"])},
    )

    goals = "SELECT goal_id::text, words FROM goals WHERE family_id::text = $1"
    goal = only("goal", "goal", await looked.rows("curation", goals, family))
    ratings = await looked.rows(
        "curation", "SELECT now, hoped FROM ratings WHERE goal_id::text = $1 ORDER BY rated_at", goal["goal_id"]
    )
    if len(ratings) != 2:
        raise Gone(f"goal: it was rated {len(ratings)} times, not twice")
    words = hashlib.sha256(goal["words"].encode()).hexdigest()
    yield "goal", [], {"goal_id": goal["goal_id"], "words_sha256": words, **ratings[0]}

    wanted = [r for r in all_of("clip.requested") if r.value["cut"]["recording_id"] == recording]
    cuts = [one("clips", "clip.cut", clip_id=record.subject) for record in wanted]
    for asked_for, made in zip(wanted, cuts, strict=True):
        if made.value["frames"] != asked_for.value["cut"]["end"] - asked_for.value["cut"]["first"]:
            raise Gone(f"clips: {made.subject} has {made.value['frames']} frames")
    yield (
        "clips",
        wanted + cuts,
        {
            "clips": [
                {
                    "clip_id": made.subject,
                    "first": asked_for.value["cut"]["first"],
                    "end": asked_for.value["cut"]["end"],
                    "artefact_id": made.value["artefact_id"],
                }
                for asked_for, made in zip(wanted, cuts, strict=True)
            ]
        },
    )

    ordered = one("reel", "reel.requested", episode_id=episode)
    reel = one("reel", "reel.ready", reel_id=ordered.subject)
    if ordered.value["cuts"] != [record.value["cut"] for record in reversed(wanted)]:
        raise Gone("reel: its clips are not in the order that was asked for")
    if reel.value["frames"] != sum(made.value["frames"] for made in cuts):
        raise Gone("reel: it has not the frames of its clips")
    yield "reel", [ordered, reel], {"reel_id": reel.subject, "frames": reel.value["frames"]}

    films = [made["artefact_id"] for made in ready.value["artefacts"] if made["kind"] == "review_film"]
    film = only("ready", "review film", films)

    async def watched(artefact: str) -> dict[str, Any]:
        views = "SELECT upper(ranges) AS bytes FROM views WHERE artefact_id::text = $1 AND refused IS NULL"
        found = await looked.rows("curation", f"{views} AND viewer_id::text = $2", artefact, practitioner)
        view = only("watched", "sitting", found)
        return {"artefact_id": artefact, "bytes": view["bytes"]}

    seen = {"film": await watched(film), "reel": await watched(reel.value["artefact_id"])}
    yield "watched", [], seen

    held = one("shared_review", "shared_review.held", family_id=family)
    yield (
        "shared_review",
        [held],
        {"shared_review_id": held.subject, "cycle": held.value["cycle"], **ratings[1]},
    )

    registered = await looked.rows(
        "consent",
        "SELECT id::text, kind, discarded_at IS NOT NULL AS discarded FROM artefacts WHERE episode_id::text = $1",
        episode,
    )
    erased, stayed = (
        only("discarded_alone", "recording", [a["id"] for a in registered if (a["kind"], a["discarded"]) == of])
        for of in (("recording", True), ("recording", False))
    )
    yield (
        "discarded_alone",
        [one("discarded_alone", "erasure.certified", erasure_id=of_discard.subject)],
        {"erased": erased, "kept": stayed},
    )

    others = (
        "SELECT f.id::text AS family, e.id::text AS episode FROM families f JOIN consent_episodes e"
        " ON e.family_id = f.id WHERE f.registered_by::text = $1 AND f.id::text <> $2"
    )
    other = only("prepared", "other family", await looked.rows("consent", others, practitioner, family))
    yield (
        "prepared",
        all_of("consent.given", episode_id=other["episode"]),
        {"family_id": other["family"], "episode_id": other["episode"]},
    )

    suspended = one("withdrawn", "consent.suspended", episode_id=episode)
    ended = one("withdrawn", "consent.ended", episode_id=episode)
    opened = one("withdrawn", "erasure.opened", erasure_id=ended.value["erasure_id"])
    refused = "SELECT refused FROM views WHERE artefact_id::text = $1 AND viewer_id::text = $2 AND refused IS NOT NULL"
    reasons = [row["refused"] for row in await looked.rows("curation", refused, film, practitioner)]
    reason = said["withdrawn"].get("refused")
    received_of_it = said["withdrawn"].get("stream", {}).get("received")
    yield (
        "withdrawn",
        [suspended, ended, opened],
        {
            "erasure_id": opened.subject,
            "stream": {**seen["film"], "received": received_of_it},
            "refused": reason if reason in reasons else reasons,
        },
    )

    theirs = one("meanwhile", "recording.received", episode_id=other["episode"])
    their_ready = one("meanwhile", "recording.ready", recording_id=theirs.subject)
    their_cut = one("meanwhile", "clip.cut", episode_id=other["episode"])
    certified = one("certified", "erasure.certified", erasure_id=opened.subject)
    for record in (theirs, their_ready, their_cut):
        if not opened.time < record.time < certified.time:
            raise Gone(f"meanwhile: {record.type} did not happen during the erasure")
    yield (
        "meanwhile",
        [theirs, their_ready, their_cut],
        {"recording_id": theirs.subject, "clip_id": their_cut.subject},
    )

    [horizon] = await looked.rows(
        "consent",
        "SELECT permit_seconds + put_seconds + clock_skew_seconds AS seconds FROM erasures WHERE id::text = $1",
        opened.subject,
    )
    acknowledged: dict[Any, Record] = {}  # who is asked twice, as by the pull after an event, says so twice
    for record in all_of("erasure.acknowledged", erasure_id=opened.subject):
        acknowledged.setdefault((record.value["round"], record.value["participant"]), record)
    purged = "SELECT objects, bytes, rows FROM acknowledgements WHERE erasure_id::text = $1"
    counted = await looked.rows("consent", purged, opened.subject)
    kinds = sorted(artefact["kind"] for artefact in registered)
    yield (
        "certified",
        [*acknowledged.values(), certified],
        {
            "erasure_id": opened.subject,
            "certificate": f"{opened.subject}.json",
            "registered": {kind: kinds.count(kind) for kind in kinds},
            "horizon_seconds": horizon["seconds"],
            **{what: sum(row[what] for row in counted) for what in ("objects", "bytes", "rows")},
        },
    )

    async def unsealed(bucket: str, kind: str, artefact: str) -> bytes:
        try:
            return await looked.plain(bucket, artefact)
        except (LookupError, InvalidTag, S3Error) as error:
            raise Gone(f"kept: the {kind} of the second family does not unseal ({type(error).__name__})") from error

    their_film = await unsealed("recordings", "film", theirs.subject)
    if hashlib.sha256(their_film).hexdigest() != await looked.digest(report["facts"]["short_film"]):
        raise Gone("kept: the second family's film is not the source file, byte for byte")
    artefacts = []
    for made_of_it in [
        *their_ready.value["artefacts"],
        {"artefact_id": their_cut.value["artefact_id"], "kind": "clip"},
    ]:
        plain = await unsealed("renditions", made_of_it["kind"], made_of_it["artefact_id"])
        artefacts.append({**made_of_it, "bytes": len(plain), "sha256": hashlib.sha256(plain).hexdigest()})
        for canary in looked.access["canaries"]:
            if canary.encode() in plain:
                raise Gone(f"kept: the {made_of_it['kind']} still says “{canary}”")
    yield (
        "kept",
        [],
        {
            "recording_id": theirs.subject,
            "sha256": hashlib.sha256(their_film).hexdigest(),
            "artefacts": artefacts,
        },
    )


def only(step: str, what: str, found: list[T]) -> T:
    if len(found) != 1:
        raise Gone(f"{step}: there are {len(found)} of what should be one {what}")
    return found[0]


def differences(said: Any, found: Any, where: str = "") -> Iterator[str]:
    """One sentence per value in which the two differ."""
    if isinstance(said, dict) and isinstance(found, dict):
        for name in [*said, *(name for name in found if name not in said)]:
            yield from differences(said.get(name, "nothing"), found.get(name, "nothing"), f"{where} {name}")
    elif isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        for number, (one, other) in enumerate(zip(said, found, strict=True), 1):
            yield from differences(one, other, f"{where} {number}")
    elif said != found or type(said) is not type(found):
        yield f"{where.strip()} is said to be {said!r}, and is {found!r}"


def in_order(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(events, key=lambda event: str(event.get("id")))


def free(steps: dict[str, Any], report: Report) -> Iterator[str]:
    """What only the client saw: nobody else can say how much it was, but within what bounds."""
    received, stream = steps["received"]["outcome"], steps["withdrawn"]["outcome"]["stream"]
    progress, figures = steps["ready"]["outcome"]["progress"], report["figures"]
    if not 0 < received["resumed_at"] < received["bytes"]:
        yield "received: the upload was not resumed in the middle"
    if received["resumed_at"] != figures.get("resumed_at"):
        yield f"received: by the figures, the upload was resumed at byte {figures.get('resumed_at')}"
    if not progress or progress != sorted(set(progress)) or progress[0] < 0 or progress[-1] != 1:
        yield f"ready: its progress did not rise to the end: {progress}"
    if not 0 < stream["received"] <= stream["bytes"] - (stream["bytes"] > ON_THE_LINE):
        yield f"withdrawn: the stream was not cut off: {stream}"
    for name in STEPS:
        if steps[name]["duration"] != (seconds := figures.get("seconds", {}).get(name)):
            yield f"{name}: by the figures, it took {seconds} s"


def figures(steps: dict[str, Any], found: dict[str, Told]) -> dict[str, Any]:
    """As they follow from what was found."""
    certified, artefacts = found["certified"][2], found["kept"][2]["artefacts"]
    return {
        "bytes_uploaded": found["received"][2]["bytes"],
        "resumed_at": steps["received"]["outcome"]["resumed_at"],
        "events": sum(len(events) for _, events, _ in found.values()),
        "artefacts_registered": sum(certified["registered"].values()),
        "objects_erased": certified["objects"],
        "bytes_erased": certified["bytes"],
        "horizon_seconds": certified["horizon_seconds"],
        "artefacts_kept": len(artefacts),
        "bytes_kept": sum(artefact["bytes"] for artefact in artefacts),
        "seconds": {name: steps[name]["duration"] for name in STEPS},
    }


async def the_same(steps: dict[str, Any], report: Report, looked: Looked) -> AsyncIterator[str]:
    """The report says what was found, value by value."""
    found: dict[str, Told] = {}
    differs = False
    try:
        async for told in retold(report, looked):
            found[told[0]] = told
    except Gone as gone:
        yield str(gone)
    for name, events, outcome in found.values():
        places = in_order([record.place() for record in events])
        for difference in (
            *differences(steps[name]["outcome"], outcome),
            *differences(in_order(steps[name]["events"]), places, "event"),
        ):
            differs = True
            yield f"{name}: {difference}"
    if len(found) == len(STEPS) and not differs:
        for complaint in free(steps, report):
            yield complaint
        for difference in differences(report["figures"], figures(steps, found)):
            yield f"figures: {difference}"


async def complaints(report: Report, looked: Looked) -> AsyncIterator[str]:
    """One sentence per thing in the report that is not so."""
    steps = {step["name"]: step for step in report["steps"]}
    for name in dict.fromkeys([*STEPS, *steps]):
        if name not in steps:
            yield f"{name}: this step is missing"
        elif name not in STEPS:
            yield f"{name}: there is no such step"
        elif not steps[name]["ok"] or steps[name]["failure"]:
            yield f"{name}: {steps[name]['failure'] or 'it is said to have failed'}"
    if set(STEPS) != set(steps) or len(steps) != len(report["steps"]) or not all(s["ok"] for s in steps.values()):
        return
    try:
        for name in ("film", "short_film"):
            await looked.digest(report["facts"][name])
    except OSError as error:
        yield f"facts: {name} cannot be read ({error})"
        return
    for check in (the_same, effects, words, erased, certificate, traces):
        async for complaint in check(steps, report, looked):
            yield complaint


async def effects(steps: dict[str, Any], report: Report, looked: Looked) -> AsyncIterator[str]:
    """Each event had its effect once: one task a recording, one delivery a cause; nothing waits, nothing was parked."""
    for service in looked.access["databases"]:

        async def waiting(service: str = service) -> str:
            return "events" if await looked.anew(service, "SELECT 1 FROM outbox") else ""

        if await looked.settled(f"outbox of {service}", waiting):
            yield f"certified: events of {service} have not been sent"
        if parked := await looked.rows(service, "SELECT type FROM dead_letters"):
            yield f"certified: {service} has parked {len(parked)} events"
    recording = steps["kept"]["outcome"].get("recording_id")
    tasks = await looked.rows("curation", "SELECT state FROM review_tasks WHERE recording_id::text = $1", recording)
    if [task["state"] for task in tasks] != ["ready"]:
        yield f"meanwhile: the second family's recording has the tasks {[task['state'] for task in tasks]}"
    digests = await looked.rows("upload", "SELECT sha256 FROM uploads WHERE id::text = $1", recording)
    if [row["sha256"].hex() for row in digests] != [await looked.digest(report["facts"]["short_film"])]:
        yield "meanwhile: the second family's film is not recorded as what it was"


async def words(steps: dict[str, Any], report: Report, looked: Looked) -> AsyncIterator[str]:
    """The mails say nothing about what they are for."""
    for mail in await looked.mails([]):
        body = mail.get_body(("plain",))
        text = f"{mail['Subject']} {body.get_content() if body else ''}".lower()
        for word in ("film", "baby", "therapy", "deletion", "canary"):
            if word in text:
                yield f"mail: a message says “{word}”"


async def erased(steps: dict[str, Any], report: Report, looked: Looked) -> AsyncIterator[str]:
    """Nothing of the first family's media is left: by listing, on the store's disk, in tables, in scratch."""
    episode, access = report["facts"]["episode_id"], looked.access
    for where in await looked.left(episode):
        yield f"certified: objects of the family are left {where}"
    for service, table in (
        ("upload", "uploads"),
        ("transcoding", "works"),
        ("transcoding", "attempts"),
        ("curation", "clips"),
        ("curation", "reels"),
        ("curation", "review_tasks"),
    ):
        query = f"SELECT 1 FROM {table} WHERE episode_id::text = $1"  # noqa: S608
        if rows := await looked.rows(service, query, episode):
            yield f"certified: {len(rows)} rows about the family's media are left in {service}.{table}"

    async def in_use() -> str:
        return next((str(path) for path in Path(access["scratch"]).rglob("*") if path.is_file()), "")

    if await looked.settled("scratch", in_use):
        yield "certified: a worker's scratch is not wiped"
    keys = "SELECT 1 FROM consent_episodes WHERE id::text = $1 AND key IS NOT NULL"
    if await looked.rows("consent", keys, episode):
        yield "withdrawn: the episode's key was not destroyed"
    if await looked.rows("consent", "SELECT 1 FROM artefacts WHERE episode_id::text = $1 AND key IS NOT NULL", episode):
        yield "withdrawn: keys of its artefacts were not destroyed"
    erasure = steps["certified"]["outcome"].get("erasure_id")
    acknowledged = "SELECT round, participant FROM acknowledgements WHERE erasure_id::text = $1"
    said = [(row["round"], row["participant"]) for row in await looked.rows("consent", acknowledged, erasure)]
    for round in (1, 2):
        for participant in ("curation", "notification", "transcoding", "upload"):
            if (round, participant) not in said:
                yield f"certified: {participant} has not acknowledged round {round}"


async def certificate(steps: dict[str, Any], report: Report, looked: Looked) -> AsyncIterator[str]:
    """The certificate verifies offline, by the one file that is given out for it, and any change to it is seen."""
    outcome, access = steps["certified"]["outcome"], looked.access
    path = Path(access["certificates"]) / outcome["certificate"]
    if not path.is_file():
        yield "certified: there is no certificate"
        return
    genuine, forged = await looked.once(("verified", path), lambda: verified(path, access))
    if not genuine:
        yield "certified: the certificate does not verify"
    if forged:
        yield "certified: a forged certificate verifies"
    said = json.loads(path.read_bytes())["certificate"]
    counted = {
        "erasure_id": said["erasure_id"],
        "certificate": path.name,
        "registered": said["registered"],
        "horizon_seconds": said["horizon"]["seconds"],
        **{
            what: sum(one[what] for round in said["rounds"] for one in round["acknowledgements"])
            for what in ("objects", "bytes", "rows")
        },
    }
    for difference in differences(outcome, counted):
        yield f"certified: by the certificate, {difference}"
    if said["episode_id"] != report["facts"]["episode_id"]:
        yield "certified: the certificate is about another episode"


async def verified(path: Path, access: Access) -> tuple[bool, bool]:
    """Whether the certificate verifies, and whether one that says it of another episode does."""
    verify = [sys.executable, access["verify_certificate"]]
    genuine = await exit_code(*verify, str(path), access["certificate_public_key"])
    forged = path.with_suffix(".forged")
    episode = json.loads(path.read_bytes())["certificate"]["episode_id"]
    forged.write_bytes(path.read_bytes().replace(episode.encode(), str(UUID(int=0)).encode()))
    accepted = await exit_code(*verify, str(forged), access["certificate_public_key"])
    forged.unlink()
    return genuine == 0, accepted != 1


async def exit_code(*command: str) -> int:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


async def traces(steps: dict[str, Any], report: Report, looked: Looked) -> AsyncIterator[str]:
    """A trace runs unbroken through every service it woke: each span's parent is in it."""
    through = {
        "received": {"upload", "transcoding", "transcoding-worker", "curation", "notification"},
        "withdrawn": {"consent", "upload", "transcoding", "curation", "notification"},
    }
    seen = set()
    for name, step in steps.items():
        for trace in dict.fromkeys(event["trace_id"] for event in step["events"]):
            if trace in seen:
                continue
            seen.add(trace)
            missing, orphans = await looked.trace(trace, through.get(name, set()))
            for service in sorted(missing):
                yield f"{name}: {service} is not in the trace {trace}"
            for span in sorted(orphans):
                yield f"{name}: the span “{span}” of trace {trace} hangs in the air"
    if steps["ready"]["events"][0]["trace_id"] != steps["received"]["events"][0]["trace_id"]:
        yield "ready: the recording became ready in another trace than it was received in"


def without_parent(spans: list[dict[str, Any]]) -> Iterator[str]:
    known = {span["id"] for span in spans}
    for span in spans:
        if "parentId" in span and span["parentId"] not in known:
            yield span.get("name", "?")
    if spans and sum("parentId" not in span for span in spans) != 1:
        yield "more than one root"


async def main() -> int:
    report, access = (json.loads(Path(path).read_text()) for path in sys.argv[1:3])
    patience = float(sys.argv[3]) if sys.argv[3:] else PATIENCE_SECONDS
    found = [complaint async for complaint in complaints(report, Looked(access, patience))]
    for complaint in found:
        print(complaint)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
