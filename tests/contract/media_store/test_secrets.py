"""Signed URLs and keys show in no log, span or error; only a store with a certificate we trust is spoken to."""

import datetime
import ipaddress
import logging
import os
import socket
import subprocess
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from minio import Minio
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from deploy.local.stack import Store as Server
from deploy.local.versitygw import versitygw
from shared.media_store import PermitExpired, Store, Unavailable, inventory, purge
from shared.settings import HorizonSettings, StoreSettings
from tests.contract.media_store.conftest import Consent, Opened, settings_of
from tests.contract.media_store.films import listed, permit, reader_of, written


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Every span that httpx's instrumentation makes."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    with trace.get_tracer("test", tracer_provider=provider).start_as_current_span("a request"):
        yield exporter
    instrumentor.uninstrument()


async def test_signed_urls_and_keys_show_nowhere(
    s3: Server,
    opened: Opened,
    store: Store,
    consent: Consent,
    bucket: str,
    spans: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "urllib3", "asyncio", "minio"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    errors = []
    artefact_id, _ = await written(store, consent, bucket)
    await reader_of(store, consent, bucket, artefact_id).verify()
    for failing in (
        store.put(bucket, "a/b/c", bytes(500_000), permit(60)),
        store.get(bucket, "a/b/c", permit()),
        opened("upload", "127.0.0.1:1").put(bucket, "a/b/c", b"one", permit()),
        opened("curation").put(bucket, "a/b/c", b"one", permit()),
        listed(store, "no-such-bucket"),
    ):
        try:
            await failing
        except Exception as error:
            errors.append("".join(traceback.format_exception(error)))
    assert len(errors) == 5
    list(inventory(settings_of(s3, "verifier"), bucket))
    await purge(store, bucket, consent.episode)
    log = "".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "httpcore" in log, "the loggers were not listened to"
    finished = "".join(span.to_json() for span in spans.get_finished_spans())
    assert bucket not in finished, "there is a span of the store"
    _, secret = s3.keys["upload"]
    key = consent.keys[artefact_id]
    for text in (log, finished, repr(store), repr(store.__dict__["_connections"].__dict__), *errors):
        assert "X-Amz-Signature" not in text
        assert "X-Amz-Credential" not in text
        assert secret not in text
        assert key.hex() not in text
        assert repr(key)[2:-1] not in text


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that only we trust, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a store's own authority")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "store.crt", tmp_path / "store.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.fixture
def tls(s3: Server, authority: tuple[Path, Path], tmp_path: Path) -> Iterator[StoreSettings]:
    """A second store, over TLS."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    (tmp_path / "data").mkdir()
    certificate, key = map(str, authority)
    secret = uuid4().hex
    server = subprocess.Popen(
        [
            *(str(versitygw()), "-q", "--region", s3.region, "--port", endpoint),
            *("--cert", certificate, "--key", key, "posix", str(tmp_path / "data")),
        ],
        env=os.environ | {"ROOT_ACCESS_KEY_ID": "root", "ROOT_SECRET_ACCESS_KEY": secret},
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(endpoint.split(":")[1]))) == 0:
                    break
            time.sleep(0.02)
        yield StoreSettings(
            endpoint=endpoint,
            secure=True,
            region=s3.region,
            access_key="root",
            secret_key=SecretStr(secret),
            ca_file=authority[0],
        )
    finally:
        server.kill()
        server.wait()


async def test_a_store_with_an_authority_of_our_own_is_trusted_and_a_stranger_is_not(tls: StoreSettings) -> None:
    pool = urllib3.PoolManager(ca_certs=str(tls.ca_file))
    Minio(tls.endpoint, "root", tls.secret_key.get_secret_value(), region=tls.region, http_client=pool).make_bucket(
        "tls"
    )
    async with Store(tls, HorizonSettings()) as store:
        await store.put("tls", "a/b/c", b"one", permit())
        assert await store.get("tls", "a/b/c", permit()) == b"one"
        assert [found.name for found in await listed(store, "tls")] == ["a/b/c"]
        with pytest.raises(PermitExpired):
            await store.put("tls", "a/b/d", bytes(5_000_000), permit(60))
        assert [entry.what for entry in inventory(tls, "tls")] == ["object", "version"]
    async with Store(tls.model_copy(update={"ca_file": None}), HorizonSettings()) as strict:
        with pytest.raises(Unavailable):
            await strict.get("tls", "a/b/c", permit())
    async with Store(tls.model_copy(update={"secure": False}), HorizonSettings()) as clear:
        with pytest.raises(Unavailable):
            await clear.put("tls", "a/b/c", b"two", permit())
