"""The supervisor on small processes of its own: order, restarts, replicas, and a clean end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from deploy.local import supervisor as module
from deploy.local.child import State
from deploy.local.instance import Instance
from deploy.local.supervisor import Supervisor
from deploy.system import EXIT, READY, Kind, Process
from shared.settings import HttpSettings

SERVE = """
import http.server, os, signal, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if os.path.exists("unready") else 200)
        self.end_headers()
    def log_message(self, *_): ...
print("said", os.environ.get("WORD"), flush=True)
os.chdir(os.environ["FOLDER"])
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["ATTUNE_HTTP_PORT"])), Health).serve_forever()
"""
FAIL = "import sys; print('no such luck'); sys.exit(3)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + SERVE


def once(name: str, code: str, *needs: str) -> Process:
    return Process(name, Kind.ONCE, EXIT, ("python", "-c", code), needs)


def service(name: str, *needs: str, code: str = SERVE) -> Process:
    return Process(name, Kind.SERVICE, READY, ("python", "-c", code), needs, (HttpSettings,), http=True)


SYSTEM = (
    once("prepare", "print('prepared')"),
    once("hopeless", FAIL),
    service("base", "prepare"),
    service("top", "base"),
    service("stranded", "hopeless"),
    service("broken", code=FAIL),
    service("deaf", code=DEAF),
)


@pytest.fixture
async def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Supervisor]:
    monkeypatch.setattr(module, "PROCESSES", {process.name: process for process in SYSTEM})
    monkeypatch.setattr(module, "FIRST_BACKOFF", 0.05)
    supervisor = Supervisor(Instance.claim(tmp_path), {"FOLDER": str(tmp_path)})
    yield supervisor
    await supervisor.shut_down()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def ready(supervisor: Supervisor, name: str) -> None:
    await until(lambda: supervisor.children[name].state is State.READY)


def changes_of(supervisor: Supervisor) -> list[tuple[str, State]]:
    changes: list[tuple[str, State]] = []
    supervisor.changed = lambda child: changes.append((child.name, child.state))
    return changes


async def test_a_process_starts_when_all_it_needs_is_ready_and_stops_before_it(supervisor: Supervisor) -> None:
    changes = changes_of(supervisor)
    await supervisor.start("top")
    await ready(supervisor, "top")
    await supervisor.shut_down()
    order = [
        ("prepare", State.DONE),
        ("base", State.STARTING),
        ("base", State.READY),
        ("top", State.STARTING),
        ("top", State.READY),
        ("top", State.STOPPED),
        ("base", State.STOPPED),
    ]
    assert [change for change in changes if change in order] == order


async def test_what_dies_is_started_again(supervisor: Supervisor) -> None:
    await supervisor.start("base")
    await ready(supervisor, "base")
    first = supervisor.children["base"].running
    await supervisor.kill("base")
    await ready(supervisor, "base")
    second = supervisor.children["base"].running
    assert first
    assert second
    assert first.pid != second.pid
    assert supervisor.children["base"].exits == 1


async def test_what_cannot_start_is_tried_again_and_says_why_and_holds_up_nobody_else(supervisor: Supervisor) -> None:
    for name in ("broken", "stranded", "top"):
        await supervisor.start(name)
    await ready(supervisor, "top")
    await until(lambda: supervisor.children["broken"].exits >= 3)
    assert supervisor.children["broken"].error == "exit code 3: no such luck"
    assert supervisor.children["stranded"].state is State.WAITING


async def test_one_that_must_not_come_back_stays_dead_until_it_is_started_anew(supervisor: Supervisor) -> None:
    await supervisor.start("base", env={"WORD": "first"}, restart=False)
    await ready(supervisor, "base")
    await supervisor.kill("base")
    await until(lambda: supervisor.children["base"].state is State.DIED)
    assert supervisor.children["base"].exit_code == -9
    await supervisor.start("base")
    await ready(supervisor, "base")
    assert supervisor.log_path("base").read_text().split() == ["said", "first", "said", "None"]


async def test_a_replica_has_a_name_and_a_port_of_its_own(supervisor: Supervisor) -> None:
    names = [await supervisor.start("base"), await supervisor.start("base", replica=2)]
    assert names == ["base", "base-2"]
    for name in names:
        await ready(supervisor, name)
    assert len({supervisor.children[name].port for name in names}) == 2


async def test_readiness_is_asked_for_anew(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start("base")
    await ready(supervisor, "base")
    (tmp_path / "unready").touch()
    assert (await supervisor.status())["processes"]["base"]["state"] == State.NOT_READY
    (tmp_path / "unready").unlink()
    assert (await supervisor.status())["processes"]["base"]["state"] == State.READY


async def test_a_need_that_was_ready_once_is_not_waited_for_again(supervisor: Supervisor) -> None:
    await supervisor.start("top")
    await ready(supervisor, "top")
    await supervisor.stop("base")
    await supervisor.stop("top")
    await supervisor.start("top")
    await ready(supervisor, "top")
    assert supervisor.children["base"].state is State.STOPPED


async def test_what_runs_once_is_run_again_only_when_it_failed(supervisor: Supervisor) -> None:
    await supervisor.start("prepare")
    await until(lambda: supervisor.children["prepare"].state is State.DONE)
    await supervisor.start("prepare")
    task = supervisor.children["prepare"].task
    assert task
    assert task.done()
    await supervisor.start("hopeless", restart=False)
    await until(lambda: supervisor.children["hopeless"].state is State.DIED)
    await supervisor.start("hopeless", restart=False)
    await until(lambda: supervisor.children["hopeless"].exits == 2)


async def test_one_that_does_not_listen_is_killed(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.5)
    await supervisor.start("deaf")
    await ready(supervisor, "deaf")
    await supervisor.stop("deaf")
    assert supervisor.children["deaf"].exit_code == -9


async def test_one_that_is_stopped_ends_all_the_same(supervisor: Supervisor) -> None:
    await supervisor.start("base")
    await ready(supervisor, "base")
    await supervisor.signal("base", 19)
    assert supervisor.children["base"].state is State.PAUSED
    await supervisor.stop("base")
    assert supervisor.children["base"].exit_code == -15


async def test_a_process_gets_no_setting_of_the_users_own(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ATTUNE_DATABASE_URL", "postgresql://somewhere/else")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    await supervisor.start("base")
    await ready(supervisor, "base")
    running = supervisor.children["base"].running
    assert running
    environment = Path(f"/proc/{running.pid}/environ").read_bytes()
    assert b"ATTUNE_HTTP_PORT=" in environment
    assert b"ATTUNE_DATABASE_URL" not in environment
    assert b"OTEL_SDK_DISABLED" not in environment
