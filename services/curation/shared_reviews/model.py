"""What the parent wants, how near it is, and what they say when they watch the clips."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.errors import AttuneError


class NotHeldYet(AttuneError):
    """A shared review is recorded after it was held."""


class WatchedNothing(AttuneError):
    """A shared review is of a reel or of clips, and not of both."""


@dataclass
class Goal:
    """What the parent wants from VIG, in the parent's words."""

    goal_id: UUID
    family_id: UUID
    words: str
    set_by: UUID  # the practitioner who wrote it down
    set_at: datetime


@dataclass
class Rating:
    """Where the parent sees themselves, 1-10: now, and where they hope to be."""

    rating_id: UUID
    goal_id: UUID
    family_id: UUID
    now: int
    hoped: int
    rated_at: datetime


@dataclass
class SharedReview:
    """A session in which the family watched clips and said what they saw, felt and thought.

    The words are about the clips and go with them; the summary is the record of the session and stays.
    """

    shared_review_id: UUID
    family_id: UUID
    episode_id: UUID
    held_on: date
    held_by: UUID
    cycle: int
    made_from: list[UUID]  # the recordings whose clips were watched
    reel_id: UUID | None
    clip_ids: list[UUID] | None
    saw: str | None
    felt: str | None
    thought: str | None
    summary: str | None
    recorded_at: datetime

    def check(self, today: date) -> None:
        """Raises NotHeldYet, WatchedNothing."""
        if self.held_on > today:
            raise NotHeldYet("a shared review is recorded after it was held")
        if bool(self.reel_id) == bool(self.clip_ids):
            raise WatchedNothing("a shared review is of a reel or of clips")
