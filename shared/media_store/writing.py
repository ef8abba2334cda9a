"""Writing an artefact: plain bytes in, sealed segments out."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Self
from uuid import UUID, uuid4

from shared.media_store.errors import Exists, FinishedOtherwise
from shared.media_store.manifest import Manifest
from shared.media_store.permits import AnyPermit, Permit, under
from shared.media_store.reading import ArtefactReader
from shared.media_store.sealing import MAX_SEGMENT, Bytes, Segment, seal
from shared.media_store.store import Store, object_name

AT_ONCE = 2  # segments on their way to the store: while one waits for an answer, the other is sent

Stored = Callable[[Segment], Awaitable[None]]


class ArtefactWriter:
    """`async with ArtefactWriter(...) as writer`: holds one segment being filled and AT_ONCE being stored.

    `already` are the segments stored before, by any process, after which an upload is resumed. `stored` is awaited for
    each further one, in order, once the store has it; what it raises ends the writing. Calls raise Refused, Unavailable
    or Forbidden; after that, begin anew with a new writer. Leaving the block drops what was not flushed.
    """

    def __init__(
        self,
        store: Store,
        permit: AnyPermit,
        bucket: str,
        artefact_id: UUID,
        *,
        stored: Stored | None = None,
        already: Sequence[Segment] = (),
        segment_bytes: int = 4 * 1024 * 1024,
    ) -> None:
        if not 0 < segment_bytes <= MAX_SEGMENT:
            raise ValueError("a segment is at most 8 MiB")
        self._store, self._permit, self._bucket, self._artefact_id = store, permit, bucket, artefact_id
        self._stored, self._segment_bytes = stored, segment_bytes
        self._segments = list(already)
        self._begun: list[UUID] = []
        self._filling = bytearray()
        self._storing: deque[asyncio.Task[None]] = deque()  # in order; one that failed stays

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for storing in self._storing:
            storing.cancel()
        await asyncio.gather(*self._storing, return_exceptions=True)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What is stored, in order, `already` included."""
        return tuple(self._segments)

    @property
    def astray(self) -> tuple[UUID, ...]:
        """Segments that the store may have and that are not stored, for their writing failed or was given up."""
        stored = {segment.id for segment in self._segments}
        return tuple(id for id in self._begun if id not in stored)

    @property
    def length(self) -> int:
        """Plain bytes that are stored, `already` included: where an upload may be resumed."""
        return sum(segment.length for segment in self._segments)

    async def write(self, data: Bytes) -> None:
        """Take in plain bytes, however many. What went wrong with one before is raised by the next call."""
        while self._storing and self._storing[0].done():
            await self._first_stored()
        with memoryview(data) as view:
            taken = 0
            while taken < len(view):
                if len(self._filling) == self._segment_bytes:
                    await self._store_filled()
                piece = view[taken : taken + self._segment_bytes - len(self._filling)]
                self._filling += piece
                taken += len(piece)

    async def flush(self) -> None:
        """Store what was taken in, as a short segment if need be. What was written is stored when this returns."""
        if self._filling:
            await self._store_filled()
        while self._storing:
            await self._first_stored()

    async def finish(self, media_type: str, read_back: bytes | None = None) -> Manifest:
        """Flush, read the whole sealed copy back, check it, and only then store the manifest.

        read_back: the digest of all that is stored, if it has been read back already.
        May be repeated, also by another process with the same segments. Raises FinishedOtherwise if it was finished
        with others, Tampered or Missing if the sealed copy is not what was stored.
        """
        await self.flush()
        reader = ArtefactReader(self._store, self._permit, self._bucket, self._artefact_id)
        manifest = Manifest(media_type, self.segments, read_back or await reader.digest(self._segments))
        try:
            await under(self._permit, partial(self._put_manifest, manifest))
        except Exists:
            if await reader.manifest() != manifest:
                raise FinishedOtherwise("the artefact has another manifest") from None
        return manifest

    async def _store_filled(self) -> None:
        while len(self._storing) == AT_ONCE:
            await self._first_stored()
        # nothing is awaited from here on: a caller cancelled before this still has its bytes in `_filling`
        before = self._storing[-1] if self._storing else None
        self._storing.append(asyncio.create_task(self._store_segment(self._filling, before)))
        self._filling = bytearray()

    async def _first_stored(self) -> None:
        await asyncio.wait([self._storing[0]])  # unlike `await`, leaves it running when the caller is cancelled
        self._storing[0].result()
        self._storing.popleft()

    async def _store_segment(self, plain: bytearray, before: asyncio.Task[None] | None) -> None:
        """Counts only when the one before it does, whichever the store has first."""
        key = (await self._permit.current()).artefacts[self._artefact_id].key
        segment, sealed = await asyncio.to_thread(seal, key, self._artefact_id, uuid4(), plain)
        del plain  # nothing is held twice
        self._begun.append(segment.id)
        await under(self._permit, partial(self._put, segment.id, sealed))
        if before:
            await asyncio.wait([before])
            before.result()
        if self._stored:
            await self._stored(segment)
        self._segments.append(segment)

    async def _put_manifest(self, manifest: Manifest, permit: Permit) -> None:
        grant = permit.artefacts[self._artefact_id]
        _, sealed = seal(grant.key, self._artefact_id, grant.manifest_id, manifest.to_bytes())
        await self._put(grant.manifest_id, sealed, permit, new=True)

    async def _put(self, segment_id: UUID, sealed: Bytes, permit: Permit, *, new: bool = False) -> None:
        name = object_name(permit.artefacts[self._artefact_id].episode_id, self._artefact_id, segment_id)
        await self._store.put(self._bucket, name, sealed, permit, new=new)
