"""What the tests here do with films."""

import subprocess
from pathlib import Path

from services.transcoding import binaries
from services.transcoding.failures import Failure, MediaFailed
from services.transcoding.film import Film, film_of, review_film
from services.transcoding.jailed import FLOOR, Jail
from services.transcoding.pictures import pictures
from services.transcoding.plan import Plan, plan
from services.transcoding.probe import probe


async def reviewed(source: Path, out: Path, jail: Jail = FLOOR) -> tuple[Plan, Film]:
    """Probed, planned and made into a review film; raises MediaFailed also for a refusal."""
    made = plan(await probe(source, jail))
    if isinstance(made, Failure):
        raise MediaFailed(made.code, made.detail, made.subject)
    return made, await review_film(source, made, out, jail=jail)


async def pictured(film: Path, folder: Path, jail: Jail = FLOOR) -> tuple[Path, Path, Path]:
    """The poster, the sprite and the waveform of a film of ours."""
    made = await pictures(film, await film_of(film, jail), folder, jail)
    return made["poster"], made["sprite"], made["waveform"]


def told(path: Path, what: str, *, edited: bool = False) -> list[dict[str, str]]:
    """What ffprobe tells of `what`, a section each; edit lists hide nothing, but where it is to be told `edited`."""
    command = [str(binaries.ffprobe()), "-v", "error", "-show_entries", what, "-of", "compact"]
    listed = ["-ignore_editlist", "1"] if path.suffix in (".mp4", ".mov") and not edited else []
    command += [*listed, str(path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [dict(field.split("=", 1) for field in line.split("|") if "=" in field) for line in lines if line]


def boxes(path: Path) -> dict[str, int]:
    """The sizes of an MP4's outermost boxes, in their order."""
    data, at, found = path.read_bytes(), 0, dict[str, int]()
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found[data[at + 4 : at + 8].decode("latin-1")] = size
        at += size
    assert at == len(data)
    return found


def left_over(folder: Path) -> list[Path]:
    """Work that was not cleaned away."""
    return list(folder.rglob(".making-*"))
