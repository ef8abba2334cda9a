"""What can happen to stills."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from services.curation.clips.model import Clip, CutState
from services.curation.stills.model import Still, check_still
from services.curation.stills.tables import stills
from shared.contracts.curation import StillRequested
from shared.database import UnitOfWork


async def take(uow: UnitOfWork, clip: Clip, frame: int, taken_by: UUID, now: datetime) -> Still:
    """Have a picture made of this frame of the film; who asks again is given the same, or a new one after a failure.

    Raises OutsideClip.
    """
    check_still(clip, frame)
    assert clip.film_id  # nobody is asked for a still before it is there
    of_frame = (stills.c.clip_id == clip.clip_id) & (stills.c.frame == frame)
    found = await uow.session.scalar(select(Still).where(of_frame))
    if found and found.state is not CutState.FAILED:
        return found
    await uow.session.execute(delete(stills).where(of_frame))
    still = Still(
        still_id=uuid7(),
        clip_id=clip.clip_id,
        recording_id=clip.recording_id,
        episode_id=clip.episode_id,
        family_id=clip.family_id,
        film_id=clip.film_id,
        frame=frame,
        taken_by=taken_by,
        taken_at=now,
        state=CutState.REQUESTED,
        artefact_id=None,
        reason=None,
    )
    uow.session.add(still)
    uow.publish(
        StillRequested(
            still_id=still.still_id,
            recording_id=still.recording_id,
            film_id=still.film_id,
            frame=frame,
            requested_by=taken_by,
        )
    )
    return still


async def made(uow: UnitOfWork, still_id: UUID, artefact_id: UUID) -> Still | None:
    """The still, now that it can be seen; None when it has been forgotten meanwhile."""
    still = await uow.session.get(Still, still_id)
    if still:
        still.made(artefact_id)
    return still


async def failed(uow: UnitOfWork, still_id: UUID, reason: str) -> None:
    still = await uow.session.get(Still, still_id)
    if still:
        still.failed(reason)


async def stills_on(session: AsyncSession, recording_id: UUID) -> Sequence[Still]:
    """All the stills of a recording, in the film's order."""
    of_recording = select(Still).where(stills.c.recording_id == recording_id)
    return (await session.scalars(of_recording.order_by(stills.c.frame, stills.c.still_id))).all()
