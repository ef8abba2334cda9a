"""A stack for tests and the demo: start it or join one that runs, and do to its processes what befalls processes."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any, Self

from deploy.local.child import State
from deploy.local.control import OrderRefused, order
from deploy.local.environment import HOST, database_url, environment, kafka_servers, scratch_folders
from deploy.local.infrastructure import mail_folder
from deploy.local.infrastructure import names as infrastructure_names
from deploy.local.instance import Instance
from deploy.local.s3 import ROOT_USER
from deploy.local.supervisor import CHECKOUT
from deploy.system import PROCESSES, STORE_USERS, Kind

READY_SECONDS = 180.0


class StackError(Exception):
    """The stack could not do what it was told."""


@dataclass(frozen=True)
class Store:
    """An S3 server and the keys of its users, `root` among them."""

    endpoint: str  # host:port
    region: str
    keys: Mapping[str, tuple[str, str]]  # user -> access key, secret key


class Stack:
    """One folder's stack. Blocking; may be used from any thread."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).absolute()
        self._supervisor: subprocess.Popen[bytes] | None = None

    # the whole of it

    @property
    def running(self) -> bool:
        """Whether somebody supervises this folder's stack."""
        try:
            order(self.folder, "status", names=[])
        except OSError:
            return False
        return True

    def start(
        self,
        *,
        infrastructure: bool = False,
        without: Iterable[str] = (),
        only: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> Self:
        """Start the supervisor and all processes, or the infrastructure, or `only` those named and what they need.

        It ends with this process, however that ends. `env` goes to every process of ours, and cannot be changed while
        the stack runs. Raises: StackError."""
        if self.running:
            if env and dict(env) != self._order("status", names=[])["environment"]:
                raise StackError(f"a stack runs in {self.folder} already, with other settings: stop it first")
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "supervisor.log").open("ab") as log:
                self._supervisor = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "deploy.local", "--folder", str(self.folder)),
                        *("serve", "--env", json.dumps(dict(env or {}))),
                    ],
                    cwd=CHECKOUT,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self._until(lambda: self.running, 60, "the supervisor does not answer")
        names = list(only) or [name for name in self._names(infrastructure) if name not in set(without)]
        for name in names:
            self._order("start", name=name)
        if wait:
            self.wait_ready(*names)
        return self

    def stop(self) -> None:
        """Stop all, if this object started it; leave a stack alone that was only joined."""
        if self._supervisor is None:
            return
        if self._supervisor.stdin:
            self._supervisor.stdin.close()
        self._supervisor.wait()
        self._supervisor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def supervisor(self) -> int:
        """The pid of whoever supervises this folder's stack."""
        pid: int = self._order("status", names=[])["supervisor"]
        return pid

    # one process

    def start_process(
        self,
        name: str,
        *,
        env: Mapping[str, str] | None = None,
        restart: bool = True,
        replica: int = 1,
        wait: bool = True,
    ) -> str:
        """Start a process (or its replica number 2, 3, ..., on a port of its own); returns its name.

        `env` is for this one (say, `ATTUNE_FAILPOINT`) until it is started anew. Without `restart` it stays dead."""
        started: str = self._order("start", name=name, env=dict(env or {}), restart=restart, replica=replica)
        if wait:
            self.wait_ready(started)
        return started

    def stop_process(self, name: str) -> None:
        """SIGTERM, and SIGKILL after 20 s."""
        self._order("stop", name=name)

    def restart_process(self, name: str, *, env: Mapping[str, str] | None = None, wait: bool = True) -> None:
        self.stop_process(name)
        self.start_process(name, env=env, wait=wait)

    def kill(self, name: str) -> None:
        """SIGKILL. It comes back by itself unless it was started with `restart=False`."""
        self._order("kill", name=name)

    def pause(self, name: str) -> None:
        """SIGSTOP."""
        self._order("signal", name=name, number=int(Signals.SIGSTOP))

    def resume(self, name: str) -> None:
        """SIGCONT."""
        self._order("signal", name=name, number=int(Signals.SIGCONT))

    # what is known of it

    def status(self) -> dict[str, Any]:
        """Of each process its state, pid, port, url, log, environment, exits, exit_code and error; asked for now."""
        processes: dict[str, Any] = self._order("status")["processes"]
        return processes

    def _known(self, *asked: str) -> dict[str, Any]:
        """The same; only of these is it asked for now."""
        processes: dict[str, Any] = self._order("status", names=asked)["processes"]
        return processes

    def state(self, name: str) -> State:
        return State(self._known(name)[name]["state"])

    def pid(self, name: str) -> int:
        """Raises: StackError when it does not run."""
        pid: int | None = self._known()[name]["pid"]
        if pid is None:
            raise StackError(f"{name} is not running")
        return pid

    def wait_ready(self, *names: str, seconds: float = READY_SECONDS) -> None:
        """Until these are ready (or have ended well). Raises: StackError with what is not and why."""
        waiting: dict[str, Any] = {}

        def all_ready() -> bool:
            nonlocal waiting
            asked = tuple(waiting) or names  # who is ready is not asked while others start, but once more at the end
            status = self._known(*asked)
            waiting = {name: status[name] for name in asked if status[name]["state"] not in (State.READY, State.DONE)}
            if died := [name for name, process in waiting.items() if process["state"] == State.DIED]:
                raise StackError(f"{died[0]} {waiting[died[0]]['error']}")
            return not waiting and asked == names

        self._until(
            all_ready,
            seconds,
            lambda: "; ".join(f"{name} is {p['state']}: {p['error']}" for name, p in waiting.items()),
        )

    def wait_died(self, name: str, seconds: float = READY_SECONDS) -> int:
        """Until a process started with `restart=False` has ended; its exit code, negative for a signal."""
        self._until(lambda: self.state(name) in (State.DIED, State.DONE), seconds, f"{name} goes on running")
        code: int = self._known()[name]["exit_code"]
        return code

    def env_of(self, name: str) -> dict[str, str]:
        """The settings that a process of ours gets; it need not run."""
        status = self._known() if self.running else {}
        if name in status:
            found: dict[str, str] = status[name]["environment"]
            return found
        return environment(self.instance, PROCESSES[name], name)

    def url(self, name: str) -> str:
        """Where a process answers HTTP, without a slash at the end."""
        return f"http://{HOST}:{self.port(name)}"

    def port(self, name: str) -> int:
        port: int = self._order("port", of=name)
        return port

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    @property
    def instance(self) -> Instance:
        """Ports, passwords and keys, read anew."""
        return Instance.read(self.folder)

    @property
    def kafka_servers(self) -> str:
        return kafka_servers(self.instance)

    @property
    def scratch_folders(self) -> Path:
        """Where each process, and each replica, has a folder of its own."""
        return scratch_folders(self.instance)

    @property
    def mail_folder(self) -> Path:
        return mail_folder(self.instance)

    @property
    def store(self) -> Store:
        instance = self.instance
        keys = {user: (user, instance.password(f"s3/{user}")) for user in STORE_USERS}
        keys["root"] = (ROOT_USER, instance.password("s3/root"))
        return Store(f"{HOST}:{instance.port('s3')}", "us-east-1", keys)

    def database_url(self, role: str = "postgres", database: str | None = None) -> str:
        """`postgresql://...` for a service's role or the superuser `postgres`; the role's own database unless named."""
        return database_url(self.instance, role, database)

    # how

    def _names(self, infrastructure_only: bool) -> list[str]:
        ours = [] if infrastructure_only else [p.name for p in PROCESSES.values() if p.kind is not Kind.INFRASTRUCTURE]
        return [*infrastructure_names(self.instance), *ours]

    def _order(self, do: str, **arguments: Any) -> Any:
        try:
            return order(self.folder, do, **arguments)
        except OrderRefused as error:
            raise StackError(str(error)) from error

    def _until(self, condition: Callable[[], bool], seconds: float, otherwise: str | Callable[[], str]) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if self._supervisor and self._supervisor.poll() is not None:
                raise StackError(f"the supervisor ended: see {self.folder / 'supervisor.log'}")
            if time.monotonic() > deadline:
                raise StackError(otherwise if isinstance(otherwise, str) else otherwise())
            time.sleep(0.2)
