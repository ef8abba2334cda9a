"""The service without its workers: HTTP, events in and out, its part in erasures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.transcoding import api, operations
from services.transcoding.model import Make
from services.transcoding.subscribers import events
from shared import jobs, messaging, participant, telemetry
from shared.database import Database
from shared.http import client, create_app, lives, run
from shared.identity import ServiceToken, load_keys
from shared.media_store import Store, clocks_agree, purge
from shared.messaging import Relay
from shared.participant import Counts, Scope
from shared.settings import (
    BucketSettings,
    DatabaseSettings,
    HorizonSettings,
    HttpSettings,
    KafkaSettings,
    PeerSettings,
    ServiceIdentity,
    Settings,
    StoreSettings,
)


def main() -> None:
    telemetry.setup("transcoding")
    settings, kafka, buckets = Settings(), KafkaSettings(), BucketSettings()
    database = Database(DatabaseSettings(), "transcoding")
    consent = client(PeerSettings().consent_url, ServiceToken(ServiceIdentity().key_file))
    horizon = HorizonSettings()
    store = Store(StoreSettings(), horizon)
    events.bind(database, kafka)
    relay = Relay(database, kafka)

    @asynccontextmanager
    async def resources() -> AsyncIterator[None]:
        async with store, consent:
            yield
        await database.close()

    async def purge_renditions(scope: Scope) -> Counts:
        artefacts = scope.artefacts if scope.recording_id else (None,)
        gone = [await purge(store, buckets.renditions, scope.episode_id, artefact) for artefact in artefacts]
        return Counts(objects=sum(purged.objects for purged in gone), bytes=sum(purged.bytes for purged in gone))

    app = create_app(
        "Attune transcoding",
        api.routes(database),
        keys=load_keys(settings.jwks_file, settings.environment),
        needs={"database": database.answers},
        waits_for={
            "events": events.is_ready,
            "relay": relay.is_ready,
            "consent": partial(lives, consent),
            "store": partial(clocks_agree, database, store, horizon),
        },
        background={
            "consumer": events.run,
            "relay": relay.run,
            "purging": partial(participant.purging, database, consent, purge_renditions, operations.forget),
            "pulling": partial(participant.pulling, database, consent),
        },
        resources=resources,
        observations={
            "events": events.observe,
            "messaging": partial(messaging.observe, database, events.topics),
            "jobs": partial(jobs.observe, database, [*Make, participant.PURGE]),
        },
    )
    run(app, HttpSettings())


if __name__ == "__main__":
    main()
