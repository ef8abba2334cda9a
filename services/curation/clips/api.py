"""Marking clips and ordering reels over HTTP."""

from datetime import UTC, datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.curation.changes import Line, MaybeText, changing
from services.curation.clips import operations
from services.curation.clips.model import (
    PRINCIPLES_VERSION,
    Clip,
    ClipsDoNotFit,
    CutState,
    EmptyRange,
    Film,
    FirstLook,
    OutsideFilm,
    Principle,
    Reel,
)
from services.curation.tasks.operations import opened
from shared import telemetry
from shared.care_team import allow
from shared.contracts.transcoding import Rate
from shared.database import Database
from shared.http import Caller, Conflict, ConsentOver, Invalid, NotFound, Router, documented
from shared.identity import Action, Identity, Role


class NotWatchable(Conflict):
    code, title = "recording-not-ready", "The recording cannot be watched yet"
    detail = "Wait until it can be looked at; its review task says how far it is."


class FilmChanged(Conflict):
    code, title = "film-changed", "What was marked on has been replaced"
    detail = "The film itself has come meanwhile. Look at the first and the last frame again, then mark the clip."


class Principles(BaseModel):
    version: int
    principles: list[Principle]


class FilmOf(BaseModel):
    """Marks are frame numbers of this film, from 0 to `frames` - 1.

    Its sprite is one picture of ten by ten tiles, row by row, for a hundred equal parts of the film.
    """

    recording_id: UUID
    family_id: UUID
    film_id: UUID
    poster_id: UUID | None
    sprite_id: UUID | None
    waveform_id: UUID | None
    frames: int
    rate: Rate

    @classmethod
    def of(cls, film: Film) -> Self:
        return cls(
            recording_id=film.recording_id,
            family_id=film.family_id,
            film_id=film.film_id,
            poster_id=film.poster_id,
            sprite_id=film.sprite_id,
            waveform_id=film.waveform_id,
            frames=film.frames,
            rate=Rate(numerator=film.rate_numerator, denominator=film.rate_denominator),
        )


class LookOf(BaseModel):
    """To be looked at until the review film is there: `frames` of it so far, with the numbers that they will have."""

    recording_id: UUID
    family_id: UUID
    artefact_id: UUID
    frames: int
    rate: Rate


class Mark(BaseModel):
    """Frames [first, end). `watched`: of which artefact; where that is watched no more, nothing is marked."""

    watched: UUID | None = None
    first: int = Field(ge=0, lt=2**53)
    end: int = Field(ge=0, lt=2**53)
    name: Line
    principle: Principle
    note: MaybeText = None


class Marked(BaseModel):
    clip_id: UUID
    recording_id: UUID
    family_id: UUID
    film_id: UUID | None  # none: it was marked on a first look, whose frames the numbers are of until the film is there
    first: int
    end: int
    name: str
    principle: Principle
    principles_version: int
    note: str | None  # the practitioner's own; not shown to the family
    marked_by: UUID
    marked_at: datetime
    state: CutState
    artefact_id: UUID | None
    reason: str | None  # why it failed: a code; transcoding's job says what to do

    @classmethod
    def of(cls, clip: Clip, caller: Identity) -> Self:
        shown = vars(clip)
        return cls.model_validate(shown | {"note": None} if caller.role is Role.FAMILY else shown)


class Clips(BaseModel):
    clips: list[Marked]


class Order(BaseModel):
    clips: list[UUID] = Field(max_length=100)


class Edit(BaseModel):
    """One clip in the edit list: a page can play frames [first, end) of the film before anything is rendered."""

    clip_id: UUID
    recording_id: UUID
    film_id: UUID
    first: int
    end: int
    rate: Rate | None  # none when the film is being replaced


class Ordered(BaseModel):
    reel_id: UUID
    family_id: UUID
    ordered_by: UUID
    ordered_at: datetime
    state: CutState
    artefact_id: UUID | None
    reason: str | None
    edits: list[Edit]


class Reels(BaseModel):
    reels: list[Ordered]


