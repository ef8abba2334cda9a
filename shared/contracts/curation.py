"""What the curation service tells of tasks, clips, reels and shared reviews."""

from uuid import UUID

from shared.contracts.event import Event, Payload, event


@event("attune.review.task_created.v1", "curation", subject="recording_id")
class ReviewTaskCreated(Event):
    recording_id: UUID
    assignee_id: UUID


@event("attune.review.task_ready.v1", "curation", subject="recording_id")
class ReviewTaskReady(Event):
    recording_id: UUID
    assignee_id: UUID


@event("attune.review.task_reassigned.v1", "curation", subject="recording_id")
class ReviewTaskReassigned(Event):
    recording_id: UUID
    assignee_id: UUID


@event("attune.review.task_done.v1", "curation", subject="recording_id")
class ReviewTaskDone(Event):
    recording_id: UUID


@event("attune.shared_review.held.v1", "curation", subject="shared_review_id")
class SharedReviewHeld(Event):
    shared_review_id: UUID
    cycle: int


class Cut(Payload):
    """Frames [first, end) of one review film; the film is the artefact, the recording what it was made from."""

    recording_id: UUID
    film_id: UUID
    first: int
    end: int


@event("attune.clip.requested.v1", "curation", subject="clip_id", public=False)
class ClipRequested(Event):
    clip_id: UUID
    cut: Cut
    requested_by: UUID

    def recordings(self) -> frozenset[UUID]:
        return frozenset([self.cut.recording_id])


@event("attune.still.requested.v1", "curation", subject="still_id", public=False)
class StillRequested(Event):
    """A picture of one frame of a review film."""

    still_id: UUID
    recording_id: UUID
    film_id: UUID
    frame: int
    requested_by: UUID


@event("attune.reel.requested.v1", "curation", subject="reel_id", public=False)
class ReelRequested(Event):
    reel_id: UUID
    cuts: tuple[Cut, ...]
    requested_by: UUID

    def recordings(self) -> frozenset[UUID]:
        return frozenset(cut.recording_id for cut in self.cuts)
