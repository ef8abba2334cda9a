"""Bytes on their way to a player, for as long as consent allows it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Send

from services.curation.playback.model import Part
from shared.media_store import ArtefactReader, Manifest, Missing, Refused, StandingPermit, Tampered, Unavailable

log = logging.getLogger(__name__)

LOOKS = 6  # how often in a permit's life


async def pieces(
    reader: ArtefactReader, permit: StandingPermit, manifest: Manifest, part: Part
) -> AsyncIterator[bytes]:
    """The part in pieces of at most 256 KiB; consent is asked anew before each segment."""
    position, asked = part.first, await permit.current()
    for _, start, end in manifest.stretches(part.first, part.last):
        if position > part.first:
            permit.drop(asked)
            asked = await permit.current()
        following = position + end - start + 1
        async for piece in reader.read(position, following - 1):
            yield piece
        position = following


class Stream(StreamingResponse):
    """Cut off when the permit ends, also while the client takes nothing: a short answer never looks whole.

    `refused` is awaited with the reason if consent said no meanwhile.
    """

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        permit: StandingPermit,
        refused: Callable[[str], Awaitable[None]],
        *,
        status_code: int,
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        super().__init__(pieces, status_code, headers, media_type)
        self._permit, self._refused = permit, refused

    async def stream_response(self, send: Send) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch())
                await super().stream_response(send)
                watching.cancel()
        except* Refused as refused:
            reason = next(error.reason for error in refused.exceptions if isinstance(error, Refused))
            log.warning("a response was cut off: consent refused (%s)", reason)
            await self._refused(reason)
        except* (Unavailable, Missing, Tampered) as failed:
            log.warning("a response was cut off: %s", failed.exceptions[0])

    async def _watch(self) -> None:
        while True:
            permit = await self._permit.current()
            await asyncio.sleep(permit.seconds / LOOKS)
