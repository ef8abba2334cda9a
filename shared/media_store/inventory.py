"""The verifier's own listing of a bucket, by minio-py: no code of the purge, so that no mistake can hide in both."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import minio.datatypes
import urllib3
from minio import Minio

from shared.media_store.errors import Unavailable
from shared.settings import StoreSettings


@dataclass(frozen=True)
class Entry:
    """Something in a bucket; `what` is `object`, `version`, `marker` or `upload`, `id` a version's or an upload's."""

    what: str
    name: str
    id: str
    bytes: int


def inventory(settings: StoreSettings, bucket: str) -> Iterator[Entry]:
    """Everything in a bucket, by three listings: of objects, of versions and markers, of unfinished uploads.

    Blocks: call it in a thread. Raises Unavailable if a listing does not go on, and what minio-py and urllib3 raise.
    """
    client = Minio(
        settings.endpoint,
        settings.access_key,
        settings.secret_key.get_secret_value(),
        secure=settings.secure,
        region=settings.region,
        http_client=urllib3.PoolManager(ca_certs=settings.ca_file and str(settings.ca_file), timeout=30, retries=2),
    )
    before = None
    for entry in chain(_objects(client, bucket), _versions(client, bucket), _uploads(client, bucket)):
        if entry != before:  # versitygw begins a page with the last one of the page before
            yield entry
        before = entry


def _objects(client: Minio, bucket: str) -> Iterator[Entry]:
    for found in client.list_objects(bucket, recursive=True):
        yield Entry("object", found.object_name or "", "", found.size or 0)


def _versions(client: Minio, bucket: str) -> Iterator[Entry]:
    for found in client.list_objects(bucket, recursive=True, include_version=True):
        what = "marker" if found.is_delete_marker else "version"
        yield Entry(what, found.object_name or "", found.version_id or "", found.size or 0)


def _uploads(client: Minio, bucket: str) -> Iterator[Entry]:
    after: tuple[str | None, str | None] = None, None
    while True:
        # there is no public method
        page = client._list_multipart_uploads(bucket, key_marker=after[0], upload_id_marker=after[1])
        for upload in page.uploads:
            yield Entry("upload", upload.object_name, upload.upload_id or "", 0)
        if not page.is_truncated:
            return
        if after == (page.next_key_marker, page.next_upload_id_marker):
            raise Unavailable("the store's listing does not go on")
        after = page.next_key_marker, page.next_upload_id_marker


def _instant(value: str | None) -> datetime | None:
    """minio-py's own fails at more than six digits of a second; versitygw writes nine into delete markers."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value)) if value else None


minio.datatypes.from_iso8601utc = _instant  # type: ignore[attr-defined]
