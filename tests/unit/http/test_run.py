"""A process as it runs: started, stopped, asked, and with a part of it dead."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.identity.tokens import DEVELOPMENT
from tests.patience import PATIENCE_SECONDS
from tests.unit.http.conftest import FAMILY, problem
from tests.unit.identity.conftest import Issuers
from tests.unit.telemetry.conftest import Collector


class Served:
    """The process, its address and what it says."""

    def __init__(self, jwks: Path, behaviour: str, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "tests.unit.http.served", str(jwks), str(port), behaviour]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        self.process = subprocess.Popen(command, env=clean | environment, stdout=subprocess.PIPE, text=True)

    def wait_until_ready(self) -> None:
        for _ in range(int(PATIENCE_SECONDS / 0.05)):
            try:
                httpx.get(f"{self.url}/health/ready", timeout=PATIENCE_SECONDS).raise_for_status()
                return
            except httpx.TransportError:
                assert self.process.poll() is None
                signal.sigtimedwait([], 0.05)
        raise TimeoutError

    def ended(self) -> tuple[int, list[dict[str, Any]]]:
        """Exit code, and its log."""
        said, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, [json.loads(line) for line in said.splitlines()]


Serve = Callable[..., Served]


@pytest.fixture
def serve(issuers: Issuers, tmp_path: Path) -> Iterator[Serve]:
    started: list[Served] = []

    def start(behaviour: str, **environment: str) -> Served:
        jwks = issuers.write(tmp_path, DEVELOPMENT)
        started.append(Served(jwks, behaviour, SCRATCH=str(tmp_path), **environment))
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.process.kill()
            served.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stopping_process_finishes_what_is_under_way_and_exits_with_0(
    serve: Serve, tmp_path: Path, token: str, number: signal.Signals
) -> None:
    served = serve("well")
    served.wait_until_ready()
    bearer = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=served.url, headers=bearer, timeout=PATIENCE_SECONDS) as client:
        under_way = asyncio.create_task(client.get("/slow/until/done"))
        while not (tmp_path / "done.waiting").exists():
            await asyncio.sleep(0.02)
        served.process.send_signal(number)
        await refused(served)
        (tmp_path / "done").touch()
        assert (await under_way).json() == "whole"
    code, said = served.ended()
    assert code == 0
    assert said[-1] == {"message": "background stopped"}


async def refused(served: Served) -> None:
    """Waits until nobody new is let in."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
                    await client.get(f"{served.url}/health/live")
            except httpx.TransportError:
                return
            await asyncio.sleep(0.02)


def test_a_background_that_dies_takes_the_process_down(serve: Serve) -> None:
    code, said = serve("dies").ended()
    assert code == 1
    (death,) = [line for line in said if line["level"] == "CRITICAL"]
    assert death["message"] == "work died; the process stops"
    assert death["error"]["type"] == "builtins.ValueError"
    assert any("served.py" in frame or "shared/http/app.py" in frame for frame in death["error"]["at"])
    assert "Jane" not in json.dumps(said)


def test_an_answer_that_breaks_off_does_not_look_whole(serve: Serve, token: str) -> None:
    served = serve("well")
    served.wait_until_ready()
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{served.url}/slow/half", headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_SECONDS)
    served.process.terminate()
    code, said = served.ended()
    assert code == 0
    assert "Jane" not in json.dumps(said)
    assert any(line["level"] == "ERROR" and line["error"]["type"] == "builtins.ValueError" for line in said)


def test_requests_are_traced_by_route_under_the_callers_trace_and_probes_are_not(
    serve: Serve, collector: Collector, token: str
) -> None:
    exporter = {"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"{collector.url}/api/v2/spans"}
    served = serve("well", **exporter)
    served.wait_until_ready()
    trace_id, caller = "a" * 32, "b" * 16
    headers = {"Authorization": f"Bearer {token}", "traceparent": f"00-{trace_id}-{caller}-01", "baggage": "x=Jane"}
    url = f"{served.url}/v1/families/{FAMILY}?nhs=9434765919"
    assert httpx.get(url, headers=headers | {"User-Agent": "Jane"}, timeout=PATIENCE_SECONDS).is_success
    failed = httpx.get(f"{served.url}/fail/stranger", headers=headers, timeout=PATIENCE_SECONDS)
    lost = httpx.get(f"{served.url}/jane/9434765919", headers=headers, timeout=PATIENCE_SECONDS)
    metrics = httpx.get(f"{served.url}/metrics", timeout=PATIENCE_SECONDS).text
    served.process.terminate()
    assert served.ended()[0] == 0
    spans = {span["name"]: span for span in collector.spans()}
    assert set(spans) == {"GET /v1/families/{family_id}", "GET /fail/{kind}", "GET"}
    for span in spans.values():
        assert (span["traceId"], span["parentId"], span["kind"]) == (trace_id, caller, "SERVER")
    assert spans["GET /fail/{kind}"]["tags"]["http.response.status_code"] == "500"
    assert problem(failed)["reference"] == spans["GET /fail/{kind}"]["tags"]["attune.reference"]
    assert problem(lost)["reference"] == problem(failed)["reference"]
    everything = b"".join(collector.bodies).decode() + metrics
    assert not any(leak in everything for leak in ("Jane", "jane", "9434765919", str(FAMILY)))
    assert 'http_route="/v1/families/{family_id}"' in metrics
