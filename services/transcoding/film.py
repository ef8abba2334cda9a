"""The review film."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

from pydantic import BaseModel

from services.transcoding import ffmpeg
from services.transcoding.failures import Code, MediaFailed
from services.transcoding.jailed import FLOOR, Jail, Limits, OnProgress, ProgramFailed, Progress, ignore, run
from services.transcoding.plan import Plan
from services.transcoding.probe import Picture, probe

SILENT_PACKET = 8  # bytes: silence in AAC takes six
UNREADABLE = ("error rate", "encoder before EOF")  # ffmpeg's words for: too few of the pictures, none of them


class Film(BaseModel, frozen=True):
    """A film that we made: review film, clip or reel. Frame n is shown at n / rate seconds.

    Every one has a sound track, so that players and cuts meet one kind of film; `has_sound`: there is something in it.
    """

    frames: int
    rate: Fraction
    width: int
    height: int
    has_sound: bool

    @property
    def duration(self) -> Fraction:
        """In seconds."""
        return self.frames / self.rate


async def review_film(
    source: Path,
    plan: Plan,
    out: Path,
    on_progress: OnProgress = ignore,
    jail: Jail = FLOOR,
    *,
    opening: bool = False,
) -> Film:
    """Write `out`, whole or not at all; nothing is written outside its folder. Raises MediaFailed.

    opening: the plan is of the beginning alone.
    """
    seconds = int(plan.duration) + 1
    limits = Limits(cpu=300 + 60 * seconds, memory=8192, file=64 + 8 * seconds, patience=60)
    async with made(out) as making:
        command = ffmpeg.review_film(source, plan, making, jail.threads, opening=opening)
        try:
            await make(command, limits, jail, [source], making, plan.frames, on_progress)
        except ProgramFailed as failed:
            if not any(words in failed.stderr for words in UNREADABLE):
                raise
            raise MediaFailed(Code.DAMAGED, str(failed)) from None
        film = await film_of(making, jail)
        if film.frames < plan.frames * 0.9:
            raise MediaFailed(Code.DAMAGED, f"{film.frames} of {plan.frames} pictures could be read")
    await on_progress(Progress(film.frames, film.frames))
    return film


@asynccontextmanager
async def made(out: Path, *others: Path) -> AsyncIterator[Path]:
    """Where to write what shall become `out`: in a folder beside it, which is gone afterwards, however that ends.

    `others` come from the same folder, by their names. A ProgramFailed inside is a MediaFailed outside.
    """
    folder = Path(tempfile.mkdtemp(prefix=".making-", dir=out.parent))
    try:
        yield folder / out.name
        if not all((folder / one.name).is_file() for one in (out, *others)):
            raise MediaFailed(Code.TOOL_FAILED, "nothing was made")
        for one in (out, *others):
            (folder / one.name).replace(one)
    except ProgramFailed as failed:
        raise MediaFailed(Code.TOOL_FAILED, str(failed)) from None
    finally:
        shutil.rmtree(folder)


async def film_of(path: Path, jail: Jail = FLOOR) -> Film:
    """A film of ours as it is, not as it was meant. Raises MediaFailed: TOOL_FAILED if it is none."""
    probed = await probe(path, jail, decoded=1)  # of ours nothing is to be found out by decoding, but that it can be
    match probed.pictures, probed.sounds:
        case (Picture(rate=Fraction() as rate, decodes=True) as picture,), (sound,):
            heard = sound.bytes > SILENT_PACKET * sound.packets
            return Film(frames=picture.frames, rate=rate, width=picture.width, height=picture.height, has_sound=heard)
    raise MediaFailed(Code.TOOL_FAILED, f"not a film of ours: {probed.model_dump_json()}")


async def make(
    command: list[str],
    limits: Limits,
    jail: Jail,
    sources: Sequence[Path],
    making: Path,
    expected: int,
    on_progress: OnProgress,
) -> None:
    """Run what writes `making`, telling of its progress short of the end. Raises MediaFailed, or ProgramFailed."""
    on_frames = short_of(expected, on_progress)
    await run(command, limits, jail, reads=sources, folder=making.parent, on_line=frames_of, on_frames=on_frames)


def short_of(expected: int, on_progress: OnProgress) -> Callable[[int], Awaitable[None]]:
    """Tells of frames as of progress, but not of the last ones: the work is not done by then."""

    async def on_frames(frames: int) -> None:
        if frames < expected:
            await on_progress(Progress(frames, expected))

    return on_frames


def frames_of(line: str) -> int | None:
    """What a line of ffmpeg's says of its progress, or of a cut's."""
    key, _, value = line.partition("=")
    return int(value) if key == "frame" else None
