"""What the transcoding service tells of what it made, or could not make."""

from uuid import UUID

from shared.contracts.event import Code, Event, Payload, event


class Rendition(Payload):
    artefact_id: UUID
    kind: Code  # review_film | poster | sprite | waveform


class Rate(Payload):
    """Frames a second, exactly: 30000/1001."""

    numerator: int
    denominator: int


@event("attune.recording.ready.v1", "transcoding", subject="recording_id")
class RecordingReady(Event):
    recording_id: UUID
    duration_ms: int
    frames: int
    rate: Rate
    artefacts: tuple[Rendition, ...]


@event("attune.recording.first_look_ready.v1", "transcoding", subject="recording_id")
class FirstLookReady(Event):
    """The film can be looked at before it is ready: so many frames of it, numbered as in the review film to come.

    A later one of the same recording takes the place of the one before; none comes after `recording.ready`.
    """

    recording_id: UUID
    artefact_id: UUID
    duration_ms: int
    frames: int
    rate: Rate


@event("attune.recording.preparation_failed.v1", "transcoding", subject="recording_id")
class PreparationFailed(Event):
    recording_id: UUID
    code: Code
    retryable: bool


@event("attune.clip.cut.v1", "transcoding", subject="clip_id")
class ClipCut(Event):
    clip_id: UUID
    artefact_id: UUID
    frames: int


@event("attune.clip.cut_failed.v1", "transcoding", subject="clip_id")
class ClipCutFailed(Event):
    clip_id: UUID
    code: Code
    retryable: bool


@event("attune.reel.ready.v1", "transcoding", subject="reel_id")
class ReelReady(Event):
    reel_id: UUID
    artefact_id: UUID
    frames: int


@event("attune.reel.failed.v1", "transcoding", subject="reel_id")
class ReelFailed(Event):
    reel_id: UUID
    code: Code
    retryable: bool


@event("attune.still.made.v1", "transcoding", subject="still_id")
class StillMade(Event):
    still_id: UUID
    artefact_id: UUID


@event("attune.still.failed.v1", "transcoding", subject="still_id")
class StillFailed(Event):
    still_id: UUID
    code: Code
    retryable: bool
