"""A permit is yes, no, or no answer; it is never used beyond its life, and its keys show nowhere."""

import asyncio
import base64
import json
import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.media_store import Key, NewArtefact, Permit, PermitExpired, Permits, Refused, StandingPermit, Unavailable
from shared.media_store import permits as module

SECRET = bytes(range(200, 232))
ARTEFACT, EPISODE, MANIFEST, PERSON = uuid4(), uuid4(), uuid4(), uuid4()
Answer = Callable[[httpx.Request], httpx.Response]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "elapsed", clock)
    return clock


def granted(key: bytes | str = SECRET, **other: Any) -> dict[str, Any]:
    encoded = key if isinstance(key, str) else base64.b64encode(key).decode()
    artefact = {"episode_id": str(EPISODE), "key": encoded, "manifest_id": str(MANIFEST)}
    return {"granted_at": "2026-11-24T07:00:00.25+00:00", "seconds": 30, "artefacts": {str(ARTEFACT): artefact}} | other


def consent(answer: Answer | httpx.Response | Exception) -> Permits:
    async def respond(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    return Permits(httpx.AsyncClient(base_url="https://consent.test", transport=httpx.MockTransport(respond)))


async def test_a_question_is_asked_in_the_words_agreed() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        artefacts = {str(id): granted()["artefacts"][str(ARTEFACT)] for id in (ARTEFACT, new.artefact_id)}
        return httpx.Response(200, json=granted(artefacts=artefacts))

    recording, baby = uuid4(), uuid4()
    new = NewArtefact(uuid4(), EPISODE, "clip", made_from=[recording], people=[baby])
    permit = await consent(answer).ask("review", PERSON, read=[ARTEFACT], write=[new])
    assert (asked[0].method, str(asked[0].url)) == ("POST", "https://consent.test/v1/permits")
    assert json.loads(asked[0].content) == {
        "purpose": "review",
        "on_behalf_of": str(PERSON),
        "read": [str(ARTEFACT)],
        "write": [
            {
                "artefact_id": str(new.artefact_id),
                "episode_id": str(EPISODE),
                "kind": "clip",
                "made_from": [str(recording)],
                "people": [str(baby)],
            }
        ],
    }
    assert permit.artefacts.keys() == {ARTEFACT, new.artefact_id}
    grant = permit.artefacts[ARTEFACT]
    assert (grant.episode_id, grant.manifest_id) == (EPISODE, MANIFEST)
    assert grant.key.derive(b"x") == Key(SECRET).derive(b"x")
    assert permit.granted_at.isoformat() == "2026-11-24T07:00:00.250000+00:00"


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(403, json={"title": "No", "status": 403, "reason": "suspended"}),
        httpx.Response(403, json={"reason": "suspended"}, headers={"Content-Type": "application/problem+json"}),
    ],
)
async def test_a_no_with_a_reason_is_refused(response: httpx.Response) -> None:
    with pytest.raises(Refused) as refused:
        await consent(response).ask("review", PERSON, read=[ARTEFACT])
    assert refused.value.reason == "suspended"
    assert not isinstance(refused.value, Unavailable)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
        httpx.Response(500),
        httpx.Response(502, text="<html>"),
        httpx.Response(503, json={"reason": "starting"}),
        httpx.Response(429),
        httpx.Response(401, json={"reason": "expired token"}),
        httpx.Response(404),
        httpx.Response(403, text="a proxy's own page"),
        httpx.Response(403, json={"title": "no reason given"}),
        httpx.Response(403, json=["reason"]),
        httpx.Response(403, json={"reason": None}),
        httpx.Response(302, headers={"Location": "/elsewhere"}),
        httpx.Response(200, text="not JSON"),
        httpx.Response(200, json={}),
        httpx.Response(200, json=granted(artefacts={})),
        httpx.Response(200, json=granted(seconds=0)),
        httpx.Response(200, json=granted(granted_at="2026-11-24T07:00:00")),  # whose noon?
        httpx.Response(200, json=granted(key=SECRET[:31])),
    ],
    ids=str,
)
async def test_everything_else_is_no_answer_and_never_a_refusal(answer: httpx.Response | Exception) -> None:
    with pytest.raises(Unavailable):
        await consent(answer).ask("review", PERSON, read=[ARTEFACT])


async def test_an_answer_about_other_artefacts_is_no_answer() -> None:
    with pytest.raises(Unavailable):
        await consent(httpx.Response(200, json=granted())).ask("review", PERSON, read=[uuid4()])


async def test_consent_that_does_not_answer_is_unavailable_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_SECONDS", 0.05)

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=None) as client:  # noqa: S113
        with pytest.raises(Unavailable):
            await Permits(client).ask("review", PERSON, read=[ARTEFACT])


async def test_a_permit_lives_from_before_it_was_asked_for(clock: Clock) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        clock.now += 4  # the answer may have been granted at the beginning of these seconds
        return httpx.Response(200, json=granted())

    permit = await consent(slow).ask("review", PERSON, read=[ARTEFACT])
    assert permit.expires_at == 1030
    assert permit.valid(1029.9)
    assert not permit.valid(1030)
    clock.now = 1029.9
    assert await permit.current() is permit
    clock.now = 1030
    with pytest.raises(PermitExpired):
        await permit.current()


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://consent.example", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost:8080", True),
        ("http://consent:8080", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.example", False),
    ],
)
async def test_keys_travel_only_over_tls_loopback_excepted(url: str, allowed: bool) -> None:
    client = httpx.AsyncClient(base_url=url)
    if allowed:
        Permits(client)
    else:
        with pytest.raises(ValueError, match="TLS"):
            Permits(client)


