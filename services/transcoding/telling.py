"""How far an attempt is: one number over all that it does, never falling, and 1 only when the last byte is kept."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from pathlib import Path

from services.transcoding.jailed import Progress
from shared.failpoints import Failpoint, reach

SECONDS = 0.4  # between two notes: ffmpeg is looked at twice a second, and each look counts


class Stage(StrEnum):
    """What a job does, in this order; cuts and looks not all of it."""

    STAGING = "staging"
    CODING = "coding"
    PICTURES = "pictures"
    SEALING = "sealing"


WEIGHTS = {Stage.STAGING: 10, Stage.CODING: 75, Stage.PICTURES: 5, Stage.SEALING: 10}
"""Of a film of minutes, roughly the hundredths of the time that a stage takes."""

Stand = dict[str, float]
"""{frames, of, fraction}: pictures coded, of those expected; and the part of the whole job that is done."""


class Telling:
    """Writes the stand down, at most every SECONDS and at the end. What writing raises ends the work."""

    def __init__(self, write: Callable[[Stand], Awaitable[None]], *stages: Stage) -> None:
        self._write, self._stages = write, stages
        self._stand: Stand = {"frames": 0, "of": 0, "fraction": 0.0}
        self._told = float("-inf")
        self._to_seal, self._sealed = 0, 0

    async def tell(self, stage: Stage, done: float, of: float) -> None:
        """So much of this stage is done, and all of those before it."""
        before = sum(WEIGHTS[earlier] for earlier in self._stages[: self._stages.index(stage)])
        parts = before + WEIGHTS[stage] * min(1.0, done / max(1, of))
        fraction = int(1000 * parts / sum(WEIGHTS[each] for each in self._stages)) / 1000  # never rounded up to 1
        self._stand["fraction"] = max(fraction, self._stand["fraction"])
        now = asyncio.get_running_loop().time()
        if now - self._told >= SECONDS or self._stand["fraction"] >= 1:
            self._told = now
            await self._write(dict(self._stand))

    async def staged(self, done: int, of: int) -> None:
        """Bytes."""
        await self.tell(Stage.STAGING, done, of)

    async def coded(self, progress: Progress) -> None:
        await reach(Failpoint.MID_TRANSCODE)
        self._stand |= {"frames": progress.frames, "of": progress.expected}
        await self.tell(Stage.CODING, progress.frames, progress.expected)

    def to_seal(self, files: Iterable[Path]) -> None:
        """Each byte of them is sealed, and read back in the end."""
        self._to_seal = 2 * sum(file.stat().st_size for file in files)

    async def sealed(self, more: int) -> None:
        """So many bytes more were sealed, or were read back."""
        self._sealed += more
        await self.tell(Stage.SEALING, self._sealed, self._to_seal)


async def nowhere(_: Stand) -> None:
    """For what is only a part of a job."""
