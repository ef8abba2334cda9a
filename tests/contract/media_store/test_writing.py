"""Artefacts are written, cut off, resumed and finished, and only under a permit."""

import asyncio
import hashlib
from typing import Any
from uuid import UUID

import pytest

from deploy.local.stack import Store as Server
from shared.media_store import (
    ArtefactReader,
    ArtefactWriter,
    FinishedOtherwise,
    Key,
    PermitExpired,
    Refused,
    Segment,
    StandingPermit,
    Store,
    Unavailable,
    object_name,
)
from shared.media_store.sealing import seal, sealed_length
from tests.contract.media_store.conftest import Consent, Opened
from tests.contract.media_store.films import (
    FILM,
    SEGMENT,
    Jumping,
    listed,
    permit,
    read,
    reader_of,
    store_all,
    writer_of,
    written,
)
from tests.contract.media_store.proxy import Proxy


async def test_a_film_of_nothing_is_a_film(store: Store, consent: Consent, bucket: str) -> None:
    artefact_id, manifest = await written(store, consent, bucket, b"")
    assert (manifest.segments, manifest.length) == ((), 0)
    assert await read(reader_of(store, consent, bucket, artefact_id)) == b""


async def test_each_segment_is_told_in_order_once_the_store_has_it(store: Store, consent: Consent, bucket: str) -> None:
    artefact_id, told = consent.artefact(), []

    async def stored(segment: Segment) -> None:
        name = object_name(consent.episode, artefact_id, segment.id)
        assert len(await store.get(bucket, name, permit())) == sealed_length(segment.length)
        told.append(segment)

    async with writer_of(store, consent, bucket, artefact_id, stored=stored) as writer:
        await writer.write(FILM)
        await writer.flush()
        assert tuple(told) == writer.segments
        assert writer.length == len(FILM)


async def test_what_the_teller_raises_ends_the_writing_and_its_segment_does_not_count(
    store: Store, consent: Consent, bucket: str
) -> None:
    class TakenOver(Exception):
        pass

    told: list[Segment] = []

    async def stored(segment: Segment) -> None:
        if told:
            raise TakenOver
        told.append(segment)

    async with writer_of(store, consent, bucket, consent.artefact(), stored=stored) as writer:
        with pytest.raises(TakenOver):
            await store_all(writer)
        assert writer.segments == tuple(told)
        for again in (writer.flush(), writer.write(FILM), writer.finish("video/mp4")):
            with pytest.raises(TakenOver):
                await again


async def test_the_next_byte_tells_that_the_segment_before_it_could_not_be_stored(
    store: Store, consent: Consent, bucket: str
) -> None:
    """Not only when its own segment is full: who sends slowly would send in vain for long."""
    failed = asyncio.Event()

    class TakenOver(Exception):
        pass

    async def stored(_: Segment) -> None:
        failed.set()
        raise TakenOver

    async with writer_of(store, consent, bucket, consent.artefact(), stored=stored) as writer:
        await writer.write(FILM[: SEGMENT + 1])
        await failed.wait()
        await asyncio.sleep(0.01)  # in which the task that raised it ends
        with pytest.raises(TakenOver):
            await writer.write(b"x")


async def test_what_the_store_has_first_waits_for_the_one_before_it(
    store: Store, consent: Consent, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Segment] = []
    answers: dict[int, asyncio.Event] = {}  # by the length of what is put
    put = store.put

    async def stored(segment: Segment) -> None:
        told.append(segment)

    async def answered_when_told(bucket: str, name: str, body: bytes, *more: Any, new: bool) -> None:
        answers[len(body)] = answer = asyncio.Event()
        await put(bucket, name, body, *more, new=new)
        await answer.wait()

    artefact_id = consent.artefact()
    async with writer_of(store, consent, bucket, artefact_id, stored=stored) as writer:
        monkeypatch.setattr(store, "put", answered_when_told)
        await writer.write(FILM[: SEGMENT + 1])
        flushing = asyncio.create_task(writer.flush())
        while len(await listed(store, bucket)) < 2:
            await asyncio.sleep(0.01)
        monkeypatch.undo()
        answers[sealed_length(1)].set()
        await asyncio.sleep(0.1)  # should it be told too early, this is when
        assert (told, writer.segments, len(writer.astray)) == ([], (), 2)
        answers[sealed_length(SEGMENT)].set()
        await flushing
        assert (tuple(told), writer.astray) == (writer.segments, ())
        assert [segment.length for segment in told] == [SEGMENT, 1]


