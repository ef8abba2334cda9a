"""Pictures of our own films: poster, sprite and waveform, and stills."""

from pathlib import Path

from services.transcoding import ffmpeg
from services.transcoding.failures import Code, MediaFailed
from services.transcoding.film import Film, film_of, made, make
from services.transcoding.jailed import FLOOR, Jail, Limits, ignore

KINDS = {"poster": ".jpg", "sprite": ".jpg", "waveform": ".png"}


async def pictures(film: Path, known: Film, folder: Path, jail: Jail = FLOOR) -> dict[str, Path]:
    """Of a film of ours, by kind: a telling moment in its size, a hundred small ones, and the outline of its sound.

    All of them in the folder, or none. Raises MediaFailed.
    """
    patience = 60 + int(known.duration) // 10  # nothing is told before the end
    limits = Limits(cpu=patience, memory=4096, file=16, patience=patience)
    files = {kind: folder / f"{kind}{suffix}" for kind, suffix in KINDS.items()}
    async with made(*files.values()) as making:
        inside = {kind: making.with_name(out.name) for kind, out in files.items()}
        command = ffmpeg.pictures(film, known.duration, inside, jail.threads)
        await make(command, limits, jail, [film], making, 1, ignore)
    return files


async def still(film: Path, frame: int, out: Path, jail: Jail = FLOOR) -> int:
    """A JPEG of exactly this frame of a film of ours, in its size. Raises MediaFailed: BAD_RANGE, and others.

    Returns how many frames it shows.
    """
    known = await film_of(film, jail)
    if not 0 <= frame < known.frames:
        raise MediaFailed(Code.BAD_RANGE, f"frame {frame} of {known.frames}")
    limits = Limits(cpu=60, memory=4096, file=16, patience=60)
    async with made(out) as making:
        await make(ffmpeg.still(film, known.rate, frame, making, jail.threads), limits, jail, [film], making, 1, ignore)
    return 1
