"""The demo tells the whole job, and its checker believes nothing else: whatever is broken, it names the step.

One demo is told on a stack that goes on running. Three more are broken while they run, by what befalls processes;
seven breaks are found by its ending: one by the whole of it, run again on what the first one left, the others by its
checker alone; and each value of the report is falsified in memory.
"""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from minio import Minio

from deploy.demo.__main__ import SHORT_HORIZON
from deploy.demo.check import STEPS, Looked, complaints
from deploy.demo.watching import ON_THE_LINE
from deploy.local.stack import Stack
from deploy.local.supervisor import CHECKOUT
from shared.failpoints import Failpoint
from tests import films
from tests.patience import PATIENCE_SECONDS
from tests.stack import Databases

Report = dict[str, Any]
# what is no statement about what happened (prose, clocks), the checker's own conclusion, and what only the client saw
NOT_CHECKED = ("sentence", "started", "ok", "stream received")


class Demo:
    """A stack that goes on running, and demos on it."""

    def __init__(self, stack: Stack, film: Path) -> None:
        self.stack, self.film, self.folder = stack, film, stack.folder / "demo"
        endpoint, (key, secret) = stack.store.endpoint, stack.store.keys["root"]
        self.s3 = Minio(endpoint, access_key=key, secret_key=secret, secure=False, region=stack.store.region)
        self.report: Report = {}

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-u", "-m", "deploy.demo", "--folder", str(self.stack.folder), *words]
        return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def tell(self, *words: str, breaking: Callable[[], None] | None = None) -> tuple[int, str]:
        """Exit code, and all it says. `breaking` is done while it stands still, with the stack up and nothing told."""
        with self.begin(str(self.film), *words) as demo:
            assert demo.stdout
            said = ""
            try:
                for line in demo.stdout:
                    said += line
                    if breaking and line.startswith("All are up"):
                        demo.send_signal(signal.SIGSTOP)
                        breaking()
                        demo.send_signal(signal.SIGCONT)
                return demo.wait(PATIENCE_SECONDS), said
            finally:
                demo.kill()

    def again(self, report: Report, *words: str) -> tuple[int, str]:
        """Exit code, and all it says, of the demo's ending on this report."""
        (self.folder / "report.json").write_text(json.dumps(report))
        with self.begin("--again", *words) as demo:
            said, _ = demo.communicate(timeout=PATIENCE_SECONDS)
            return demo.returncode, said

    def complaints(self) -> list[str]:
        """What the ending would say of this report now: what is not there by now is not there."""
        access = json.loads((self.folder / "access.json").read_text())

        async def find() -> list[str]:
            return [complaint async for complaint in complaints(self.report, Looked(access, patience=0))]

        return asyncio.run(find())

    def outcome(self, step: str) -> dict[str, Any]:
        return outcome(self.report, step)

    def sql(self, service: str, statement: str) -> None:
        Databases(self.stack).sql(statement, service)

    def wait_quiet(self) -> None:
        """Until what a broken demo left behind is over: its erasures are certified."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        databases = Databases(self.stack)
        while databases.sql("SELECT count(*) FROM erasures WHERE state <> 'certified'", "consent") != "0":
            assert time.monotonic() < deadline, "an erasure is still open"
            time.sleep(0.2)


def outcome(report: Report, step: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for s in report["steps"] if s["name"] == step)["outcome"]
    return found


def names(said: str, step: str) -> bool:
    """Whether the demo says of this step that it is not so."""
    return any(line.startswith(f"not so: {step}: ") for line in said.splitlines())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    film = films.make(folder / "film.mp4", 100, 25, "1280x720")
    with Stack(folder / "stack") as stack:
        stack.start(env=SHORT_HORIZON)
        demo = Demo(stack, film)
        code, said = demo.tell()
        assert code == 0, said[-6000:]
        demo.report = json.loads((demo.folder / "report.json").read_text())
        yield demo


def test_every_step_is_told_and_the_report_says_so(told: Demo) -> None:
    assert told.report["ok"] is True
    assert [step["name"] for step in told.report["steps"]] == list(STEPS)
    assert all(step["ok"] for step in told.report["steps"])
    code, said = told.again(told.report)
    assert code == 0, said
    assert "everything was so" in said


def test_the_stream_under_way_was_cut_off(told: Demo) -> None:
    stream = told.outcome("withdrawn")["stream"]
    assert stream["bytes"] > ON_THE_LINE
    assert 0 < stream["received"] < stream["bytes"]


# a demo that is broken while it runs


@contextmanager
def a_purge_skipped(told: Demo) -> Iterator[Callable[[], None]]:
    """Whoever took the recording in stops for ever with some of its objects deleted and others not."""
    told.wait_quiet()
    told.stack.restart_process("upload", env={"ATTUNE_FAILPOINT": f"{Failpoint.MID_PURGE}:pause"})
    yield lambda: None
    told.stack.kill("upload")
    told.stack.restart_process("upload")


@contextmanager
def a_service_stopped(told: Demo) -> Iterator[Callable[[], None]]:
    yield lambda: told.stack.stop_process("transcoding")
    told.stack.start_process("transcoding")


@contextmanager
def a_mail_lost(told: Demo) -> Iterator[Callable[[], None]]:
    """Whoever answers for the mailbox says 250, and it is not in the mailbox."""
    port = str(told.stack.port("mail"))
    swallows = None

    def swallow() -> None:
        nonlocal swallows
        told.stack.stop_process("mail")
        swallows = subprocess.Popen([sys.executable, "-m", "deploy.local.mail", port, str(told.folder / "lost")])

    yield swallow
    assert swallows
    swallows.kill()
    swallows.wait()
    told.stack.start_process("mail")


@pytest.mark.parametrize(
    ("broken", "step"),
    [(a_purge_skipped, "discarded_alone"), (a_service_stopped, "ready"), (a_mail_lost, "mail")],
)
def test_a_demo_that_is_broken_while_it_runs_says_in_which_step(
    told: Demo, broken: Callable[[Demo], Any], step: str
) -> None:
    with broken(told) as breaking:
        code, said = told.tell("--patience", "60", breaking=breaking)
    assert code == 1
    assert names(said, step), said[-4000:]
    assert json.loads((told.folder / "report.json").read_text())["ok"] is False


# what the ending of the demo finds


@contextmanager
def a_poster_kept(told: Demo) -> Iterator[None]:
    name = f"{told.report['facts']['episode_id']}/{told.outcome('kept')['recording_id']}/poster"
    told.s3.fput_object("renditions", name, str(told.folder / "short.mp4"))
    yield
    told.s3.remove_object("renditions", name)


@contextmanager
def another_familys_segment_spoilt(told: Demo) -> Iterator[None]:
    episode, kept = told.outcome("prepared")["episode_id"], told.outcome("kept")
    prefix = f"{episode}/{kept['artefacts'][0]['artefact_id']}/"
    lost = next(iter(told.s3.list_objects("renditions", prefix=prefix, recursive=True)))
    saved = told.folder / "saved"
    told.s3.fget_object("renditions", str(lost.object_name), str(saved))
    spoilt = bytearray(saved.read_bytes())
    spoilt[-1] ^= 1
    (told.folder / "spoilt").write_bytes(spoilt)
    told.s3.fput_object("renditions", str(lost.object_name), str(told.folder / "spoilt"))
    yield
    told.s3.fput_object("renditions", str(lost.object_name), str(saved))


@contextmanager
def rows_kept(told: Demo) -> Iterator[None]:
    episode = told.report["facts"]["episode_id"]
    made_up = "'00000000-0000-4000-8000-000000000001'"
    told.sql(
        "transcoding",
        f"INSERT INTO attempts (artefact_id, episode_id, work_id, job_id)"
        f" VALUES ({made_up}, '{episode}', {made_up}, {made_up})",
    )
    yield
    told.sql("transcoding", f"DELETE FROM attempts WHERE work_id = {made_up}")


@contextmanager
def a_key_kept(told: Demo) -> Iterator[None]:
    episode = told.report["facts"]["episode_id"]
    told.sql("consent", f"UPDATE consent_episodes SET key = '\\x00' WHERE id = '{episode}'")
    yield
    told.sql("consent", f"UPDATE consent_episodes SET key = NULL WHERE id = '{episode}'")


@contextmanager
def a_certificate_changed(told: Demo) -> Iterator[None]:
    path = told.folder / told.outcome("certified")["certificate"]
    genuine = path.read_bytes()
    path.write_bytes(genuine.replace(b'"round":1', b'"round":7', 1))
    assert path.read_bytes() != genuine
    yield
    path.write_bytes(genuine)


@contextmanager
def a_result_faked(told: Demo) -> Iterator[None]:
    told.outcome("shared_review")["now"] = 10
    yield


@contextmanager
def a_step_left_out(told: Demo) -> Iterator[None]:
    told.report["steps"] = [step for step in told.report["steps"] if step["name"] != "goal"]
    yield


@pytest.mark.parametrize(
    ("broken", "step"),
    [
        (another_familys_segment_spoilt, "kept"),
        (rows_kept, "certified"),
        (a_key_kept, "withdrawn"),
        (a_certificate_changed, "certified"),
        (a_result_faked, "shared_review"),
        (a_step_left_out, "goal"),
    ],
)
def test_the_ending_of_a_demo_says_which_step_was_not_so(
    told: Demo, broken: Callable[[Demo], Any], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told, "report", deepcopy(told.report))
    with broken(told):
        found = told.complaints()
    assert any(complaint.startswith(f"{step}: ") for complaint in found), found


def test_a_demo_whose_ending_finds_something_says_so_and_fails(told: Demo) -> None:
    with a_poster_kept(told):
        code, said = told.again(told.report, "--patience", "1")  # what is not there by now is not there
    assert code == 1
    assert names(said, "certified"), said


# each value of the report


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, name))
    else:
        yield path


def falsified(report: Report, path: tuple[str | int, ...]) -> Report:
    """The report with another value in this one place."""
    report = deepcopy(report)
    at: Any = report
    for name in path[:-1]:
        at = at[name]
    was = at[path[-1]]
    match was:
        case bool():
            at[path[-1]] = not was
        case int() | float():
            at[path[-1]] = was + 1
        case str():
            at[path[-1]] = was[:-1] + ("0" if was[-1:] != "0" else "1")
        case _:
            at[path[-1]] = "something"
    return report


def test_no_value_of_the_report_can_be_another(told: Demo) -> None:
    """Numbers and texts, ids, hashes, booleans: all but NOT_CHECKED."""

    async def find() -> tuple[list[str], int]:
        looked = Looked(json.loads((told.folder / "access.json").read_text()))
        assert [complaint async for complaint in complaints(told.report, looked)] == []
        looked.patience = 0  # what is not there by now is not there
        believed, checked = [], 0
        for path in leaves(told.report):
            step = told.report["steps"][path[1]]["name"] if path[0] == "steps" else str(path[0])
            if path[2:] == ("ok",) or not " ".join(map(str, path)).endswith(NOT_CHECKED):
                checked += 1
                found = [complaint async for complaint in complaints(falsified(told.report, path), looked)]
                if not any(complaint.startswith(f"{step}: ") for complaint in found):
                    believed.append(f"{step} {path}: {found}")
        return believed, checked

    believed, checked = asyncio.run(find())
    assert believed == []
    assert checked > 300
