"""One curation service for all these tests, each of which has families of its own."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from deploy.local.stack import Stack
from deploy.local.supervisor import CHECKOUT
from shared.messaging.topics import declare
from shared.settings import KafkaSettings, StoreSettings
from tests.integration.curation.consent import Consent, serving
from tests.integration.curation.world import Curation, Family, until
from tests.stack import Databases


@pytest.fixture(scope="package")
def portal() -> str:
    """The one origin whose pages may watch; nobody answers there unless a test does."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="package")
def consent() -> Iterator[Consent]:
    with serving(Consent()) as consent:
        yield consent


@pytest.fixture(scope="package")
def curation(
    stack: Stack, databases: Databases, consent: Consent, portal: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Curation]:
    """The process, ready."""
    asyncio.run(declare(KafkaSettings(servers=stack.kafka_servers, replication=1)))
    database, port, log = databases.migrated("curation"), free_port(), tmp_path_factory.mktemp("curation") / "log"
    environment = os.environ | stack.env_of("curation")
    environment |= {
        "ATTUNE_DATABASE_URL": database.url,
        "ATTUNE_HTTP_PORT": str(port),
        "ATTUNE_CONSENT_URL": consent.url,
        "ATTUNE_PUBLIC_PORTAL_URL": portal,
        "OTEL_TRACES_EXPORTER": "none",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.curation.app"], cwd=CHECKOUT, env=environment, stdout=out, stderr=out
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: process.poll() is not None or _is_ready(url), f"not ready: {log}")
        assert process.poll() is None, log.read_text()
        access, secret = stack.store.keys["transcoding"]
        store = StoreSettings(
            endpoint=stack.store.endpoint,
            secure=False,
            region=stack.store.region,
            access_key=access,
            secret_key=SecretStr(secret),
        )
        keys = Path(environment["ATTUNE_JWKS_FILE"]).parent
        curation = Curation(url, database.url, stack.kafka_servers, keys, store, consent, process, log)
        yield curation
        curation.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        databases.drop(database.name)
    assert process.returncode == 0, log.read_text()[-5000:]


@pytest.fixture
def family(curation: Curation) -> Family:
    return curation.family()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=10).status_code == 200
    except httpx.TransportError:
        return False
