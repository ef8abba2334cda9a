"""Places where a test may make a process die, freeze or fail: all of them, by name.

`ATTUNE_FAILPOINT=relay-sent:kill,mid-put:pause:3` arms two: the first when it is reached, the second when it is reached
for the third time. A point fires once in a process. `ATTUNE_FAILPOINT_LOG` names a file to which each firing is
appended before it acts.
"""

import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shared.errors import AttuneError
from shared.settings import Environment


class Failpoint(StrEnum):
    BEFORE_COMMIT = "before-commit"  # unit_of_work: everything is written, nothing committed
    AFTER_COMMIT = "after-commit"  # unit_of_work: committed, nobody told yet
    BEFORE_ERASURE_COMMIT = "before-erasure-commit"  # erasure_work, likewise
    AFTER_ERASURE_COMMIT = "after-erasure-commit"
    RELAY_SENT = "relay-sent"  # the relay: the broker has acknowledged, the rows are not yet deleted
    EFFECT_WITHOUT_OFFSET = "effect-without-offset"  # the consumer: effect and inbox row committed, the offset not
    PERMIT_BEFORE_PUT = "permit-before-put"  # the media store: a write permit was granted, its PUT not begun
    MID_PUT = "mid-put"  # the media store: a part of the body is on the wire
    MID_TRANSCODE = "mid-transcode"  # a transcoding worker: ffmpeg is running
    MID_PURGE = "mid-purge"  # a participant: some objects are deleted, others not
    ENDED_NOT_OPENED = "ended-not-opened"  # consent: the episode has ended, erasure.opened is not yet published
    MAIL_ACCEPTED = "mail-accepted"  # the mail sender: the SMTP server said 250, the delivery row does not know


class Act(StrEnum):
    KILL = "kill"
    PAUSE = "pause"
    ERROR = "error"


class FailpointError(Exception):
    """What an armed point raises; a stranger to the code, like any error that nobody foresaw."""


@dataclass
class Armed:
    act: Act
    passes: int  # it fires at the last of so many


_ENTRY = re.compile(r"([a-z-]+):(kill|pause|error)(?::([1-9][0-9]*))?")


def armed_by(environment: Mapping[str, str]) -> dict[Failpoint, Armed]:
    """What `ATTUNE_FAILPOINT` asks for. Raises AttuneError in production, and for what it does not know."""
    wanted = environment.get("ATTUNE_FAILPOINT", "")
    if wanted and environment.get("ATTUNE_ENVIRONMENT", Environment.PRODUCTION) == Environment.PRODUCTION:
        raise AttuneError("ATTUNE_FAILPOINT is for tests and must not be set in production")
    armed = {}
    for entry in filter(None, wanted.split(",")):
        asked = _ENTRY.fullmatch(entry)
        if not asked or asked[1] not in list(Failpoint):
            raise AttuneError(f"ATTUNE_FAILPOINT: {entry!r} is not of the form name:kill|pause|error[:n]")
        armed[Failpoint(asked[1])] = Armed(Act(asked[2]), int(asked[3] or 1))
    return armed


_armed = armed_by(os.environ)


def reach_now(point: Failpoint) -> None:
    """Say that this place is reached. Does nothing, unless a test has armed it."""
    armed = _armed.get(point)
    if armed is None:
        return
    armed.passes -= 1
    if armed.passes:
        return
    del _armed[point]
    if path := os.environ.get("ATTUNE_FAILPOINT_LOG"):
        with Path(path).open("a") as log:
            log.write(f"{point}:{armed.act} pid={os.getpid()}\n")
    match armed.act:
        case Act.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Act.PAUSE:
            os.kill(os.getpid(), signal.SIGSTOP)
        case Act.ERROR:
            raise FailpointError(point)


async def reach(point: Failpoint) -> None:
    """`reach_now`, where the code is async."""
    reach_now(point)
