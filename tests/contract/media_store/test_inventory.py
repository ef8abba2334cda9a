"""The verifier sees all that the purge sees, by other code and with fewer rights."""

import asyncio
from collections import Counter

from minio import Minio

from deploy.local.stack import Store as Server
from shared.media_store import Entry, Kind, Store, inventory
from tests.contract.media_store.conftest import settings_of
from tests.contract.media_store.films import listed, permit
from tests.contract.media_store.test_purging import fill


async def seen(s3: Server, bucket: str) -> list[Entry]:
    return await asyncio.to_thread(lambda: list(inventory(settings_of(s3, "verifier"), bucket)))


async def test_the_inventory_has_all_that_a_listing_has(s3: Server, store: Store, versioned: str, root: Minio) -> None:
    assert await seen(s3, versioned) == []
    await fill(store, versioned, "a/b/", root)
    await fill(store, versioned, "c/d/", root)
    await store.put(versioned, "a/b/three", b"three", permit())
    entries = await seen(s3, versioned)
    found = await listed(store, versioned)
    by_other_code = {
        (Kind(entry.what), entry.name, entry.id, entry.bytes) for entry in entries if entry.what != "object"
    }
    assert by_other_code == {(entry.kind, entry.name, entry.id, entry.bytes) for entry in found}
    assert Counter(entry.what for entry in entries) == {"object": 1, "version": 5, "marker": 2, "upload": 2}
    assert [(entry.name, entry.bytes) for entry in entries if entry.what == "object"] == [("a/b/three", 5)]


async def test_the_inventory_goes_on_after_a_full_page(s3: Server, full: tuple[str, list[str]]) -> None:
    bucket, names = full
    entries = await seen(s3, bucket)
    for what in ("object", "version"):
        assert [entry.name for entry in entries if entry.what == what] == names
