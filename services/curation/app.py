"""The service: HTTP, playback, events in and out, its part in erasures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.curation.clips import api as clips
from services.curation.erasure import operations as erasure
from services.curation.playback import api as playback
from services.curation.playback.sessions import Sessions
from services.curation.shared_reviews import api as shared_reviews
from services.curation.stills import api as stills
from services.curation.subscribers import events
from services.curation.tasks import api as tasks
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
)


def main() -> None:
    telemetry.setup("curation")
    settings, kafka, public, horizon = Settings(), KafkaSettings(), PublicSettings(), HorizonSettings()
    key_file = ServiceIdentity().key_file
    database = Database(DatabaseSettings(), "curation")
    consent = client(PeerSettings().consent_url, ServiceToken(key_file))
    store = Store(StoreSettings(), horizon)
    sessions = Sessions(key_file, settings.instance, public.playback_url)
    permits = Permits(consent)
    gateway = playback.Gateway(database, permits, store, BucketSettings().renditions, sessions)
    events.bind(database, kafka)
    relay = Relay(database, kafka)

    @asynccontextmanager
    async def resources() -> AsyncIterator[None]:
        async with store, consent:
            yield
        await database.close()

    app = create_app(
        "Attune curation",
        [
            tasks.routes(database),
            clips.routes(database),
            stills.routes(database, permits),
            shared_reviews.routes(database),
            playback.routes(gateway),
        ],
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
            "purging": partial(participant.purging, database, consent, erasure.purge, erasure.forget),
            "pulling": partial(participant.pulling, database, consent),
        },
        observations={
            "events": events.observe,
            "messaging": partial(messaging.observe, database, events.topics),
            "jobs": partial(jobs.observe, database, [participant.PURGE]),
        },
        resources=resources,
        origins=[public.portal_url] if public.portal_url else [],
        cookie=sessions.cookie,
    )
    run(app, HttpSettings())


if __name__ == "__main__":
    main()
