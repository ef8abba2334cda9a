"""Reading what a tus client says."""

import asyncio
import base64
import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from fastapi import Request

from services.upload import tus
from services.upload.model import Kind
from services.upload.receiving import Body, Cut
from shared.http import BadRequest, Invalid, UnsupportedMedia

EPISODE, BABY, MUM = UUID(int=1), UUID(int=2), UUID(int=3)
SAID = {
    "episode_id": str(EPISODE),
    "people": f"{BABY},{MUM},{BABY}",
    "filmed_on": "2026-11-24",
    "happy_to_film": "true",
    "kind": "shared_review",
}


def encoded(pairs: dict[str, str]) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def test_a_film_is_announced() -> None:
    said = tus.announced(encoded(SAID | {"filename": "Anna Smith.mp4"}) + ",empty", 7)
    assert said.episode_id == EPISODE
    assert said.people == (BABY, MUM)
    assert (said.kind, said.filmed_on, said.happy_to_film) == (Kind.SHARED_REVIEW, date(2026, 11, 24), True)
    assert said.length == 7


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("episode_id", "7"),
        ("episode_id", ""),
        ("people", ""),
        ("people", "Anna"),
        ("people", ",".join(str(UUID(int=n)) for n in range(21))),
        ("filmed_on", "yesterday"),
        ("happy_to_film", "yes"),
        ("kind", "holiday"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_not_repeated(key: str, value: str) -> None:
    for metadata in (encoded(SAID | {key: value}), encoded({k: v for k, v in SAID.items() if k != key})):
        with pytest.raises(Invalid) as refused:
            tus.announced(metadata, 7)
        (error,) = refused.value.members["errors"]
        assert error["at"] == f"header.Upload-Metadata.{key}"
        assert not value or value not in str(error["problem"])


@pytest.mark.parametrize("metadata", ["people ?", "people YQ==,people YQ==", "people /w=="])
def test_metadata_that_cannot_be_read(metadata: str) -> None:
    with pytest.raises(BadRequest):
        tus.announced(metadata, 7)


def request(messages: Iterable[dict[str, Any] | None] = (), **headers: str) -> Request:
    """None: nothing comes any more."""
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        message = next(coming)
        if message is None:
            await asyncio.Event().wait()
        assert message
        return message

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "PATCH", "headers": raw}, receive)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_checksum_is_an_algorithm_and_a_digest(algorithm: str) -> None:
    digest = hashlib.new(algorithm, b"film").digest()
    said = f"{algorithm} {base64.b64encode(digest).decode()}"
    checksum = tus.body(request(content_type=tus.BODY), said).checksum
    assert checksum
    assert (checksum.algorithm, checksum.digest) == (algorithm, digest)


@pytest.mark.parametrize("said", ["", "sha256", "sha256 ?", "sha256 YQ==", "md5 1B2M2Y8AsgTpgAmY7PhCfg=="])
def test_a_checksum_that_cannot_be_read(said: str) -> None:
    with pytest.raises(BadRequest):
        tus.body(request(content_type=tus.BODY), said)


@pytest.mark.parametrize("kind", ["", "video/mp4", "application/offset+octet-stream; charset=utf-8"])
def test_only_the_protocols_own_type_is_read(kind: str) -> None:
    with pytest.raises(UnsupportedMedia):
        tus.body(request(content_type=kind), None)


async def came_before_the_cut(body: Body) -> list[bytes]:
    came: list[bytes] = []
    try:
        async for one in body.pieces:
            came.append(one)
    except Cut:
        return came
    raise AssertionError("it was not cut")


def piece(content: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


async def test_the_body_comes_in_pieces() -> None:
    body = tus.body(request([piece(b"a"), piece(b"b", False)], content_type=tus.BODY, content_length="2"), None)
    assert body.length == 2
    assert [one async for one in body.pieces] == [b"a", b"b"]


async def test_a_client_that_goes_away_cuts_the_body() -> None:
    body = tus.body(request([piece(b"a"), {"type": "http.disconnect"}], content_type=tus.BODY), None)
    assert await came_before_the_cut(body) == [b"a"]


async def test_a_client_that_falls_silent_is_looked_at_and_in_the_end_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tus, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(tus, "SILENT_SECONDS", 0.03)
    body = tus.body(request([piece(b"a"), None, None, None, None, None], content_type=tus.BODY), None)
    assert await came_before_the_cut(body) == [b"a", b"", b""]
