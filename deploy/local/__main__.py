"""`python -m deploy.local`: the commands behind `make setup`, `up`, `status`, `logs`, `down` and `clean`."""

import argparse
import asyncio
import fcntl
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

# each command imports what it needs: a set-up that is done is seen in a tenth of a second


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".local"), help="where the stack keeps its state")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="fetch and build what is not in the cache yet")
    up = commands.add_parser("up", help="start everything and stay until Ctrl-C")
    up.add_argument("--infrastructure", action="store_true", help="no process of ours")
    serve = commands.add_parser("serve", help="supervise for another program, until it closes standard input")
    serve.add_argument("--env", type=json.loads, default={}, help="JSON: variables for every process of ours")
    commands.add_parser("status", help="print the state and address of each process")
    logs = commands.add_parser("logs", help="follow the log of one process, or of all")
    logs.add_argument("process", nargs="?")
    trace = commands.add_parser("trace", help="find a trace by the reference on a page, in an error or in a log")
    trace.add_argument("reference")
    commands.add_parser("down", help="stop everything")
    commands.add_parser("clean", help="stop everything and delete the stack's data, ports, passwords and keys")
    given = parser.parse_args()
    folder = given.folder.absolute()
    match given.command:
        case "install":
            from deploy.local.install import NotInstalled, install

            try:
                install()
            except NotInstalled as error:
                sys.exit(str(error))
        case "up":
            _supervise(folder, _up(folder, given.infrastructure))
        case "serve":
            _supervise(folder, _serve(folder, given.env))
        case "status":
            _status(folder)
        case "logs":
            _logs(folder, given.process)
        case "trace":
            _trace(folder, given.reference)
        case "down":
            _down(folder)
        case "clean":
            _down(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _supervise(folder: Path, work: Coroutine[Any, Any, None]) -> None:
    """Do the work of a supervisor, the only one of this folder; ends the program when there is one already."""
    from deploy.local.instance import WrongNumberOfBrokers
    from deploy.local.linux import guarded

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            work.close()
            sys.exit(f"The stack in {folder} is running already: `make status` shows it, `make down` stops it")
        guarded()  # who holds the lock as well, until nothing is left
        try:
            asyncio.run(work)
        except WrongNumberOfBrokers as error:
            sys.exit(str(error))


async def _serve(folder: Path, environment: dict[str, str]) -> None:
    from deploy.local.control import serve
    from deploy.local.instance import Instance
    from deploy.local.supervisor import Supervisor

    supervisor = Supervisor(Instance.claim(folder), environment)
    _stop_on_signals(supervisor.over)
    asyncio.get_running_loop().add_reader(
        sys.stdin, lambda: None if os.read(sys.stdin.fileno(), 4096) else supervisor.over.set()
    )
    try:
        await serve(supervisor)
    finally:
        await supervisor.shut_down()


async def _up(folder: Path, infrastructure_only: bool) -> None:
    from deploy.local import console, infrastructure
    from deploy.local.control import serve
    from deploy.local.instance import Instance
    from deploy.local.supervisor import Supervisor
    from deploy.system import PRODUCT

    instance = Instance.claim(folder)
    supervisor = Supervisor(instance, {}, console.Changes())
    _stop_on_signals(supervisor.over)
    for name in [*infrastructure.names(instance), *(() if infrastructure_only else (p.name for p in PRODUCT))]:
        await supervisor.start(name)
    serving = asyncio.create_task(serve(supervisor))
    settled = asyncio.create_task(console.settled(supervisor))
    try:
        await asyncio.wait([serving, settled], return_when=asyncio.FIRST_COMPLETED)
        if settled.done():
            console.print_table(await supervisor.status())
            console.print_token(instance)
        await serving
    finally:
        settled.cancel()
        console.say("stopping")
        await supervisor.shut_down()


def _stop_on_signals(over: asyncio.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, over.set)


def _status(folder: Path) -> None:
    from deploy.local import console
    from deploy.local.control import order

    try:
        console.print_table(order(folder, "status"))
    except OSError:
        sys.exit("The stack is not running: `make up` starts it")


def _logs(folder: Path, process: str | None) -> None:
    """Print what is in the logs and what is added to them, until Ctrl-C."""
    positions: dict[Path, int] = {}
    pattern = f"{process or '*'}.log"
    if not list((folder / "logs").glob(pattern)):
        known = sorted(path.stem for path in (folder / "logs").glob("*.log"))
        sys.exit(f"There is no log of {process or 'anything'} yet; there are: {', '.join(known) or 'none'}")
    try:
        while True:
            for path in sorted((folder / "logs").glob(pattern)):
                size = path.stat().st_size
                first = positions.setdefault(path, 0 if process else max(0, size - 2000))
                if size > first:
                    with path.open("rb") as file:
                        file.seek(first)
                        text = file.read(size - first).decode(errors="replace")
                    for line in text.splitlines():
                        print(line if process else f"{path.stem:20} {line}")
                positions[path] = size
            sys.stdout.flush()
            time.sleep(0.3)
    except (KeyboardInterrupt, BrokenPipeError):
        pass


def _trace(folder: Path, reference: str) -> None:
    from deploy.local import console
    from deploy.local.stack import Stack
    from deploy.local.traces import find

    stack = Stack(folder)
    if not stack.running:
        sys.exit("The stack is not running, and the local viewer keeps traces only while it does: `make up`")
    found = find(stack.url("traces"), reference)
    if not found:
        sys.exit(f"No trace has the reference {reference}")
    console.print_traces(found)


def _down(folder: Path) -> None:
    """Stop whoever supervises this folder and wait until they have gone."""
    from deploy.local.control import order

    if not folder.is_dir():
        return
    try:
        order(folder, "shut_down")
    except OSError:
        return
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


if __name__ == "__main__":
    main()
