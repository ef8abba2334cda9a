"""The service: films in over HTTP, their verification, events in and out, its part in erasures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from services.upload import api, cards, operations, recordings, workers
from services.upload.receiving import Intake
from services.upload.subscribers import events
from services.upload.tus import Tus
from shared import jobs, messaging, participant, telemetry
from shared.database import Database
from shared.http import client, create_app, lives, run
from shared.identity import ServiceToken, load_keys
from shared.media_store import Permits, Store, clocks_agree
from shared.messaging import Relay
from shared.settings import (
    BucketSettings,
    DatabaseSettings,
    HorizonSettings,
    HttpSettings,
    KafkaSettings,
    PeerSettings,
    PublicSettings,
    ServiceIdentity,
    Settings,
    StoreSettings,
    UploadSettings,
)


def main() -> None:
    telemetry.setup("upload")
    settings, kafka, public, horizon = Settings(), KafkaSettings(), PublicSettings(), HorizonSettings()
    database = Database(DatabaseSettings(), "upload")
    store = Store(StoreSettings(), horizon)
    consent = client(PeerSettings().consent_url, ServiceToken(ServiceIdentity().key_file))
    intake = Intake(database, store, BucketSettings().recordings, Permits(consent), UploadSettings())
    relay = Relay(database, kafka)
    events.bind(database, kafka)

    @asynccontextmanager
    async def resources() -> AsyncIterator[None]:
        async with store, consent:
            yield
        await database.close()

    app = create_app(
        "Attune upload",
        [api.routes(intake), cards.routes(intake), recordings.routes(intake)],
        keys=load_keys(settings.jwks_file, settings.environment),
        needs={
            "database": database.answers,
            "store": partial(clocks_agree, database, store, horizon),
        },
        waits_for={
            "events": events.is_ready,
            "relay": relay.is_ready,
            "consent": partial(lives, consent),
        },
        background={
            "consumer": events.run,
            "relay": relay.run,
            "verifying": partial(workers.verifying, intake),
            "following": partial(workers.following, intake),
            "sweeping": partial(workers.sweeping, intake, timedelta(seconds=horizon.horizon)),
            "purging": partial(
                participant.purging, database, consent, partial(workers.purge, intake), operations.forget
            ),
            "pulling": partial(participant.pulling, database, consent),
        },
        observations={
            "events": events.observe,
            "messaging": partial(messaging.observe, database, events.topics),
            "jobs": partial(jobs.observe, database, [operations.VERIFY, participant.PURGE]),
        },
        resources=resources,
        origins=[public.portal_url] if public.portal_url else [],
        cookie=f"{settings.instance}-upload",
    )
    app.add_middleware(Tus)
    run(app, HttpSettings())


if __name__ == "__main__":
    main()
