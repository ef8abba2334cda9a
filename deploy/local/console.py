"""What the stack says on a terminal."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from joserfc.jwk import OKPKey
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.local.child import Child, State
from deploy.local.environment import url
from deploy.local.instance import Instance
from deploy.local.supervisor import Supervisor
from deploy.local.traces import Trace
from deploy.system import DEVELOPMENT_ISSUER
from shared.identity.tokens import Role, mint

_console = Console(highlight=False, soft_wrap=True)
_COLOURS = {State.READY: "green", State.DONE: "green", State.FAILING: "red", State.DIED: "red", State.NOT_READY: "red"}
TOKEN_LIFE = timedelta(hours=12)


def say(text: str) -> None:
    _console.print(text, markup=False)


class Changes:
    """Prints what became of a process, once for each news."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told: dict[str, tuple[State, str]] = {}

    def __call__(self, child: Child) -> None:
        news = child.state, child.error
        if child.state in _COLOURS and self._told.get(child.name) != news:
            self._told[child.name] = news
            colour, why = _COLOURS[child.state], f"  {escape(child.error)}" if child.error else ""
            _console.print(
                f"{time.monotonic() - self._began:6.1f} s  {child.name:20} [{colour}]{child.state}[/]", why, sep=""
            )


async def settled(supervisor: Supervisor) -> None:
    """Until each process is ready, or done, or has failed, or waits for one that has."""
    undecided = {State.WAITING, State.STARTING, State.STOPPED}
    while any(
        child.state in undecided
        and not any(supervisor.children[need].state is State.FAILING for need in child.process.needs)
        for child in supervisor.children.values()
    ):
        await asyncio.sleep(0.1)


def print_table(status: dict[str, Any]) -> None:
    """The processes that stay, with their addresses, and those that did not end well."""
    table = Table(box=None, pad_edge=False)
    for column in ("process", "state", "address", "pid", "restarts"):
        table.add_column(column)
    for name, process in status["processes"].items():
        state = State(process["state"])
        if process["kind"] == "once" and state is State.DONE:
            continue
        address = process["url"] or (f"127.0.0.1:{process['port']}" if process["port"] else "")
        restarts = str(process["exits"]) if process["exits"] else ""
        shown = f"[{_COLOURS.get(state, 'yellow')}]{state}[/]"
        table.add_row(name, shown, address, str(process["pid"] or ""), restarts)
    _console.print(table)


def print_traces(traces: list[Trace]) -> None:
    for trace in traces:
        say(f"{trace.began:%Y-%m-%d %H:%M:%S} UTC  {trace.name}  {trace.seconds:.3f} s  in {', '.join(trace.services)}")
        say(f"  {trace.url}")


def print_token(instance: Instance) -> None:
    """A practitioner's token, to try the API with."""
    key = OKPKey.import_key(json.loads(instance.key_file(DEVELOPMENT_ISSUER).read_text()))
    token = mint(key, str(uuid4()), Role.PRACTITIONER, datetime.now(UTC), TOKEN_LIFE)
    portal = url(instance, "portal")
    _console.print(f"\nA practitioner's token for the next 12 hours, to sign in with at {portal} and to try the API:\n")
    _console.print(f"  export TOKEN={token}\n", markup=False)
    _console.print("Ctrl-C stops everything.")