async def test_what_follows_a_segment_that_failed_goes_astray(store: Store, consent: Consent, bucket: str) -> None:
    class Lost(Exception):
        pass

    async def stored(segment: Segment) -> None:
        while len(await listed(store, bucket)) < 2:
            await asyncio.sleep(0.01)
        raise Lost

    artefact_id = consent.artefact()
    writer = writer_of(store, consent, bucket, artefact_id, stored=stored)
    with pytest.raises(Lost):
        async with writer:
            await store_all(writer)
    assert writer.segments == ()
    astray = {object_name(consent.episode, artefact_id, id) for id in writer.astray}
    assert {found.name for found in await listed(store, bucket)} <= astray


async def test_a_cut_upload_goes_on_at_the_byte_in_another_process(store: Store, consent: Consent, bucket: str) -> None:
    artefact_id = consent.artefact()
    already: tuple[Segment, ...] = ()
    for cut in (SEGMENT + 1, 2 * SEGMENT + 999, 2 * SEGMENT + 1000):
        async with writer_of(store, consent, bucket, artefact_id, already) as writer:
            await writer.write(FILM[writer.length : cut])
            await writer.flush()
            assert writer.length == cut
            already = writer.segments
    async with writer_of(store, consent, bucket, artefact_id, already) as writer:
        await writer.write(FILM[writer.length :])
        manifest = await writer.finish("video/mp4")
    assert manifest.sha256 == hashlib.sha256(FILM).digest()
    assert await read(reader_of(store, consent, bucket, artefact_id)) == FILM


async def test_what_was_taken_in_when_its_sender_vanished_can_still_be_stored(
    s3: Server, opened: Opened, consent: Consent, bucket: str
) -> None:
    """A request handler is cancelled while it waits for the store; what it took in is not lost."""
    async with Proxy(s3.endpoint) as proxy:
        store, artefact_id = opened("upload", proxy.endpoint), consent.artefact()
        async with writer_of(store, consent, bucket, artefact_id) as writer:
            proxy.answering = False
            handler = asyncio.create_task(writer.write(FILM))
            await proxy.reached(1)
            while not proxy.withheld:
                await asyncio.sleep(0.01)
            handler.cancel()
            await asyncio.gather(handler, return_exceptions=True)
            proxy.answering = True
            await writer.flush()
            assert writer.length == 3 * SEGMENT  # two were being stored, one waited for the first
            manifest = await writer.finish("video/mp4")
        assert manifest.sha256 == hashlib.sha256(FILM[: 3 * SEGMENT]).digest()


async def test_a_finish_repeated_elsewhere_seals_the_very_same_bytes(
    store: Store, consent: Consent, versioned: str
) -> None:
    artefact_id, manifest = await written(store, consent, versioned)
    name = object_name(consent.episode, artefact_id, consent.manifests[artefact_id])
    sealed = await store.get(versioned, name, permit())
    async with writer_of(store, consent, versioned, artefact_id, manifest.segments) as writer:
        assert await writer.finish("video/mp4") == manifest
    assert await store.get(versioned, name, permit()) == sealed
    assert len(await listed(store, versioned, name)) == 1
    key = Key(consent.keys[artefact_id])
    assert seal(key, artefact_id, consent.manifests[artefact_id], manifest.to_bytes())[1] == sealed


async def test_of_two_who_finish_differently_the_second_is_refused_and_changes_nothing(
    store: Store, consent: Consent, versioned: str
) -> None:
    artefact_id, manifest = await written(store, consent, versioned)
    for already, media_type in ((manifest.segments[:-1], "video/mp4"), (manifest.segments, "video/quicktime")):
        async with writer_of(store, consent, versioned, artefact_id, already) as writer:
            with pytest.raises(FinishedOtherwise):
                await writer.finish(media_type)
    assert await reader_of(store, consent, versioned, artefact_id).verify() == manifest


