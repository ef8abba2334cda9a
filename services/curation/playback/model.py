"""Which bytes a player asks for, which it is given, and what is written down about it."""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from shared.errors import AttuneError

CAP = 4 * 1024 * 1024
"""Bytes in one answer to a range: what a refusal comes too late for is no more than a few seconds of film."""
SITTING = timedelta(minutes=30)
"""Who comes back to a film within this time has not left it."""

_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.I)


class Kind(StrEnum):
    """What can be watched. A recording as it was received never is."""

    FIRST_LOOK = "first_look"
    REVIEW_FILM = "review_film"
    POSTER = "poster"
    SPRITE = "sprite"
    WAVEFORM = "waveform"
    CLIP = "clip"
    REEL = "reel"
    STILL = "still"


class NoSuchBytes(AttuneError):
    """The range begins after the end."""

    def __init__(self, length: int) -> None:
        super().__init__(f"there are {length} bytes")
        self.length = length


@dataclass(frozen=True)
class Playable:
    """An artefact that somebody may ask to watch."""

    artefact_id: UUID
    episode_id: UUID
    family_id: UUID
    kind: Kind
    made_from: tuple[UUID, ...]  # recordings


@dataclass(frozen=True)
class Part:
    """The bytes first to last, both included."""

    first: int
    last: int


def etag(artefact_id: UUID) -> str:
    """Strong, since an artefact never changes; and no hash of it, which would say whether two people hold one film."""
    return f'"{artefact_id}"'


def requested(range_header: str | None, if_range: str | None, tag: str, length: int) -> Part | None:
    """The part to answer with, at most CAP bytes of what is asked for; None: the whole, as without a range.

    A range that cannot be read, several at once, or one of something else than what `if_range` names, is none, as HTTP
    says. Raises NoSuchBytes.
    """
    if range_header is None or (if_range is not None and if_range.strip() != tag):
        return None
    asked = _RANGE.fullmatch(range_header)
    if asked is None or not any(asked.groups()):
        return None
    first, last = asked.groups()
    if not first:
        start, end = max(length - int(last), 0), length - 1  # the last so many bytes
    else:
        start, end = int(first), min(int(last), length - 1) if last else length - 1
        if last and int(last) < start:
            return None
    if start >= length:
        raise NoSuchBytes(length)
    return Part(start, min(end, start + CAP - 1))
