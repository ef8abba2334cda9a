"""What befalls processes: killed, kept away for a while, frozen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psutil

from deploy.local.stack import Stack


def kill_and_keep_away(stack: Stack, name: str) -> None:
    """SIGKILL, and nobody starts it again."""
    stack.kill(name)
    stack.stop_process(name)


def freeze(stack: Stack, name: str) -> list[psutil.Process]:
    """SIGSTOP it and all its children (PostgreSQL is many processes). Returns them, for `thaw`.

    Raises StackError, or psutil.NoSuchProcess, when it does not run."""
    main = psutil.Process(stack.pid(name))
    stack.pause(name)
    frozen = [main, *main.children(recursive=True)]
    for process in frozen:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    return frozen


def thaw(stack: Stack, name: str, frozen: list[psutil.Process]) -> None:
    for process in reversed(frozen):
        with suppress(psutil.NoSuchProcess):
            process.resume()
    stack.resume(name)


@asynccontextmanager
async def away(stack: Stack, name: str, how: str) -> AsyncIterator[None]:
    """While the block runs the process is not there: "killed" or "frozen"."""
    if how == "killed":
        await asyncio.to_thread(kill_and_keep_away, stack, name)
        try:
            yield
        finally:
            await asyncio.to_thread(stack.start_process, name, wait=False)
    else:
        frozen = await asyncio.to_thread(freeze, stack, name)
        try:
            yield
        finally:
            await asyncio.to_thread(thaw, stack, name, frozen)
