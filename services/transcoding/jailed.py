"""Runs a program on a film in the jail: limits, progress, a watchdog; leaves no process behind, however it ends."""

import asyncio
import logging
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from services.transcoding import binaries
from services.transcoding.failures import Code, MediaFailed
from services.transcoding.jail import NO_WALL

LAUNCHER = Path(__file__).with_name("jail.py")
TICK = 0.5  # seconds between two looks at the progress
LONG = 20  # times its patience: so long the rest of the node may keep a program from running
TAIL = 4096  # bytes of stderr that are kept

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Frames done, of those expected; never falls. The last one of a success has a fraction of 1."""

    frames: int
    expected: int

    @property
    def fraction(self) -> float:
        return min(1.0, self.frames / max(1, self.expected))


OnProgress = Callable[[Progress], Awaitable[None]]
"""What it raises ends the work."""


async def ignore(_: Progress) -> None:
    """For those who do not ask."""


@dataclass(frozen=True)
class Jail:
    """How jailed work runs here. Only development may give up the floor; namespaces come on top, never instead."""

    floor: bool = True
    namespaces: bool = False
    threads: int = 0  # of ffmpeg; 0: it decides by the cores it sees


FLOOR = Jail()


@dataclass(frozen=True)
class Limits:
    """CPU seconds, MiB of address space, MiB of a file, seconds without progress in which it could have run."""

    cpu: int
    memory: int
    file: int
    patience: int


class ProgramFailed(Exception):
    """The program ended by itself, and not well."""

    def __init__(self, status: int, stderr: str) -> None:
        self.status, self.stderr = status, stderr
        super().__init__(f"exit status {status}: {stderr}")


async def run(
    command: Sequence[str],
    limits: Limits,
    jail: Jail,
    *,
    reads: Sequence[Path] = (),
    folder: Path | None = None,
    on_line: Callable[[str], int | None] = lambda _: None,
    on_frames: Callable[[int], Awaitable[None]] | None = None,
) -> str:
    """Run to the end, seeing only `reads` and writing only in `folder`; returns the tail of stderr.

    on_line: gets each line of stdout; answers how far the work is (any count that rises), if the line says so.
    on_frames: told of the highest count so far, at most every TICK.
    Cancelled or failing, it returns only when every process of the program is gone.
    Raises ProgramFailed, or MediaFailed: STALLED, OVER_LIMIT, NO_ROOM, TOOL_FAILED.
    """
    words = [*walls(limits, jail, reads, folder), *command]
    process = await start(launcher(jail, words, [Path(command[0]), *reads], folder))
    return await attend(process, limits.patience, on_line, on_frames)


def walls(limits: Limits, jail: Jail, reads: Sequence[Path], folder: Path | None) -> list[str]:
    """In the launcher's words; paths are the same inside as outside."""
    floor, writable = "floor" if jail.floor else "limits", folder.absolute() if folder else "-"
    words = [floor, writable, limits.cpu, limits.memory, limits.file, *(path.absolute() for path in reads), "--"]
    return [str(word) for word in words]


async def start(command: Sequence[str], stdin: int = DEVNULL) -> Process:
    """Cancelled, it leaves no process."""
    # From the event loop's own thread: the jail dies with the thread that started it.
    starting = asyncio.create_subprocess_exec(
        *command,
        stdin=stdin,
        stdout=PIPE,
        stderr=PIPE,
        env={},
        start_new_session=True,
        limit=1 << 20,
    )
    process, cancelled = await _to_its_end(starting)  # asyncio would kill half of what has started
    if cancelled:
        await end(process)
        raise asyncio.CancelledError
    return process


async def attend(
    process: Process,
    patience: int,
    on_line: Callable[[str], int | None],
    on_frames: Callable[[int], Awaitable[None]] | None,
    on_need: Callable[[str], Awaitable[None]] | None = None,
) -> str:
    """See to a jailed process until it has ended, as `run` does.

    on_need: brings what a line "need=..." asks for; the process, which waits for that, then gets an empty line.
    """
    count = 0

    async def read() -> None:
        nonlocal count
        while line := await _line_of(process):
            key, _, value = line.rstrip("\n").partition("=")
            if key == "need" and on_need and process.stdin:
                await on_need(value)
                process.stdin.write(b"\n")
            count = max(count, on_line(line.rstrip("\n")) or 0)

    stderr, ended = asyncio.create_task(_tail_of(process)), asyncio.create_task(process.wait())
    work: list[asyncio.Task[Any]] = [asyncio.create_task(read()), stderr, ended]
    try:
        # Not by the clock: a worker that was paused does not blame its program, nor does a node that is overrun.
        told, waited, ticks, had = 0, 0.0, 0, 0.0
        while busy := [task for task in work if not task.done()]:
            for task in (await asyncio.wait(busy, timeout=TICK, return_when=asyncio.FIRST_EXCEPTION))[0]:
                task.result()  # raises what it raised
            if count > told:
                told, waited, ticks = count, 0.0, 0
                if on_frames:
                    await on_frames(told)
            else:
                ran = _ran(process.pid)
                waited += min(TICK, max(0.0, ran - had)) or TICK  # if it ran at all, it may have waited for its turn
                had = ran
                ticks += 1
                if waited > patience or ticks * TICK > LONG * patience:
                    raise MediaFailed(Code.STALLED, f"no progress in {patience} s that it could have run, after {told}")
    finally:
        await end(process, *work)
    if status := ended.result():
        raise _judged(status, stderr.result())
    return stderr.result()


