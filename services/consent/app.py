"""The consent service: HTTP, consumer, relay and ticker in one process. The only wiring there is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI

from services.consent import ticker
from services.consent.episodes.api import router as episodes
from services.consent.erasures import operations as erasures
from services.consent.erasures.api import public
from services.consent.erasures.api import router as erasures_router
from services.consent.erasures.certificate import Signer
from services.consent.erasures.model import ErasureState
from services.consent.families.api import router as families
from services.consent.keys import Wrapping
from services.consent.permits.api import router as permits
from services.consent.records.api import router as records
from services.consent.resources import Resources
from services.consent.subscribers import events
from shared import messaging, telemetry
from shared.database import Database
from shared.http import create_app, run
from shared.identity import Keys, load_keys
from shared.media_store import Store, clocks_agree
from shared.settings import (
    BucketSettings,
    ConsentKeys,
    ConsentSettings,
    DatabaseSettings,
    HorizonSettings,
    HttpSettings,
    KafkaSettings,
    Organisation,
    Settings,
    StoreSettings,
)
from shared.telemetry import metrics
from shared.telemetry.metrics import Readings, Series


def main() -> None:
    telemetry.setup("consent")
    settings, secrets, kafka = Settings(), ConsentKeys(), KafkaSettings()
    horizon, policy = HorizonSettings(), ConsentSettings()
    database = Database(DatabaseSettings(), "consent")
    held = Resources(
        database=database,
        master=Wrapping.from_file(secrets.master_key_file),
        signer=Signer.from_file(secrets.certificate_key_file, Organisation(), policy.backup_days),
        settings=policy,
        horizon=horizon,
        store=Store(StoreSettings(), horizon),
        buckets=BucketSettings(),
    )
    events.bind(database, kafka)
    relay = messaging.Relay(database, kafka)

    @asynccontextmanager
    async def resources() -> AsyncIterator[None]:
        async with held.store:
            yield
        await database.close()

    app = application(
        held,
        load_keys(settings.jwks_file, settings.environment),
        needs={"database": database.answers},
        waits_for={
            "events": events.is_ready,
            "relay": relay.is_ready,
            "store": partial(clocks_agree, database, held.store, horizon),
        },
        background={"consumer": events.run, "relay": relay.run, "ticker": partial(ticker.ticking, held)},
        observations={
            "events": events.observe,
            "messaging": partial(messaging.observe, database, events.topics),
            "erasures": partial(observe_erasures, database),
        },
        resources=resources,
    )
    run(app, HttpSettings())


def application(held: Resources, keys: Keys, **process: Any) -> FastAPI:
    """The routes over these resources; `process` is what `create_app` is told of readiness and background work."""
    app = create_app(
        "Attune consent", [families, records, episodes, permits, erasures_router, public], keys=keys, **process
    )
    app.state.resources = held
    return app


async def observe_erasures(database: Database) -> Readings:
    """How many erasures are open, and since when."""
    async with database.sessions() as session:
        found = await erasures.open_by_state(session)
    readings: Readings = {
        Series(metrics.ERASURES_OPEN, "state", state): found.get(state, (0, 0.0))[0]
        for state in ErasureState
        if state is not ErasureState.CERTIFIED
    }
    oldest = max((oldest for _, oldest in found.values()), default=0.0)
    return {**readings, Series(metrics.ERASURES_OLDEST): oldest}


if __name__ == "__main__":
    main()
