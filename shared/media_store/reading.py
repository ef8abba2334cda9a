"""Reading an artefact: unsealed in bounded memory, the permit checked before every fetch and every piece handed out."""

import asyncio
import hashlib
import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias
from uuid import UUID

from shared.media_store.errors import Tampered
from shared.media_store.manifest import Manifest
from shared.media_store.permits import AnyPermit, Permit, under
from shared.media_store.sealing import BLOCK, Bytes, Key, Segment, sealed_range, unseal, unseal_range
from shared.media_store.store import Store, object_name

Told: TypeAlias = Callable[[int, int], Awaitable[None]]


class ArtefactReader:
    """Reading ends when a Permit does (PermitExpired), or when consent refuses to renew a StandingPermit (Refused).

    manifest: if it is known already, and then nobody is asked for it. Every call may also raise Unavailable, Missing
    and Tampered.
    """

    def __init__(
        self, store: Store, permit: AnyPermit, bucket: str, artefact_id: UUID, manifest: Manifest | None = None
    ) -> None:
        self._store, self._permit, self._bucket, self._artefact_id = store, permit, bucket, artefact_id
        self._manifest = manifest

    async def manifest(self) -> Manifest:
        if self._manifest is None:
            self._manifest = Manifest.from_bytes(await under(self._permit, self._fetch_manifest))
        return self._manifest

    async def read(self, first: int = 0, last: int | None = None) -> AsyncIterator[bytes]:
        """The plain bytes first to last (both included; without last, to the end), in pieces of at most 256 KiB.

        Raises ValueError if there are no such bytes.
        """
        manifest = await self.manifest()
        if last is None:
            last = manifest.length - 1
        if manifest.length and not 0 <= first <= last < manifest.length:
            raise ValueError("outside the artefact")
        for segment, start, end in _soon(manifest.stretches(first, last)):
            plain = await under(self._permit, partial(self._fetch_range, segment, start, end))
            for position in range(0, len(plain), BLOCK):
                await self._permit.current()  # whoever takes the pieces may be slow
                yield bytes(plain[position : position + BLOCK])

    async def copy_to(self, path: Path, told: Told | None = None) -> None:
        """All of it to a new file, readable by this user alone, hashes checked; no file is left when this raises.

        told: of the bytes that have been fetched, and of how many; what it raises ends the copy.
        """
        with _created(path) as file:
            await self._check(file.write, told)

    async def copy_ends_to(self, path: Path, head: int, tail: int) -> None:
        """The first and the last so many bytes, and what else is in their segments, to a new file as long as the whole.

        What lies between them is a hole. Each segment's hash is checked.
        """
        manifest, start = await self.manifest(), 0
        with _created(path) as file:
            file.truncate(manifest.length)
            for segment in manifest.segments:
                if start < head or start + segment.length > manifest.length - tail:
                    file.seek(start)
                    await self.digest([segment], file.write)
                start += segment.length

    async def verify(self) -> Manifest:
        """Read the whole sealed copy back and compare every segment and the whole with the manifest's hashes."""
        await self._check()
        return await self.manifest()

    async def digest(
        self, segments: Iterable[Segment] | AsyncIterable[Segment], take: Callable[[Bytes], object] | None = None
    ) -> bytes:
        """The SHA-256 over these segments' plain bytes as they lie in the store, each compared with its own hash.

        They may be told of one by one, as they are stored. `take` is called in a thread with the plain bytes of each.
        """
        whole = hashlib.sha256()

        def check(segment: Segment, key: Key, sealed: Bytes) -> Bytes:
            plain = unseal(key, self._artefact_id, segment.id, sealed)
            if len(plain) != segment.length or hashlib.sha256(plain).digest() != segment.sha256:
                raise Tampered("a segment is not what was stored")
            return plain

        def add(plain: Bytes) -> None:
            whole.update(plain)
            if take:
                take(plain)

        async def go_on(segment: Segment, key: Key, sealed: bytearray, before: asyncio.Task[None] | None) -> None:
            plain = await asyncio.to_thread(check, segment, key, sealed)
            del sealed  # nothing is held longer than it is needed
            if before:
                await before
            await asyncio.to_thread(add, plain)

        under_way: deque[asyncio.Task[None]] = deque()  # three at once: one is fetched, one opened, one added
        try:
            async with aclosing(_each(segments)) as each:
                async for segment in each:
                    sealed = await self._fetch_whole(segment)
                    if len(under_way) == 2:
                        await under_way.popleft()
                    before = under_way[-1] if under_way else None
                    under_way.append(asyncio.create_task(go_on(segment, *sealed, before)))
                    del sealed
            for last in under_way:
                await last
        finally:
            await asyncio.gather(*under_way, return_exceptions=True)
        return whole.digest()

    async def _check(self, take: Callable[[Bytes], object] | None = None, told: Told | None = None) -> None:
        manifest = await self.manifest()
        segments = _telling(manifest, told) if told else manifest.segments
        if await self.digest(segments, take) != manifest.sha256:
            raise Tampered("the whole is not what the manifest says")

    async def _fetch_manifest(self, permit: Permit) -> bytearray:
        manifest_id = permit.artefacts[self._artefact_id].manifest_id
        key, sealed = await self._fetch(manifest_id, permit)
        return unseal(key, self._artefact_id, manifest_id, sealed)

    async def _fetch_whole(self, segment: Segment) -> tuple[Key, bytearray]:
        return await under(self._permit, partial(self._fetch, segment.id))

    async def _fetch_range(self, segment: Segment, first: int, last: int, permit: Permit) -> memoryview:
        key, sealed = await self._fetch(segment.id, permit, *sealed_range(segment, first, last))
        return await asyncio.to_thread(unseal_range, key, self._artefact_id, segment, first, last, sealed)

    async def _fetch(
        self, segment_id: UUID, permit: Permit, first: int = 0, last: int | None = None
    ) -> tuple[Key, bytearray]:
        """A sealed segment or some bytes of it, with the key to it."""
        grant = permit.artefacts[self._artefact_id]
        name = object_name(grant.episode_id, self._artefact_id, segment_id)
        return grant.key, await self._store.get(self._bucket, name, permit, first, last)


async def _telling(manifest: Manifest, told: Told) -> AsyncGenerator[Segment, None]:
    """Its segments; whoever asks for the next has fetched the one before."""
    fetched = 0
    for segment in manifest.segments:
        yield segment
        fetched += segment.length
        await told(fetched, manifest.length)


async def _each(segments: Iterable[Segment] | AsyncIterable[Segment]) -> AsyncGenerator[Segment, None]:
    if isinstance(segments, AsyncIterable):
        async for segment in segments:
            yield segment
    else:
        for segment in segments:
            yield segment


def _soon(stretches: Iterable[tuple[Segment, int, int]]) -> Iterator[tuple[Segment, int, int]]:
    """The same, but for the first two blocks, which are fetched alone: the first byte does not wait for all of them."""
    for number, (segment, start, end) in enumerate(stretches):
        second = (start // BLOCK + 2) * BLOCK
        if number == 0 and second <= end:
            yield segment, start, second - 1
            start = second
        yield segment, start, end


@contextmanager
def _created(path: Path) -> Iterator[BinaryIO]:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            yield file
        except BaseException:
            path.unlink()
            raise
