"""A film of any size goes through a process in the memory of a few segments."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.stack import Store as Server
from tests.contract.media_store.conftest import settings_of

MIB = 1024 * 1024

# in a process of its own, whose peak nothing else has raised: writes, finishes and copies a film of that many MiB
PROGRAM = """
import asyncio, base64, hashlib, json, resource, sys
from pathlib import Path
from uuid import uuid4
from datetime import UTC, datetime
from pydantic import SecretStr
from shared.media_store import ArtefactReader, ArtefactWriter, Grant, Key, Permit, StandingPermit, Store, purge
from shared.media_store.permits import elapsed
from shared.settings import HorizonSettings, StoreSettings

async def main(endpoint, access, secret, bucket, scratch, mib, writers):
    episode = uuid4()
    settings = StoreSettings(endpoint=endpoint, secure=False, access_key=access, secret_key=SecretStr(secret))
    grants = {uuid4(): Grant(episode, Key(bytes(32)), uuid4()) for _ in range(writers)}

    async def ask():
        return Permit(datetime.now(UTC), 30, elapsed() + 30, grants)

    permit, piece = StandingPermit(ask), bytes(range(256)) * 256
    async with Store(settings, HorizonSettings()) as store:
        async def through(artefact_id):
            whole = hashlib.sha256()
            async with ArtefactWriter(store, permit, bucket, artefact_id) as writer:
                for _ in range(mib * 16):
                    whole.update(piece)
                    await writer.write(piece)
                manifest = await writer.finish("video/mp4")
            assert manifest.sha256 == whole.digest() and manifest.length == mib * 1024 * 1024
            path = Path(scratch) / str(artefact_id)
            await ArtefactReader(store, permit, bucket, artefact_id).copy_to(path)
            assert path.stat().st_size == manifest.length
            path.unlink()

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await asyncio.gather(*map(through, grants))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
        await purge(store, bucket, episode)
    print(json.dumps({"grown": grown * 1024}))

asyncio.run(main(*sys.argv[1:6], *map(int, sys.argv[6:])))
"""


def grown(s3: Server, bucket: str, scratch: Path, mib: int, writers: int) -> int:
    """By how many bytes the peak of the process grew."""
    settings = settings_of(s3, "upload")
    arguments = [settings.endpoint, settings.access_key, settings.secret_key.get_secret_value(), bucket, str(scratch)]
    command = [sys.executable, "-c", PROGRAM, *arguments, str(mib), str(writers)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return int(json.loads(answer.stdout)["grown"])


@pytest.mark.parametrize(("mib", "writers"), [(200, 1), (12, 10)])
def test_memory_is_that_of_a_few_segments_however_long_the_film(
    s3: Server, bucket: str, tmp_path: Path, mib: int, writers: int
) -> None:
    assert grown(s3, bucket, tmp_path, mib, writers) < writers * 5 * 4 * MIB + 16 * MIB
