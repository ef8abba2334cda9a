"""I10: no read or write of media starts without a permit granted at most its life before.

Consent's log says who was granted what and when; the store's own log says who read and wrote what and when. How long a
write may still go on is the store's and H's affair: what lands late, of what has ended, I3 would find.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.faults.house import HORIZON_SECONDS, PERMIT_SECONDS, SKEW_SECONDS, House

BUCKETS = ("recordings", "renditions")
# The store writes whole seconds, and a permit is written down before it is answered: what follows it may bear a time
# up to a second before it.
TICK = timedelta(seconds=1)
LIFE = timedelta(seconds=PERMIT_SECONDS + SKEW_SECONDS)
HORIZON = timedelta(seconds=HORIZON_SECONDS)
# A view is written down when its first bytes are there: after what a process may be stopped or kept waiting meanwhile.
VIEW = LIFE + timedelta(seconds=60)

# owner bucket [time] address who request s3_What name target status error sent size milliseconds ...
_LINE = re.compile(
    r"^\S+ (?P<bucket>\S+) \[(?P<at>[^]]+)\] \S+ (?P<who>\S+) \S+ s3_(?P<what>GetObject|PutObject) (?P<name>\S+)"
    r" \S+ (?P<status>\d+) \S+ \S+ \S+ (?P<took>\d+) "
)


@dataclass(frozen=True)
class Access:
    """An object was read or written by a service; `began`: when, to the second."""

    service: str
    writes: bool
    bucket: str
    name: str
    began: datetime

    @property
    def artefact(self) -> str:
        return self.name.split("/")[1]


def accesses(log: Iterable[str]) -> list[Access]:
    """What services read and wrote of media, by the store's log; what was refused is none of it."""
    found = []
    for line in log:
        said = _LINE.match(line)
        if said and said["bucket"] in BUCKETS and said["who"] != "root" and said["status"].startswith("2"):
            ended = datetime.strptime(said["at"], "%d/%B/%Y:%H:%M:%S %z")
            began = ended - timedelta(milliseconds=int(said["took"]))
            found.append(Access(said["who"], said["what"] == "PutObject", said["bucket"], said["name"], began))
    return found


@dataclass(frozen=True)
class Stored:
    """An object that is there now, and since when."""

    bucket: str
    name: str
    since: datetime

    @property
    def artefact(self) -> str:
        return self.name.split("/")[1]


@dataclass(frozen=True)
class View:
    """Somebody was handed bytes at this time, says curation."""

    artefact: str
    viewer: UUID
    at: datetime


@dataclass
class Permits:
    """When which service was granted what, and on whose behalf curation was."""

    to_read: Mapping[tuple[str, str], list[datetime]] = field(default_factory=lambda: defaultdict(list))
    to_write: Mapping[tuple[str, str], list[datetime]] = field(default_factory=lambda: defaultdict(list))
    to_view: Mapping[tuple[UUID, str], list[datetime]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, log: Iterable[Mapping[str, Any]]) -> "Permits":
        """From consent's rows. Who may write may also read, to see that it is there."""
        permits = cls()
        for row in log:
            if row["outcome"] != "granted":
                continue
            for artefact in map(str, row["written"]):
                permits.to_write[row["service"], artefact].append(row["at"])
            for artefact in map(str, [*row["read"], *row["written"]]):
                permits.to_read[row["service"], artefact].append(row["at"])
                if row["service"] == "curation":
                    permits.to_view[row["on_behalf_of"], artefact].append(row["at"])
        return permits


def unpermitted(
    permits: Permits, accesses: Sequence[Access], stored: Iterable[Stored], views: Iterable[View]
) -> list[str]:
    """What was read, written or watched without a permit that was alive as it began."""
    found, accounted = [], set()
    for one in accesses:
        granted = (permits.to_write if one.writes else permits.to_read)[one.service, one.artefact]
        if any(at - TICK <= one.began <= at + LIFE for at in granted):
            accounted.add((one.bucket, one.name))
        else:
            how = "wrote" if one.writes else "read"
            found.append(f"I10: {one.service} {how} {one.bucket}/{one.name} at {one.began} {_without(granted)}")
    writers = {artefact: at for (_, artefact), at in permits.to_write.items()}
    for thing in stored:  # the store may have died before it wrote the line of what it had stored
        granted = writers.get(thing.artefact, [])
        if (thing.bucket, thing.name) in accounted or any(at - TICK <= thing.since <= at + HORIZON for at in granted):
            continue
        found.append(f"I10: {thing.bucket}/{thing.name} is there since {thing.since} {_without(granted)}")
    for view in views:
        granted = permits.to_view[view.viewer, view.artefact]
        if not any(at - TICK <= view.at <= at + VIEW for at in granted):
            found.append(f"I10: {view.viewer} watched {view.artefact} at {view.at} {_without(granted)}")
    return found


def _without(granted: Sequence[datetime]) -> str:
    return f"without a permit that was alive; granted at {', '.join(map(str, granted)) or 'no time'}"


async def complaints(house: House) -> list[str]:
    """What of I10 does not hold, and what would make its judge blind."""
    with house.store_log.open() as log:
        seen = accesses(log)
    permits = Permits.of(await house.rows("consent", "SELECT * FROM permit_log"))
    stored = [
        Stored(bucket, str(one.object_name), one.last_modified)
        for bucket in BUCKETS
        for one in house.store().s3.list_objects(bucket, recursive=True)
        if one.last_modified
    ]
    views = [
        View(str(row["artefact_id"]), row["viewer_id"], at)
        for row in await house.rows("curation", "SELECT * FROM views WHERE refused IS NULL")
        for at in (row["first_at"], row["last_at"])
    ]
    blind = ["I10: the store's log says nothing of what is stored"] if stored and not seen else []
    return [*unpermitted(permits, seen, stored, views), *blind]
