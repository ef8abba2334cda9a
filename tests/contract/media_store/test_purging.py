"""A purge leaves nothing of what it names and everything of what it does not, in the store and on its disk."""

import os
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from minio import Minio

from shared import failpoints
from shared.failpoints import Act, Armed, Failpoint, FailpointError
from shared.media_store import Found, Kind, Purged, Store, Unavailable, object_name, purge
from tests.contract.media_store.conftest import Consent
from tests.contract.media_store.films import FILM, listed, permit, read, reader_of, written


def holding(folder: Path, others: set[str], *needles: bytes) -> set[bytes]:
    """Which of these bytes lie below a folder, other buckets left out: in a file, a name or an attribute."""
    found = set[bytes]()
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in others]
        for path in (Path(place, name) for name in (*folders, *files)):
            held = [os.fsencode(path), *(os.getxattr(path, name) for name in os.listxattr(path))]
            if path.is_file():
                held.append(path.read_bytes())
            found |= {needle for needle in needles if any(needle in content for content in held)}
    return found


async def fill(store: Store, bucket: str, prefix: str, root: Minio) -> None:
    """Two versions of one object, a marker, and an upload with a part."""
    await store.put(bucket, f"{prefix}one", b"one", permit())
    await store.put(bucket, f"{prefix}one", b"three", permit())
    root.remove_object(bucket, f"{prefix}one")
    upload_id = root._create_multipart_upload(bucket, f"{prefix}two", {})
    root._upload_part(bucket, f"{prefix}two", os.urandom(100_000), None, upload_id, 1)


async def test_nothing_of_an_episode_is_left_not_even_on_the_disk(
    store: Store, consent: Consent, versioned: str, root: Minio, data: Path
) -> None:
    artefact_id, manifest = await written(store, consent, versioned)
    segment = await store.get(
        versioned, object_name(consent.episode, artefact_id, manifest.segments[1].id), permit(), 1000, 1031
    )
    mark = bytes(segment)  # 32 sealed bytes, which occur once in the world
    root._create_multipart_upload(versioned, f"{consent.episode}/{artefact_id}/{uuid4()}", {})
    part = os.urandom(32)
    name = object_name(consent.episode, artefact_id, uuid4())
    upload_id = root._create_multipart_upload(versioned, name, {})
    root._upload_part(versioned, name, part * 3000, None, upload_id, 1)
    marks = {mark, part, str(consent.episode).encode(), str(artefact_id).encode()}
    others = {found.name for found in root.list_buckets()} - {versioned}
    assert holding(data, others, *marks) == marks, "the scan would not have found it"
    purged = await purge(store, versioned, consent.episode)
    assert (purged.objects, purged.versions, purged.uploads) == (5, 5, 2)
    assert purged.bytes > len(FILM)
    assert holding(data, others, *marks) == set()
    assert await purge(store, versioned, consent.episode) == Purged()


async def test_every_version_and_marker_is_counted_and_gone(store: Store, versioned: str, root: Minio) -> None:
    episode = uuid4()
    await fill(store, versioned, f"{episode}/{uuid4()}/", root)
    assert await purge(store, versioned, episode) == Purged(objects=1, versions=3, uploads=1, bytes=8)
    assert await listed(store, versioned) == []


async def test_names_that_only_begin_alike_are_spared(store: Store, versioned: str, root: Minio) -> None:
    episode, artefact, other = uuid4(), uuid4(), uuid4()
    for prefix in (f"{episode}0/{artefact}/", f"{episode}/{artefact}0/", f"{episode}/{other}/", f"{other}/{artefact}/"):
        await fill(store, versioned, prefix, root)
    before = sorted(await listed(store, versioned), key=str)
    assert await purge(store, versioned, episode, artefact) == Purged()
    assert sorted(await listed(store, versioned), key=str) == before
    await fill(store, versioned, f"{episode}/{artefact}/", root)
    assert (await purge(store, versioned, episode, artefact)).versions == 3
    assert sorted(await listed(store, versioned), key=str) == before
    assert (await purge(store, versioned, episode)).versions == 6
    left = {found.name.rsplit("/", 1)[0] for found in await listed(store, versioned)}
    assert left == {f"{episode}0/{artefact}", f"{other}/{artefact}"}


async def test_another_family_loses_nothing(store: Store, bucket: str) -> None:
    one, other = Consent(), Consent()
    await written(store, one, bucket)
    artefact_id, manifest = await written(store, other, bucket)
    await purge(store, bucket, one.episode)
    assert await reader_of(store, other, bucket, artefact_id).verify() == manifest
    assert await read(reader_of(store, other, bucket, artefact_id)) == FILM


async def test_a_purge_that_was_interrupted_is_finished_by_the_next(
    store: Store, consent: Consent, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(store, consent, bucket)
    before = await listed(store, bucket)
    monkeypatch.setattr(failpoints, "_armed", {Failpoint.MID_PURGE: Armed(Act.ERROR, 2)})
    with pytest.raises(FailpointError):
        await purge(store, bucket, consent.episode)
    assert 0 < len(await listed(store, bucket)) == len(before) - 2
    await purge(store, bucket, consent.episode)
    assert await listed(store, bucket) == []


async def test_what_lands_during_a_purge_is_purged_too(
    store: Store, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    episode = uuid4()
    late = iter([f"{episode}/a/late", f"{episode}/a/later"])
    await store.put(bucket, f"{episode}/a/first", b"one", permit())
    delete = Store.delete

    async def delete_and_let_land(self: Store, bucket: str, found: Found) -> None:
        await delete(self, bucket, found)
        if name := next(late, None):
            await store.put(bucket, name, b"one", permit())

    monkeypatch.setattr(Store, "delete", delete_and_let_land)
    assert (await purge(store, bucket, episode)).objects == 3
    assert await listed(store, bucket) == []


async def test_a_store_that_keeps_what_it_was_told_to_delete_is_not_believed(
    store: Store, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    episode = uuid4()
    await store.put(bucket, f"{episode}/a/b", b"one", permit())

    async def keep(self: Store, bucket: str, found: Found) -> None:
        pass

    monkeypatch.setattr(Store, "delete", keep)
    with pytest.raises(Unavailable):
        await purge(store, bucket, episode)


async def test_a_segment_is_deleted_by_its_name_in_every_version(store: Store, versioned: str, root: Minio) -> None:
    name = object_name(uuid4(), uuid4(), uuid4())
    await fill(store, versioned, name + "-", root)
    await store.put(versioned, name, b"one", permit())
    await store.put(versioned, name, b"two", permit())
    for found in [found for found in await listed(store, versioned, name) if found.name == name]:
        await store.delete(versioned, found)
    assert {found.name for found in await listed(store, versioned)} == {name + "-one", name + "-two"}


@pytest.mark.parametrize("kind", [Kind.VERSION, Kind.MARKER])
async def test_deleting_what_never_was_is_no_error(store: Store, versioned: str, kind: Kind) -> None:
    gone = Found(kind, f"{uuid4()}/a/b", "01KB0000000000000000000000", 0)
    await store.delete(versioned, gone)
    await store.delete(versioned, replace(gone, id="null"))


def test_prefixes_are_of_whole_ids() -> None:
    assert object_name(UUID(int=10), UUID(int=11), UUID(int=12)) == "/".join(
        f"00000000-0000-0000-0000-00000000000{digit}" for digit in "abc"
    )
