"""Clips: a few seconds of a recording, chosen because something goes well. Reels: the clips of a review in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor
from uuid import UUID

from shared.errors import AttuneError

PRINCIPLES_VERSION = 1


class Principle(StrEnum):
    """The principles of attuned interaction and guidance, from the first step to the last; version 1."""

    BEING_ATTENTIVE = "being_attentive"
    ENCOURAGING_INITIATIVES = "encouraging_initiatives"
    RECEIVING_INITIATIVES = "receiving_initiatives"
    DEVELOPING_ATTUNED_INTERACTIONS = "developing_attuned_interactions"
    GUIDING = "guiding"
    DEEPENING_DISCUSSION = "deepening_discussion"


class CutState(StrEnum):
    """Of a clip and of a reel: both are cut from review films."""

    MARKED = "marked"  # on a first look: it is cut once the film is there
    REQUESTED = "requested"
    READY = "ready"
    FAILED = "failed"


class EmptyRange(AttuneError):
    """A clip has at least one frame."""


class OutsideFilm(AttuneError):
    """The range leaves the film."""

    def __init__(self, frames: int) -> None:
        super().__init__(f"the film has the frames 0 to {frames - 1}")


class ClipsDoNotFit(AttuneError):
    """These clips make no reel; the message says why."""


@dataclass
class Film:
    """The review film of a recording: what is watched, and what marks are frame numbers of."""

    recording_id: UUID
    episode_id: UUID
    family_id: UUID
    film_id: UUID  # its artefact
    poster_id: UUID | None  # what goes with it; a sprite is ten tiles a side, of a hundred equal parts of the film
    sprite_id: UUID | None
    waveform_id: UUID | None
    frames: int
    rate_numerator: int  # frames a second are numerator / denominator, exactly
    rate_denominator: int


@dataclass
class FirstLook:
    """What can be looked at until the review film is there. Its frames are numbered as the review film's will be."""

    recording_id: UUID
    episode_id: UUID
    family_id: UUID
    artefact_id: UUID
    frames: int
    rate_numerator: int
    rate_denominator: int


def check_range(watched: Film | FirstLook, first: int, end: int) -> None:
    """Frames [first, end). Raises EmptyRange, OutsideFilm."""
    if end <= first:
        raise EmptyRange("the end comes after the first frame")
    if first < 0 or end > watched.frames:
        raise OutsideFilm(watched.frames)


@dataclass
class Cut:
    """What clips and reels share: asked for, and then made or not. An artefact that was made is never unmade."""

    state: CutState
    artefact_id: UUID | None
    reason: str | None

    def made(self, artefact_id: UUID) -> bool:
        """Whether this made it ready; a retry may, after a failure."""
        if self.state is CutState.READY:
            return False
        self.state, self.artefact_id, self.reason = CutState.READY, artefact_id, None
        return True

    def failed(self, reason: str) -> bool:
        if self.state is CutState.READY:
            return False
        self.state, self.reason = CutState.FAILED, reason
        return True


@dataclass
class Clip(Cut):
    """While it is only marked, its frames are those of the first look; from then on of `film_id`."""

    clip_id: UUID
    recording_id: UUID
    episode_id: UUID
    family_id: UUID
    film_id: UUID | None
    first: int
    end: int  # the first frame that is not in it
    name: str
    principle: Principle
    principles_version: int
    note: str | None
    marked_by: UUID
    marked_at: datetime

    def moved(self, look: FirstLook, to: Film | FirstLook) -> None:
        """To the frames that are shown while its own are in this look, whose rate may be another.

        A look that tells of the opening alone is followed by one of the whole, and that by the film, which can be cut.
        """
        rates = [Fraction(one.rate_numerator, one.rate_denominator) for one in (to, look)]
        ratio = rates[0] / rates[1]
        self.first, self.end = min(floor(self.first * ratio), to.frames - 1), min(ceil(self.end * ratio), to.frames)
        if isinstance(to, Film):
            self.film_id, self.state = to.film_id, CutState.REQUESTED


@dataclass
class Reel(Cut):
    reel_id: UUID
    episode_id: UUID
    family_id: UUID
    clip_ids: list[UUID]  # in the order in which they are shown
    made_from: list[UUID]  # recordings
    ordered_by: UUID
    ordered_at: datetime


def check_reel(family_id: UUID, episode_id: UUID, wanted: Sequence[UUID], clips: Sequence[Clip]) -> None:
    """A reel has clips, each once, all of one family and one consent episode. Raises ClipsDoNotFit."""
    if not wanted:
        raise ClipsDoNotFit("a reel has at least one clip")
    if len(set(wanted)) < len(wanted):
        raise ClipsDoNotFit("a clip is in a reel once")
    if {clip.clip_id for clip in clips if clip.family_id == family_id} != set(wanted):
        raise ClipsDoNotFit("these are not all clips of this family")
    if any(clip.episode_id != episode_id for clip in clips):
        raise ClipsDoNotFit("the clips are of different consents, and a reel is of one")
    if any(clip.film_id is None for clip in clips):
        raise ClipsDoNotFit("a clip was marked on a first look, and its film is not there yet")
