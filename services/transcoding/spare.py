"""A jailed process that starts before there is work for it: to load what cuts films takes longer than most cuts."""

import asyncio
import logging
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Self

from services.transcoding import binaries
from services.transcoding.failures import MediaFailed
from services.transcoding.jailed import Jail, Limits, ProgramFailed, attend, end, launcher, start, walls

PROGRAM = Path(__file__).with_name("smart_cut.py")

log = logging.getLogger(__name__)


class Spare:
    """`async with Spare(jail, folder) as spare`: one such process at a time, for work in `folder` on films in it.

    A process does one piece of work and sees the films of that one alone; when it has ended, the next is started.
    """

    def __init__(self, jail: Jail, folder: Path) -> None:
        self._jail, self._folder = jail, folder
        self._waiting: Process | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._waiting = await waiting(self._jail, self._folder)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._renewing:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        if self._waiting:
            await end(self._waiting)

    def take(self) -> Process | None:
        """The one that waits, if it does."""
        taken, self._waiting = self._waiting, None
        if taken:
            self._renewing = asyncio.create_task(self._renew(taken))
        return taken

    async def _renew(self, taken: Process) -> None:
        await taken.wait()
        try:
            self._waiting = await waiting(self._jail, self._folder)
        except OSError:
            log.warning("no spare could be started", exc_info=True)


async def waiting(jail: Jail, folder: Path, *films: Path) -> Process:
    """One that loads PROGRAM and waits; where there are namespaces, it will find no other films than these."""
    words = ["spare", str(binaries.packages()), str(PROGRAM)]
    return await start(launcher(jail, words, [binaries.packages(), PROGRAM, *films], folder), stdin=PIPE)


async def work(
    arguments: Sequence[str],
    limits: Limits,
    jail: Jail,
    *,
    reads: Sequence[Path],
    folder: Path,
    spare: Spare | None,
    on_line: Callable[[str], int | None],
    on_frames: Callable[[int], Awaitable[None]],
    on_need: Callable[[str], Awaitable[None]] | None = None,
) -> None:
    """Have PROGRAM do it, reading these films and writing in `folder`: by the spare or, where there is none, a new one.

    Raises what `jailed.attend` does.
    """
    at_work = False

    def hear(line: str) -> int | None:
        nonlocal at_work
        at_work = True  # its walls are up
        return on_line(line)

    walled = walls(limits, jail, [binaries.python_library(), binaries.packages(), *reads], folder)

    async def done_by(process: Process) -> None:
        assert process.stdin
        process.stdin.write(os.fsencode("\0".join([*walled, *arguments])) + b"\n")
        await attend(process, limits.patience, hear, on_frames, on_need)

    if process := spare.take() if spare else None:
        try:
            await done_by(process)
        except (MediaFailed, ProgramFailed):
            if at_work:
                raise
        if at_work:
            return
        log.warning("a spare was of no use")  # which says nothing of the film
    await done_by(await waiting(jail, folder, *reads))
