"""A consent episode: one unbroken period of consent of one family. Open, suspended, ended; ended is for good."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class EpisodeState(StrEnum):
    OPEN = "open"
    SUSPENDED = "suspended"  # everything refused, nothing lost; can be reinstated
    ENDED = "ended"


class Route(StrEnum):
    """How the family said it."""

    IN_PERSON = "in_person"
    PHONE = "phone"
    LETTER = "letter"
    PAGE = "page"


class Cause(StrEnum):
    """Why an episode was suspended, and then ended."""

    WITHDRAWAL_CONFIRMED = "withdrawal_confirmed"  # the family itself said so
    WITHDRAWAL_REPORTED = "withdrawal_reported"  # staff say that the family said so


class HoldKind(StrEnum):
    """Why a suspended episode must not end yet, and nothing of it be discarded."""

    LEGAL = "legal"
    SAFEGUARDING = "safeguarding"


@dataclass(frozen=True)
class Suspension:
    """One reason why an episode is suspended; there may be several."""

    id: UUID
    cause: Cause
    decided_by: UUID
    route: Route
    suspended_at: datetime
    end_due_at: datetime


@dataclass(frozen=True)
class Reinstatement:
    """Who of the family asked for it, and how; nobody of it where staff take back what they recorded by mistake."""

    asked_by: UUID | None
    route: Route | None
    reason: str | None
    recorded_by: UUID


def takes_back(asked_by: UUID | None, standing: Iterable[Suspension]) -> bool:
    """Whether this may undo what stands: each withdrawal only at the word of who withdrew.

    Staff may undo by themselves (`asked_by` None) what the family has not confirmed: it may be a slip of the hand.
    """
    return all(
        one.decided_by == asked_by or (asked_by is None and one.cause is Cause.WITHDRAWAL_REPORTED) for one in standing
    )


@dataclass
class ConsentEpisode:
    id: UUID
    family_id: UUID
    key: bytes | None  # wrapped by the master key; none once it is destroyed
    opened_at: datetime
    state: EpisodeState = EpisodeState.OPEN
    ended_at: datetime | None = None
    ended_cause: Cause | None = None
    key_destroyed_at: datetime | None = None

    def suspend(self) -> bool:
        """Whether this suspended it; it may have been already."""
        if self.state is not EpisodeState.OPEN:
            return False
        self.state = EpisodeState.SUSPENDED
        return True

    def reinstate(self) -> bool:
        """Whether this opened it again; only a suspended one can be."""
        if self.state is not EpisodeState.SUSPENDED:
            return False
        self.state = EpisodeState.OPEN
        return True

    def end(self, cause: Cause, now: datetime) -> None:
        """For good: the key goes with it."""
        self.state, self.ended_at, self.ended_cause = EpisodeState.ENDED, now, cause
        self.key, self.key_destroyed_at = None, now


def ends_by(episode: ConsentEpisode, suspensions: Iterable[Suspension], held: bool, now: datetime) -> Suspension | None:
    """The suspension by which the episode ends now: the first that is due, unless a hold stands."""
    if episode.state is not EpisodeState.SUSPENDED or held:
        return None
    due = [one for one in suspensions if one.end_due_at <= now]
    return min(due, key=lambda one: one.end_due_at, default=None)
