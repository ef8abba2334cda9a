"""The register: everything that can ever hold bytes of a family's media, and the end of its keys."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.consent.episodes.model import EpisodeState
from services.consent.permits.model import Kind
from services.consent.permits.tables import artefacts
from shared.database import UnitOfWork


async def destroy_keys(uow: UnitOfWork, recording_id: UUID | None = None) -> int:
    """Of the whole episode, or of one recording and all that was made from it; nobody gets a permit for it again.

    Returns how many artefacts the register holds of it; 0 for a recording that was discarded before.
    """
    scope = artefacts.c.episode_id == uow.episode_id
    if recording_id is None:
        await uow.session.execute(update(artefacts).where(scope).values(key=None))
        return await uow.session.scalar(select(func.count()).select_from(artefacts).where(scope)) or 0
    gone = await uow.session.execute(
        update(artefacts)
        .where(scope, artefacts.c.recordings.contains([recording_id]), artefacts.c.discarded_at.is_(None))
        .values(key=None, discarded_at=func.clock_timestamp())
        .returning(artefacts.c.id)
    )
    return len(gone.all())


@dataclass(frozen=True)
class Registered:
    """One line of the register, as people may see it."""

    artefact_id: UUID
    kind: Kind
    made_from: list[UUID]
    registered_at: datetime
    state: str  # kept | discarded | erased


async def registered_of(session: AsyncSession, family_id: UUID) -> list[Registered]:
    """All that was ever registered of a family, the oldest first."""
    rows = await session.execute(
        text(
            """
            SELECT a.id, a.kind, a.made_from, a.registered_at, a.discarded_at, e.state
            FROM artefacts a JOIN consent_episodes e ON e.id = a.episode_id
            WHERE e.family_id = :family ORDER BY a.registered_at, a.id
            """
        ).bindparams(bindparam("family", type_=Uuid)),
        {"family": family_id},
    )
    return [
        Registered(
            row.id,
            Kind(row.kind),
            row.made_from,
            row.registered_at,
            "erased" if row.state == EpisodeState.ENDED else "discarded" if row.discarded_at else "kept",
        )
        for row in rows
    ]


async def made_from(session: AsyncSession, episode_id: UUID, recording_id: UUID) -> list[UUID]:
    """The recording and everything registered that was made from it."""
    found = await session.scalars(
        select(artefacts.c.id).where(
            artefacts.c.episode_id == episode_id,
            or_(artefacts.c.id == recording_id, artefacts.c.recordings.contains([recording_id])),
        )
    )
    return sorted({recording_id, *found})


async def episode_of_recording(session: AsyncSession, recording_id: UUID) -> tuple[UUID, UUID] | None:
    """Episode and family of a registered recording."""
    row = (
        await session.execute(
            text(
                "SELECT a.episode_id, e.family_id FROM artefacts a JOIN consent_episodes e ON e.id = a.episode_id"
                " WHERE a.id = :id AND a.kind = 'recording'"
            ).bindparams(bindparam("id", type_=Uuid)),
            {"id": recording_id},
        )
    ).one_or_none()
    return (row.episode_id, row.family_id) if row else None
