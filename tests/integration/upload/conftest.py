"""The upload service as a process of its own (or several), on real PostgreSQL, Kafka and S3, and a client for it."""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from joserfc.jwk import OKPKey
from pydantic import SecretStr
from sqlalchemy import text
from uuid_utils.compat import uuid7

from deploy.local.stack import Stack
from deploy.local.supervisor import CHECKOUT
from services.upload import receiving
from services.upload.model import Kind, Upload
from services.upload.operations import Announced
from services.upload.receiving import Body, Intake
from shared import database as databases_
from shared.http import client as http_client
from shared.identity import Role, ServiceToken, load_keys
from shared.identity.tokens import mint
from shared.media_store import ArtefactReader, Grant, Key, Permit, Permits, Store
from shared.media_store.permits import elapsed
from shared.settings import DatabaseSettings, Environment, HorizonSettings, StoreSettings, UploadSettings
from tests.integration.upload.consent import Consent, Episode
from tests.patience import PATIENCE_SECONDS
from tests.stack import Database, Databases

MIB = 1024 * 1024


async def until(condition: Callable[[], Any], what: str = "it", seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until an async condition holds; what it answered."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := await condition():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{what} did not happen")


def film(length: int, seed: int = 1) -> bytes:
    """Bytes that begin as an MP4 does, and that no other seed gives."""
    head = bytes.fromhex("0000002066747970") + b"isom" + bytes.fromhex("00000200") + b"isomiso2avc1mp41"
    stream = hashlib.shake_256(seed.to_bytes(8, "big")).digest(length)
    return (head + stream)[:length]


@dataclass
class Process:
    """One upload process."""

    url: str
    popen: "subprocess.Popen[bytes]"
    log: Path

    def end(self) -> None:
        if self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.popen.pid, 18)  # SIGCONT: a stopped process does not hear SIGTERM
            self.popen.terminate()
            self.popen.wait(60)


@dataclass
class Service:
    """The upload service: one database, and processes on it."""

    stack: Stack
    consent: Consent
    database: Database
    folder: Path
    processes: list[Process] = field(default_factory=list)

    def start(self, env: Mapping[str, str] | None = None) -> Process:
        """Another process; `env` is for this one."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        name = f"upload-{len(self.processes)}"
        environment = os.environ | self.stack.env_of("upload")
        environment |= {
            "ATTUNE_HTTP_PORT": str(port),
            "ATTUNE_DATABASE_URL": self.database.url,
            "ATTUNE_CONSENT_URL": self.consent.url,
            "ATTUNE_PUBLIC_PORTAL_URL": "http://portal.test",
            "OTEL_TRACES_EXPORTER": "none",
        }
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [sys.executable, "-m", "services.upload.app"],
                cwd=CHECKOUT,
                env=environment | dict(env or {}),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        process = Process(f"http://127.0.0.1:{port}", popen, log)
        self.processes.append(process)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and popen.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{process.url}/health/ready").status_code == 200:
                    return process
            time.sleep(0.1)
        raise AssertionError(f"{name} did not start:\n{log.read_text()[-4000:]}")


@pytest.fixture(scope="package")
def consent(stack: Stack) -> Iterator[Consent]:
    stack.start(only=["topics"])
    keys = load_keys(stack.instance.jwks_file, Environment.DEVELOPMENT)
    with Consent(keys).serving() as consent:
        yield consent


@pytest.fixture
def family(consent: Consent) -> Episode:
    """A family that agreed to be filmed, and its practitioner."""
    return consent.family()


@pytest.fixture(scope="package")
def shared_service(
    stack: Stack, databases: Databases, consent: Consent, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    service = Service(stack, consent, databases.migrated("upload"), tmp_path_factory.mktemp("upload"))
    service.start()
    yield service
    for process in service.processes:
        process.end()
    databases.drop(service.database.name)


@pytest.fixture
def service(stack: Stack, databases: Databases, consent: Consent, tmp_path: Path) -> Iterator[Service]:
    """A service of the test's own, with no process yet."""
    service = Service(stack, consent, databases.migrated("upload"), tmp_path)
    yield service
    for process in service.processes:
        process.end()
    databases.drop(service.database.name)


