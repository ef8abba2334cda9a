"""What the consent service tells: who may be filmed and for what, the end of it, and the erasure that follows."""

from datetime import date
from uuid import UUID

from shared.contracts.event import PARTICIPANTS, Code, Event, Payload, event


@event("attune.family.registered.v1", "consent", subject="family_id")
class FamilyRegistered(Event):
    pass


@event("attune.family.involvement_ended.v1", "consent", subject="family_id", outlives=True)
class InvolvementEnded(Event):
    ended_on: date


class CareTeamMember(Payload):
    person_id: UUID
    role: Code


@event("attune.care_team.changed.v1", "consent", subject="family_id", outlives=True)
class CareTeamChanged(Event):
    """The whole team as it stands; a lower version that arrives late is out of date."""

    version: int
    members: tuple[CareTeamMember, ...]


@event("attune.consent.given.v1", "consent", subject="episode_id")
class ConsentGiven(Event):
    consent_record_id: UUID
    person_id: UUID
    purposes: tuple[Code, ...]
    valid_until: date | None = None
    given_by: UUID | None = None  # the person themselves, or an adult of the family who agreed for them


@event("attune.consent.narrowed.v1", "consent", subject="episode_id")
class ConsentNarrowed(Event):
    person_id: UUID
    purpose: Code
    withdrawal_id: UUID | None = None  # the one act of withdrawing, which may be about several people


@event("attune.consent.suspended.v1", "consent", subject="episode_id")
class ConsentSuspended(Event):
    """Everything is refused. Told anew when a hold comes in between: then it does not end until that is lifted."""

    cause: Code
    held: bool = False


@event("attune.consent.reinstated.v1", "consent", subject="episode_id")
class ConsentReinstated(Event):
    pass


@event("attune.consent.ended.v1", "consent", subject="episode_id", outlives=True)
class ConsentEnded(Event):
    erasure_id: UUID
    cause: Code


@event("attune.recording.discarded.v1", "consent", subject="recording_id", outlives=True)
class RecordingDiscarded(Event):
    recording_id: UUID
    erasure_id: UUID
    reason_code: Code


@event("attune.erasure.opened.v1", "consent", subject="erasure_id", outlives=True)
class ErasureOpened(Event):
    erasure_id: UUID
    scope: Code  # episode | recording
    artefacts: int


@event("attune.erasure.purge_asked.v1", "consent", subject="erasure_id", public=False, outlives=True)
class PurgeAsked(Event):
    erasure_id: UUID
    round: int
    recording_id: UUID | None = None  # none: everything of the episode


@event("attune.erasure.acknowledged.v1", *PARTICIPANTS, subject="erasure_id", public=False, outlives=True)
class ErasureAcknowledged(Event):
    """What a participant found and deleted in this round; a second acknowledgement of a round changes nothing."""

    erasure_id: UUID
    round: int
    participant: Code
    objects: int
    bytes: int
    rows: int
    jobs_cancelled: int
    cards_not_wiped: int = 0
    cards: tuple[UUID, ...] = ()  # the recordings that may still be on a camera's card


@event("attune.erasure.stalled.v1", "consent", subject="erasure_id", outlives=True)
class ErasureStalled(Event):
    erasure_id: UUID
    waiting_for: tuple[Code, ...]


@event("attune.erasure.certified.v1", "consent", subject="erasure_id", outlives=True)
class ErasureCertified(Event):
    erasure_id: UUID
    certificate_id: UUID


@event("attune.erasure.superseded.v1", "consent", subject="erasure_id", outlives=True)
class ErasureSuperseded(Event):
    erasure_id: UUID
    certificate_id: UUID
    superseded_by: UUID  # the erasure that a later find opened
