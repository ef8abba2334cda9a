"""Requests to the store, signed as AWS Signature Version 4 has it for URLs: dated, and good for so many seconds.

minio-py does this for a URL alone. Here headers are bound as well, for S3 takes no `x-amz-` header that is not signed.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from types import MappingProxyType
from urllib.parse import quote, urlencode

ALGORITHM = "AWS4-HMAC-SHA256"
NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Signer:
    """One who may do something in a store. `origin`: such as `https://store:9000`, as the Host header will have it."""

    origin: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)

    def url(
        self,
        method: str,
        path: str,
        date: datetime,
        seconds: int,
        query: Mapping[str, str] = NONE,
        headers: Mapping[str, str] = NONE,
    ) -> str:
        """What the store obeys from `date` on for so many seconds, in a request that carries these headers."""
        at = date.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = (at[:8], self.region, "s3", "aws4_request")
        host = {"host": self.origin.partition("://")[2]}
        bound = sorted((host | {name.lower(): value.strip() for name, value in headers.items()}).items())
        names = ";".join(name for name, _ in bound)
        asked = {
            **query,
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": "/".join((self.access_key, *scope)),
            "X-Amz-Date": at,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": names,
        }
        place, said = quote(path), urlencode(sorted(asked.items()), quote_via=quote, safe="")
        lines = [method, place, said, *(f"{name}:{value}" for name, value in bound), "", names, "UNSIGNED-PAYLOAD"]
        request = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        key = reduce(_keyed, scope, f"AWS4{self.secret_key}".encode())
        signature = _keyed(key, "\n".join((ALGORITHM, at, "/".join(scope), request))).hex()
        return f"{self.origin}{place}?{said}&X-Amz-Signature={signature}"


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), hashlib.sha256)