@dataclass
class Sending:
    """A request under way."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    def cut(self) -> None:
        """As a network does: without a word."""
        self.writer.transport.abort()

    async def answer(self) -> httpx.Response:
        head = await self.reader.readuntil(b"\r\n\r\n")
        status, *lines = head.decode().strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        request = httpx.Request("PATCH", "http://upload/v1/uploads/x")
        return httpx.Response(int(status.split()[1]), headers=headers, content=body, request=request)


@dataclass
class Client:
    """A practitioner's tus client, of the plainest kind."""

    http: httpx.AsyncClient
    person: UUID

    async def begin(self, episode: Episode, length: int, **about: str | None) -> httpx.Response:
        """Announce a film; `about` changes what is said of it (None: leave it out)."""
        said: dict[str, str | None] = {
            "episode_id": str(episode.id),
            "people": ",".join(map(str, episode.people)),
            "filmed_on": date.today().isoformat(),  # noqa: DTZ011
            "happy_to_film": "true",
            "kind": "parent_baby",
        }
        headers = {"Upload-Length": str(length), "Upload-Metadata": metadata(said | about)}
        return await self.http.post("/v1/uploads", headers=headers)

    async def begun(self, episode: Episode, length: int) -> str:
        answer = await self.begin(episode, length)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    async def add(self, where: str, offset: int, content: Any, **headers: str) -> httpx.Response:
        sent = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream", **headers}
        return await self.http.patch(where, content=content, headers=sent)

    @contextlib.asynccontextmanager
    async def adding(self, where: str, offset: int, length: int, **headers: str) -> AsyncIterator["Sending"]:
        """A PATCH of which a test sends the bytes itself, as slowly as it likes, and reads meanwhile as browsers do."""
        host, port = self.http.base_url.host, self.http.base_url.port
        reader, writer = await asyncio.open_connection(host, port)
        said = {
            "Host": host,
            "Authorization": self.http.headers["Authorization"],
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(length),
            **headers,
        }
        lines = [f"PATCH {where} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        try:
            yield Sending(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def arrived(self, where: str) -> int:
        """How much is stored by now, said without ending a request that adds to it."""
        found: int = (await self.recording(where))["bytes_received"]
        return found

    async def offset(self, where: str) -> int:
        answer = await self.http.head(where)
        assert answer.status_code == 200, answer.status_code
        return int(answer.headers["Upload-Offset"])

    async def recording(self, where: str) -> dict[str, Any]:
        answer = await self.http.get(f"/v1/recordings/{where.rpartition('/')[2]}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def received(self, where: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait until every byte is verified."""

        async def is_received() -> dict[str, Any] | None:
            recording = await self.recording(where)
            assert recording["state"] in ("receiving", "verifying", "received"), recording
            return recording if recording["state"] == "received" else None

        found: dict[str, Any] = await until(is_received, "recording.received", seconds)
        return found


def metadata(pairs: Mapping[str, str | None]) -> str:
    return ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in pairs.items() if v is not None)


Token = Callable[..., str]
Clients = Callable[..., Client]


@pytest.fixture(scope="session")
def token(stack: Stack) -> Token:
    """`token(person, role=...)`: as the development issuer makes it."""
    key = OKPKey.import_key(json.loads(stack.instance.key_file("development").read_text()))

    def make(
        person: UUID, role: Role = Role.PRACTITIONER, life: timedelta = timedelta(hours=1), family: UUID | None = None
    ) -> str:
        return mint(key, str(person), role, datetime.now(UTC), life, family)

    return make


@pytest.fixture
async def clients(token: Token) -> AsyncIterator[Clients]:
    """`clients(process, person)`."""
    async with contextlib.AsyncExitStack() as stack:

        def make(process: Process, person: UUID, **kind: Any) -> Client:
            http = httpx.AsyncClient(
                base_url=process.url,
                headers={"Authorization": f"Bearer {token(person, **kind)}", "Tus-Resumable": "1.0.0"},
                timeout=PATIENCE_SECONDS,
            )
            stack.push_async_callback(http.aclose)
            return Client(http, person)

        yield make


@pytest.fixture
def client(shared_service: Service, clients: Clients, family: Episode) -> Client:
    """The family's practitioner, at a service that tests share."""
    return clients(shared_service.processes[0], family.practitioner)


@dataclass
class Inside:
    """What the tests see of the service's database and of the store."""

    database: databases_.Database
    store: Store
    consent: Consent

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.sessions() as session:
            return list((await session.execute(text(statement), values)).all())

    async def change(self, statement: str, **values: Any) -> None:
        async with self.database.sessions.begin() as session:
            await session.execute(text(statement), values)

    async def objects(self, episode: Episode, where: str = "") -> list[str]:
        """Names of the segments and the manifest in the store."""
        artefact = where.rpartition("/")[2]
        prefix = f"{episode.id}/{artefact}/" if artefact else f"{episode.id}/"
        return [found.name async for found in self.store.list_all("recordings", prefix)]

    def permit(self, where: str, episode: Episode) -> Permit:
        artefact = UUID(where.rpartition("/")[2])
        key, manifest_id = self.consent.secrets[artefact]
        grants = {artefact: Grant(episode.id, Key(key), manifest_id)}
        return Permit(datetime.now(UTC), 30, elapsed() + 30, grants)

    def reader(self, where: str, episode: Episode) -> ArtefactReader:
        return ArtefactReader(self.store, self.permit(where, episode), "recordings", UUID(where.rpartition("/")[2]))

    async def film(self, where: str, episode: Episode) -> bytes:
        """The finished film, unsealed."""
        return b"".join([piece async for piece in self.reader(where, episode).read()])


@contextlib.asynccontextmanager
async def looking_into(service: Service) -> AsyncIterator[Inside]:
    database = databases_.Database(DatabaseSettings(url=service.database.url), "upload")
    seen = service.stack.store
    access, secret = seen.keys["upload"]
    settings = StoreSettings(endpoint=seen.endpoint, secure=False, access_key=access, secret_key=SecretStr(secret))
    try:
        async with Store(settings, HorizonSettings()) as store:
            yield Inside(database, store, service.consent)
    finally:
        await database.close()


@pytest.fixture
async def intake(service: Service) -> AsyncIterator[Intake]:
    """The service without a process: for calling its functions as its process does."""
    key_file = service.stack.instance.key_file("upload")
    async with looking_into(service) as inside, http_client(service.consent.url, ServiceToken(key_file)) as asking:
        yield Intake(inside.database, inside.store, "recordings", Permits(asking), UploadSettings())


async def taken_in(intake: Intake, episode: Episode, plain: bytes, length: int | None = None) -> Upload:
    """A film of which these bytes have come, of `length` in all."""
    announced = Announced(
        episode.id, Kind.PARENT_BABY, tuple(episode.people), date(2026, 11, 24), True, length or len(plain)
    )
    upload = await receiving.begin(intake, uuid7(), announced, episode.practitioner)

    async def pieces() -> AsyncIterator[bytes]:
        yield plain

    return await receiving.receive(intake, upload, 0, Body(pieces()))


@pytest.fixture
async def inside(shared_service: Service) -> AsyncIterator[Inside]:
    async with looking_into(shared_service) as inside:
        yield inside
