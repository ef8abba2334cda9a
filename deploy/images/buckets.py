"""The buckets and the rights on them that `deploy/system.py` names, on a store whose root user is in ATTUNE_S3_*.

`python -m deploy.images.buckets`; a second run changes nothing. No process of ours ever holds the root user's key.
"""

import json
import ssl

import urllib3
from minio import Minio

from deploy.local.s3 import bucket_policy
from deploy.system import BUCKETS
from shared.settings import StoreSettings


def main() -> None:
    settings = StoreSettings()
    store = Minio(
        settings.endpoint,
        access_key=settings.access_key,
        secret_key=settings.secret_key.get_secret_value(),
        secure=settings.secure,
        region=settings.region,
        http_client=urllib3.PoolManager(
            timeout=urllib3.Timeout(30), ssl_context=ssl.create_default_context(cafile=settings.ca_file)
        ),
    )
    for bucket in BUCKETS:
        if not store.bucket_exists(bucket_name=bucket.name):
            store.make_bucket(bucket_name=bucket.name)
        store.set_bucket_policy(bucket_name=bucket.name, policy=json.dumps(bucket_policy(bucket.name)))


if __name__ == "__main__":
    main()
