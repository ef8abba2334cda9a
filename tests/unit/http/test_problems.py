"""Whatever goes wrong, the answer says what to do, has a reference, and repeats nothing personal."""

import json
import logging
from typing import Any

import httpx
import pytest

from shared.http.routes import BODY_BYTES
from shared.telemetry import spans
from shared.telemetry.logs import Line
from tests.unit.http.conftest import CANARY, FAMILY, problem
from tests.unit.telemetry.conftest import Exported

GOOD = [{"name": "A", "born": "2026-01-02"}]


async def test_what_goes_well_is_answered_as_it_is(practitioner: httpx.AsyncClient) -> None:
    answer = await practitioner.post("/v1/families", json=GOOD)
    assert (answer.status_code, answer.json()) == (201, {"family_id": str(FAMILY), "people": 1})


async def test_a_problem_of_a_services_own_keeps_its_members(practitioner: httpx.AsyncClient) -> None:
    said = problem(await practitioner.post("/v1/families", json=GOOD * 4))
    assert (said["status"], said["code"], said["family_id"]) == (409, "already-there", str(FAMILY))
    assert said["detail"] == "Look it up instead."


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ([{"name": CANARY + "x" * 9, "born": "2026-01-02"}], "body.0.name"),
        ([{"name": "A", "born": CANARY}], "body.0.born"),
        ([{"name": "A", "born": "2026-13-13"}], "body.0.born"),
        ([{"name": {"first": CANARY}, "born": "2026-01-02"}], "body.0.name"),
        ([{"name": "A"}], "body.0.born"),
        (CANARY, "body"),
        ({CANARY: 1}, "body"),
        (None, "body"),
    ],
)
async def test_what_is_invalid_is_named_by_its_place(practitioner: httpx.AsyncClient, body: Any, at: str) -> None:
    said = problem(await practitioner.post("/v1/families", json=body))
    assert (said["status"], said["code"]) == (422, "invalid")
    assert said["errors"][0]["at"] == at
    assert said["errors"][0]["problem"]


async def test_an_invalid_address_or_parameter_too(practitioner: httpx.AsyncClient) -> None:
    assert problem(await practitioner.get("/v1/families/Jane"))["errors"][0]["at"] == "path.family_id"
    assert problem(await practitioner.get(f"/v1/families/{FAMILY}?page=Jane"))["errors"][0]["at"] == "query.page"


async def test_an_unread_body_is_not_json_missing_or_of_another_kind(practitioner: httpx.AsyncClient) -> None:
    for body in (b"{Jane", b"\xff\xfe", b"[" * 100_000):
        answer = await practitioner.post("/v1/families", content=body, headers={"content-type": "application/json"})
        assert problem(answer)["code"] == "bad-request", body[:9]
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/cloudevents+json", ""):
        answer = await practitioner.post("/v1/families", content=b"[]", headers={"content-type": kind})
        assert problem(answer)["code"] == "unsupported-media-type"
    assert problem(await practitioner.post("/v1/families"))["status"] == 422


async def test_a_body_is_too_large_whether_it_says_so_or_not(practitioner: httpx.AsyncClient) -> None:
    kind = {"content-type": "application/json"}

    async def unsaid() -> Any:
        for _ in range(BODY_BYTES // 1000 + 2):
            yield b" " * 1000

    said = await practitioner.post("/v1/families", content=b" " * (BODY_BYTES + 1), headers=kind)
    assert problem(said)["code"] == "too-large"
    assert problem(await practitioner.post("/v1/families", content=unsaid(), headers=kind))["code"] == "too-large"
    lied = await practitioner.post("/v1/families", content=unsaid(), headers=kind | {"content-length": "5"})
    assert problem(lied)["code"] == "too-large"
    assert (await practitioner.post("/v1/families", content=b" " * (BODY_BYTES - 2) + b"[]", headers=kind)).is_success


async def test_a_route_that_reads_its_body_itself_has_no_limit(practitioner: httpx.AsyncClient) -> None:
    answer = await practitioner.patch("/fail/stream", content=b"x" * (BODY_BYTES * 3))
    assert answer.json() == BODY_BYTES * 3


async def test_unknown_addresses_and_methods(practitioner: httpx.AsyncClient) -> None:
    assert problem(await practitioner.get("/v1/nothing"))["code"] == "not-found"
    assert problem(await practitioner.get("/v1/families/"))["code"] != "internal"
    refused = await practitioner.put(f"/v1/families/{FAMILY}")
    assert problem(refused)["code"] == "method-not-allowed"
    assert refused.headers["allow"] == "DELETE, GET"  # of both routes at this address


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("stranger", 500, "internal"),
        ("ours", 500, "internal"),
        ("away", 503, "unavailable"),
        ("peer", 503, "unavailable"),
        ("problem", 500, "internal"),
    ],
)
async def test_what_nobody_foresaw_is_answered_and_logged_under_one_reference(
    practitioner: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, kind: str, status: int, code: str
) -> None:
    answer = await practitioner.get(f"/fail/{kind}")
    said = problem(answer)
    assert (said["status"], said["code"]) == (status, code)
    assert (status == 503) == ("retry-after" in answer.headers)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    line = json.loads(Line("sample").format(record))
    assert line["reference"] == said["reference"]
    assert line["error"]["type"]
    assert "Jane" not in json.dumps(line)


async def test_the_reference_is_that_of_the_trace(practitioner: httpx.AsyncClient, exported: Exported) -> None:
    with spans.tracer.start_as_current_span("request"):
        said = problem(await practitioner.get("/fail/stranger"))
    assert said["reference"] == (exported.one("request").attributes or {})["attune.reference"]
