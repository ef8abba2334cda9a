"""One unbroken trace: from the last bytes through verification to the event, and nothing personal in it."""

import secrets
from typing import Any
from uuid import UUID

import httpx

from tests.integration.upload.conftest import MIB, Clients, Service, film, until
from tests.integration.upload.consent import Episode


async def test_the_event_is_told_in_the_trace_of_the_last_bytes(
    service: Service, clients: Clients, family: Episode, traces: str
) -> None:
    process = service.start(
        {
            "OTEL_TRACES_EXPORTER": "zipkin",
            "OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"{traces}/api/v2/spans",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
    )
    client = clients(process, family.practitioner)
    plain = film(5 * MIB)
    answer = await client.begin(family, len(plain), filename="Anna Smith.mp4")
    where = answer.headers["Location"]
    assert (await client.add(where, 0, plain[:MIB])).status_code == 204
    trace_id, parent = secrets.token_hex(16), secrets.token_hex(8)
    answer = await client.add(where, MIB, plain[MIB:], traceparent=f"00-{trace_id}-{parent}-01")
    assert answer.status_code == 204
    await client.received(where)

    async with httpx.AsyncClient(base_url=traces) as viewer:

        async def whole() -> dict[str, Any] | None:
            answer = await viewer.get(f"/api/v2/trace/{trace_id}")
            spans = {span["name"]: span for span in answer.json()} if answer.status_code == 200 else {}
            return spans if "send recording.received" in spans else None

        spans = await until(whole, "the trace")
    request, job = spans["patch /v1/uploads/{upload_id}"], spans["job verify"]
    created, sent = spans["create recording.received"], spans["send recording.received"]
    assert request["parentId"] == parent
    ids = {span["id"]: span for span in spans.values()}
    ancestor = job
    while ancestor["id"] != request["id"]:
        ancestor = ids[ancestor["parentId"]]
    assert created["parentId"] == job["id"]
    assert sent["parentId"] == created["id"]
    recording = where.rpartition("/")[2]
    assert {span["tags"].get("attune.recording") for span in (request, job, created)} == {str(UUID(recording))}
    everything = str(spans)
    for personal in ("Anna", "127.0.0.1/v1", "X-Amz", "Bearer", *map(str, family.people)):
        assert personal not in everything
