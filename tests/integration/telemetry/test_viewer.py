"""An operator finds a film's trace in the viewer by its id or its short reference, and finds nothing personal there."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared import telemetry
from tests.stack import Databases

CANARY = "Jane Doe 9434765919"


@dataclass
class Viewer:
    """Zipkin's API, asked as `make trace` will ask it."""

    url: str

    def found(self, query: str, spans: int) -> list[list[dict[str, Any]]]:
        """All traces that have a span with this attribute, once they have so many spans together."""
        deadline = time.monotonic() + 120
        while True:
            parameters: dict[str, str] = {"annotationQuery": query, "limit": "100"}
            traces: list[list[dict[str, Any]]] = httpx.get(
                f"{self.url}/api/v2/traces", params=parameters, timeout=60
            ).json()
            if sum(map(len, traces)) >= spans:
                return traces
            assert time.monotonic() < deadline, f"{query}: {sum(map(len, traces))} spans"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def viewer(traces: str) -> Viewer:
    return Viewer(traces)


@pytest.fixture(scope="module")
def recording(databases: Databases, viewer: Viewer) -> UUID:
    """Of a process that has done its work and ended."""
    recording, database = uuid4(), databases.empty("upload")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | {
        "DATABASE_URL": database.url,
        "OTEL_TRACES_EXPORTER": "zipkin",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"{viewer.url}/api/v2/spans",
    }
    command = [sys.executable, "-m", "tests.integration.telemetry.work", str(recording), CANARY]
    subprocess.run(command, env=environment, check=True, timeout=300)
    databases.drop(database.name)
    return recording


def test_it_is_found_by_id_and_by_reference(viewer: Viewer, recording: UUID) -> None:
    by_id = viewer.found(f"attune.recording={recording}", 11)
    reference = telemetry.reference(recording)
    by_reference = viewer.found(f"attune.recording.reference={reference}", 11)
    ids = [sorted({span["traceId"] for trace in found for span in trace}) for found in (by_id, by_reference)]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 2  # the recording's trace, and the one that began anew after a wait
    (main,) = [trace for trace in by_id if len(trace) > 1]
    own = telemetry.reference(int(main[0]["traceId"], 16))
    assert viewer.found(f"attune.reference={own}", len(main))[0][0]["traceId"] == main[0]["traceId"]


def test_the_trace_is_unbroken_and_each_statement_hangs_where_it_was_made(viewer: Viewer, recording: UUID) -> None:
    (main,) = [trace for trace in viewer.found(f"attune.recording={recording}", 11) if len(trace) > 1]
    names = {span["id"]: span["name"] for span in main}
    tree = sorted((span["name"], names.get(span.get("parentId"), "")) for span in main)
    assert tree == sorted(
        [
            ("take in", ""),
            ("insert families", "take in"),
            ("update families", "take in"),
            ("select families", "take in"),
            ("commit", "take in"),
            ("create recording.received", "take in"),
            ("send recording.received", "create recording.received"),
            ("process recording.received", "create recording.received"),
            ("process recording.received", "create recording.received"),
            ("select", "process recording.received"),
        ]
    )


def test_attempts_kinds_and_errors_are_told(viewer: Viewer, recording: UUID) -> None:
    (main,) = [trace for trace in viewer.found(f"attune.recording={recording}", 11) if len(trace) > 1]
    first, second = sorted(
        (span for span in main if span["name"] == "process recording.received"), key=lambda span: span["timestamp"]
    )
    assert (first["kind"], first["tags"]["attune.attempt"], second["tags"]["attune.attempt"]) == ("CONSUMER", "1", "2")
    assert first["tags"]["error.type"] == "InvalidTextRepresentationError"
    assert "error" in first["tags"]
    assert "error" not in second["tags"]


def test_what_waited_names_the_trace_it_comes_from(viewer: Viewer, recording: UUID) -> None:
    found = viewer.found(f"attune.recording={recording}", 11)
    (main,), ((later,),) = [t for t in found if len(t) > 1], [t for t in found if len(t) == 1]
    assert later["name"] == "job transcode"
    assert later["tags"]["attune.link.trace_id"] == main[0]["traceId"]
    assert viewer.found(f"attune.link.trace_id={main[0]['traceId']}", 1)


def test_nothing_personal_is_in_the_viewer(viewer: Viewer, recording: UUID) -> None:
    viewer.found(f"attune.recording={recording}", 11)
    everything = httpx.get(f"{viewer.url}/api/v2/traces", params={"limit": "1000"}, timeout=60).text
    assert str(recording) in everything
    assert not any(leak in everything for leak in ("Jane", "9434765919", "VALUES", "WHERE"))
