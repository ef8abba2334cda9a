"""The store: sealed objects in and out of any S3 server, by signed URLs that httpx fetches."""

import asyncio
import ssl
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import NoReturn, Self
from uuid import UUID
from xml.etree import ElementTree

import httpx

from shared.failpoints import Failpoint, reach
from shared.http.connections import Connections
from shared.media_store.errors import Exists, Forbidden, Missing, PermitExpired, Tampered, Unavailable
from shared.media_store.permits import Permit, elapsed
from shared.media_store.sealing import MAX_SEGMENT, Bytes, sealed_length
from shared.media_store.signing import NONE, Signer
from shared.settings import HorizonSettings, StoreSettings
from shared.telemetry import quietly

PIECE = 128 * 1024  # what is handed to the socket at a time: given whole, a body would be copied into its buffer
ABORTS = 5
GONE = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "InvalidArgument"}  # the last is versitygw's, of a version
PAGE_BYTES = 16 * 1024 * 1024  # more than any page of a listing


def object_name(episode_id: UUID, artefact_id: UUID, segment_id: UUID) -> str:
    return f"{episode_id}/{artefact_id}/{segment_id}"


class Kind(StrEnum):
    VERSION = "version"
    MARKER = "marker"  # a delete marker
    UPLOAD = "upload"  # an unfinished multipart upload; we make none


TAGS = {  # how the store's answers call each, and its id
    Kind.VERSION: ("Version", "VersionId"),
    Kind.MARKER: ("DeleteMarker", "VersionId"),
    Kind.UPLOAD: ("Upload", "UploadId"),
}
LISTINGS = (  # the query, and how its next page is asked for
    ("versions", "version-id-marker", "NextVersionIdMarker"),
    ("uploads", "upload-id-marker", "NextUploadIdMarker"),
)


@dataclass(frozen=True)
class Found:
    """Something in a bucket: `id` is a version's or an upload's; `bytes` as stored, 0 for a marker and an upload."""

    kind: Kind
    name: str
    id: str
    bytes: int


class _Cut(Unavailable):
    """The connection was there, and ended before the answer was."""


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytearray

    def text(self, tag: str) -> str:
        """What the store says by this tag of its error document; empty if nothing."""
        try:
            return _parsed(self.body).findtext(f"{{*}}{tag}", "")
        except ElementTree.ParseError:
            return ""


