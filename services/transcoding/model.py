"""What is made of a recording: a film prepared for review, and what is cut from it. The rules, pure."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from shared.errors import AttuneError


class Make(StrEnum):
    """What a job makes."""

    FIRST_LOOK = "first_look"
    REVIEW_FILM = "review_film"
    CLIP = "clip"
    REEL = "reel"
    STILL = "still"


class State(StrEnum):
    WAITING = "waiting"  # for a worker, or working
    MADE = "made"
    FAILED = "failed"  # `failure` says why


class NotFailed(AttuneError):
    """Only what has failed can be tried again."""


def look_of(recording_id: UUID) -> UUID:
    """The id of the work on a recording's first look."""
    return uuid5(recording_id, Make.FIRST_LOOK)


@dataclass(frozen=True)
class Cut:
    """Frames [first, end) of the review film `film_id`, which was made from the recording."""

    recording_id: UUID
    film_id: UUID
    first: int
    end: int


@dataclass(eq=False)
class Work:
    """Something to be made; its id is the recording's (for its review film), clip's, reel's, still's, or `look_of`."""

    id: UUID
    make: Make
    family_id: UUID
    episode_id: UUID
    on_behalf_of: UUID
    made_from: list[UUID]  # recordings
    cuts: list[dict[str, Any]] = field(default_factory=list)
    state: State = State.WAITING
    artefacts: list[dict[str, Any]] = field(default_factory=list)  # {artefact_id, kind} of the attempt that counts
    plan: dict[str, Any] | None = None  # why a film was treated so, for operators
    failure: dict[str, Any] | None = None

    def done(self, artefacts: list[dict[str, Any]]) -> None:
        self.state, self.artefacts, self.failure = State.MADE, artefacts, None

    def failed(self, failure: dict[str, Any]) -> None:
        self.state, self.failure = State.FAILED, failure

    def again(self) -> None:
        """Raises NotFailed."""
        if self.state is not State.FAILED:
            raise NotFailed(str(self.id))
        self.state, self.failure = State.WAITING, None


# a clip, a still and a first look are waited for at the screen, a film is not
PRIORITY = {Make.CLIP: 20, Make.STILL: 20, Make.FIRST_LOOK: 15, Make.REEL: 10, Make.REVIEW_FILM: 0}

SLOTS = {"films": (Make.REVIEW_FILM,), "looks": (Make.FIRST_LOOK,), "cuts": (Make.CLIP, Make.STILL, Make.REEL)}
"""A worker does a thing in each at once: a clip, which takes a second, waits for no film, nor for a look at one."""
