"""The official JavaScript client, in chunks, through a line that breaks, gone on with by a new process."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local import npm
from tests.integration.upload.conftest import MIB, Client, Inside, Service, Token, film
from tests.integration.upload.consent import Episode
from tests.line import WHOLE, Line, breaking

CLIENT = Path(__file__).parent / "client.mjs"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client as the portal's pages have it, by the same lock file."""
    folder = tmp_path_factory.mktemp("npm") / "client"
    return npm.install(npm.PORTAL, folder)


@asynccontextmanager
async def running(said: dict[str, Any]) -> AsyncIterator[asyncio.subprocess.Process]:
    node = npm.node_folder() / "bin" / "node"
    process = await asyncio.create_subprocess_exec(
        node, CLIENT, json.dumps(said), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def says(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout
    spoken = await asyncio.wait_for(process.stdout.readline(), 300)
    assert spoken, "it ended"
    said: dict[str, Any] = json.loads(spoken)
    return said


async def test_the_official_client_brings_a_film_in_over_a_line_that_breaks(
    client: Client,
    shared_service: Service,
    family: Episode,
    inside: Inside,
    token: Token,
    modules: Path,
    tmp_path: Path,
) -> None:
    plain = film(40 * MIB)
    (tmp_path / "Anna Smith.mp4").write_bytes(plain)
    line = Line(shared_service.processes[0].url, 4 * MIB, until=20 * MIB)
    async with breaking(line) as url:
        said = {
            "modules": str(modules),
            "endpoint": f"{url}/v1/uploads",
            "token": token(family.practitioner),
            "film": str(tmp_path / "Anna Smith.mp4"),
            "chunk": 5 * MIB,
            "memory": str(tmp_path / "memory.json"),
            "metadata": {
                "episode_id": str(family.id),
                "people": ",".join(map(str, family.people)),
                "filmed_on": "2026-11-24",
                "happy_to_film": "true",
                "kind": "parent_baby",
                "filename": "Anna Smith.mp4",
            },
        }
        async with running(said) as first:
            await asyncio.wait_for(line.dead.wait(), 300)
            first.kill()
        line.until = WHOLE
        (upload,) = await inside.rows('SELECT id, "offset" AS at FROM uploads WHERE episode_id = :id', id=family.id)
        assert 0 < upload.at < len(plain)
        async with running(said) as second:
            spoken = await says(second)
            assert spoken["offset"] > upload.at, "it does not begin anew"
            while "url" not in spoken:
                spoken = await says(second)
        assert line.cuts > 5
        print(f"{line.cuts} cuts, {line.sent / len(plain):.3f} of the film sent")
        # were what came of a piece not to count, it would be half as much again
        assert line.sent < 1.2 * len(plain)
    where = f"/v1/uploads/{upload.id}"
    assert spoken["url"] == f"{url}{where}"
    assert (await client.received(where))["sha256"] == hashlib.sha256(plain).hexdigest()
    assert await inside.film(where, family) == plain
    rows = await inside.rows("SELECT * FROM uploads WHERE id = :id", id=upload.id)
    assert "Anna" not in str(rows)


async def test_the_official_client_is_told_why_a_film_is_refused(
    shared_service: Service, family: Episode, token: Token, modules: Path, tmp_path: Path
) -> None:
    (tmp_path / "film").write_bytes(film(MIB))
    said = {
        "modules": str(modules),
        "endpoint": f"{shared_service.processes[0].url}/v1/uploads",
        "token": token(family.practitioner),
        "film": str(tmp_path / "film"),
        "chunk": MIB,
        "memory": str(tmp_path / "memory.json"),
        "metadata": {"episode_id": str(family.id), "people": str(family.practitioner), "filmed_on": "2026-11-24"}
        | {"happy_to_film": "true", "kind": "parent_baby"},
    }
    async with running(said) as refused:
        spoken = await says(refused)
    assert (spoken["status"], json.loads(spoken["body"])["reason"]) == (403, "unknown_person")
