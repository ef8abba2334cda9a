"""Films of which only what is read is staged: a clip needs the tables of its film, and a few seconds."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from services.transcoding.cut import Bring
from shared.media_store import ArtefactReader


async def stage(films: Mapping[Path, ArtefactReader]) -> Bring:
    """Files as long as the films, without a byte of them; the answer fills them. Both raise what reading does."""
    for path, reader in films.items():
        length = (await reader.manifest()).length
        await asyncio.to_thread(_make_room, path, length)

    async def bring(film: Path, first: int, end: int) -> None:
        at = first
        async for piece in films[film].read(first, end - 1):
            await asyncio.to_thread(_write, film, at, piece)
            at += len(piece)

    return bring


def _make_room(path: Path, length: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.truncate(length)


def _write(path: Path, at: int, piece: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(piece)
