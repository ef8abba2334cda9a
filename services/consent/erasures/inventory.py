"""The stores compared with the register: which objects may be there, and which must not."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.consent.episodes.model import EpisodeState
from shared.media_store import Entry

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = re.compile(f"({_UUID})/({_UUID})/{_UUID}")
MEANS = ("objects", "versions and delete markers", "unfinished uploads")


@dataclass(frozen=True, order=True)
class Place:
    """Where an artefact's objects lie. In the bucket of evidence the first id is the family's."""

    bucket: str
    episode_id: UUID
    artefact_id: UUID


@dataclass
class Listing:
    """One bucket, as three listings show it."""

    bucket: str
    begun_at: datetime
    finished_at: datetime
    counts: Counter[str] = field(default_factory=Counter)  # entries by what they are
    places: dict[Place, Counter[str]] = field(default_factory=dict)
    strangers: int = 0  # entries whose names are not of our form

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.counts[entry.what] += 1
            named = _NAME.fullmatch(entry.name)
            if named is None:
                self.strangers += 1
                continue
            place = Place(self.bucket, UUID(named[1]), UUID(named[2]))
            self.places.setdefault(place, Counter())[entry.what] += 1

    def as_listed(self) -> dict[str, object]:
        """For the certificate: what was listed, when, and by which means."""
        return {
            "bucket": self.bucket,
            "begun_at": self.begun_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "means": list(MEANS),
            "objects": self.counts["object"],
            "versions": self.counts["version"],
            "markers": self.counts["marker"],
            "uploads": self.counts["upload"],
        }


@dataclass(frozen=True)
class Scope:
    """What an erasure covers: under the episode's prefix everything, or some artefacts; what is registered, anywhere.

    registered: the artefacts of the scope that the register holds of this episode.
    """

    episode_id: UUID
    registered: frozenset[UUID] = frozenset()
    some: frozenset[UUID] | None = None  # none: the whole episode

    def covers(self, place: Place) -> bool:
        here = place.episode_id == self.episode_id and (self.some is None or place.artefact_id in self.some)
        return here or place.artefact_id in self.registered


def remains(scope: Scope, places: Iterable[Place]) -> list[Place]:
    """What of an erasure is still there."""
    return sorted(place for place in places if scope.covers(place))


class Stray(StrEnum):
    """Why something in a store must not be there."""

    UNKNOWN_EPISODE = "unknown_episode"
    ENDED = "ended"
    UNREGISTERED = "unregistered"
    DISCARDED = "discarded"
    UNKNOWN_EVIDENCE = "unknown_evidence"


@dataclass(frozen=True)
class Register:
    """What the register knows of places listed; read after the listing, so that it knows what was written meanwhile.

    erasing: erasures that were open at some moment since the listing began.
    """

    episodes: Mapping[UUID, EpisodeState]
    artefacts: Mapping[UUID, tuple[UUID, bool]]  # its episode, and whether it was discarded
    erasing: Collection[Scope]

    def stray(self, place: Place) -> Stray | None:
        """None for what may be there, or is being erased."""
        if any(scope.covers(place) for scope in self.erasing):
            return None
        state = self.episodes.get(place.episode_id)
        if state is None:
            return Stray.UNKNOWN_EPISODE
        if state is EpisodeState.ENDED:
            return Stray.ENDED
        episode_id, discarded = self.artefacts.get(place.artefact_id, (None, False))
        if episode_id != place.episode_id:
            return Stray.UNREGISTERED
        return Stray.DISCARDED if discarded else None
