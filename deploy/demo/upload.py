"""A tus 1.0 client, as small as the demo needs it: in pieces, cut off once on purpose, resumed at the byte."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from deploy.demo.world import Person, Unexpected

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = 1024 * 1024


class CutOff(Exception):
    """The line broke, on purpose."""


def metadata(values: dict[str, str]) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


async def create(person: Person, length: int, said: dict[str, str], expect: int = 201) -> httpx.Response:
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata(said)}
    return await person.call("upload", "POST", "/uploads", expect, headers=headers)


async def offset(person: Person, upload_id: str) -> int:
    answer = await person.call("upload", "HEAD", f"/uploads/{upload_id}", headers=TUS)
    return int(answer.headers["Upload-Offset"])


async def send(
    person: Person,
    upload_id: str,
    film: Path,
    *,
    cut_after: int | None = None,
) -> int:
    """PATCH what is missing. Returns the new offset. Raises CutOff after `cut_after` bytes of it, if asked to."""
    at = await offset(person, upload_id)

    async def body() -> AsyncIterator[bytes]:
        sent = 0
        with film.open("rb") as file:
            file.seek(at)
            while piece := file.read(PIECE):
                if cut_after is not None and sent + len(piece) > cut_after:
                    yield piece[: cut_after - sent]
                    raise CutOff
                yield piece
                sent += len(piece)

    headers = {**TUS, "Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"}
    answer = await person.clients["upload"].patch(f"/v1/uploads/{upload_id}", headers=headers, content=body())
    if answer.status_code == 409:  # bytes of a line that broke were still being stored: ask again where it stands
        return await send(person, upload_id, film, cut_after=cut_after)
    if answer.status_code != 204:
        raise Unexpected(f"PATCH answered {answer.status_code}: {answer.text[:300]}")
    return int(answer.headers["Upload-Offset"])
