"""Clips and reels: frames of our own films, exact, and nothing hidden behind them."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

from services.transcoding import ffmpeg
from services.transcoding.failures import Code, MediaFailed
from services.transcoding.film import SILENT_PACKET, Film, film_of, frames_of, made, make, short_of
from services.transcoding.jailed import FLOOR, Jail, Limits, OnProgress, ProgramFailed, Progress, ignore
from services.transcoding.spare import Spare, work

log = logging.getLogger(__name__)

MOST_THREADS = 2  # of a cut: to code the dozen pictures at an edge, more are of no use

Ranges: TypeAlias = Sequence[tuple[Path, int, int]]
Bring: TypeAlias = Callable[[Path, int, int], Awaitable[None]]
"""Has the bytes [first, end) of a film written where they belong in its file, which is as long as the film."""


async def whole(film: Path, first: int, end: int) -> None:
    """For films that are there."""


async def cut(
    ranges: Ranges,
    out: Path,
    on_progress: OnProgress = ignore,
    jail: Jail = FLOOR,
    spare: Spare | None = None,
    bring: Bring = whole,
) -> Film:
    """Join frames [first, end) of each (film, first, end) of our own films: one range is a clip, several are a reel.

    Writes `out`, whole or not at all. Films that are not alike are coded anew, in the first one's size and rate.
    Of the films only what is brought is read. Raises MediaFailed: BAD_RANGE where a range does not fit its film, and
    others; and what `bring` does.
    """
    if not ranges:
        raise MediaFailed(Code.BAD_RANGE, "no frames")
    for _, first, end in ranges:
        if not 0 <= first < end:
            raise MediaFailed(Code.BAD_RANGE, f"frames {first} to {end}")
    frames = sum(end - first for _, first, end in ranges)
    films = list(dict.fromkeys(film for film, _, _ in ranges))
    async with made(out) as making:
        try:
            film = await _smartly(ranges, films, making, frames, on_progress, jail, spare, bring)
        except ProgramFailed as failed:
            word, _, why = failed.stderr.partition(": ")
            if word == "bad_range":
                raise MediaFailed(Code.BAD_RANGE, why) from None
            if word != "different":
                raise
            log.warning("a cut was coded anew: %s", why)
            for path in films:
                await bring(path, 0, path.stat().st_size)
            known = {path: await film_of(path, jail) for path in films}
            like = known[ranges[0][0]]
            parts = [(path, known[path].rate, first, end) for path, first, end in ranges]
            command = ffmpeg.joined(parts, like.rate, like.width, like.height, making, jail.threads)
            await make(command, _limits(frames), jail, films, making, frames, on_progress)
            film = await film_of(making, jail)
    await on_progress(Progress(film.frames, film.frames))
    return film


async def _smartly(
    ranges: Ranges,
    films: Sequence[Path],
    making: Path,
    frames: int,
    on_progress: OnProgress,
    jail: Jail,
    spare: Spare | None,
    bring: Bring,
) -> Film:
    """As whoever cut it has found it afterwards."""
    told = ""

    def hear(line: str) -> int | None:
        nonlocal told
        key, _, value = line.partition("=")
        told = value if key == "made" else told
        return frames_of(line)

    async def need(words: str) -> None:
        try:
            number, first, end = map(int, words.split())
            await bring(films[number], first, end)
        except (ValueError, IndexError) as error:
            raise MediaFailed(Code.TOOL_FAILED, f"it needs what there is none of: {words}: {error}") from None

    await work(
        [str(min(MOST_THREADS, jail.threads or MOST_THREADS)), *_words(ranges, making)],
        _limits(frames),
        jail,
        reads=films,
        folder=making.parent,
        spare=spare,
        on_line=hear,
        on_frames=short_of(frames, on_progress),
        on_need=need,
    )
    try:
        made, per, second, width, height, packets, size = map(int, told.split())
        heard = size > SILENT_PACKET * packets
        film = Film(frames=made, rate=Fraction(per, second), width=width, height=height, has_sound=heard)
    except (ValueError, ZeroDivisionError):
        raise MediaFailed(Code.TOOL_FAILED, f"it tells of no film: {told}") from None
    if film.frames != frames:
        raise MediaFailed(Code.TOOL_FAILED, f"{film.frames} frames instead of {frames}")
    return film


def _words(ranges: Ranges, making: Path) -> list[str]:
    parts = (str(word) for film, first, end in ranges for word in (film.absolute(), first, end))
    return [str(making.absolute()), *parts]


def _limits(frames: int) -> Limits:
    return Limits(cpu=120 + frames, memory=8192, file=64 + frames // 2, patience=60)