class Store:
    """`async with Store(...) as store`. A call ends within `put_seconds`.

    Raises Unavailable when the store does not answer in that time or cannot do it now, Forbidden if it will not.
    """

    def __init__(self, settings: StoreSettings, horizon: HorizonSettings) -> None:
        scheme = "https" if settings.secure else "http"
        # as httpx writes it in the Host header, which is signed: without the scheme's own port
        host = httpx.URL(f"{scheme}://{settings.endpoint}").netloc.decode()
        secret = settings.secret_key.get_secret_value()
        self._signer = Signer(f"{scheme}://{host}", settings.region, settings.access_key, secret)
        self._seconds = horizon.put_seconds
        # no client round it: a client logs every URL, and these are signed
        self._connections = Connections(ssl.create_default_context(cafile=settings.ca_file))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._connections.aclose()

    async def put(self, bucket: str, name: str, body: Bytes, permit: Permit, *, new: bool = False) -> None:
        """Write an object, dated by the permit. Raises PermitExpired if the store says so; Exists, with `new`."""
        await reach(Failpoint.PERMIT_BEFORE_PUT)
        crc = await asyncio.to_thread(zlib.crc32, body)
        # else versitygw keeps what arrived of a body that was cut
        checksum = {"x-amz-checksum-crc32": b64encode(crc.to_bytes(4, "big")).decode()}
        url = self._dated(permit, "PUT", bucket, name, checksum)
        headers = checksum | {"Content-Length": str(len(body)), "Content-Type": "application/octet-stream"}
        if new:
            headers["If-None-Match"] = "*"
        try:
            answer = await self._send("PUT", url, headers, _pieces(body))
        except _Cut:
            # a store that refuses a write before it has read the body cuts off its own answer: ask again without a body
            answer = await self._send("GET", self._dated(permit, "GET", bucket, name), {"Range": "bytes=0-0"})
            if answer.status != 403:
                raise
        if answer.status != 200:
            _raise(answer, permit)

    async def get(self, bucket: str, name: str, permit: Permit, first: int = 0, last: int | None = None) -> bytearray:
        """An object's bytes first to last (both included), fewer if it is shorter; without last, to the end.

        Raises Missing, PermitExpired, and Tampered if it is longer than any segment.
        """
        headers, limit = {}, sealed_length(MAX_SEGMENT)
        if last is not None:
            headers, limit = {"Range": f"bytes={first}-{last}"}, last - first + 1
        answer = await self._send("GET", self._dated(permit, "GET", bucket, name), headers, limit=limit)
        if answer.status == 416:  # it ends before `first`
            return bytearray()
        if answer.status not in (200, 206):
            _raise(answer, permit)
        if len(answer.body) > limit:
            raise Tampered("longer than a segment may be")
        return answer.body

    async def list_all(self, bucket: str, prefix: str) -> AsyncIterator[Found]:
        """Every version, delete marker and unfinished upload under a prefix."""
        for what, marker, next_marker in LISTINGS:
            before: list[Found] = []
            async for page in self._pages(bucket, what, prefix, marker, next_marker):
                found = [
                    Found(kind, _text(element, "Key"), _text(element, id), int(element.findtext("{*}Size", "0")))
                    for kind, (tag, id) in TAGS.items()
                    for element in page.iterfind(f"{{*}}{tag}")
                ]
                for entry in found:
                    if entry not in before:  # versitygw begins a page with the last one of the page before
                        yield entry
                before = found[-1:]

    async def delete(self, bucket: str, found: Found) -> None:
        """Remove this version, marker or upload for good; it may be gone already."""
        query = {"uploadId" if found.kind is Kind.UPLOAD else "versionId": found.id}
        for _ in range(ABORTS):
            answer = await self._send("DELETE", self._signed("DELETE", bucket, found.name, query))
            if answer.status not in (200, 204) and answer.text("Code") not in GONE:
                _raise(answer)
            # a part under way when its upload was aborted may land afterwards, and only ListParts tells
            if found.kind is not Kind.UPLOAD or not await self._has_parts(bucket, found):
                return
        raise Unavailable("an upload cannot be aborted")

    async def clock_difference(self, now: datetime) -> timedelta:
        """How far the store's clock is ahead of `now` (negative: behind). The store tells whole seconds, cut off."""
        answer = await self._send("GET", f"{self._signer.origin}/")
        if "Date" not in answer.headers:
            raise Unavailable("the store does not tell the time")
        return parsedate_to_datetime(answer.headers["Date"]) - now

    async def _has_parts(self, bucket: str, upload: Found) -> bool:
        answer = await self._send("GET", self._signed("GET", bucket, upload.name, {"uploadId": upload.id}))
        if answer.status not in (200, 404):
            _raise(answer)
        return answer.status == 200

    async def _pages(
        self, bucket: str, what: str, prefix: str, marker: str, next_marker: str
    ) -> AsyncIterator[ElementTree.Element]:
        query = {what: "", "prefix": prefix}
        while True:
            answer = await self._send("GET", self._signed("GET", bucket, "", query), limit=PAGE_BYTES)
            if answer.status != 200:
                _raise(answer)
            page = _parsed(answer.body)
            yield page
            if _text(page, "IsTruncated") != "true":
                return
            reached = query | {"key-marker": _text(page, "NextKeyMarker"), marker: _text(page, next_marker)}
            if reached == query:
                raise Unavailable("the store's listing does not go on")  # SeaweedFS repeats a page of uploads for ever
            query = reached

    def _dated(self, permit: Permit, method: str, bucket: str, name: str, headers: Mapping[str, str] = NONE) -> str:
        return self._signer.url(method, f"/{bucket}/{name}", permit.granted_at, permit.seconds, headers=headers)

    def _signed(self, method: str, bucket: str, name: str, query: Mapping[str, str]) -> str:
        path = f"/{bucket}/{name}" if name else f"/{bucket}"
        return self._signer.url(method, path, datetime.now(UTC), self._seconds, query)

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        content: AsyncIterator[bytes] | None = None,
        limit: int = PAGE_BYTES,
    ) -> _Answer:
        """One request under the total deadline; of the answer's body, no more than just over `limit` is read."""
        request = httpx.Request(method, url, headers=headers, content=content)
        try:
            async with asyncio.timeout(self._seconds):
                with quietly():
                    response = await self._connections.handle_async_request(request)
                    try:
                        body = bytearray()
                        async for piece in response.aiter_raw(PIECE):
                            body += piece
                            if len(body) > limit:
                                break
                    finally:
                        await response.aclose()
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            raise _Cut("the store ended the connection") from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unavailable(f"the store did not answer ({type(error).__name__})") from None
        return _Answer(response.status_code, response.headers, body)


def _raise(answer: _Answer, permit: Permit | None = None) -> NoReturn:
    code = answer.text("Code")
    if answer.status == 403 and permit and ("expired" in answer.text("Message") or not permit.valid(elapsed())):
        raise PermitExpired("the store says that the permit ran out")
    if answer.status == 403 or code == "NoSuchBucket":
        raise Forbidden(f"the store answered {answer.status} {code}")
    if answer.status == 404:
        raise Missing("the store holds no such object")
    if answer.status == 412:
        raise Exists("the store already holds an object of this name")
    raise Unavailable(f"the store answered {answer.status} {code}")


def _parsed(body: bytearray) -> ElementTree.Element:
    # our own store's answer, and expat bounds how far it may expand
    return ElementTree.fromstring(body)  # noqa: S314


def _text(element: ElementTree.Element, tag: str) -> str:
    return element.findtext(f"{{*}}{tag}", "")


async def _pieces(body: Bytes) -> AsyncIterator[bytes]:
    with memoryview(body) as view:
        for start in range(0, len(view), PIECE):
            if start:
                await reach(Failpoint.MID_PUT)
            yield bytes(view[start : start + PIECE])
