"""Mutated films through all that a film goes through: sniffed, probed, planned, looked at, made into a review film.

A case is known by its seed and number: with the same films it is the same case on any machine.
"""

import asyncio
import faulthandler
import os
import random
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from services.transcoding import look
from services.transcoding.failures import Code, Failure, MediaFailed
from services.transcoding.film import film_of, review_film
from services.transcoding.jailed import Jail
from services.transcoding.plan import plan
from services.transcoding.probe import probe
from shared.containers import HEAD, container
from tests import films
from tests.fuzz.mutations import mutated

HANG = 1800  # seconds that no case may take, on a busy machine; a film of two hours can come of a flipped bit
LARGEST = 2 << 20  # bytes of a film worth mutating
# What may be said of a film: that it is to blame, or that it wanted too much. Anything else is a find.
DOCUMENTED = {
    *(Code.EMPTY, Code.NOT_A_FILM, Code.NO_PICTURE, Code.FORMAT_UNSUPPORTED, Code.PROTECTED, Code.INCOMPLETE),
    *(Code.DAMAGED, Code.PICTURE_TOO_LARGE, Code.TOO_LONG, Code.OVER_LIMIT),
}

X264 = ("-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p")
OWN: dict[str, tuple[str, ...]] = {
    "phone.mp4": films.H264,
    "tablet.mov": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-c:a", "aac"),
    "old.3gp": ("-c:v", "mpeg4", "-q:v", "5", "-c:a", "aac"),
    "old.avi": ("-c:v", "mjpeg", "-q:v", "5", "-c:a", "pcm_s16le"),
    "camcorder.mts": films.AVCHD,
    "disc.mpg": ("-c:v", "mpeg2video", "-q:v", "5", "-c:a", "mp2", "-f", "mpeg"),
    "screen.mkv": (*X264, "-c:a", "ac3"),
    "browser.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"),
    "old.webm": ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libvorbis"),
    "old.wmv": ("-c:v", "wmv2", "-q:v", "5", "-c:a", "wmav2"),
    "cinema.mov": ("-c:v", "prores_ks", "-profile:v", "0", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s16le"),
}


def seeds(folder: Path) -> list[Path]:
    """Films of each container, made in `folder`; and real ones, of the folder that FILMS names."""
    made = []
    for name, encoder in OWN.items():
        interlaced = name.endswith(".mts")
        frames = 24 if interlaced else 12
        made.append(films.make(folder / name, frames, 25, "160x96", interlaced=interlaced, encoder=encoder))
    given = sorted(Path(os.environ.get("FILMS") or os.devnull).glob("*"))
    real = [path for path in given if path.is_file() and path.stat().st_size <= LARGEST]
    return made + [path for path in real if container(path.open("rb").read(HEAD))]


@dataclass
class Find:
    """A case that did not end as it may, and the film that did it."""

    case: str
    why: str
    film: Path


@dataclass
class Outcome:
    """Of all cases so far."""

    ended: Counter[str] = field(default_factory=Counter)
    finds: list[Find] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return sum(self.ended.values())


ONE_CORE = Jail(threads=1)


@dataclass(frozen=True)
class Fuzz:
    """`kept`: where films that are finds are kept, with why."""

    seed: str
    films: Sequence[Path]
    kept: Path
    jail: Jail = ONE_CORE

    def case(self, number: int) -> tuple[str, bytes, str]:
        """(suffix, the film, how it was made)."""
        chance = random.Random(f"{self.seed}:{number}")
        source = chance.choice(self.films)
        data, done = mutated(source.read_bytes(), chance, [film.read_bytes() for film in self.films])
        return source.suffix, data, f"{source.name}: {', '.join(done)}"

    async def run(self, numbers: Iterator[int], told: Callable[[Outcome, str], None]) -> Outcome:
        """Until there are no more numbers."""
        outcome = Outcome()
        self.kept.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            suffix, data, how = self.case(number)
            name = f"{self.seed}-{number}"
            film = self.kept / f"{name}{suffix}"  # if all this dies of it, it is there
            film.write_bytes(data)
            faulthandler.dump_traceback_later(HANG, exit=True)
            ended, why = await self._one(film)
            faulthandler.cancel_dump_traceback_later()
            outcome.ended[ended] += 1
            if why:
                film.with_suffix(".txt").write_text(f"{self.seed}:{number} {how}\n{why}\n")
                outcome.finds.append(Find(f"{self.seed}:{number}", f"{how}: {why}", film))
            else:
                film.unlink()
            told(outcome, how)
        return outcome

    async def _one(self, source: Path) -> tuple[str, str | None]:
        """How it ended, and why that is a find."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "film.mp4")
            try:
                ended, why = await self._made(source, out)
            except MediaFailed as failed:
                code = failed.failure.code
                ended, why = code.value, None if code in DOCUMENTED else str(failed)
            except Exception:
                ended, why = "crash", traceback.format_exc()
            left = {path.name for path in Path(folder).iterdir()} - ({out.name} if ended == "made" else set())
            if left:
                why = f"left behind: {left}"
            if strays := _children():
                why = f"processes left: {strays}"
        return ended, why

    async def _made(self, source: Path, out: Path) -> tuple[str, str | None]:
        probed = await probe(source, self.jail)
        planned = plan(probed)
        if isinstance(planned, Failure):
            raise MediaFailed(planned.code, planned.detail, planned.subject)
        await self._looked(source, out.with_name("look.mp4"))
        film = await review_film(source, planned, out, jail=self.jail)
        known = await film_of(out, self.jail)
        return "made", None if film == known else f"{film} is told, {known} is there"

    async def _looked(self, source: Path, out: Path) -> None:
        """A first look is not missed: any failure but a hang will do."""
        try:
            if isinstance(how := await look.planned(source, self.jail), look.Look):
                await look.first_look(source, how, out, jail=self.jail)
                out.unlink()
        except MediaFailed as failed:
            if failed.failure.code is Code.STALLED:
                raise


def lasting(seconds: float) -> Iterator[int]:
    """Numbers from 0, as long as there is time."""
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        yield number
        number += 1


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def go(fuzz: Fuzz, numbers: Iterator[int], told: Callable[[Outcome, str], None]) -> Outcome:
    return asyncio.run(fuzz.run(numbers, told))
