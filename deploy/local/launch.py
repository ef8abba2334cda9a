"""How one process is started here."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from signal import Signals

from deploy.local.linux import before_exec


async def nothing() -> None: ...


@dataclass(frozen=True)
class Launch:
    """A command, and what is done round it."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    port: int | None = None
    stop: Signals = Signals.SIGTERM
    orphaned: Signals = Signals.SIGKILL  # sent to it when the supervisor dies
    unprivileged: bool = False
    before: Callable[[], Awaitable[None]] = nothing  # before every start
    after: Callable[[], Awaitable[None]] = nothing  # once it answers, before it counts as ready


async def run(command: list[str], *, unprivileged: bool = False) -> None:
    """Run a preparatory command to its end. Raises: CalledProcessError with what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=before_exec(Signals.SIGKILL, unprivileged),
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output.decode(errors="replace"))
