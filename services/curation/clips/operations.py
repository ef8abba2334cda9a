"""What can happen to clips and reels."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
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
    check_range,
    check_reel,
)
from services.curation.clips.tables import clips, films, reels
from shared.contracts.curation import ClipRequested, Cut, ReelRequested
from shared.contracts.transcoding import FirstLookReady, RecordingReady
from shared.database import UnitOfWork


async def film_ready(uow: UnitOfWork, ready: RecordingReady) -> None:
    """Know the film that marks are made on; a film made anew takes the place of the one before.

    What was marked on the first look is cut from it now.
    """
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
    if look := await uow.session.get(FirstLook, ready.recording_id):
        for clip in await _waiting(uow, ready.recording_id):
            clip.moved(look, film)
            _have_cut(uow, clip)
        await uow.session.delete(look)


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
    if before := await uow.session.get(FirstLook, ready.recording_id):
        for clip in await _waiting(uow, ready.recording_id):
            clip.moved(before, look)
    await uow.session.merge(look)
    return True


async def _waiting(uow: UnitOfWork, recording_id: UUID) -> Sequence[Clip]:
    """Marked on a first look, for want of the film."""
    marked = select(Clip).where(clips.c.recording_id == recording_id, clips.c.film_id.is_(None))
    return (await uow.session.scalars(marked.order_by(clips.c.clip_id))).all()


async def mark(
    uow: UnitOfWork,
    watched: Film | FirstLook,
    first: int,
    end: int,
    *,
    name: str,
    principle: Principle,
    note: str | None,
    marked_by: UUID,
    now: datetime,
) -> Clip:
    """Mark frames [first, end) of what is watched now, and have them cut: of a first look, when the film is there.

    Raises EmptyRange, OutsideFilm.
    """
    check_range(watched, first, end)
    film_id = watched.film_id if isinstance(watched, Film) else None
    clip = Clip(
        clip_id=uuid7(),
        recording_id=watched.recording_id,
        episode_id=watched.episode_id,
        family_id=watched.family_id,
        film_id=film_id,
        first=first,
        end=end,
        name=name,
        principle=principle,
        principles_version=PRINCIPLES_VERSION,
        note=note,
        marked_by=marked_by,
        marked_at=now,
        state=CutState.REQUESTED if film_id else CutState.MARKED,
        artefact_id=None,
        reason=None,
    )
    uow.session.add(clip)
    if film_id:
        _have_cut(uow, clip)
    return clip


def _have_cut(uow: UnitOfWork, clip: Clip) -> None:
    uow.publish(ClipRequested(clip_id=clip.clip_id, cut=cut_of(clip), requested_by=clip.marked_by))


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
    assert clip.film_id  # a reel is of none that waits
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


async def clips_of_family(session: AsyncSession, family_id: UUID) -> Sequence[Clip]:
    """All the clips of a family, recording by recording, in the film's order."""
    of_family = select(Clip).where(clips.c.family_id == family_id)
    return (await session.scalars(of_family.order_by(clips.c.recording_id, clips.c.first, clips.c.clip_id))).all()


async def watched(session: AsyncSession, recording_id: UUID) -> Film | FirstLook | None:
    """What is watched of a recording, and what marks on it are frame numbers of."""
    return await session.get(Film, recording_id) or await session.get(FirstLook, recording_id)


async def films_of(session: AsyncSession, recording_ids: Sequence[UUID]) -> dict[UUID, Film]:
    found = await session.scalars(select(Film).where(films.c.recording_id.in_(recording_ids)))
    return {film.recording_id: film for film in found}


async def reels_of(session: AsyncSession, family_id: UUID) -> Sequence[Reel]:
    """All the reels of a family, the newest first."""
    of_family = select(Reel).where(reels.c.family_id == family_id).order_by(reels.c.reel_id.desc())
    return (await session.scalars(of_family)).all()
