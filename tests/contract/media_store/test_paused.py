"""A process that was stopped between its permit and its write is refused by the store when it goes on."""

import asyncio
import os
import signal
import sys
import time

import psutil

from deploy.local.stack import Store as Server
from shared.media_store import Store
from tests.contract.media_store.conftest import settings_of
from tests.contract.media_store.films import listed

LIFE = 2  # seconds of the permit

PROGRAM = """
import asyncio, sys
from datetime import UTC, datetime
from pydantic import SecretStr
from shared.media_store import Permit, PermitExpired, Store
from shared.media_store.permits import elapsed
from shared.settings import HorizonSettings, StoreSettings

async def main(endpoint, access, secret, bucket, life):
    settings = StoreSettings(endpoint=endpoint, secure=False, access_key=access, secret_key=SecretStr(secret))
    # this process holds it for valid all along: it is the store that must know better
    permit = Permit(datetime.now(UTC), int(life), elapsed() + 3600, {})
    async with Store(settings, HorizonSettings()) as store:
        try:
            await store.put(bucket, "a/b/c", bytes(1_000_000), permit)
            print("written")
        except PermitExpired:
            print("expired")

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_write_that_was_stopped_before_it_began_is_refused_by_the_store(
    s3: Server, store: Store, bucket: str
) -> None:
    settings = settings_of(s3, "upload")
    arguments = [settings.endpoint, settings.access_key, settings.secret_key.get_secret_value(), bucket, str(LIFE)]
    armed = {"ATTUNE_FAILPOINT": "permit-before-put:pause", "ATTUNE_ENVIRONMENT": "development"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *arguments), env=os.environ | armed, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(120):
            while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
                assert process.returncode is None
                await asyncio.sleep(0.02)
            stopped = time.monotonic()
            while time.monotonic() < stopped + LIFE + 1:
                await asyncio.sleep(0.1)
            process.send_signal(signal.SIGCONT)
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert said.strip() == b"expired"
    assert await listed(store, bucket) == []
