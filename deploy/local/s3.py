"""The S3 server, with a user for each service who may do what `deploy/system.py` says."""

import json
from collections import defaultdict
from pathlib import Path

import urllib3
from minio import Minio

from deploy.local.environment import HOST
from deploy.local.instance import Instance, write_secret
from deploy.local.launch import Launch
from deploy.local.versitygw import versitygw
from deploy.system import BUCKETS, GET, LIST, STORE_USERS

ROOT_USER = "root"


def launch(instance: Instance) -> Launch:
    folder = instance.folder / "s3"
    return Launch(
        [
            *(str(versitygw()), "-q", "--region", "us-east-1", "--port", f"{HOST}:{instance.port('s3')}"),
            *("--iam-dir", str(folder / "users"), "--health", "/health"),
            *("posix", "--versioning-dir", str(folder / "versions"), str(folder / "data")),
        ],
        {"ROOT_ACCESS_KEY_ID": ROOT_USER, "ROOT_SECRET_ACCESS_KEY": instance.password("s3/root")},
        port=instance.port("s3"),
        before=lambda: _make_users(instance, folder),
        after=lambda: _make_buckets(instance),
    )


async def _make_users(instance: Instance, folder: Path) -> None:
    for part in ("users", "versions", "data"):
        (folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "users" / "users.json"
    users = json.loads(path.read_text()) if path.is_file() else {"accessAccounts": {}}
    for user in STORE_USERS:
        account = {"access": user, "secret": instance.password(f"s3/{user}"), "role": "user"}
        users["accessAccounts"][user] = account | {"userID": 0, "groupID": 0, "projectID": 0}
    write_secret(path, json.dumps(users).encode())


async def _make_buckets(instance: Instance) -> None:
    client = root_client(instance)
    for bucket in BUCKETS:
        if not client.bucket_exists(bucket_name=bucket.name):
            client.make_bucket(bucket_name=bucket.name)
        client.set_bucket_policy(bucket_name=bucket.name, policy=json.dumps(bucket_policy(bucket.name)))


def bucket_policy(name: str) -> dict[str, object]:
    """The rights on a bucket of `deploy/system.py` as an S3 policy."""
    (bucket,) = (bucket for bucket in BUCKETS if bucket.name == name)
    rights = defaultdict(set, {bucket.owner: set(bucket.owner_may)})
    for reader in bucket.readers:
        rights[reader] |= GET
    objects, itself = f"arn:aws:s3:::{name}/*", f"arn:aws:s3:::{name}"
    grants = [
        *((user, may, objects) for user, may in rights.items()),
        *((user, LIST, itself) for user in bucket.listers),
    ]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": [user]}, "Action": sorted(may), "Resource": [resource]}
            for user, may, resource in sorted(grants, key=lambda grant: (grant[2], grant[0]))
        ],
    }


def root_client(instance: Instance) -> Minio:
    """The store as root, who makes buckets and policies; no service has this."""
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(5), retries=urllib3.Retry(1))
    return Minio(
        f"{HOST}:{instance.port('s3')}",
        access_key=ROOT_USER,
        secret_key=instance.password("s3/root"),
        secure=False,
        region="us-east-1",
        http_client=pool,
    )
