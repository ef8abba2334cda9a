"""What is signed, against minio-py's own signatures and the example that AWS publishes."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from minio.credentials.credentials import Credentials
from minio.signer import presign_v4

from shared.media_store.signing import Signer

DATE = datetime(2026, 11, 24, 9, 30, 15, tzinfo=UTC)
SIGNER = Signer("http://127.0.0.1:7070", "eu-west-2", "upload", "a secret")


@pytest.mark.parametrize("date", [DATE, DATE.astimezone(timezone(timedelta(hours=5)))])
@pytest.mark.parametrize("query", ["", "versions=&prefix=a%2Fb%20c&key-marker=%C3%A9~"])
@pytest.mark.parametrize(("method", "path"), [("PUT", "/recordings/a/b/c"), ("GET", "/recordings"), ("GET", "/a b/é+")])
def test_a_url_is_signed_as_minio_signs_it(method: str, path: str, query: str, date: datetime) -> None:
    ours = SIGNER.url(method, path, date, 30, dict(pair) if (pair := _pairs(query)) else {})
    url = urlsplit(f"{SIGNER.origin}{urlsplit(ours).path}")._replace(query=query)
    credentials = Credentials(SIGNER.access_key, SIGNER.secret_key)
    theirs = presign_v4(
        method=method, url=url, region=SIGNER.region, credentials=credentials, date=date.astimezone(UTC), expires=30
    )
    assert _said(ours) == _said(theirs.geturl())


def test_the_example_that_aws_publishes() -> None:
    signer = Signer(
        "https://examplebucket.s3.amazonaws.com",
        "us-east-1",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",  # a public example
    )
    url = signer.url("GET", "/test.txt", datetime(2013, 5, 24, tzinfo=UTC), 86400)
    assert url.endswith("&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


def test_headers_are_bound_whatever_their_case() -> None:
    with_header = SIGNER.url("PUT", "/a", DATE, 30, headers={"X-Amz-Checksum-Crc32": " AAAAAA== "})
    assert with_header == SIGNER.url("PUT", "/a", DATE, 30, headers={"x-amz-checksum-crc32": "AAAAAA=="})
    assert _said(with_header)["X-Amz-SignedHeaders"] == ["host;x-amz-checksum-crc32"]
    other = SIGNER.url("PUT", "/a", DATE, 30, headers={"x-amz-checksum-crc32": "AAAAAQ=="})
    assert _said(other)["X-Amz-Signature"] != _said(with_header)["X-Amz-Signature"]


def test_a_signer_shows_its_secret_to_nobody() -> None:
    assert "a secret" not in repr(SIGNER)


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, values[0]) for name, values in parse_qs(query, keep_blank_values=True).items()]


def _said(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)
