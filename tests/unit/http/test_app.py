"""What every process of ours has: health, metrics, headers, callers, and a background that may not die unnoticed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from shared.http import Router, create_app, lives
from shared.http import app as app_module
from shared.identity import Role
from shared.identity.tokens import DEVELOPMENT, mint
from shared.telemetry import metrics
from shared.telemetry.metrics import Readings, Series
from tests.unit.http.conftest import COOKIE, FAMILY, PORTAL, problem
from tests.unit.identity.conftest import Issuers


def asking(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sample")


# health and metrics


async def test_it_is_live_and_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).json() == {"status": "live"}
    assert (await client.get("/health/ready")).json() == {"status": "ready", "waiting_for": []}


async def good() -> bool:
    return True


async def bad() -> bool:
    return False


async def broken() -> bool:
    raise ConnectionRefusedError("Jane")


async def silent() -> bool:
    await asyncio.Event().wait()
    return True


async def test_it_says_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "CHECK_SECONDS", 0.05)
    needs = {"database": good, "store": broken}
    waits_for = {"events": bad, "relay": good, "consent": silent}
    async with asking(create_app("Sample", keys={}, needs=needs, waits_for=waits_for)) as client:
        said = problem(await client.get("/health/ready"))
        assert (said["status"], said["code"]) == (503, "not-ready")
        assert said["waiting_for"] == ["store", "events", "consent"]
        assert (await client.get("/health/live")).status_code == 200


async def test_what_is_others_does_not_take_it_out_of_service() -> None:
    waits_for = {"events": broken, "consent": good}
    async with asking(create_app("Sample", keys={}, needs={"database": good}, waits_for=waits_for)) as client:
        answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "waiting", "waiting_for": ["events"]})


async def test_what_is_away_is_measured_whenever_asked_and_logged_when_it_changes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    measured: dict[str, int] = {}
    monkeypatch.setattr(metrics.WAITING_FOR, "set", lambda value, labels: measured.update({labels["check"]: value}))
    caplog.set_level("INFO", app_module.__name__)
    checks = {"database": good, "events": broken}

    async def now() -> bool:
        return await checks["events"]()

    async with asking(create_app("Sample", keys={}, needs={"database": good}, waits_for={"events": now})) as client:
        for path in ("/health/ready", "/metrics", "/health/ready"):
            await client.get(path)
            assert measured == {"database": 0, "events": 1}
        checks["events"] = good
        await client.get("/metrics")
        assert measured == {"database": 0, "events": 0}
    # others may say something meanwhile, such as clients of tests before that are cleared away only now
    assert [record.getMessage() for record in caplog.records if record.name == app_module.__name__] == [
        "not ready: events (ConnectionRefusedError)",
        "there again: events",
    ]


async def test_a_peer_lives_when_it_answers(client: httpx.AsyncClient) -> None:
    assert await lives(client)
    assert not await lives(
        httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503)), base_url="http://peer")
    )


async def test_gauges_are_measured_when_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[str, float] = {}
    unobserved: list[dict[str, str]] = []
    monkeypatch.setattr(metrics.UNOBSERVED, "add", lambda _, labels: unobserved.append(labels))
    monkeypatch.setattr(metrics.OUTBOX_OLDEST, "set", lambda value, labels: shown.update({"outbox": value}))
    monkeypatch.setattr(metrics.DEAD_LETTERS, "set", lambda value, labels: shown.update({labels["topic"]: value}))
    letters = {"a": 2.0, "b": 1.0}

    async def oldest() -> Readings:
        return {Series(metrics.OUTBOX_OLDEST): 1.5}

    async def parked() -> Readings:
        if not letters:
            raise ConnectionRefusedError
        return {Series(metrics.DEAD_LETTERS, "topic", topic): count for topic, count in letters.items()}

    async with asking(create_app("Sample", keys={}, observations={"outbox": oldest, "letters": parked})) as client:
        answer = await client.get("/metrics")
        assert shown == {"outbox": 1.5, "a": 2, "b": 1}
        del letters["a"]
        await client.get("/metrics")
        assert shown == {"outbox": 1.5, "a": 0, "b": 1}  # it is not what it was last
        letters.clear()
        await client.get("/metrics")
        assert (shown["outbox"], str(shown["a"]), str(shown["b"])) == (1.5, "nan", "nan")
        assert unobserved == [{"check": "letters"}]
        letters["a"] = 3.0
        await client.get("/metrics")
        assert shown == {"outbox": 1.5, "a": 3, "b": 0}
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "python_gc_objects_collected_total" in answer.text


# who asks


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer x.y.z", "Basic amFuZTpkb2U=", "Bearer é"])
async def test_without_a_good_token_nobody_is_told_anything(client: httpx.AsyncClient, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode()}
    answer = await client.get(f"/v1/families/{FAMILY}", headers=headers)  # type: ignore[arg-type]
    assert problem(answer)["code"] == "not-signed-in"
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_an_old_token_is_told_to_sign_in_again(client: httpx.AsyncClient, issuers: Issuers) -> None:
    then = datetime.now(UTC) - timedelta(hours=3)
    token = mint(issuers.private[DEVELOPMENT], str(uuid4()), Role.PRACTITIONER, then, timedelta(hours=1))
    said = problem(await client.get(f"/v1/families/{FAMILY}", headers={"Authorization": f"Bearer {token}"}))
    assert said["detail"] == "Your sign-in is over; sign in again."


async def test_a_known_caller_without_the_right_is_told_whom_to_ask(
    client: httpx.AsyncClient, issuers: Issuers
) -> None:
    token = mint(issuers.private[DEVELOPMENT], str(uuid4()), Role.OPERATOR, datetime.now(UTC), timedelta(hours=1))
    said = problem(await client.post("/v1/families", json=[], headers={"Authorization": f"Bearer {token}"}))
    assert (said["status"], said["reason"]) == (403, "role")


async def test_a_cookie_is_enough_to_read_and_to_write_only_from_our_own_pages(
    client: httpx.AsyncClient, token: str
) -> None:
    client.cookies.set(COOKIE, token)
    assert (await client.get(f"/v1/families/{FAMILY}")).status_code == 200
    for origin in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert problem(await client.delete(f"/v1/families/{FAMILY}", headers=origin))["status"] == 401
    assert (await client.delete(f"/v1/families/{FAMILY}", headers={"Origin": PORTAL})).status_code == 204


async def test_a_service_that_takes_no_cookie_ignores_it(issuers: Issuers, app: FastAPI, token: str) -> None:
    app.state.cookie = None
    async with asking(app) as client:
        client.cookies.set(COOKIE, token)
        assert problem(await client.get(f"/v1/families/{FAMILY}"))["status"] == 401


def test_a_route_that_forgets_to_ask_who_is_there_is_refused() -> None:
    router = Router()
    with pytest.raises(TypeError, match="Caller"):

        @router.get("/open")
        async def leak() -> None: ...


def test_a_route_of_another_kind_is_refused_too() -> None:
    router = APIRouter()

    @router.get("/open")
    async def leak() -> None: ...

    with pytest.raises(TypeError, match="/open"):
        create_app("Sample", [router], keys={})


# headers


async def test_every_answer_has_the_headers_that_protect_it(practitioner: httpx.AsyncClient) -> None:
    for path in (
        f"/v1/families/{FAMILY}",
        "/v1/families/x",
        "/nothing",
        "/fail/stranger",
        "/health/live",
        "/openapi.json",
    ):
        headers = (await practitioner.get(path)).headers
        assert headers["cache-control"] == "no-store", path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["referrer-policy"] == "no-referrer"


async def test_only_the_portals_pages_may_call_from_a_browser(practitioner: httpx.AsyncClient) -> None:
    wanted = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "Upload-Offset,Authorization"}
    allowed = await practitioner.options("/v1/families", headers=wanted | {"Origin": PORTAL})
    assert allowed.headers["access-control-allow-origin"] == PORTAL
    assert allowed.headers["access-control-allow-credentials"] == "true"
    assert (
        "access-control-allow-origin"
        not in (await practitioner.options("/v1/families", headers=wanted | {"Origin": "https://evil.example"})).headers
    )
    failed = await practitioner.get("/fail/stranger", headers={"Origin": PORTAL})
    assert failed.headers["access-control-allow-origin"] == PORTAL  # or the page could not read why
    assert "Upload-Offset" in failed.headers["access-control-expose-headers"]


# the background


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    async with app.router.lifespan_context(app):
        yield


async def test_the_background_runs_inside_the_resources_and_stops_before_them() -> None:
    happened: list[str] = []
    started = asyncio.Event()

    @asynccontextmanager
    async def resources() -> AsyncIterator[None]:
        happened.append("open")
        yield
        happened.append("closed")

    async def relay() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            happened.append("stopped")

    app = create_app("Sample", keys={}, background={"relay": relay}, resources=resources)
    async with running(app):
        await started.wait()
    assert happened == ["open", "stopped", "closed"]
    assert app.state.died is None


async def dies() -> None:
    raise ValueError("Jane")


async def ends() -> None:
    pass


async def is_cancelled_from_within() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("work", [dies, ends, is_cancelled_from_within])
async def test_work_that_dies_or_ends_stops_the_process_and_leaves_the_rest_its_time(work: Any) -> None:
    stopped, others = asyncio.Event(), []

    async def other() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            others.append(stopped.is_set())

    app = create_app("Sample", keys={}, background={"work": work, "other": other})
    app.state.stop = stopped.set
    async with running(app):
        await asyncio.wait_for(stopped.wait(), 60)
        assert others == []
    assert app.state.died == "work"
    assert others == [True]
