"""Events in: what consent says."""

from datetime import UTC, datetime

from services.upload import operations
from shared import care_team, participant
from shared.contracts.consent import CareTeamChanged, ConsentEnded, ErasureCertified, PurgeAsked, RecordingDiscarded
from shared.messaging import Events, Uow

events = Events("upload")


@events.on(RecordingDiscarded)
async def recording_discarded(event: RecordingDiscarded, uow: Uow) -> None:
    await participant.discarded(event, uow)
    await operations.discarded(uow, event.recording_id, datetime.now(UTC))


events.on(CareTeamChanged)(care_team.changed)
events.on(ConsentEnded)(participant.ended)
events.on(PurgeAsked)(participant.purge_asked)
events.on(ErasureCertified)(participant.certified)
