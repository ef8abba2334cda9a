"""Taking stills over HTTP."""

from datetime import UTC, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from services.curation.changes import changing
from services.curation.clips.api import NotWatchable
from services.curation.clips.model import Clip, CutState
from services.curation.playback.api import ConsentRefuses
from services.curation.stills import operations
from services.curation.stills.model import PURPOSE, OutsideClip, check_still
from services.curation.tasks.operations import opened
from shared.care_team import allow
from shared.database import Database
from shared.http import Caller, ConsentOver, Invalid, NotAllowed, NotFound, Router, Unavailable, documented
from shared.identity import Action
from shared.media_store import Permits, Refused
from shared.media_store import Unavailable as ConsentAway


class NoStills(NotAllowed):
    code, title = "no-stills", "The family has not agreed to pictures"
    detail = (
        "Not everybody in this film agrees that pictures are made from it. Talk about it with the family and record"
        " their consent for pictures; then take the still again."
    )


class Frame(BaseModel):
    """Its number in the review film, as marks are."""

    frame: int = Field(ge=0, lt=2**53)


class Taken(BaseModel):
    """A JPEG of one frame of the film, in the film's size; it is played like a film once it is `ready`."""

    still_id: UUID
    clip_id: UUID
    recording_id: UUID
    family_id: UUID
    film_id: UUID
    frame: int
    taken_by: UUID
    taken_at: datetime
    state: CutState
    artefact_id: UUID | None
    reason: str | None  # why it failed: a code


class Stills(BaseModel):
    stills: list[Taken]


def routes(database: Database, permits: Permits) -> Router:
    router = Router(prefix="/v1")

    @router.post(
        "/clips/{clip_id}/stills",
        status_code=201,
        responses=documented(NotFound, NoStills, ConsentRefuses, ConsentOver, NotWatchable),
    )
    async def take(clip_id: UUID, wanted: Frame, caller: Caller) -> Taken:
        """Have a picture made of one frame of a clip; it is made in the background.

        The same frame is the same still, but that one which failed is taken anew.
        """
        async with database.sessions() as session:
            clip = await session.get(Clip, clip_id)
        if clip is None:
            raise NotFound
        await allow(database, caller, Action.MARK_CLIP, clip.family_id)
        if clip.film_id is None:
            raise NotWatchable("Wait until the film itself is there: stills are made from it.")
        try:  # before anybody is asked to make it; the permit itself is not used
            check_still(clip, wanted.frame)
            await permits.ask(PURPOSE, caller.person_id, read=[clip.film_id])
        except Refused as refused:
            why = NoStills if refused.reason == "no_consent" else ConsentRefuses
            raise why(reason=refused.reason) from refused
        except ConsentAway as away:
            raise Unavailable from away
        except OutsideClip as error:
            raise Invalid(
                "Stop the film at a frame of this clip, then take the still.",
                errors=[{"at": "body.frame", "problem": str(error)}],
            ) from error
        async with changing(database, clip.episode_id, clip.family_id) as uow:
            current = await uow.session.get(Clip, clip_id)
            if current is None:  # erased meanwhile
                raise NotFound
            still = await operations.take(uow, current, wanted.frame, caller.person_id, datetime.now(UTC))
        return Taken.model_validate(vars(still))

    @router.get("/recordings/{recording_id}/stills", responses=documented(NotFound))
    async def stills_on(recording_id: UUID, caller: Caller) -> Stills:
        """A recording's stills in the film's order."""
        async with database.sessions() as session:
            task = await opened(session, recording_id)
            found = await operations.stills_on(session, recording_id)
        if task is None:
            raise NotFound
        await allow(database, caller, Action.READ_RECORDING, task.family_id)
        return Stills(stills=[Taken.model_validate(vars(still)) for still in found])

    return router