async def test_a_finish_whose_answer_was_lost_is_a_finish(
    s3: Server, opened: Opened, consent: Consent, bucket: str
) -> None:
    async with Proxy(s3.endpoint) as proxy:
        store, artefact_id = opened("upload", proxy.endpoint), consent.artefact()
        async with writer_of(store, consent, bucket, artefact_id) as writer:
            await writer.write(FILM)
            await writer.flush()
            proxy.answers_to_lose_to = f"/{consent.manifests[artefact_id]}?"
            proxy.answers_to_lose = 1
            manifest = await writer.finish("video/mp4")
        assert proxy.answers_to_lose == 0
        assert await reader_of(store, consent, bucket, artefact_id).manifest() == manifest


async def test_a_repeated_write_sends_the_same_bytes_under_the_same_name(
    s3: Server, opened: Opened, consent: Consent, bucket: str
) -> None:
    async with Proxy(s3.endpoint) as proxy:
        store, artefact_id = opened("upload", proxy.endpoint), consent.artefact()
        proxy.answers_to_lose_to = "PUT "
        proxy.answers_to_lose = 2
        async with writer_of(store, consent, bucket, artefact_id) as writer:
            await writer.write(FILM[:SEGMENT])
            await writer.flush()
        assert proxy.answers_to_lose == 0
        sent = [bytes(request).split(b"\r\n\r\n", 1) for request in proxy.requests if request.startswith(b"PUT ")]
        names = {head.split(b"?")[0] for head, _ in sent}
        bodies = {body for _, body in sent}
        assert len(sent) == 3
        assert len(names) == len(bodies) == 1
        assert bytes(await store.get(bucket, names.pop().decode().split("/", 2)[2], permit())) in bodies


async def test_a_permit_that_the_store_calls_expired_is_asked_for_again(
    store: Store, consent: Consent, bucket: str
) -> None:
    artefact_id = consent.artefact()
    consent.dated = [-60, 0, -60, 0]  # two of them old when they come
    async with writer_of(store, consent, bucket, artefact_id) as writer:
        await writer.write(FILM)
        await writer.finish("video/mp4")
    assert await read(reader_of(store, consent, bucket, artefact_id)) == FILM
    assert consent.dated == []


async def test_consent_whose_clock_is_wrong_is_not_asked_for_ever(store: Store, consent: Consent, bucket: str) -> None:
    consent.dated = [-60] * 100
    async with writer_of(store, consent, bucket, consent.artefact()) as writer:
        with pytest.raises(PermitExpired):
            await store_all(writer)
    assert await listed(store, bucket) == []
    assert consent.asked < 10


async def test_writing_ends_when_consent_refuses_and_nothing_lands_after(
    store: Store, consent: Consent, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, artefact_id = Jumping(monkeypatch), consent.artefact()
    async with writer_of(store, consent, bucket, artefact_id) as writer:
        await writer.write(FILM[: SEGMENT + 1])
        await writer.flush()
        consent.refusing = "suspended"
        clock.ahead = 30
        with pytest.raises(Refused):
            await store_all(writer)
        with pytest.raises(Refused):
            await writer.finish("video/mp4")
        names = {object_name(consent.episode, artefact_id, segment.id) for segment in writer.segments}
    assert {found.name for found in await listed(store, bucket)} == names
    assert len(names) == 2


async def test_consent_away_ends_writing_when_the_permit_does_and_is_no_refusal(
    store: Store, consent: Consent, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Jumping(monkeypatch)
    async with writer_of(store, consent, bucket, consent.artefact()) as writer:
        await writer.write(FILM[: SEGMENT + 1])
        consent.away, clock.ahead = True, 25
        await writer.write(FILM[: SEGMENT + 1])
        clock.ahead = 31
        with pytest.raises(Unavailable) as unavailable:
            await store_all(writer)
    assert not isinstance(unavailable.value, Refused)


async def test_many_artefacts_at_once_share_a_permit(store: Store, consent: Consent, bucket: str) -> None:
    ids = [consent.artefact() for _ in range(5)]
    standing: StandingPermit = consent.permits.standing("review", ids[0], read=ids)

    async def write(artefact_id: UUID) -> None:
        async with ArtefactWriter(store, standing, bucket, artefact_id, segment_bytes=SEGMENT) as writer:
            await writer.write(artefact_id.bytes + FILM)
            await writer.finish("video/mp4")

    await asyncio.gather(*map(write, ids))
    for artefact_id in ids:
        assert await read(ArtefactReader(store, standing, bucket, artefact_id)) == artefact_id.bytes + FILM
    assert consent.asked == 1
