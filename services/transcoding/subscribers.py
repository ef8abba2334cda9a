"""Events in; nothing but the translation."""

from services.transcoding import operations
from services.transcoding.model import Cut, Make, look_of
from shared import care_team, jobs, participant
from shared.contracts import consent, curation, upload
from shared.messaging import Events, Uow

events = Events("transcoding")


@events.on(upload.RecordingReceived)
async def prepare(event: upload.RecordingReceived, uow: Uow) -> None:
    look = look_of(event.recording_id)
    await operations.ask(uow, Make.FIRST_LOOK, look, event.filmed_by, [event.recording_id])
    await operations.ask(uow, Make.REVIEW_FILM, event.recording_id, event.filmed_by, [event.recording_id])


@events.on(curation.ClipRequested)
async def cut_clip(event: curation.ClipRequested, uow: Uow) -> None:
    await operations.ask(uow, Make.CLIP, event.clip_id, event.requested_by, [event.cut.recording_id], [_cut(event.cut)])


@events.on(curation.ReelRequested)
async def cut_reel(event: curation.ReelRequested, uow: Uow) -> None:
    recordings = [cut.recording_id for cut in event.cuts]
    await operations.ask(uow, Make.REEL, event.reel_id, event.requested_by, recordings, [_cut(c) for c in event.cuts])


@events.on(curation.StillRequested)
async def take_still(event: curation.StillRequested, uow: Uow) -> None:
    frame = Cut(event.recording_id, event.film_id, event.frame, event.frame + 1)
    await operations.ask(uow, Make.STILL, event.still_id, event.requested_by, [event.recording_id], [frame])


def _cut(cut: curation.Cut) -> Cut:
    return Cut(cut.recording_id, cut.film_id, cut.first, cut.end)


@events.on(consent.ConsentReinstated)
async def reinstated(event: consent.ConsentReinstated, uow: Uow) -> None:
    await jobs.resume(uow)


events.on(consent.CareTeamChanged)(care_team.changed)
events.on(consent.ConsentEnded)(participant.ended)
events.on(consent.RecordingDiscarded)(participant.discarded)
events.on(consent.PurgeAsked)(participant.purge_asked)
events.on(consent.ErasureCertified)(participant.certified)
