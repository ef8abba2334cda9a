"""An erasure: the saga that removes what an ended episode, or one discarded recording, left behind.

purging -> draining -> purging (once more, now that nothing can land) -> verifying -> certified.
It may be verified only after a round of purges that was asked for when H had passed; a find asks for another round.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.contracts import PARTICIPANTS

VERIFIER = "verifier"


class ErasureState(StrEnum):
    PURGING = "purging"  # every participant deletes what it holds, and says so
    DRAINING = "draining"  # until no write that was permitted can land any more
    VERIFYING = "verifying"  # the stores are compared with the register
    CERTIFIED = "certified"


class Step(StrEnum):
    """What an erasure does next, as it is told to others."""

    ASK = "ask"  # a round of purges
    WAIT = "wait"  # for time to pass, or for the verifier
    CERTIFY = "certify"


@dataclass
class Erasure:
    id: UUID
    episode_id: UUID
    family_id: UUID
    recording_id: UUID | None  # none: everything of the episode
    cause: str
    decided_by: UUID | None  # none: nobody; the reconciler found something
    route: str
    opened_at: datetime
    asked_at: datetime  # of the round's purges
    moved_at: datetime  # into the present state
    permit_seconds: int
    put_seconds: int
    clock_skew_seconds: int
    trace: dict[str, str]
    supersedes: UUID | None = None  # an erasure, whose certificate said that nothing was left
    key_destroyed_at: datetime | None = None
    state: ErasureState = ErasureState.PURGING
    round: int = 1
    fenced_at: datetime | None = None  # read in a transaction begun after the one that opened it was committed
    stalled_at: datetime | None = None  # when a person was told that the present state lasts long

    @property
    def scope(self) -> str:
        return "recording" if self.recording_id else "episode"

    @property
    def horizon(self) -> timedelta:
        """H: how long after the fence a permitted write may still land."""
        return timedelta(seconds=self.permit_seconds + self.put_seconds + self.clock_skew_seconds)

    def fence(self, now: datetime) -> None:
        """Start counting H; `now` was read after the opening was committed. A second call changes nothing."""
        self.fenced_at = self.fenced_at or now

    def drained(self, at: datetime) -> bool:
        """Whether nothing that was permitted can land from this moment on."""
        return self.fenced_at is not None and at >= self.fenced_at + self.horizon

    def step(self, acknowledged: Collection[str], clean: bool | None, now: datetime) -> Step | None:
        """Take the next step that the facts allow; None when there is none yet.

        acknowledged: who has acknowledged the present round. clean: what the verifier found in it, None before it has.
        """
        match self.state:
            case ErasureState.PURGING if set(PARTICIPANTS) <= set(acknowledged):
                if self.drained(self.asked_at):
                    return self._move(ErasureState.VERIFYING, now, Step.WAIT)
                return self._move(ErasureState.DRAINING, now, Step.WAIT)
            case ErasureState.DRAINING if self.drained(now):
                return self._ask(now)
            case ErasureState.VERIFYING if clean is False:
                return self._ask(now)
            case ErasureState.VERIFYING if clean is True:
                return self._move(ErasureState.CERTIFIED, now, Step.CERTIFY)
        return None

    def waiting_for(self, acknowledged: Collection[str]) -> tuple[str, ...]:
        """Whose turn it is; nobody's while time has to pass."""
        match self.state:
            case ErasureState.PURGING:
                return tuple(one for one in PARTICIPANTS if one not in acknowledged)
            case ErasureState.VERIFYING:
                return (VERIFIER,)
        return ()

    def stalls(self, acknowledged: Collection[str], now: datetime, after: timedelta) -> bool:
        """Whether a person has to be told now that somebody has not done their part for long; true once per state."""
        if self.stalled_at or now < self.moved_at + after or not self.waiting_for(acknowledged):
            return False
        self.stalled_at = now
        return True

    def _ask(self, now: datetime) -> Step:
        self.round, self.asked_at = self.round + 1, now
        return self._move(ErasureState.PURGING, now, Step.ASK)

    def _move(self, state: ErasureState, now: datetime, step: Step) -> Step:
        self.state, self.moved_at, self.stalled_at = state, now, None
        return step