async def test_keys_show_in_no_repr_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    permit = await consent(httpx.Response(200, json=granted())).ask("review", PERSON, read=[ARTEFACT])
    shown += [repr(permit), str(permit), f"{permit.artefacts}"]
    for spoilt in (
        granted(seconds="never"),
        granted(key=SECRET + b"!"),
        granted(key=SECRET[:31]),
        granted(granted_at="noon"),
    ):
        try:
            await consent(httpx.Response(200, json=spoilt)).ask("review", PERSON, read=[ARTEFACT])
        except Unavailable as error:
            shown.append("".join(traceback.format_exception(error)))
    assert len(shown) == 7
    shown.append(caplog.text)
    encoded = base64.b64encode(SECRET).decode()
    for text in shown:
        assert SECRET.hex() not in text
        assert encoded[:20] not in text
        assert str(SECRET)[2:20] not in text


class Consent:
    """Answers as told, and counts."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.asked = clock, 0
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def ask(self) -> Permit:
        self.asked += 1
        asked_at = self.clock()
        await self.gate.wait()
        if self.error:
            raise self.error
        return Permit(datetime.now(UTC), 30, asked_at + 30, {})


async def test_a_standing_permit_is_asked_for_again_before_it_runs_out(clock: Clock) -> None:
    asks = Consent(clock)
    standing = StandingPermit(asks.ask)
    first = await standing.current()
    clock.now += 19
    assert await standing.current() is first
    clock.now += 2
    second = await standing.current()
    assert second is not first
    assert second.expires_at == clock.now + 30
    assert asks.asked == 2


async def test_its_users_share_one_question_even_if_one_of_them_leaves(clock: Clock) -> None:
    asks = Consent(clock)
    asks.gate.clear()
    standing = StandingPermit(asks.ask)
    users = [asyncio.create_task(standing.current()) for _ in range(10)]
    await asyncio.sleep(0)
    users[0].cancel()
    await asyncio.sleep(0)
    asks.gate.set()
    answers = await asyncio.gather(*users, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert {id(answer) for answer in answers[1:]} == {id(await standing.current())}
    assert asks.asked == 1


async def test_while_consent_is_away_it_is_used_to_its_end_and_no_further(clock: Clock) -> None:
    asks = Consent(clock)
    standing = StandingPermit(asks.ask)
    permit = await standing.current()
    asks.error = Unavailable("away")
    clock.now += 29.9
    assert await standing.current() is permit
    clock.now += 0.1
    with pytest.raises(Unavailable, match="away"):
        await standing.current()
    asks.error = None
    assert await standing.current() is not permit


async def test_an_answer_that_comes_after_its_own_end_is_not_used(clock: Clock) -> None:
    asks = Consent(clock)
    asks.gate.clear()
    user = asyncio.create_task(StandingPermit(asks.ask).current())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.now += 30
    asks.gate.set()
    with pytest.raises(PermitExpired):
        await user


async def test_a_refusal_ends_it_at_once_though_seconds_were_left(clock: Clock) -> None:
    asks = Consent(clock)
    standing = StandingPermit(asks.ask)
    await standing.current()
    clock.now += 21
    asks.error = Refused("suspended")
    with pytest.raises(Refused):
        await standing.current()
    asks.error = Unavailable("away")
    with pytest.raises(Unavailable):  # the old permit is not taken out again
        await standing.current()


async def test_what_the_store_calls_expired_is_dropped_and_asked_for_again(clock: Clock) -> None:
    asks = Consent(clock)
    standing = StandingPermit(asks.ask)
    seen: list[Permit] = []

    async def store(permit: Permit) -> UUID:
        seen.append(permit)
        if len(seen) == 1:
            raise PermitExpired("says the store")
        return ARTEFACT

    assert await module.under(standing, store) == ARTEFACT
    assert seen[0] is not seen[1]
    assert asks.asked == 2


async def test_what_is_unavailable_is_tried_a_few_times_under_a_permit_checked_each_time(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSES", (0, 0))
    asks = Consent(clock)
    standing = StandingPermit(asks.ask)
    tries = 0

    async def away(permit: Permit) -> None:
        nonlocal tries
        tries += 1
        raise Unavailable("the store is away")

    with pytest.raises(Unavailable):
        await module.under(standing, away)
    assert tries == 3

    async def suspended_meanwhile(permit: Permit) -> None:
        nonlocal tries
        tries += 1
        clock.now += 25
        asks.error = Refused("suspended")
        raise Unavailable("the store is away")

    tries = 0
    with pytest.raises(Refused):
        await module.under(standing, suspended_meanwhile)
    assert tries == 1


async def test_what_was_refused_is_not_tried_again(clock: Clock) -> None:
    tries = 0

    async def refused(permit: Permit) -> None:
        nonlocal tries
        tries += 1
        raise Refused("suspended")

    with pytest.raises(Refused):
        await module.under(StandingPermit(Consent(clock).ask), refused)
    assert tries == 1
