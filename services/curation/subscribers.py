"""Events in: what the curation service makes of what the others tell. Nothing but the translation."""

from services.curation.clips import operations as clips
from services.curation.playback import operations as playback
from services.curation.playback.model import Kind
from services.curation.stills import operations as stills
from services.curation.tasks import operations as tasks
from shared import care_team, participant
from shared.contracts.consent import CareTeamChanged, ConsentEnded, ErasureCertified, PurgeAsked, RecordingDiscarded
from shared.contracts.transcoding import (
    ClipCut,
    ClipCutFailed,
    FirstLookReady,
    PreparationFailed,
    RecordingReady,
    ReelFailed,
    ReelReady,
    StillFailed,
    StillMade,
)
from shared.contracts.upload import RecordingReceived
from shared.messaging import Events, Uow

events = Events("curation")


@events.on(RecordingReceived)
async def recording_received(event: RecordingReceived, uow: Uow) -> None:
    await tasks.open_task(uow, event.recording_id, event.filmed_by, event.kind, event.filmed_on)


@events.on(FirstLookReady)
async def first_look_ready(event: FirstLookReady, uow: Uow) -> None:
    if await clips.first_look_ready(uow, event):
        await playback.made(uow, event.artefact_id, Kind.FIRST_LOOK, [event.recording_id])


@events.on(RecordingReady)
async def recording_ready(event: RecordingReady, uow: Uow) -> None:
    await tasks.recording_ready(uow, event.recording_id)
    await clips.film_ready(uow, event)
    await playback.recording_ready(uow, event)
    await playback.look_is_over(uow, event.recording_id)


@events.on(PreparationFailed)
async def preparation_failed(event: PreparationFailed, uow: Uow) -> None:
    await tasks.preparation_failed(uow, event.recording_id, event.code)


@events.on(ClipCut)
async def clip_cut(event: ClipCut, uow: Uow) -> None:
    if clip := await clips.clip_cut(uow, event.clip_id, event.artefact_id):
        await playback.made(uow, event.artefact_id, Kind.CLIP, [clip.recording_id])


@events.on(ClipCutFailed)
async def clip_cut_failed(event: ClipCutFailed, uow: Uow) -> None:
    await clips.clip_cut_failed(uow, event.clip_id, event.code)


@events.on(ReelReady)
async def reel_ready(event: ReelReady, uow: Uow) -> None:
    if reel := await clips.reel_ready(uow, event.reel_id, event.artefact_id):
        await playback.made(uow, event.artefact_id, Kind.REEL, reel.made_from)


@events.on(ReelFailed)
async def reel_failed(event: ReelFailed, uow: Uow) -> None:
    await clips.reel_failed(uow, event.reel_id, event.code)


@events.on(StillMade)
async def still_made(event: StillMade, uow: Uow) -> None:
    if still := await stills.made(uow, event.still_id, event.artefact_id):
        await playback.made(uow, event.artefact_id, Kind.STILL, [still.recording_id])


@events.on(StillFailed)
async def still_failed(event: StillFailed, uow: Uow) -> None:
    await stills.failed(uow, event.still_id, event.code)


events.on(CareTeamChanged)(care_team.changed)
events.on(ConsentEnded)(participant.ended)
events.on(RecordingDiscarded)(participant.discarded)
events.on(PurgeAsked)(participant.purge_asked)
events.on(ErasureCertified)(participant.certified)
