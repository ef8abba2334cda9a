"""Set up as a process sets it up: by the environment, in a process of its own."""

import json
import os
import re
import subprocess
import sys
import textwrap

from shared.telemetry import metrics
from tests.patience import PATIENCE_SECONDS
from tests.unit.telemetry.conftest import Collector


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


WORK = """
    import asyncio, logging, os
    from uuid import UUID
    from shared import http, telemetry

    telemetry.setup("upload")
    telemetry.setup("upload")

    async def work():
        async with http.client(os.environ.get("PEER", "http://127.0.0.1:1")) as peer:
            with telemetry.span("take in", recording=UUID(int=7)):
                await peer.get("/v1/families/jane-doe?token=secret", headers={"baggage": "x=jane"})
                with telemetry.quietly():
                    await peer.get("/poll")
        logging.getLogger("services.upload").info("taken in")

    asyncio.run(work())
"""


def test_what_is_left_is_sent_at_exit_and_holds_nothing_personal(collector: Collector) -> None:
    ended = run(
        WORK,
        OTEL_TRACES_EXPORTER="zipkin",
        OTEL_EXPORTER_ZIPKIN_ENDPOINT=f"{collector.url}/api/v2/spans",
        PEER=collector.url,
    )
    assert ended.returncode == 0, ended.stderr
    spans = {span["name"]: span for span in collector.spans()}
    assert set(spans) == {"take in", "GET"}  # the poll made none
    assert spans["GET"]["parentId"] == spans["take in"]["id"]
    assert spans["take in"]["localEndpoint"]["serviceName"] == "upload"
    assert spans["take in"]["tags"]["attune.recording"] == "00000000-0000-0000-0000-000000000007"
    assert None not in [tag for span in spans.values() for tag in span["tags"].values()]
    assert not re.search(rb"jane|secret|token", b"".join(collector.bodies))


def test_no_span_of_a_burst_is_dropped(collector: Collector) -> None:
    burst = """
        from shared import telemetry

        telemetry.setup("upload")
        for _ in range(8000):
            with telemetry.span("work"):
                pass
    """
    environment = {"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"{collector.url}/api/v2/spans"}
    ended = run(burst, **environment)
    assert ended.returncode == 0, ended.stderr
    assert len(collector.spans()) == 8000


def test_logs_are_json_and_silent_about_libraries_requests(collector: Collector) -> None:
    ended = run(WORK, PEER=collector.url)
    (said,) = map(json.loads, ended.stdout.splitlines())
    assert (said["message"], said["service"]) == ("taken in", "upload")
    assert ended.stderr == ""


def test_without_an_exporter_nothing_is_sent_and_nothing_fails(collector: Collector) -> None:
    for setting in (
        {},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "zipkin"},
    ):
        assert run(WORK, PEER=collector.url, **setting).returncode == 0
    assert collector.bodies == []


def test_a_viewer_that_is_away_costs_nothing_but_the_spans(collector: Collector) -> None:
    ended = run(
        WORK, OTEL_TRACES_EXPORTER="zipkin", OTEL_EXPORTER_ZIPKIN_ENDPOINT="http://127.0.0.1:1/", PEER=collector.url
    )
    assert ended.returncode == 0
    assert all(json.loads(line) for line in ended.stdout.splitlines())


def test_an_unknown_exporter_is_refused() -> None:
    ended = run(WORK, OTEL_TRACES_EXPORTER="carrier-pigeon")
    assert ended.returncode == 1
    said = json.loads(ended.stdout.splitlines()[-1])
    assert "carrier-pigeon" in said["error"]["message"]


def test_metrics_have_our_labels_alone_and_libraries_add_none_of_theirs() -> None:
    ended = run("""
        from opentelemetry import metrics as api
        from shared import telemetry
        from shared.telemetry import metrics

        telemetry.setup("upload")
        metrics.DUPLICATES.add(2, {"topic": "attune.upload", "family": "jane"})
        metrics.OUTBOX_OLDEST.set(1.5)
        metrics.RELAY_LATENCY.record(0.2)
        other = api.get_meter("fastapi")
        other.create_counter("names").add(1, {"name": "jane"})
        seconds = {"http.request.method": "GET", "http.route": "/v1/x", "url.path": "jane"}
        other.create_histogram("http.server.request.duration", "s").record(0.1, seconds)
        print(metrics.exposition()[0].decode())
    """)
    assert ended.returncode == 0, ended.stderr
    assert 'attune_inbox_duplicates_total{topic="attune.upload"} 2.0' in ended.stdout
    assert "attune_outbox_oldest_age_seconds 1.5" in ended.stdout
    assert 'attune_relay_latency_seconds_bucket{le="0.25"} 1.0' in ended.stdout
    assert 'http_server_request_duration_seconds_count{http_request_method="GET"' in ended.stdout
    assert "process_resident_memory_bytes" in ended.stdout
    assert "jane" not in ended.stdout
    assert "names" not in ended.stdout


def test_every_metric_says_what_it_means_and_what_to_do() -> None:
    names = [definition.name for definition in metrics.DEFINITIONS]
    assert len(names) == len(set(names)) >= 12
    for definition in metrics.DEFINITIONS:
        assert definition.name.startswith("attune.")
        assert definition.meaning.endswith(".")
        assert definition.remedy.endswith(".")
        assert definition.meaning != definition.remedy
