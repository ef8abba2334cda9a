"""One process as it runs here, and how to see what is the matter with it."""

import asyncio
import subprocess
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from signal import Signals

from deploy.local.environment import HOST
from deploy.system import Process


class State(StrEnum):
    WAITING = "waiting"  # for what it needs
    STARTING = "starting"
    READY = "ready"
    NOT_READY = "not ready"  # was ready once, and says that it is not now
    PAUSED = "paused"
    DONE = "done"
    FAILING = "failing"  # died, and is about to be started again
    DIED = "died"
    STOPPED = "stopped"


@dataclass
class Child:
    """One process of the system, or a replica of it, as it runs here."""

    name: str
    process: Process
    environment: dict[str, str] = field(default_factory=dict)  # beside what the table gives it
    restart: bool = True
    state: State = State.STOPPED
    error: str = ""  # why it ended last, until it is ready again
    running: subprocess.Popen[bytes] | None = None
    port: int | None = None
    exits: int = 0  # how often it has ended, by itself or by a signal
    exit_code: int | None = None
    task: asyncio.Task[None] | None = None
    ready_once: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # of the run under way


async def answers(process: Process, port: int | None, seconds: float = 2) -> bool:
    """Whether the process's readiness probe succeeds now."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                if process.ready.kind == "tcp":
                    return True
                writer.write(f"GET {process.ready.path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
                status = (await reader.readline()).split()
                return len(status) > 1 and status[1].startswith(b"2")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def exit_in_words(code: int) -> str:
    return f"exit code {code}" if code >= 0 else Signals(-code).name


def last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
