"""The verifier: a process of its own that lists the stores with a credential that can do nothing else.

It shares no code with the purge. What it lists it compares with the register: for the erasures that wait for its
finding, and, for ever, for whatever must not be there.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import partial

from services.consent.erasures import verifying
from services.consent.erasures.inventory import Listing
from services.consent.erasures.trace import goes_on
from shared import telemetry
from shared.database import Database
from shared.http import create_app, run
from shared.identity import load_keys
from shared.media_store.inventory import inventory
from shared.settings import (
    BucketSettings,
    ConsentSettings,
    DatabaseSettings,
    HorizonSettings,
    HttpSettings,
    Settings,
    StoreSettings,
)

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


@dataclass
class Verifier:
    """`sees` is whether the last look came to its end; readiness asks it."""

    database: Database
    store: StoreSettings
    buckets: BucketSettings
    horizon: HorizonSettings
    sees: bool = False

    async def run(self, every_seconds: float) -> None:
        """For ever: list when an erasure waits for it, and every so often anyway."""
        looked_at = float("-inf")
        while True:
            try:
                with telemetry.quietly():
                    async with self.database.sessions() as session:
                        waiting = await verifying.waiting(session)
                if waiting or not self.sees or time.monotonic() - looked_at >= every_seconds:
                    await self.look(waiting)
                    looked_at = time.monotonic()
            except Exception as error:
                self.sees = False
                # minio-py's messages hold addresses and names
                log.warning("the verifier could not look (%s); it looks again", type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, waiting: list[verifying.Waiting]) -> None:
        """List every bucket once; write a finding for each erasure that waited before; then reconcile."""
        with telemetry.quietly():
            media = [await self.listing(bucket) for bucket in (self.buckets.recordings, self.buckets.renditions)]
            evidence = await self.listing(self.buckets.evidence)
        for one in waiting:
            with goes_on("verify erasure", one.trace, one.erasure_id, evidence.finished_at - one.opened_at):
                await verifying.write_finding(self.database, one, media, evidence)
        await verifying.reconcile(self.database, self.horizon, media, evidence)
        self.sees = True

    async def listing(self, bucket: str) -> Listing:
        """Everything in a bucket, between two moments of the database's clock."""
        begun_at = await verifying.moment(self.database)
        listed = Listing(bucket, begun_at, begun_at)
        await asyncio.to_thread(lambda: listed.add(inventory(self.store, bucket)))
        listed.finished_at = await verifying.moment(self.database)
        return listed

    async def looking(self) -> bool:
        return self.sees


def main() -> None:
    telemetry.setup("consent-verifier")
    settings, database = Settings(), Database(DatabaseSettings(), "consent")
    verifier = Verifier(database, StoreSettings(), BucketSettings(), HorizonSettings())
    app = create_app(
        "Attune verifier",
        keys=load_keys(settings.jwks_file, settings.environment),
        needs={"database": database.answers, "verifier": verifier.looking},
        background={"verifier": partial(verifier.run, ConsentSettings().reconcile_seconds)},
    )
    run(app, HttpSettings())


if __name__ == "__main__":
    main()