def routes(database: Database) -> Router:
    router = Router(prefix="/v1")

    async def watched(recording_id: UUID, caller: Caller, action: Action) -> Film | FirstLook:
        """Raises NotFound, NotAllowed, NotWatchable."""
        telemetry.note(recording=recording_id)
        async with database.sessions() as session:
            found = await operations.watched(session, recording_id)
            task = None if found else await opened(session, recording_id)
        known = found or task
        if known is None:
            raise NotFound
        await allow(database, caller, action, known.family_id)
        if found is None:
            raise NotWatchable
        return found

    async def shown(reels: list[Reel]) -> list[Ordered]:
        async with database.sessions() as session:
            clips = {
                clip.clip_id: clip
                for clip in await operations.clips_of(session, [one for reel in reels for one in reel.clip_ids])
            }
            films = await operations.films_of(session, list({clip.recording_id for clip in clips.values()}))
        rates = {id: FilmOf.of(film).rate for id, film in films.items()}
        return [
            Ordered.model_validate(
                {
                    **vars(reel),
                    "edits": [
                        {**vars(clips[one]), "rate": rates.get(clips[one].recording_id)}
                        for one in reel.clip_ids
                        if one in clips
                    ],
                }
            )
            for reel in reels
        ]

    @router.get("/principles")
    async def principles(caller: Caller) -> Principles:
        """The principles of attuned interaction, from the first step to the last."""
        return Principles(version=PRINCIPLES_VERSION, principles=list(Principle))

    @router.get("/recordings/{recording_id}/film", responses=documented(NotFound, NotWatchable))
    async def film(recording_id: UUID, caller: Caller) -> FilmOf:
        found = await watched(recording_id, caller, Action.READ_RECORDING)
        if isinstance(found, FirstLook):
            raise NotWatchable
        return FilmOf.of(found)

    @router.get("/recordings/{recording_id}/first-look", responses=documented(NotFound))
    async def first_look(recording_id: UUID, caller: Caller) -> LookOf:
        """Not found when there is none, not yet, or no longer, for the review film is there."""
        telemetry.note(recording=recording_id)
        async with database.sessions() as session:
            look = await session.get(FirstLook, recording_id)
        if look is None:
            raise NotFound
        await allow(database, caller, Action.READ_RECORDING, look.family_id)
        rate = Rate(numerator=look.rate_numerator, denominator=look.rate_denominator)
        return LookOf.model_validate({**vars(look), "rate": rate})

    @router.post(
        "/recordings/{recording_id}/clips",
        status_code=201,
        responses=documented(NotFound, NotWatchable, FilmChanged),
    )
    async def mark(recording_id: UUID, wanted: Mark, caller: Caller) -> Marked:
        """Mark a clip; it is cut from the film in the background, as soon as there is one."""
        found = await watched(recording_id, caller, Action.MARK_CLIP)
        try:
            async with changing(database, found.episode_id, found.family_id) as uow:
                current = await operations.watched(uow.session, recording_id)
                if current is None:  # erased meanwhile
                    raise NotFound
                if wanted.watched not in (None, current.film_id if isinstance(current, Film) else current.artefact_id):
                    raise FilmChanged
                clip = await operations.mark(
                    uow,
                    current,
                    wanted.first,
                    wanted.end,
                    name=wanted.name,
                    principle=wanted.principle,
                    note=wanted.note,
                    marked_by=caller.person_id,
                    now=datetime.now(UTC),
                )
        except (EmptyRange, OutsideFilm) as error:
            raise Invalid(
                "Mark the clip within the film, the first frame before the end.",
                errors=[{"at": "body.end", "problem": str(error)}],
                frames=found.frames,
            ) from error
        return Marked.of(clip, caller)

    @router.get("/recordings/{recording_id}/clips", responses=documented(NotFound, NotWatchable))
    async def clips_on(recording_id: UUID, caller: Caller) -> Clips:
        """A recording's clips in the film's order."""
        await watched(recording_id, caller, Action.READ_RECORDING)
        async with database.sessions() as session:
            clips = await operations.clips_on(session, recording_id)
        return Clips(clips=[Marked.of(clip, caller) for clip in clips])

    @router.get("/clips/{clip_id}", responses=documented(NotFound))
    async def clip(clip_id: UUID, caller: Caller) -> Marked:
        async with database.sessions() as session:
            clip = await session.get(Clip, clip_id)
        if clip is None:
            raise NotFound
        await allow(database, caller, Action.READ_RECORDING, clip.family_id)
        return Marked.of(clip, caller)

    @router.get("/families/{family_id}/clips")
    async def clips_of_family(family_id: UUID, caller: Caller) -> Clips:
        """A family's clips, recording by recording, in the film's order: a reel may be of several recordings."""
        await allow(database, caller, Action.READ_RECORDING, family_id)
        async with database.sessions() as session:
            clips = await operations.clips_of_family(session, family_id)
        return Clips(clips=[Marked.of(clip, caller) for clip in clips])

    @router.post("/families/{family_id}/reels", status_code=201, responses=documented(ConsentOver))
    async def order(family_id: UUID, wanted: Order, caller: Caller) -> Ordered:
        """Put clips in order. The edit list plays at once; the reel is cut in the background."""
        await allow(database, caller, Action.ORDER_REEL, family_id)
        async with database.sessions() as session:
            clips = await operations.clips_of(session, wanted.clips[:1])
        try:
            if not clips or clips[0].family_id != family_id:
                raise ClipsDoNotFit("a reel begins with a clip of this family")
            async with changing(database, clips[0].episode_id, family_id) as uow:
                reel = await operations.order_reel(uow, wanted.clips, caller.person_id, datetime.now(UTC))
        except ClipsDoNotFit as error:
            raise Invalid(
                "Choose at least one clip of this family, each once.",
                errors=[{"at": "body.clips", "problem": str(error)}],
            ) from error
        [ordered] = await shown([reel])
        return ordered

    @router.get("/families/{family_id}/reels")
    async def reels(family_id: UUID, caller: Caller) -> Reels:
        """The family's reels, the newest first."""
        await allow(database, caller, Action.READ_RECORDING, family_id)
        async with database.sessions() as session:
            found = await operations.reels_of(session, family_id)
        return Reels(reels=await shown(list(found)))

    @router.get("/reels/{reel_id}", responses=documented(NotFound))
    async def reel(reel_id: UUID, caller: Caller) -> Ordered:
        async with database.sessions() as session:
            reel = await session.get(Reel, reel_id)
        if reel is None:
            raise NotFound
        await allow(database, caller, Action.READ_RECORDING, reel.family_id)
        [ordered] = await shown([reel])
        return ordered

    return router
