"""What lies in the store is never read as something else."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest

from shared.media_store import (
    Found,
    Key,
    Missing,
    Store,
    Tampered,
    object_name,
)
from shared.media_store.sealing import BLOCK, TAG, seal
from tests.contract.media_store.conftest import Consent
from tests.contract.media_store.films import FILM, SEGMENT, listed, permit, read, reader_of, writer_of, written

Tampering = Callable[[Store, str, Found, bytes, list[Found]], Awaitable[None]]


async def flip(store: Store, bucket: str, found: Found, sealed: bytes, others: list[Found]) -> None:
    middle = len(sealed) // 2
    changed = sealed[:middle] + bytes([sealed[middle] ^ 1]) + sealed[middle + 1 :]
    await store.put(bucket, found.name, changed, permit())


async def flip_the_salt(store: Store, bucket: str, found: Found, sealed: bytes, others: list[Found]) -> None:
    await store.put(bucket, found.name, bytes([sealed[0] ^ 1]) + sealed[1:], permit())


async def cut(store: Store, bucket: str, found: Found, sealed: bytes, others: list[Found]) -> None:
    await store.put(bucket, found.name, sealed[: -(BLOCK + TAG)] or sealed[:-1], permit())


async def lengthen(store: Store, bucket: str, found: Found, sealed: bytes, others: list[Found]) -> None:
    await store.put(bucket, found.name, sealed + bytes(BLOCK + TAG), permit())


async def lengthen_without_end(store: Store, bucket: str, found: Found, sealed: bytes, others: list[Found]) -> None:
    await store.put(bucket, found.name, sealed + bytes(20_000_000), permit())


async def swap(store: Store, bucket: str, found: Found, sealed: bytes, others: list[Found]) -> None:
    another = next(other for other in others if other.name != found.name and other.bytes == found.bytes)
    await store.put(bucket, found.name, await store.get(bucket, another.name, permit()), permit())


async def empty(store: Store, bucket: str, found: Found, sealed: bytes, others: list[Found]) -> None:
    await store.put(bucket, found.name, b"", permit())


@pytest.mark.parametrize("tampering", [flip, flip_the_salt, cut, lengthen, lengthen_without_end, swap, empty])
async def test_a_segment_that_was_tampered_with_is_not_believed(
    store: Store, consent: Consent, bucket: str, tmp_path: Path, tampering: Tampering
) -> None:
    artefact_id, manifest = await written(store, consent, bucket)
    all_found = await listed(store, bucket)
    name = object_name(consent.episode, artefact_id, manifest.segments[1].id)
    (found,) = [found for found in all_found if found.name == name]
    await tampering(store, bucket, found, bytes(await store.get(bucket, name, permit())), all_found)
    reader = reader_of(store, consent, bucket, artefact_id)
    with pytest.raises(Tampered):
        await reader.verify()
    with pytest.raises(Tampered):
        await reader.copy_to(tmp_path / "film")
    assert not (tmp_path / "film").exists()
    assert await read(reader, 0, SEGMENT - 1) == FILM[:SEGMENT]
    if tampering not in (flip_the_salt, lengthen, lengthen_without_end):  # a range does not touch what these changed
        with pytest.raises(Tampered):
            await read(reader, SEGMENT, 2 * SEGMENT - 1)


@pytest.mark.parametrize("tampering", [flip, flip_the_salt, cut, lengthen, lengthen_without_end, empty])
async def test_a_manifest_that_was_tampered_with_is_not_believed(
    store: Store, consent: Consent, bucket: str, tampering: Tampering
) -> None:
    artefact_id, _ = await written(store, consent, bucket)
    name = object_name(consent.episode, artefact_id, consent.manifests[artefact_id])
    (found,) = await listed(store, bucket, name)
    await tampering(store, bucket, found, bytes(await store.get(bucket, name, permit())), [])
    with pytest.raises(Tampered):
        await read(reader_of(store, consent, bucket, artefact_id))


async def test_a_segment_or_manifest_of_another_artefact_is_not_believed(
    store: Store, consent: Consent, bucket: str
) -> None:
    (one, manifest), (other, other_manifest) = [await written(store, consent, bucket) for _ in range(2)]

    async def moved(from_id: UUID, to_id: UUID) -> None:
        stolen = await store.get(bucket, object_name(consent.episode, other, from_id), permit())
        await store.put(bucket, object_name(consent.episode, one, to_id), stolen, permit())

    await moved(other_manifest.segments[0].id, manifest.segments[0].id)
    with pytest.raises(Tampered):
        await read(reader_of(store, consent, bucket, one))
    await moved(consent.manifests[other], consent.manifests[one])
    with pytest.raises(Tampered):
        await reader_of(store, consent, bucket, one).manifest()


async def test_a_copy_that_was_damaged_in_the_store_is_not_finished(
    store: Store, consent: Consent, bucket: str
) -> None:
    artefact_id = consent.artefact()
    async with writer_of(store, consent, bucket, artefact_id) as writer:
        await writer.write(FILM)
        await writer.flush()
        name = object_name(consent.episode, artefact_id, writer.segments[0].id)
        (found,) = await listed(store, bucket, name)
        await flip(store, bucket, found, bytes(await store.get(bucket, name, permit())), [])
        with pytest.raises(Tampered):
            await writer.finish("video/mp4")
        await store.delete(bucket, found)
        with pytest.raises(Missing):
            await writer.finish("video/mp4")
    assert await listed(store, bucket, object_name(consent.episode, artefact_id, consent.manifests[artefact_id])) == []


async def test_a_segment_stored_under_another_key_is_not_believed(store: Store, consent: Consent, bucket: str) -> None:
    artefact_id, _ = await written(store, consent, bucket)
    consent.keys[artefact_id] = os.urandom(32)
    with pytest.raises(Tampered):
        await reader_of(store, consent, bucket, artefact_id).manifest()


@pytest.mark.parametrize("other", [bytes(SEGMENT), b"shorter"])
async def test_a_segment_sealed_with_our_own_key_but_other_bytes_than_counted_is_not_finished(
    store: Store, consent: Consent, bucket: str, other: bytes
) -> None:
    artefact_id = consent.artefact()
    async with writer_of(store, consent, bucket, artefact_id) as writer:
        await writer.write(FILM)
        await writer.flush()
        segment = writer.segments[1]
        _, sealed = seal(Key(consent.keys[artefact_id]), artefact_id, segment.id, other)
        await store.put(bucket, object_name(consent.episode, artefact_id, segment.id), sealed, permit())
        with pytest.raises(Tampered):
            await writer.finish("video/mp4")
