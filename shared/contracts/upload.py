"""What the upload service tells of recordings as they come in."""

from datetime import date
from uuid import UUID

from shared.contracts.event import Code, Event, event


@event("attune.recording.received.v1", "upload", subject="recording_id")
class RecordingReceived(Event):
    """Every byte is sealed and verified. The recording's id is also the id of its artefact."""

    recording_id: UUID
    kind: Code  # parent_baby | shared_review
    filmed_on: date
    filmed_by: UUID
    bytes: int
    container: Code


@event("attune.recording.rejected.v1", "upload", subject="recording_id")
class RecordingRejected(Event):
    recording_id: UUID
    code: Code
    filmed_by: UUID | None = None  # of older events nobody knows it


@event("attune.recording.card_wiped.v1", "upload", subject="recording_id")
class CardWiped(Event):
    recording_id: UUID
    on: date
