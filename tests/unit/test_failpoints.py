"""A test may arm a place; nobody else may."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared import failpoints
from shared.errors import AttuneError
from shared.failpoints import Act, Armed, Failpoint, FailpointError, armed_by, reach, reach_now

DEVELOPMENT = {"ATTUNE_ENVIRONMENT": "development"}


def test_what_is_asked_for_is_armed() -> None:
    armed = armed_by(DEVELOPMENT | {"ATTUNE_FAILPOINT": "relay-sent:kill,mid-put:pause:3"})
    assert armed == {Failpoint.RELAY_SENT: Armed(Act.KILL, 1), Failpoint.MID_PUT: Armed(Act.PAUSE, 3)}
    assert armed_by(DEVELOPMENT) == {}
    assert armed_by({}) == {}


@pytest.mark.parametrize("environment", [{}, {"ATTUNE_ENVIRONMENT": "production"}])
def test_production_refuses_it(environment: dict[str, str]) -> None:
    with pytest.raises(AttuneError, match="production"):
        armed_by(environment | {"ATTUNE_FAILPOINT": "relay-sent:kill"})


@pytest.mark.parametrize(
    "wrong",
    [
        "relay-sent",
        "relay-sent:",
        "nowhere:kill",
        "relay-sent:explode",
        "relay-sent:kill:x",
        "relay-sent:kill:0",
        "a:b:c:d",
    ],
)
def test_what_does_not_exist_is_refused(wrong: str) -> None:
    with pytest.raises(AttuneError, match="name:kill"):
        armed_by(DEVELOPMENT | {"ATTUNE_FAILPOINT": wrong})


async def test_it_fails_at_the_nth_time_once_and_leaves_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "hits"
    monkeypatch.setenv("ATTUNE_FAILPOINT_LOG", str(log))
    monkeypatch.setattr(failpoints, "_armed", {Failpoint.MID_PUT: Armed(Act.ERROR, 3)})
    await reach(Failpoint.MID_PUT)
    reach_now(Failpoint.MID_PUT)
    await reach(Failpoint.RELAY_SENT)
    assert not log.exists()
    with pytest.raises(FailpointError):
        await reach(Failpoint.MID_PUT)
    await reach(Failpoint.MID_PUT)
    assert log.read_text() == f"mid-put:error pid={os.getpid()}\n"


@pytest.mark.parametrize(("act", "number"), [("kill", signal.SIGKILL), ("pause", signal.SIGSTOP)])
def test_it_kills_or_stops_its_own_process(tmp_path: Path, act: str, number: signal.Signals) -> None:
    log = tmp_path / "hits"
    script = "from shared.failpoints import *; reach_now(Failpoint.MID_PURGE); print('went on')"
    environment = DEVELOPMENT | {"ATTUNE_FAILPOINT": f"mid-purge:{act}", "ATTUNE_FAILPOINT_LOG": str(log)}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert log.read_text() == f"mid-purge:{act} pid={process.pid}\n"
    if number is signal.SIGKILL:
        assert os.WTERMSIG(status) == number
        process.returncode = -number
        assert process.communicate()[0] == ""
    else:
        assert os.WSTOPSIG(status) == number
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=60)[0] == "went on\n"
