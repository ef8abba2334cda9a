"""tus 1.0 (https://tus.io/protocols/resumable-upload): its headers, and what it does to every request."""

import asyncio
import base64
import binascii
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date
from email.utils import format_datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.upload.model import Kind, Upload
from services.upload.operations import Announced
from services.upload.problems import WrongVersion
from services.upload.receiving import Body, Checksum, Cut
from shared.http import BadRequest, Invalid, UnsupportedMedia

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,checksum,expiration"
ALGORITHMS = ("sha256", "sha1")  # the protocol wants sha1 of everybody
BODY = "application/offset+octet-stream"
PATHS = "/v1/uploads"
LOOK_SECONDS = 5.0  # how often a request that brings nothing is looked at
SILENT_SECONDS = 60.0  # after which nothing more is expected of it
LINGER_SECONDS = 5.0  # for a client to read why it was refused
PEOPLE = 20


class Tus:
    """What the protocol does to every request.

    Every answer says the version. A client that cannot PATCH or DELETE may say what it means in a header. A client that
    is still sending when it is refused has a few seconds to read why, in which what it sends is thrown away; then the
    connection is closed, so that it does not send gigabytes for nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PATHS):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        meant = headers.get("x-http-method-override")
        if scope["method"] == "POST" and meant in ("PATCH", "DELETE", "HEAD"):
            scope["method"] = meant
        more = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

        async def receiving() -> Message:
            nonlocal more
            message = await receive()
            more = message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer["Tus-Resumable"] = VERSION
                if more:
                    answer["Connection"] = "close"
            ends = message["type"] == "http.response.body" and not message.get("more_body", False)
            if not (more and ends):
                await send(message)
                return
            await send({**message, "more_body": True})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    while more:
                        await receiving()
            await send({"type": "http.response.body"})

        await self._app(scope, receiving, sending)


async def spoken(
    tus_resumable: Annotated[str | None, Header(description="1.0.0", json_schema_extra={"const": VERSION})] = None,
) -> None:
    """A dependency: the client speaks our version. Raises WrongVersion."""
    if tus_resumable != VERSION:
        raise WrongVersion(headers={"Tus-Version": VERSION})


def capabilities(max_bytes: int) -> dict[str, str]:
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(max_bytes),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }


def described(upload: Upload) -> dict[str, str]:
    """What a client is told of an upload."""
    headers = {
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.length),
        "Upload-Metadata": _metadata(upload),
    }
    if upload.offset < upload.length:
        headers["Upload-Expires"] = format_datetime(upload.expires_at.astimezone(UTC), usegmt=True)
    return headers


def _metadata(upload: Upload) -> str:
    """As it was given, but for what is not kept."""
    pairs = {
        "episode_id": str(upload.episode_id),
        "people": ",".join(map(str, upload.people)),
        "filmed_on": upload.filmed_on.isoformat(),
        "happy_to_film": str(upload.happy_to_film).lower(),
        "kind": str(upload.kind),
    }
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def announced(metadata: str | None, length: int) -> Announced:
    """What Upload-Metadata says; keys that are not ours, file names above all, are passed over.

    Raises Invalid, BadRequest.
    """
    pairs = _pairs(metadata or "")
    people = [_id("people", value) for value in pairs.get("people", "").split(",") if value]
    if not 0 < len(set(people)) <= PEOPLE:
        raise invalid("Upload-Metadata.people", f"name everyone in the film by their id, from 1 to {PEOPLE} people")
    happy = pairs.get("happy_to_film", "")
    if happy not in ("true", "false"):
        raise invalid("Upload-Metadata.happy_to_film", "say whether the family was happy to be filmed: true or false")
    try:
        kind = Kind(pairs.get("kind", ""))
    except ValueError:
        raise invalid("Upload-Metadata.kind", f"say which kind of film it is: {' or '.join(Kind)}") from None
    try:
        filmed_on = date.fromisoformat(pairs.get("filmed_on", ""))
    except ValueError:
        raise invalid("Upload-Metadata.filmed_on", "say on which day it was filmed, such as 2026-11-24") from None
    return Announced(
        _id("episode_id", pairs.get("episode_id", "")),
        kind,
        tuple(dict.fromkeys(people)),
        filmed_on,
        happy == "true",
        length,
    )


def _checksum(header: str | None) -> Checksum | None:
    """What Upload-Checksum says. Raises BadRequest."""
    if header is None:
        return None
    algorithm, _, encoded = header.partition(" ")
    try:
        digest = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        digest = b""
    if algorithm not in ALGORITHMS or len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise BadRequest(f"Send Upload-Checksum as an algorithm ({' or '.join(ALGORITHMS)}) and the digest in base64.")
    return Checksum(algorithm, digest)


def body(request: Request, checksum: str | None) -> Body:
    """The request's body, if it is of the protocol's type. Raises UnsupportedMedia, BadRequest."""
    if request.headers.get("content-type", "") != BODY:
        raise UnsupportedMedia(f"Send the bytes as {BODY}.")
    said = request.headers.get("content-length", "")
    return Body(_pieces(request), int(said) if said.isdecimal() else None, _checksum(checksum))


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes, and an empty piece whenever nothing came for a while. Raises Cut."""
    silent, more = 0.0, True
    while more:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                message = await request.receive()
        except TimeoutError:
            silent += LOOK_SECONDS
            if silent >= SILENT_SECONDS:
                raise Cut("the client says nothing any more") from None
            yield b""
            continue
        if message["type"] == "http.disconnect":
            raise Cut("the client went away")
        silent, more = 0.0, message.get("more_body", False)
        yield message.get("body", b"")


def _pairs(metadata: str) -> Mapping[str, str]:
    pairs: dict[str, str] = {}
    for pair in filter(None, (one.strip() for one in metadata.split(","))):
        key, _, encoded = pair.partition(" ")
        if key in pairs:
            raise BadRequest("Send each key of Upload-Metadata once.")
        try:
            pairs[key] = base64.b64decode(encoded, validate=True).decode()
        except ValueError:  # binascii's is one
            raise BadRequest("Send Upload-Metadata as keys with values in base64, separated by commas.") from None
    return pairs


def _id(key: str, value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise invalid(f"Upload-Metadata.{key}", "give ids as they were given to you") from None


def invalid(header: str, problem: str) -> Invalid:
    return Invalid(errors=[{"at": f"header.{header}", "problem": problem}])


REQUEST_BODY: dict[str, Any] = {"requestBody": {"content": {BODY: {"schema": {"type": "string", "format": "binary"}}}}}
