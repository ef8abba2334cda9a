"""What may be watched, and writing down who did."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, insert, literal, select, update
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, Range
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.dialects.postgresql.ranges import MultiRange
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from services.curation.playback.model import SITTING, Kind, Part, Playable
from services.curation.playback.tables import playable, views
from shared.contracts.transcoding import RecordingReady
from shared.database import UnitOfWork
from shared.identity import Identity


async def recording_ready(uow: UnitOfWork, ready: RecordingReady) -> None:
    """Its renditions may be asked for."""
    for rendition in ready.artefacts:
        if rendition.kind in tuple(Kind):
            await made(uow, rendition.artefact_id, Kind(rendition.kind), [ready.recording_id])


async def made(uow: UnitOfWork, artefact_id: UUID, kind: Kind, made_from: Sequence[UUID]) -> None:
    """An artefact may be asked for; a second call changes nothing."""
    await uow.session.execute(
        upsert(playable)
        .values(
            artefact_id=artefact_id,
            episode_id=uow.episode_id,
            family_id=uow.family_id,
            kind=kind,
            made_from=list(made_from),
        )
        .on_conflict_do_nothing()
    )


async def look_is_over(uow: UnitOfWork, recording_id: UUID) -> None:
    """Its first look may be asked for no more: it is about to be purged."""
    looks = (playable.c.kind == Kind.FIRST_LOOK, playable.c.made_from == [recording_id])
    await uow.session.execute(delete(playable).where(playable.c.episode_id == uow.episode_id, *looks))


async def playable_of(session: AsyncSession, artefact_id: UUID) -> Playable | None:
    row = (await session.execute(select(playable).where(playable.c.artefact_id == artefact_id))).one_or_none()
    if row is None:
        return None
    return Playable(row.artefact_id, row.episode_id, row.family_id, row.kind, tuple(row.made_from))


async def write_down(
    uow: UnitOfWork,
    what: Playable,
    viewer: Identity,
    now: datetime,
    *,
    part: Part | None = None,
    refused: str | None = None,
) -> None:
    """Who was given these bytes, or was refused and why; one row per sitting. In a unit of work of the family."""
    same_sitting = (
        select(views.c.view_id)
        .where(
            views.c.viewer_id == viewer.person_id,
            views.c.artefact_id == what.artefact_id,
            views.c.role == viewer.role,
            views.c.refused.is_not_distinct_from(refused),
            views.c.last_at >= now - SITTING,
        )
        .order_by(views.c.last_at.desc())
        .limit(1)
    )
    handed_out = MultiRange([Range(part.first, part.last + 1)] if part else [])
    more = {
        "last_at": now,
        "requests": views.c.requests + 1,
        "ranges": views.c.ranges + literal(handed_out, INT8MULTIRANGE),
    }
    sitting_goes_on = update(views).where(views.c.view_id == same_sitting.scalar_subquery()).values(more)
    if await uow.session.scalar(sitting_goes_on.returning(views.c.view_id)):
        return
    await uow.session.execute(
        insert(views).values(
            view_id=uuid7(),
            family_id=what.family_id,
            episode_id=what.episode_id,
            artefact_id=what.artefact_id,
            kind=what.kind,
            made_from=list(what.made_from),
            viewer_id=viewer.person_id,
            role=viewer.role,
            refused=refused,
            first_at=now,
            last_at=now,
            requests=1,
            ranges=handed_out,
        )
    )


async def views_of(session: AsyncSession, family_id: UUID, before: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """The newest first; `before` is the last one of a page."""
    of_family = select(views).where(views.c.family_id == family_id).order_by(views.c.view_id.desc()).limit(limit)
    if before:
        of_family = of_family.where(views.c.view_id < before)
    return (await session.execute(of_family)).all()
