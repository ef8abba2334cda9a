"""The consent service over a real database and a real store, its routes called in this process; and as processes."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from deploy.local.stack import Stack
from deploy.local.stack import Store as StoreKeys
from services.consent.app import application
from services.consent.erasures.certificate import Signer
from services.consent.keys import Wrapping
from services.consent.resources import Resources
from shared.database import Database
from shared.identity import load_keys
from shared.media_store import Store
from shared.settings import (
    BucketSettings,
    ConsentKeys,
    ConsentSettings,
    DatabaseSettings,
    Environment,
    HorizonSettings,
    Organisation,
)
from tests.integration.consent.world import HORIZON, Consent, store_settings
from tests.stack import Database as MadeDatabase


@pytest.fixture
async def consent(
    stack: Stack, s3: StoreKeys, database: Callable[[str], MadeDatabase], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Consent]:
    for name, value in stack.env_of("consent").items():
        if not name.startswith("OTEL_"):
            monkeypatch.setenv(name, value)
    made = Database(DatabaseSettings(url=database("consent").url), "consent")
    secrets, policy = ConsentKeys(), ConsentSettings()
    async with Store(store_settings(s3, "consent"), HorizonSettings()) as store:
        held = Resources(
            database=made,
            master=Wrapping.from_file(secrets.master_key_file),
            signer=Signer.from_file(secrets.certificate_key_file, Organisation(), policy.backup_days),
            settings=policy,
            horizon=HORIZON,
            store=store,
            buckets=BucketSettings(),
        )
        app = application(held, load_keys(stack.instance.jwks_file, Environment.DEVELOPMENT))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://consent") as http:
            yield Consent(held, http, stack)
    await made.close()


SHORT = {"ATTUNE_PERMIT_SECONDS": "1", "ATTUNE_PUT_SECONDS": "1", "ATTUNE_CLOCK_SKEW_SECONDS": "3"}


@pytest.fixture(scope="package")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The consent service and its verifier as processes, on a stack of their own: they are killed here."""
    with Stack(tmp_path_factory.mktemp("consent")) as stack:
        yield stack.start(only=["consent", "consent-verifier"], env=SHORT)


@pytest.fixture
async def running(processes: Stack) -> AsyncIterator[Consent]:
    """The same helper, talking to the process."""
    async with httpx.AsyncClient(base_url=processes.url("consent"), timeout=60) as http:
        yield Consent(None, http, processes)  # type: ignore[arg-type]
