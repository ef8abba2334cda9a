"""A first look: what the camera coded, copied, until the review film is there. Its opening comes before the whole."""

from pathlib import Path

from services.transcoding import ffmpeg
from services.transcoding.failures import Code, MediaFailed
from services.transcoding.film import made, make
from services.transcoding.jailed import FLOOR, Jail, Limits, OnProgress, Progress, ignore
from services.transcoding.plan import Plan, no_first_look, plan
from services.transcoding.probe import probe

MIB = 1024 * 1024
HEAD, TAIL = 40 * MIB, 8 * MIB  # of the film, for its opening: the pictures, and the index, which a phone writes last
OPENING = 12  # seconds, at most
WHOLE = 1536 * MIB  # of what is longer there is an opening alone: a copy of an hour is in the way of clips for minutes
SPARE = 0.8  # of HEAD: pictures are not all of one size


async def planned(source: Path, jail: Jail = FLOOR) -> Plan | str:
    """How a first look at a film is made; or why there is none. Raises MediaFailed."""
    found = await probe(source, jail)
    made = plan(found)
    return no_first_look(found, made) or made if isinstance(made, Plan) else made.detail


async def planned_opening(ends: Path, jail: Jail = FLOOR) -> Plan | str:
    """The same for its first seconds; after HEAD there is a hole. Raises MediaFailed, also if that is too short."""
    found = await probe(ends, jail, decoded=2, seconds=OPENING)
    made = plan(found)
    if not isinstance(made, Plan):
        raise MediaFailed(made.code, made.detail, made.subject)
    if why := no_first_look(found, made):
        return why
    there = (found.claimed or 0) * HEAD / ends.stat().st_size * SPARE  # noqa: ASYNC240
    frames = min(made.frames, int(there * made.rate))
    if frames < made.rate:
        raise MediaFailed(Code.INCOMPLETE, f"{frames} pictures are no opening")
    return made.model_copy(update={"frames": frames})


async def first_look(
    source: Path,
    plan: Plan,
    out: Path,
    on_progress: OnProgress = ignore,
    jail: Jail = FLOOR,
    *,
    opening: bool = False,
) -> None:
    """As it is planned. Writes `out`, whole or not at all. Raises MediaFailed."""
    size = source.stat().st_size >> 20  # noqa: ASYNC240
    limits = Limits(cpu=120 + size // 10, memory=4096, file=64 + 2 * size, patience=60)
    async with made(out) as making:
        command = ffmpeg.first_look(source, plan, making, opening=opening)
        await make(command, limits, jail, [source], making, plan.frames, on_progress)
    await on_progress(Progress(plan.frames, plan.frames))
