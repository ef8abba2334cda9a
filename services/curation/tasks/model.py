"""A review task: the practitioner's to-do that a new recording creates."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from shared.errors import AttuneError


class TaskState(StrEnum):
    PREPARING = "preparing"  # the recording is being made ready
    READY = "ready"
    BLOCKED = "blocked"  # it could not be made ready; the reason says what to do
    DONE = "done"


class StillPreparing(AttuneError):
    """A recording that nobody could have watched has not been reviewed."""


class NotInCareTeam(AttuneError):
    """A task goes only to a member of the family's care team."""


@dataclass
class ReviewTask:
    """One recording, one task, whatever is heard of it first: topics have no order between them.

    Until the recording is received nobody is known whose task it could be, and nobody sees it.
    """

    recording_id: UUID
    episode_id: UUID
    family_id: UUID
    assignee_id: UUID | None = None
    kind: str | None = None  # parent_baby | shared_review
    filmed_on: date | None = None
    state: TaskState = TaskState.PREPARING
    reason: str | None = None

    def received(self, filmed_by: UUID, kind: str, filmed_on: date) -> bool:
        """Whether this gave the task to the practitioner who filmed. Once given, only reassigning moves it."""
        if self.assignee_id is not None:
            return False
        self.assignee_id, self.kind, self.filmed_on = filmed_by, kind, filmed_on
        return True

    def recording_ready(self) -> bool:
        """Whether this made the task ready. A done task stays done, whatever comes late."""
        if self.state in (TaskState.READY, TaskState.DONE):
            return False
        self.state, self.reason = TaskState.READY, None
        return True

    def preparation_failed(self, reason: str) -> bool:
        """Whether this blocked the task. A film that is there stays there, whatever later attempts came to."""
        if self.state in (TaskState.READY, TaskState.DONE):
            return False
        self.state, self.reason = TaskState.BLOCKED, reason
        return True

    def reassign(self, assignee_id: UUID, care_team: set[UUID] | frozenset[UUID]) -> bool:
        """Whether it is somebody else's now. Raises NotInCareTeam."""
        if assignee_id not in care_team:
            raise NotInCareTeam("a task goes only to a member of the family's care team")
        if assignee_id == self.assignee_id:
            return False
        self.assignee_id = assignee_id
        return True

    def finish(self) -> bool:
        """Whether this made it done. Blocked ones may be closed too. Raises StillPreparing."""
        if self.state is TaskState.PREPARING:
            raise StillPreparing("the recording is still being prepared")
        if self.state is TaskState.DONE:
            return False
        self.state = TaskState.DONE
        return True
