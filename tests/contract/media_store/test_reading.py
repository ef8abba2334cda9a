"""Artefacts are read as they were written, in ranges and whole, and only under a permit."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.local.stack import Store as Server
from shared.media_store import (
    ArtefactReader,
    Missing,
    PermitExpired,
    Refused,
    Store,
    object_name,
)
from shared.media_store.sealing import BLOCK, TAG, sealed_length
from tests.contract.media_store.conftest import Consent, Opened
from tests.contract.media_store.films import FILM, SEGMENT, Jumping, listed, read, reader_of, writer_of, written
from tests.contract.media_store.proxy import Proxy


async def test_a_film_is_read_as_it_was_written_whatever_the_pieces(
    store: Store, consent: Consent, bucket: str
) -> None:
    artefact_id = consent.artefact()
    async with writer_of(store, consent, bucket, artefact_id) as writer:
        position = 0
        for size in (1, 0, 5000, SEGMENT - 5001, 2 * SEGMENT + 17, len(FILM)):
            await writer.write(memoryview(FILM)[position : position + size])
            position += size
        manifest = await writer.finish("video/mp4")
    assert manifest.sha256 == hashlib.sha256(FILM).digest()
    assert manifest.length == len(FILM)
    assert [segment.length for segment in manifest.segments] == [SEGMENT, SEGMENT, SEGMENT, 4321]
    reader = reader_of(store, consent, bucket, artefact_id)
    assert await read(reader) == FILM
    assert await reader.verify() == manifest
    names = {found.name for found in await listed(store, bucket)}
    ids = [segment.id for segment in manifest.segments] + [consent.manifests[artefact_id]]
    assert names == {object_name(consent.episode, artefact_id, id) for id in ids}


@pytest.mark.parametrize(
    ("head", "tail", "hole"),
    [(1, 1, (SEGMENT, 3 * SEGMENT)), (SEGMENT + 1, 4321, (2 * SEGMENT, 3 * SEGMENT)), (len(FILM), 1, (0, 0))],
)
async def test_the_ends_of_a_film_are_copied_alone(
    store: Store, consent: Consent, bucket: str, tmp_path: Path, head: int, tail: int, hole: tuple[int, int]
) -> None:
    artefact_id, _ = await written(store, consent, bucket)
    await reader_of(store, consent, bucket, artefact_id).copy_ends_to(tmp_path / "ends", head, tail)
    first, end = hole
    assert (tmp_path / "ends").read_bytes() == FILM[:first] + bytes(end - first) + FILM[end:]


async def test_reading_under_one_permit_ends_with_it(
    store: Store, consent: Consent, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefact_id, _ = await written(store, consent, bucket)
    clock = Jumping(monkeypatch)
    one = await consent.permits.ask("review", artefact_id, read=[artefact_id])
    pieces = ArtefactReader(store, one, bucket, artefact_id).read()
    assert await anext(pieces) == FILM[:BLOCK]
    clock.ahead = 30  # the next piece lies in memory, unsealed
    with pytest.raises(PermitExpired):
        await anext(pieces)
    with pytest.raises(PermitExpired):
        await ArtefactReader(store, one, bucket, artefact_id).verify()


async def test_reading_goes_on_while_consent_does_and_ends_at_its_no(
    store: Store, consent: Consent, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefact_id, _ = await written(store, consent, bucket)
    clock = Jumping(monkeypatch)
    pieces = reader_of(store, consent, bucket, artefact_id).read()
    await anext(pieces)
    clock.ahead = 30
    await anext(pieces)
    consent.refusing = "suspended"
    clock.ahead = 60
    with pytest.raises(Refused):
        await anext(pieces)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.data())
async def test_every_range_is_the_bytes_of_the_film(
    store: Store, consent: Consent, ranged: ArtefactReader, data: st.DataObject
) -> None:
    edges = [edge + by for edge in range(0, len(FILM), SEGMENT) for by in (-1, 0, BLOCK - 1, BLOCK) if edge + by >= 0]
    places = st.one_of(st.integers(0, len(FILM) - 1), st.sampled_from([e for e in edges if e < len(FILM)]))
    first, last = sorted((data.draw(places), data.draw(places)))
    assert await read(ranged, first, last) == FILM[first : last + 1]


@pytest.fixture
async def ranged(store: Store, consent: Consent, bucket: str) -> ArtefactReader:
    artefact_id, _ = await written(store, consent, bucket)
    return reader_of(store, consent, bucket, artefact_id)


@pytest.mark.parametrize(("first", "last"), [(-1, 5), (5, 4), (0, len(FILM)), (len(FILM), None)])
async def test_a_range_outside_the_film_is_no_range(ranged: ArtefactReader, first: int, last: int | None) -> None:
    with pytest.raises(ValueError, match="outside"):
        await read(ranged, first, last)


async def test_a_range_fetches_no_more_than_its_blocks(
    s3: Server, opened: Opened, store: Store, consent: Consent, bucket: str
) -> None:
    artefact_id, manifest = await written(store, consent, bucket)
    async with Proxy(s3.endpoint) as proxy:
        reader = reader_of(opened("upload", proxy.endpoint), consent, bucket, artefact_id)
        await read(reader, BLOCK + 5, BLOCK + 6)
        assert proxy.brought < sealed_length(len(manifest.to_bytes())) + BLOCK + TAG + 4000  # and the headers


async def test_the_first_bytes_of_a_range_do_not_wait_for_all_of_it(
    s3: Server, opened: Opened, store: Store, consent: Consent, bucket: str
) -> None:
    artefact_id, manifest = await written(store, consent, bucket)
    async with Proxy(s3.endpoint) as proxy:
        pieces = reader_of(opened("upload", proxy.endpoint), consent, bucket, artefact_id).read(5)
        await anext(pieces)
        assert proxy.brought < sealed_length(len(manifest.to_bytes())) + 2 * (BLOCK + TAG) + 4000


async def test_a_copy_is_the_film_and_for_this_user_alone(
    store: Store, consent: Consent, bucket: str, tmp_path: Path
) -> None:
    artefact_id, _ = await written(store, consent, bucket)
    path = tmp_path / "film"
    await reader_of(store, consent, bucket, artefact_id).copy_to(path)
    assert path.read_bytes() == FILM
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        await reader_of(store, consent, bucket, artefact_id).copy_to(path)
    assert path.read_bytes() == FILM


async def test_a_copy_refused_halfway_leaves_no_file(
    store: Store, consent: Consent, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefact_id, _ = await written(store, consent, bucket)
    clock, taken, path = Jumping(monkeypatch), 0, tmp_path / "film"
    get = Store.get

    async def get_and_let_time_pass(*arguments: object) -> bytearray:
        nonlocal taken
        taken += 1
        if taken == 3:  # the manifest, one segment, and now
            assert path.stat().st_size <= SEGMENT
            consent.refusing, clock.ahead = "suspended", 30
            raise PermitExpired("says the store")
        return await get(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "get", get_and_let_time_pass)
    with pytest.raises(Refused):
        await reader_of(store, consent, bucket, artefact_id).copy_to(path)
    assert taken == 3
    assert not path.exists()


async def test_what_was_registered_but_never_finished_is_missing(store: Store, consent: Consent, bucket: str) -> None:
    with pytest.raises(Missing):
        await reader_of(store, consent, bucket, consent.artefact()).manifest()
