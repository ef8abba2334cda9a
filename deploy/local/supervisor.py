"""Starts the processes in the order of their needs, restarts what dies, and stops all in reverse."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from signal import Signals
from typing import Any

from deploy.local import infrastructure
from deploy.local.child import Child, State, answers, exit_in_words, last_line
from deploy.local.environment import HOST, brokers, environment, scratch_folder
from deploy.local.instance import Instance, write_secret
from deploy.local.launch import Launch
from deploy.local.linux import before_exec
from deploy.system import DATABASES, PROCESSES, STORE_USERS, Kind, Process

CHECKOUT = Path(__file__).parents[2]
STOP_SECONDS = 20
FIRST_BACKOFF, LAST_BACKOFF, FORGIVEN_AFTER = 0.5, 15.0, 30.0  # seconds
LOG_BYTES = 20 << 20


class Supervisor:
    """All processes of one stack. `changed` is told of each change of a state."""

    def __init__(
        self, instance: Instance, environment: Mapping[str, str], changed: Callable[[Child], None] = lambda _: None
    ) -> None:
        self.instance = instance
        self.environment = dict(environment)
        self.changed = changed
        self.children: dict[str, Child] = {}
        self.over = asyncio.Event()
        instance.make_keys()
        for name, process in PROCESSES.items():  # now, so that whoever reads them finds them all
            if process.http or process.kind is Kind.INFRASTRUCTURE:
                instance.port(name)
        for name in (
            *(f"database/{role}" for role in ("postgres", *DATABASES)),
            *(f"s3/{u}" for u in ("root", *STORE_USERS)),
        ):
            instance.password(name)
        for broker in brokers(instance):
            instance.port(broker)

    # what it can be told to do

    async def start(
        self, name: str, env: Mapping[str, str] | None = None, restart: bool = True, replica: int = 1
    ) -> str:
        """Start a process after what it needs; returns its name, which for a replica is `<process>-<number>`.

        A need that was ready once is not waited for again: a process must cope with its needs being away. What runs
        once, and has, is not run again. Raises: LookupError for an unknown name."""
        if replica > 1:
            name = f"{name}-{replica}"
        child = self._child(name)
        if child.state is State.DONE or (child.task and not child.task.done()):
            return name
        for need in self._needs(child.process):
            if not self._child(need).ready_once.is_set():
                await self.start(need)
        child.environment, child.restart, child.exit_code = dict(env or {}), restart, None
        child.task = asyncio.create_task(self._keep(child))
        return name

    async def stop(self, name: str) -> None:
        """End a process as an orchestrator would: SIGTERM, then SIGKILL."""
        child = self._child(name)
        if child.task:
            child.task.cancel()
            with suppress(asyncio.CancelledError):
                await child.task
        if child.state is not State.DONE:
            self._becomes(child, State.STOPPED)

    async def kill(self, name: str) -> None:
        """SIGKILL; it is started again unless it was started with `restart=False`."""
        child, running = self._running(name)
        ended = child.ended
        running.send_signal(Signals.SIGKILL)
        await ended.wait()

    async def signal(self, name: str, number: int) -> None:
        """Send a signal, SIGSTOP and SIGCONT among them."""
        child, running = self._running(name)
        running.send_signal(number)
        if number == Signals.SIGSTOP:
            self._becomes(child, State.PAUSED)
        elif number == Signals.SIGCONT and child.state is State.PAUSED:
            self._becomes(child, State.READY if child.ready_once.is_set() else State.STARTING)

    async def status(self, names: Collection[str] | None = None) -> dict[str, Any]:
        """What `stack.json` holds; these processes (each, without `names`) are asked anew whether they are ready."""
        asked = (child for name, child in self.children.items() if names is None or name in names)
        await asyncio.gather(*map(self._look, asked))
        return self._describe()

    async def shut_down(self) -> None:
        """Stop all, each after those that need it."""
        stopped = {name: asyncio.Event() for name in self.children}

        async def stop(child: Child) -> None:
            for name, other in self.children.items():
                if child.process.name in other.process.needs:
                    await stopped[name].wait()
            await self.stop(child.name)
            stopped[child.name].set()

        await asyncio.gather(*(stop(child) for child in self.children.values()))

    # how it does it

    def _child(self, name: str) -> Child:
        if name not in self.children:
            process = PROCESSES.get(name) or PROCESSES[name.rpartition("-")[0]]
            self.children[name] = Child(name, process)
        return self.children[name]

    def _running(self, name: str) -> tuple[Child, subprocess.Popen[bytes]]:
        child = self._child(name)
        if child.running is None:
            raise LookupError(f"{name} is not running")
        return child, child.running

    def _needs(self, process: Process) -> list[str]:
        needs = list(process.needs)
        return needs + brokers(self.instance)[1:] if "kafka" in needs else needs

    def _launch(self, child: Child) -> Launch:
        if child.process.kind is Kind.INFRASTRUCTURE:
            return infrastructure.launch(self.instance, child.name)
        return Launch(
            [sys.executable, *child.process.command[1:]],
            environment(self.instance, child.process, child.name),
            port=self.instance.port(child.name) if child.process.http else None,
        )

    async def _keep(self, child: Child) -> None:
        """Keep one process running until cancelled; of one that runs once, until it has ended well."""
        self._becomes(child, State.WAITING)
        for need in self._needs(child.process):
            await self._child(need).ready_once.wait()
        backoff = FIRST_BACKOFF
        while True:
            began = time.monotonic()
            try:
                await self._run(child)
            except (OSError, subprocess.CalledProcessError) as error:
                child.error = f"{error}\n{getattr(error, 'output', None) or ''}".strip()
            if child.process.kind is Kind.ONCE and child.exit_code == 0:
                child.ready_once.set()
                return self._becomes(child, State.DONE)
            if not child.restart:
                return self._becomes(child, State.DIED)
            self._becomes(child, State.FAILING)
            backoff = FIRST_BACKOFF if time.monotonic() - began > FORGIVEN_AFTER else backoff
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, LAST_BACKOFF)

    async def _run(self, child: Child) -> None:
        """Run a process to its end; when cancelled, end it."""
        start = self._launch(child)
        child.port = start.port
        self._becomes(child, State.STARTING)
        await start.before()
        scratch_folder(self.instance, child.name).mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._open_log(child.name) as log:
            child.running = running = subprocess.Popen(
                start.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=CHECKOUT,
                env=_inherited() | start.environment | self.environment | child.environment,
                start_new_session=True,
                preexec_fn=before_exec(start.orphaned, start.unprivileged),
            )
        self.save()
        loop, pidfd, exited = asyncio.get_running_loop(), os.pidfd_open(running.pid), asyncio.Event()
        loop.add_reader(pidfd, exited.set)
        child.ended = asyncio.Event()
        becoming_ready = asyncio.create_task(self._become_ready(child, start))
        try:
            await exited.wait()
        except asyncio.CancelledError:
            running.send_signal(start.stop)
            running.send_signal(Signals.SIGCONT)
            try:
                await asyncio.wait_for(exited.wait(), STOP_SECONDS)
            except TimeoutError:
                running.send_signal(Signals.SIGKILL)
                await exited.wait()
            raise
        finally:
            becoming_ready.cancel()
            loop.remove_reader(pidfd)
            os.close(pidfd)
            child.running, child.exit_code, child.exits = None, running.wait(), child.exits + 1
            child.error = f"{exit_in_words(child.exit_code)}: {last_line(self.log_path(child.name))}"
            child.ended.set()

    async def _become_ready(self, child: Child, start: Launch) -> None:
        if child.process.kind is Kind.ONCE:
            return
        while not await answers(child.process, child.port):
            await asyncio.sleep(0.2)  # each look takes from its start
        await start.after()
        child.ready_once.set()
        self._becomes(child, State.READY)

    async def _look(self, child: Child) -> None:
        if child.state in (State.READY, State.NOT_READY):
            ready = await answers(child.process, child.port)
            if child.state in (State.READY, State.NOT_READY):
                self._becomes(child, State.READY if ready else State.NOT_READY)

    def _becomes(self, child: Child, state: State) -> None:
        if state in (State.READY, State.DONE, State.STOPPED):
            child.error = ""
        if state is not child.state:
            child.state = state
            self.changed(child)
            self.save()

    def log_path(self, name: str) -> Path:
        return self.instance.folder / "logs" / f"{name}.log"

    def _open_log(self, name: str) -> Any:
        path = self.log_path(name)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        if path.is_file() and path.stat().st_size > LOG_BYTES:
            path.rename(path.with_suffix(".1.log"))
        return path.open("ab")

    def save(self) -> None:
        """Write `stack.json`, for whoever wants to know; it names passwords, and is its owner's alone."""
        write_secret(self.instance.folder / "stack.json", json.dumps(self._describe(), indent=1).encode())

    def _describe(self) -> dict[str, Any]:
        return {
            "supervisor": os.getpid(),
            "instance": self.instance.name,
            "environment": self.environment,
            "processes": {name: self._describe_child(child) for name, child in self.children.items()},
        }

    def _describe_child(self, child: Child) -> dict[str, Any]:
        ours = child.process.kind is not Kind.INFRASTRUCTURE
        settings = environment(self.instance, child.process, child.name) if ours else {}
        return {
            "kind": child.process.kind.value,
            "state": child.state.value,
            "error": child.error,
            "pid": child.running.pid if child.running else None,
            "port": child.port,
            "url": f"http://{HOST}:{child.port}" if child.port and child.process.http else None,
            "log": str(self.log_path(child.name)),
            "environment": settings | self.environment | child.environment if ours else {},
            "exits": child.exits,
            "exit_code": child.exit_code,
        }


def _inherited() -> dict[str, str]:
    """The user's environment without settings of ours: what a process gets is in the table alone."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ATTUNE_", "OTEL_"))}