def _ran(pid: int) -> float:
    """CPU seconds that a process, and those that it has started, have had; none if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(_ran(int(child)) for child in started)


def launcher(jail: Jail, words: Sequence[str], sees: Sequence[Path], folder: Path | None) -> list[str]:
    """The command line that starts the launcher; with namespaces, it finds `sees`, `folder` and the libraries."""
    parent = 1 if jail.namespaces else os.getpid()
    started = [str(binaries.python()), "-I", "-S", str(LAUNCHER), str(parent), *words]
    if not jail.namespaces:
        return started
    system = [Path(p) for p in ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache") if Path(p).exists()]
    ours = [binaries.python_library(), binaries.python(), LAUNCHER]
    seen = dict.fromkeys([*system, *ours, *(path.absolute() for path in sees)])
    binds = [
        ("--symlink", str(path.readlink()), str(path))
        if path in system and path.is_symlink()
        else ("--ro-bind", str(path), str(path))
        for path in seen
    ]
    if folder:
        binds.append(("--bind", str(folder.absolute()), str(folder.absolute())))
    nobody = ["--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--clearenv"]
    namespaces = [str(binaries.bwrap()), "--unshare-all", "--die-with-parent", *nobody]
    return [*namespaces, *(word for bind in binds for word in bind), "--", *started]


async def _line_of(process: Process) -> str:
    assert process.stdout
    try:
        return _text(await process.stdout.readline())
    except ValueError as error:  # longer than the reader's limit
        raise MediaFailed(Code.TOOL_FAILED, f"a line of output without end: {error}") from None


async def _tail_of(process: Process) -> str:
    assert process.stderr
    tail = b""
    while some := await process.stderr.read(1 << 16):
        tail = (tail + some)[-TAIL:]
    return _text(tail).strip()


def _text(said: bytes) -> str:
    """As a database can keep it."""
    return said.decode(errors="replace").replace("\0", "")


async def end(process: Process, *readers: asyncio.Task[Any]) -> None:
    """Kill the whole group and wait until it is gone, even when cancelled again: its folder is about to be removed."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    async def gone() -> None:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await process.wait()
        for pipe in filter(None, (process.stdout, process.stderr)):
            while await pipe.read(1 << 16):  # to its end: then nobody holds the other side any more
                pass

    _, cancelled = await _to_its_end(gone())
    if cancelled:
        raise asyncio.CancelledError


async def _to_its_end(work: Coroutine[Any, Any, T]) -> tuple[T, bool]:
    """Its result, and whether we were cancelled meanwhile: what may not be left half done."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    return task.result(), cancelled


def _judged(status: int, stderr: str) -> Exception:
    """What an unhappy end means, where that does not depend on the program."""
    if status == NO_WALL:
        return MediaFailed(Code.TOOL_FAILED, stderr)
    if status in (-signal.SIGKILL, -signal.SIGXCPU, 128 + signal.SIGKILL, 128 + signal.SIGXCPU):
        return MediaFailed(Code.OVER_LIMIT, f"killed, probably by its limit of CPU or the node's of memory: {stderr}")
    if "Cannot allocate memory" in stderr or "File too large" in stderr:
        return MediaFailed(Code.OVER_LIMIT, stderr)
    if "No space left on device" in stderr:
        return MediaFailed(Code.NO_ROOM, stderr)
    return ProgramFailed(status, stderr)


TRIAL = """
import socket, sys
def refused(attempt, *arguments):
    try:
        attempt(*arguments)
    except OSError:
        return True
print(refused(socket.socket) and refused(open, sys.argv[1]))
"""


async def assert_floor(development: bool = False) -> Jail:
    """The strongest jail to be had on this machine: a program starts in it, and can open no socket nor read this file.

    Raises RuntimeError where the floor cannot be had, but in development, where a warning is logged.
    """
    trial = [str(binaries.python()), "-I", "-S", "-c", TRIAL, __file__]
    limits, whys = Limits(cpu=10, memory=1024, file=1, patience=60), []
    for floor, namespaces in product([True, False] if development else [True], [True, False]):
        jail, said = Jail(floor, namespaces), list[str]()
        try:
            await run(trial, limits, jail, reads=[binaries.python_library()], on_line=said.append)
        except (OSError, ProgramFailed, MediaFailed) as error:
            whys.append(f"{jail}: {error}")
            continue
        if not jail.floor:
            log.warning("films are opened without the jail's floor, which only development may: %s", whys)
            return jail
        if said == ["True"]:
            return jail
        whys.append(f"{jail}: not closed")
    raise RuntimeError(f"this machine cannot open films safely: {whys}")
