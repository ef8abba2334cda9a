"""Find a trace in the local viewer by the short reference that stands on a page, in an error and in the logs."""

from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from shared.telemetry.allowed import REFERRED

LOOKBACK = 30 * 24 * 60 * 60 * 1000  # ms; the viewer keeps less than that


@dataclass(frozen=True)
class Trace:
    id: str
    name: str  # of its first span
    began: datetime
    seconds: float
    services: tuple[str, ...]
    url: str  # of its picture


def find(viewer: str, reference: str) -> list[Trace]:
    """The traces that carry this reference as their own or as that of a recording, a job or an erasure; oldest first.

    Raises: httpx.HTTPError when the viewer does not answer."""
    tags = ["attune.reference", *(f"attune.{name}.reference" for name in REFERRED)]
    found: dict[str, Trace] = {}
    for tag in tags:
        query = {"annotationQuery": f"{tag}={reference.upper()}", "lookback": str(LOOKBACK), "limit": "100"}
        for spans in httpx.get(f"{viewer}/api/v2/traces", params=query, timeout=30).raise_for_status().json():
            trace = _trace(viewer, spans)
            found[trace.id] = trace
    return sorted(found.values(), key=lambda trace: trace.began)


def _trace(viewer: str, spans: list[dict[str, object]]) -> Trace:
    times = [(int(str(span["timestamp"])), int(str(span.get("duration", 0))), span) for span in spans]
    began, _, first = min(times, key=lambda time: time[0])
    ended = max(start + duration for start, duration, _ in times)
    services = {str(endpoint["serviceName"]) for span in spans if isinstance(endpoint := span["localEndpoint"], dict)}
    id = str(first["traceId"])
    return Trace(
        id=id,
        name=str(first["name"]),
        began=datetime.fromtimestamp(began / 1e6, UTC),
        seconds=(ended - began) / 1e6,
        services=tuple(sorted(services)),
        url=f"{viewer}/zipkin/traces/{id}",
    )
