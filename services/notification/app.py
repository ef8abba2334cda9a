"""The service without its mail sender: HTTP, events in and out, its part in erasures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.notification.api import routes
from services.notification.operations import forget
from services.notification.subscribers import events
from shared import jobs, participant, telemetry
from shared.database import Database
from shared.http import client, create_app, lives, run
from shared.identity import ServiceToken, load_keys
from shared.messaging import Relay, observe
from shared.participant import Counts, Scope
from shared.settings import DatabaseSettings, HttpSettings, KafkaSettings, PeerSettings, ServiceIdentity, Settings


async def purge(scope: Scope) -> Counts:
    """Nothing in any store is ours."""
    return Counts()


def main() -> None:
    telemetry.setup("notification")
    settings, kafka = Settings(), KafkaSettings()
    database = Database(DatabaseSettings(), "notification")
    relay = Relay(database, kafka)
    consent = client(PeerSettings().consent_url, ServiceToken(ServiceIdentity().key_file))
    events.bind(database, kafka)

    @asynccontextmanager
    async def resources() -> AsyncIterator[None]:
        yield
        await consent.aclose()
        await database.close()

    app = create_app(
        "Attune notification",
        [routes(database)],
        keys=load_keys(settings.jwks_file, settings.environment),
        needs={"database": database.answers},
        waits_for={"events": events.is_ready, "relay": relay.is_ready, "consent": partial(lives, consent)},
        background={
            "consumer": events.run,
            "relay": relay.run,
            "purging": partial(participant.purging, database, consent, purge, forget),
            "pulling": partial(participant.pulling, database, consent),
        },
        observations={
            "events": events.observe,
            "messaging": partial(observe, database, events.topics),
            "jobs": partial(jobs.observe, database, [participant.PURGE]),
        },
        resources=resources,
    )
    run(app, HttpSettings())


if __name__ == "__main__":
    main()
