"""The real store, a bucket of one's own in it, and a consent service that does as a test says."""

import base64
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from minio import Minio
from minio.commonconfig import ENABLED
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.versioningconfig import VersioningConfig
from pydantic import SecretStr

from deploy.local.stack import Stack
from deploy.local.stack import Store as Server
from shared.media_store import Permits, StandingPermit, Store
from shared.settings import HorizonSettings, StoreSettings

PERSON = UUID(int=1)


class Consent:
    """Grants permits over HTTP as the real one would; `refusing`, `away` and `dated` say what else to do."""

    def __init__(self) -> None:
        self.keys: dict[UUID, bytes] = {}
        self.manifests: dict[UUID, UUID] = {}
        self.episode = uuid4()
        self.refusing: str | None = None
        self.away = False
        self.dated: list[float] = []  # how many seconds off the dates of the next permits are; of later ones, 0
        self.asked = 0
        transport = httpx.MockTransport(self._answer)
        self.permits = Permits(httpx.AsyncClient(base_url="https://consent.test", transport=transport))

    def artefact(self) -> UUID:
        artefact_id = uuid4()
        self.keys[artefact_id], self.manifests[artefact_id] = os.urandom(32), uuid4()
        return artefact_id

    def standing(self, artefact_id: UUID) -> StandingPermit:
        return self.permits.standing("review", PERSON, read=[artefact_id])

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.away:
            return httpx.Response(503)
        if self.refusing:
            return httpx.Response(403, json={"reason": self.refusing})
        artefacts = {
            id: {
                "episode_id": str(self.episode),
                "key": base64.b64encode(self.keys[UUID(id)]).decode(),
                "manifest_id": str(self.manifests[UUID(id)]),
            }
            for id in json.loads(request.content)["read"]
        }
        at = datetime.now(UTC) + timedelta(seconds=self.dated.pop(0) if self.dated else 0)
        return httpx.Response(200, json={"granted_at": at.isoformat(), "seconds": 30, "artefacts": artefacts})


@pytest.fixture
def consent() -> Consent:
    return Consent()


Opened = Callable[..., Store]


def settings_of(s3: Server, user: str, endpoint: str | None = None) -> StoreSettings:
    access, secret = s3.keys[user]
    return StoreSettings(
        endpoint=endpoint or s3.endpoint,
        secure=False,
        region=s3.region,
        access_key=access,
        secret_key=SecretStr(secret),
    )


@pytest.fixture
async def opened(s3: Server) -> AsyncIterator[Opened]:
    """`opened("upload")`: the store as that user sees it; `endpoint` may be a proxy's."""
    async with AsyncExitStack() as stack:
        stores: list[Store] = []

        def open_as(user: str, endpoint: str | None = None, put_seconds: int = 30) -> Store:
            stores.append(Store(settings_of(s3, user, endpoint), HorizonSettings(put_seconds=put_seconds)))
            stack.push_async_exit(stores[-1])
            return stores[-1]

        yield open_as


@pytest.fixture
def store(opened: Opened) -> Store:
    """As upload sees it."""
    return opened("upload")


@pytest.fixture(scope="session")
def root(s3: Server) -> Minio:
    access, secret = s3.keys["root"]
    return Minio(s3.endpoint, access, secret, secure=False, region=s3.region)


@pytest.fixture(scope="session")
def data(stack: Stack) -> Path:
    """The folder in which the store keeps everything."""
    return stack.folder / "s3"


def made(root: Minio, versioned: bool) -> str:
    """A new bucket, in which upload may do all and the verifier may list."""
    bucket = f"test-{uuid4()}"
    root.make_bucket(bucket)
    if versioned:
        root.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    objects, itself = f"arn:aws:s3:::{bucket}/*", f"arn:aws:s3:::{bucket}"
    touch = ["Get", "Put", "Delete"]
    may = [f"s3:{verb}Object" for verb in touch] + ["s3:GetObjectVersion", "s3:DeleteObjectVersion"]
    may += ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    listing = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": users}, "Action": actions, "Resource": [resource]}
        for users, actions, resource in (
            (["upload"], may, objects),
            (["upload", "verifier"], listing, itself),
        )
    ]
    root.set_bucket_policy(bucket, json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return bucket


def removed(root: Minio, bucket: str) -> None:
    """Even though a write that was given up may still land."""
    deadline = time.monotonic() + 60
    while True:
        empty(root, bucket)
        try:
            root.remove_bucket(bucket)
            return
        except S3Error as error:
            if error.code != "BucketNotEmpty" or time.monotonic() > deadline:
                raise


def empty(root: Minio, bucket: str) -> None:
    found = root.list_objects(bucket, recursive=True, include_version=True)
    for error in root.remove_objects(bucket, (DeleteObject(one.object_name or "", one.version_id) for one in found)):
        assert error.code == "NoSuchKey", error
    for upload in root._list_multipart_uploads(bucket).uploads:
        root._abort_multipart_upload(bucket, upload.object_name, upload.upload_id or "")


@pytest.fixture(scope="session")
def full(root: Minio) -> Iterator[tuple[str, list[str]]]:
    """A bucket with more objects than a page of a listing holds, and their names."""
    bucket, names = made(root, versioned=False), [f"a/b/{number:05}" for number in range(1007)]
    with ThreadPoolExecutor(8) as several:
        list(several.map(lambda name: root.put_object(bucket, name, BytesIO(b"x"), 1), names))
    yield bucket, names
    removed(root, bucket)


@pytest.fixture
def bucket(root: Minio) -> Iterator[str]:
    name = made(root, versioned=False)
    yield name
    removed(root, name)


@pytest.fixture
def versioned(root: Minio) -> Iterator[str]:
    """A bucket that keeps every version: ours do not, but a store's owner may turn it on."""
    name = made(root, versioned=True)
    yield name
    removed(root, name)
