"""A first look, until the review film is there: a copy of what the camera coded, the opening of a long film first.

Of what browsers do not play there is an opening alone, coded.
"""

from dataclasses import dataclass
from pathlib import Path

from services.transcoding import ffmpeg
from services.transcoding.failures import Code, MediaFailed
from services.transcoding.film import made, make, review_film
from services.transcoding.jailed import FLOOR, Jail, Limits, OnProgress, Progress, ignore
from services.transcoding.plan import Plan, plan, unplayable
from services.transcoding.probe import probe

MIB = 1024 * 1024
HEAD, TAIL = 40 * MIB, 8 * MIB  # of the film, for its opening: the pictures, and the index, which a phone writes last
OPENING = 12  # seconds, at most
ROOM = 2 * (HEAD + TAIL + 16 * MIB)  # for an opening: its bytes, what else is in their segments, and the copy
WHOLE = 1536 * MIB  # of what is longer there is an opening alone: a copy of an hour keeps other looks waiting
SPARE = 0.8  # of HEAD: pictures are not all of one size


@dataclass(frozen=True)
class Look:
    """How a first look is made."""

    plan: Plan
    opening: bool  # of the first seconds alone
    copied: bool  # else coded as the review film will be, since browsers do not play what the camera coded


async def planned(source: Path, jail: Jail = FLOOR) -> Look | str:
    """A first look at the whole film or, where it is to be coded, at its opening; or why there is none.

    Raises MediaFailed.
    """
    found = await probe(source, jail)
    made = plan(found)
    if not isinstance(made, Plan):
        return made.detail
    if why := unplayable(found, made):
        return _coded(made, min(made.frames, int(OPENING * made.rate)), why)
    return Look(made, opening=False, copied=True)


async def planned_opening(ends: Path, jail: Jail = FLOOR) -> Look:
    """A first look at the first seconds; after HEAD there is a hole. Raises MediaFailed, also if they are too few."""
    found = await probe(ends, jail, decoded=2, seconds=OPENING)
    made = plan(found)
    if not isinstance(made, Plan):
        raise MediaFailed(made.code, made.detail, made.subject)
    there = (found.claimed or 0) * HEAD / ends.stat().st_size * SPARE  # noqa: ASYNC240
    frames = min(made.frames, int(there * made.rate))
    if frames < made.rate:
        raise MediaFailed(Code.INCOMPLETE, f"{frames} pictures are no opening")
    if why := unplayable(found, made):
        return _coded(made, frames, why)
    return Look(made.model_copy(update={"frames": frames}), opening=True, copied=True)


def _coded(plan: Plan, frames: int, why: str) -> Look:
    reasons = (*plan.reasons, f"the first look is coded: {why}")
    return Look(plan.model_copy(update={"frames": frames, "reasons": reasons}), opening=True, copied=False)


async def first_look(source: Path, look: Look, out: Path, on_progress: OnProgress = ignore, jail: Jail = FLOOR) -> None:
    """As it is planned. Writes `out`, whole or not at all. Raises MediaFailed."""
    if not look.copied:
        await review_film(source, look.plan, out, on_progress, jail, opening=look.opening)
        return
    frames = look.plan.frames
    size = source.stat().st_size >> 20  # noqa: ASYNC240
    limits = Limits(cpu=120 + size // 10, memory=4096, file=64 + 2 * size, patience=60)
    async with made(out) as making:
        command = ffmpeg.first_look(source, look.plan, making, opening=look.opening)
        await make(command, limits, jail, [source], making, frames, on_progress)
    await on_progress(Progress(frames, frames))
