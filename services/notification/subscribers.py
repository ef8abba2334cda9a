"""Events in: who is owed a message because of them, and whom the messages are for."""

from uuid import UUID

from services.notification import operations, people
from services.notification.model import Template
from shared import participant
from shared.contracts.consent import (
    CareTeamChanged,
    ConsentEnded,
    ConsentGiven,
    ConsentNarrowed,
    ConsentReinstated,
    ConsentSuspended,
    ErasureCertified,
    ErasureStalled,
    PurgeAsked,
    RecordingDiscarded,
)
from shared.contracts.curation import ReviewTaskCreated, ReviewTaskReady, ReviewTaskReassigned
from shared.contracts.transcoding import PreparationFailed, RecordingReady
from shared.contracts.upload import RecordingRejected
from shared.messaging import Events, Uow

events = Events("notification")

WITHDRAWAL = "withdrawal"  # with what the causes of consent.suspended begin that a family has spoken
SEEN = frozenset({"not_a_film", "cancelled", "discarded"})  # rejections that whoever filmed did, or saw at once


def cause(uow: Uow) -> UUID:
    """The event that is being handled."""
    assert uow.cause
    return uow.cause


@events.on(RecordingRejected)
async def recording_rejected(event: RecordingRejected, uow: Uow) -> None:
    """A copy that proves damaged, and an upload that is given up days later, are told: no page need be open then.

    Who filmed has the only copy. Of events older than that they name somebody the work list tells alone.
    """
    if event.filmed_by and event.code not in SEEN:
        await operations.owe(uow, Template.NOT_RECEIVED, event.recording_id, cause(uow), event.filmed_by)


@events.on(RecordingReady)
async def recording_ready(event: RecordingReady, uow: Uow) -> None:
    await operations.owe(uow, Template.READY, event.recording_id, cause(uow))


@events.on(PreparationFailed)
async def preparation_failed(event: PreparationFailed, uow: Uow) -> None:
    await operations.preparation_failed(uow, event.recording_id, event.retryable, cause(uow))


@events.on(ReviewTaskCreated)
async def task_created(event: ReviewTaskCreated, uow: Uow) -> None:
    await operations.assign(uow, event.recording_id, event.assignee_id)


@events.on(ReviewTaskReady)
async def task_ready(event: ReviewTaskReady, uow: Uow) -> None:
    await operations.assign(uow, event.recording_id, event.assignee_id)


@events.on(ReviewTaskReassigned)
async def task_reassigned(event: ReviewTaskReassigned, uow: Uow) -> None:
    await operations.assign(uow, event.recording_id, event.assignee_id)


@events.on(CareTeamChanged)
async def care_team_changed(event: CareTeamChanged, uow: Uow) -> None:
    await operations.care_team_changed(uow, event)


@events.on(ConsentGiven)
async def consent_given(event: ConsentGiven, uow: Uow) -> None:
    """The family is looked after, which the lock has noted; and who agrees, for themselves or others, is told."""
    if event.given_by:
        await people.know_from_consent(uow, event.given_by)


@events.on(ConsentNarrowed)
async def consent_narrowed(event: ConsentNarrowed, uow: Uow) -> None:
    await operations.narrowed(uow, event.withdrawal_id or uow.episode_id, cause(uow))


@events.on(ConsentSuspended)
async def consent_suspended(event: ConsentSuspended, uow: Uow) -> None:
    if event.cause.startswith(WITHDRAWAL):
        template = Template.REQUEST_HELD if event.held else Template.REQUEST_RECEIVED
        await operations.owe(uow, template, uow.episode_id, cause(uow))


@events.on(ConsentReinstated)
async def consent_reinstated(event: ConsentReinstated, uow: Uow) -> None:
    await operations.owe(uow, Template.REQUEST_UNDONE, uow.episode_id, cause(uow))


@events.on(ErasureStalled)
async def erasure_stalled(event: ErasureStalled, uow: Uow) -> None:
    await operations.erasure_stalled(uow, event.erasure_id, cause(uow))


@events.on(ErasureCertified)
async def erasure_certified(event: ErasureCertified, uow: Uow) -> None:
    await operations.erasure_complete(uow, event.erasure_id, cause(uow))


events.on(ConsentEnded)(participant.ended)
events.on(RecordingDiscarded)(participant.discarded)
events.on(PurgeAsked)(participant.purge_asked)
