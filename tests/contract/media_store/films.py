"""A little film of several segments, and what tests do with it."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.media_store import (
    ArtefactReader,
    ArtefactWriter,
    Found,
    Manifest,
    Permit,
    Segment,
    Store,
)
from shared.media_store import permits as permits_module
from shared.media_store.sealing import BLOCK
from tests.contract.media_store.conftest import Consent

SEGMENT = 2 * BLOCK + 1000  # small ones, so that a little film has several
FILM = random.Random(1).randbytes(3 * SEGMENT + 4321)


def writer_of(
    store: Store,
    consent: Consent,
    bucket: str,
    artefact_id: UUID,
    already: tuple[Segment, ...] = (),
    stored: Callable[[Segment], Awaitable[None]] | None = None,
) -> ArtefactWriter:
    standing = consent.standing(artefact_id)
    return ArtefactWriter(store, standing, bucket, artefact_id, already=already, stored=stored, segment_bytes=SEGMENT)


async def written(store: Store, consent: Consent, bucket: str, film: bytes = FILM) -> tuple[UUID, Manifest]:
    artefact_id = consent.artefact()
    async with writer_of(store, consent, bucket, artefact_id) as writer:
        await writer.write(film)
        return artefact_id, await writer.finish("video/mp4")


async def store_all(writer: ArtefactWriter) -> None:
    await writer.write(FILM)
    await writer.flush()


def reader_of(store: Store, consent: Consent, bucket: str, artefact_id: UUID) -> ArtefactReader:
    return ArtefactReader(store, consent.standing(artefact_id), bucket, artefact_id)


async def read(reader: ArtefactReader, first: int = 0, last: int | None = None) -> bytes:
    return b"".join([piece async for piece in reader.read(first, last)])


class Jumping:
    """The process's clock, which a test moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead, self.real = 0.0, permits_module.elapsed
        monkeypatch.setattr(permits_module, "elapsed", lambda: self.real() + self.ahead)


def permit(age: float = 0) -> Permit:
    """As this process sees it, valid; it is for the store to tell how old it is."""
    return Permit(datetime.now(UTC) - timedelta(seconds=age), 30, permits_module.elapsed() + 3600, {})


async def listed(store: Store, bucket: str, prefix: str = "") -> list[Found]:
    return [found async for found in store.list_all(bucket, prefix)]
