"""What can happen to clips and reels."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from services.curation.clips.model import (
    PRINCIPLES_VERSION,
    Clip,
    CutState,
    Film,
    FirstLook,
    Principle,
    Reel,
    check_reel,
)
from services.curation.clips.tables import clips, films, first_looks, reels
from shared.contracts.curation import ClipRequested, Cut, ReelRequested
from shared.contracts.transcoding import FirstLookReady, RecordingReady
from shared.database import UnitOfWork


async def film_ready(uow: UnitOfWork, ready: RecordingReady) -> None:
    """Know the film that marks are made on; a film made anew takes the place of the one before."""
    by_kind = {rendition.kind: rendition.artefact_id for rendition in ready.artefacts}
    film = Film(
        ready.recording_id,
        uow.episode_id,
        uow.family_id,
        by_kind["review_film"],
        by_kind.get("poster"),
        by_kind.get("sprite"),
        by_kind.get("waveform"),
        ready.frames,
        ready.rate.numerator,
        ready.rate.denominator,
    )
    await uow.session.merge(film)
    await uow.session.execute(delete(first_looks).where(first_looks.c.recording_id == ready.recording_id))


async def first_look_ready(uow: UnitOfWork, ready: FirstLookReady) -> bool:
    """Whether it is to be looked at: not once the review film is there."""
    if await uow.session.get(Film, ready.recording_id):
        return False
    look = FirstLook(
        ready.recording_id,
        uow.episode_id,
        uow.family_id,
        ready.artefact_id,
        ready.frames,
        ready.rate.numerator,
        ready.rate.denominator,
    )
    await uow.session.merge(look)
    return True


async def mark(
    uow: UnitOfWork,
    film: Film,
    first: int,
    end: int,
    *,
    name: str,
    principle: Principle,
    note: str | None,
    marked_by: UUID,
    now: datetime,
) -> Clip:
    """Mark frames [first, end) and have them cut. Raises EmptyRange, OutsideFilm."""
    film.check(first, end)
    clip = Clip(
        clip_id=uuid7(),
        recording_id=film.recording_id,
        episode_id=film.episode_id,
        family_id=film.family_id,
        film_id=film.film_id,
        first=first,
        end=end,
        name=name,
        principle=principle,
        principles_version=PRINCIPLES_VERSION,
        note=note,
        marked_by=marked_by,
        marked_at=now,
        state=CutState.REQUESTED,
        artefact_id=None,
        reason=None,
    )
    uow.session.add(clip)
    uow.publish(ClipRequested(clip_id=clip.clip_id, cut=cut_of(clip), requested_by=marked_by))
    return clip


async def clip_cut(uow: UnitOfWork, clip_id: UUID, artefact_id: UUID) -> Clip | None:
    """The clip, now that it can be watched; None when it has been forgotten meanwhile."""
    clip = await uow.session.get(Clip, clip_id)
    if clip:
        clip.made(artefact_id)
    return clip


async def clip_cut_failed(uow: UnitOfWork, clip_id: UUID, reason: str) -> None:
    clip = await uow.session.get(Clip, clip_id)
    if clip:
        clip.failed(reason)


async def order_reel(uow: UnitOfWork, wanted: Sequence[UUID], ordered_by: UUID, now: datetime) -> Reel:
    """Put clips in order and have the reel cut, straight from the films. Raises ClipsDoNotFit."""
    found = await clips_of(uow.session, wanted)
    check_reel(uow.family_id, uow.episode_id, wanted, found)
    reel = Reel(
        reel_id=uuid7(),
        episode_id=uow.episode_id,
        family_id=uow.family_id,
        clip_ids=list(wanted),
        made_from=list(dict.fromkeys(clip.recording_id for clip in found)),
        ordered_by=ordered_by,
        ordered_at=now,
        state=CutState.REQUESTED,
        artefact_id=None,
        reason=None,
    )
    uow.session.add(reel)
    cuts = tuple(cut_of(clip) for clip in found)
    uow.publish(ReelRequested(reel_id=reel.reel_id, cuts=cuts, requested_by=ordered_by))
    return reel


async def reel_ready(uow: UnitOfWork, reel_id: UUID, artefact_id: UUID) -> Reel | None:
    """The reel, now that it can be watched in one piece; None when it has been forgotten meanwhile."""
    reel = await uow.session.get(Reel, reel_id)
    if reel:
        reel.made(artefact_id)
    return reel


async def reel_failed(uow: UnitOfWork, reel_id: UUID, reason: str) -> None:
    reel = await uow.session.get(Reel, reel_id)
    if reel:
        reel.failed(reason)


def cut_of(clip: Clip) -> Cut:
    return Cut(recording_id=clip.recording_id, film_id=clip.film_id, first=clip.first, end=clip.end)


async def clips_of(session: AsyncSession, wanted: Sequence[UUID]) -> list[Clip]:
    """Those of these clips that there are, in this order."""
    found = await session.scalars(select(Clip).where(clips.c.clip_id.in_(wanted)))
    by_id = {clip.clip_id: clip for clip in found}
    return [by_id[clip_id] for clip_id in wanted if clip_id in by_id]


async def clips_on(session: AsyncSession, recording_id: UUID) -> Sequence[Clip]:
    """All the clips of a recording, in the film's order."""
    of_recording = select(Clip).where(clips.c.recording_id == recording_id).order_by(clips.c.first, clips.c.clip_id)
    return (await session.scalars(of_recording)).all()


async def films_of(session: AsyncSession, recording_ids: Sequence[UUID]) -> dict[UUID, Film]:
    found = await session.scalars(select(Film).where(films.c.recording_id.in_(recording_ids)))
    return {film.recording_id: film for film in found}


async def reels_of(session: AsyncSession, family_id: UUID) -> Sequence[Reel]:
    """All the reels of a family, the newest first."""
    of_family = select(Reel).where(reels.c.family_id == family_id).order_by(reels.c.reel_id.desc())
    return (await session.scalars(of_family)).all()
