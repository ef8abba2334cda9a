"""The store as we rely on it: what it keeps, what it refuses, what it tells, and what never leaves with a request."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from minio import Minio

from deploy.local.stack import Store as Server
from shared.media_store import Exists, Forbidden, Found, Kind, Missing, PermitExpired, Store, Unavailable
from shared.settings import HorizonSettings
from tests.contract.media_store.conftest import Opened, settings_of
from tests.contract.media_store.films import listed, permit
from tests.contract.media_store.proxy import Proxy


async def test_what_is_put_is_got(store: Store, bucket: str) -> None:
    body = os.urandom(300_000)
    await store.put(bucket, "a/b/c", body, permit())
    assert await store.get(bucket, "a/b/c", permit()) == body
    assert await store.get(bucket, "a/b/c", permit(), 100_000, 199_999) == body[100_000:200_000]
    assert await store.get(bucket, "a/b/c", permit(), 299_990, 400_000) == body[299_990:]
    assert await store.get(bucket, "a/b/c", permit(), 300_000, 400_000) == b""


async def test_an_empty_object_is_an_object(store: Store, bucket: str) -> None:
    await store.put(bucket, "a/b/c", b"", permit())
    assert await store.get(bucket, "a/b/c", permit()) == b""
    assert [(found.name, found.bytes) for found in await listed(store, bucket)] == [("a/b/c", 0)]


async def test_what_is_not_there_is_missing(store: Store, bucket: str) -> None:
    with pytest.raises(Missing):
        await store.get(bucket, "a/b/c", permit())


async def test_a_repeated_write_is_accepted_and_a_new_one_is_only_new_once(store: Store, bucket: str) -> None:
    await store.put(bucket, "a/b/c", b"one", permit(), new=True)
    await store.put(bucket, "a/b/c", b"one", permit())
    with pytest.raises(Exists):
        await store.put(bucket, "a/b/c", b"two", permit(), new=True)
    assert await store.get(bucket, "a/b/c", permit()) == b"one"


async def test_of_many_who_write_it_new_at_once_one_wins(store: Store, bucket: str) -> None:
    bodies = [bytes([number]) * 5000 for number in range(8)]
    outcomes = await asyncio.gather(
        *(store.put(bucket, "a/b/c", body, permit(), new=True) for body in bodies), return_exceptions=True
    )
    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome is None]
    assert all(isinstance(outcome, Exists) for number, outcome in enumerate(outcomes) if number != winner)
    assert await store.get(bucket, "a/b/c", permit()) == bodies[winner]


@pytest.mark.parametrize("age", [31, 60, 86_400])
async def test_the_store_itself_refuses_a_write_whose_permit_is_old(store: Store, bucket: str, age: float) -> None:
    with pytest.raises(PermitExpired):
        await store.put(bucket, "a/b/c", os.urandom(500_000), permit(age))
    assert await listed(store, bucket) == []


async def test_the_store_itself_refuses_a_read_whose_permit_is_old(store: Store, bucket: str) -> None:
    await store.put(bucket, "a/b/c", b"one", permit(20))
    with pytest.raises(PermitExpired):
        await store.get(bucket, "a/b/c", permit(31))


@pytest.mark.parametrize(
    ("user", "bucket_of_another"),
    [
        ("upload", "renditions"),
        ("upload", "evidence"),
        ("transcoding", "recordings"),
        ("transcoding", "evidence"),
        ("curation", "recordings"),
        ("curation", "renditions"),
        ("consent", "recordings"),
        ("verifier", "recordings"),
        ("verifier", "renditions"),
        ("verifier", "evidence"),
    ],
)
async def test_nobody_writes_or_deletes_in_the_bucket_of_another(
    opened: Opened, user: str, bucket_of_another: str
) -> None:
    store, name = opened(user), f"{uuid4()}/b/c"
    with pytest.raises(Forbidden):
        await store.put(bucket_of_another, name, b"one", permit())
    with pytest.raises(Forbidden):
        await store.delete(bucket_of_another, Found(Kind.VERSION, name, "null", 0))


@pytest.mark.parametrize(
    ("owner", "bucket_name", "stranger"),
    [
        ("upload", "recordings", "curation"),
        ("upload", "recordings", "consent"),
        ("transcoding", "renditions", "upload"),
        ("consent", "evidence", "transcoding"),
        ("upload", "recordings", "verifier"),
    ],
)
async def test_nobody_reads_what_is_not_for_them(opened: Opened, owner: str, bucket_name: str, stranger: str) -> None:
    name = f"{uuid4()}/b/c"
    await opened(owner).put(bucket_name, name, b"one", permit())
    with pytest.raises(Forbidden):
        await opened(stranger).get(bucket_name, name, permit())
    for found in await listed(opened(owner), bucket_name, name):
        await opened(owner).delete(bucket_name, found)


async def test_a_wrong_secret_and_a_bucket_that_is_not_there_are_mistakes_and_no_expiry(
    s3: Server, bucket: str
) -> None:
    stranger = settings_of(replace(s3, keys={"upload": ("upload", "wrong")}), "upload")
    async with Store(stranger, HorizonSettings()) as store:
        with pytest.raises(Forbidden):
            await store.put(bucket, "a/b/c", b"one", permit())
    async with Store(settings_of(s3, "root"), HorizonSettings()) as store:
        with pytest.raises(Forbidden):
            await store.put(f"no-{uuid4()}", "a/b/c", b"one", permit())
        with pytest.raises(Forbidden):
            await listed(store, f"no-{uuid4()}")


async def test_a_store_that_is_away_or_silent_is_unavailable(opened: Opened, bucket: str) -> None:
    with pytest.raises(Unavailable):
        await opened("upload", endpoint="127.0.0.1:1").put(bucket, "a/b/c", b"one", permit())
    async with Proxy() as silent:
        silent.answering = False
        with pytest.raises(Unavailable):
            await opened("upload", silent.endpoint, put_seconds=1).put(bucket, "a/b/c", b"one", permit())
        with pytest.raises(Unavailable):
            await listed(opened("upload", silent.endpoint, put_seconds=1), bucket)


async def test_a_write_cut_in_the_middle_leaves_nothing_and_is_unavailable(
    s3: Server, opened: Opened, store: Store, bucket: str
) -> None:
    async with Proxy(s3.endpoint) as proxy:
        proxy.cut_after = 200_000
        with pytest.raises(Unavailable):
            await opened("upload", proxy.endpoint).put(bucket, "a/b/c", os.urandom(1_000_000), permit())
    assert await listed(store, bucket) == []


async def test_a_write_altered_on_its_way_leaves_nothing(s3: Server, opened: Opened, store: Store, bucket: str) -> None:
    async with Proxy(s3.endpoint) as proxy:
        proxy.alter_at = 100_000
        with pytest.raises(Unavailable, match="BadDigest"):
            await opened("upload", proxy.endpoint).put(bucket, "a/b/c", bytes(300_000), permit())
    assert await listed(store, bucket) == []


async def test_a_write_that_stalls_is_given_up_and_leaves_nothing(
    s3: Server, opened: Opened, store: Store, bucket: str
) -> None:
    async with Proxy(s3.endpoint) as proxy:
        proxy.stall_after = 200_000
        with pytest.raises(Unavailable):
            await opened("upload", proxy.endpoint, put_seconds=1).put(bucket, "a/b/c", os.urandom(8_000_000), permit())
        await proxy.quiet()
    assert await listed(store, bucket) == []


async def test_requests_that_are_given_up_do_not_use_up_the_connections(
    s3: Server, opened: Opened, bucket: str
) -> None:
    async with Proxy(s3.endpoint) as proxy:
        store = opened("upload", proxy.endpoint)
        proxy.answering = False
        for _ in range(3):
            waiting = [asyncio.create_task(store.put(bucket, "a/b/c", bytes(100_000), permit())) for _ in range(60)]
            await proxy.reached(1)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        proxy.answering = True
        await store.put(bucket, "a/b/d", b"one", permit())
        assert await store.get(bucket, "a/b/d", permit()) == b"one"


async def test_the_clock_of_the_store_can_be_compared(store: Store) -> None:
    assert abs(await store.clock_difference(datetime.now(UTC))) < timedelta(seconds=60)
    ahead = await store.clock_difference(datetime.now(UTC) - timedelta(hours=1))
    assert timedelta(minutes=59) < ahead < timedelta(minutes=61)


async def test_a_listing_has_every_version_marker_and_unfinished_upload(
    store: Store, versioned: str, root: Minio
) -> None:
    await store.put(versioned, "a/b/c", b"one", permit())
    await store.put(versioned, "a/b/c", b"three", permit())
    await store.put(versioned, "a/b/d", b"other", permit())
    root.remove_object(versioned, "a/b/c")  # leaves a marker, whose date has nine digits of a second
    upload_id = root._create_multipart_upload(versioned, "a/b/e", {})
    found = await listed(store, versioned, "a/b/")
    assert sorted((f.kind, f.name, f.bytes) for f in found) == [
        (Kind.MARKER, "a/b/c", 0),
        (Kind.UPLOAD, "a/b/e", 0),
        (Kind.VERSION, "a/b/c", 3),
        (Kind.VERSION, "a/b/c", 5),
        (Kind.VERSION, "a/b/d", 5),
    ]
    assert upload_id in {f.id for f in found}
    assert len({f.id for f in found if f.name == "a/b/c"}) == 3
    assert await listed(store, versioned, "a/c/") == []
    for entry in found:
        await store.delete(versioned, entry)
        await store.delete(versioned, entry)  # gone already
    assert await listed(store, versioned) == []


async def test_a_listing_goes_on_after_a_full_page(store: Store, full: tuple[str, list[str]]) -> None:
    bucket, names = full
    assert [found.name for found in await listed(store, bucket, "a/")] == names


class Scripted:
    """A store that answers every request of a method alike, or in turn, and keeps what it was asked."""

    def __init__(self, answers: dict[str, list[tuple[int, bytes]]]) -> None:
        self.answers, self.asked = answers, list[str]()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method = head.split(b" ")[0].decode()
                self.asked.append(method)
                turn = self.answers[method]
                status, body = turn.pop(0) if len(turn) > 1 else turn[0]
                writer.write(b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def scripted(opened: Opened, script: Scripted) -> AsyncIterator[Store]:
    server = await asyncio.start_server(script, "127.0.0.1", 0)
    async with server, asyncio.timeout(60):
        store = opened("upload", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield store
        await store.__aexit__()


async def test_a_listing_that_does_not_go_on_is_not_believed(opened: Opened) -> None:
    page = b"<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker></ListVersionsResult>"
    async with scripted(opened, Scripted({"GET": [(200, page)]})) as store:
        with pytest.raises(Unavailable):
            await listed(store, "recordings")


async def test_an_upload_is_aborted_until_it_has_no_parts_for_one_may_land_late(opened: Opened) -> None:
    script = Scripted({"DELETE": [(204, b"")], "GET": [(200, b"<ListPartsResult/>"), (404, b"")]})
    async with scripted(opened, script) as store:
        await store.delete("recordings", Found(Kind.UPLOAD, "a/b/c", "id", 0))
    assert script.asked == ["DELETE", "GET", "DELETE", "GET"]


async def test_an_upload_whose_parts_stay_is_not_called_gone(opened: Opened) -> None:
    script = Scripted({"DELETE": [(204, b"")], "GET": [(200, b"<ListPartsResult/>")]})
    async with scripted(opened, script) as store:
        with pytest.raises(Unavailable):
            await store.delete("recordings", Found(Kind.UPLOAD, "a/b/c", "id", 0))


@pytest.mark.parametrize("status", [301, 400, 409, 429, 500, 501, 503])
async def test_any_other_answer_of_the_store_is_unavailable(opened: Opened, status: int) -> None:
    said = [(status, b"<Error><Code>SlowDown</Code></Error>")]
    async with scripted(opened, Scripted({"GET": said, "PUT": said, "DELETE": said})) as store:
        for call in (
            store.put("recordings", "a/b/c", b"", permit()),
            store.get("recordings", "a/b/c", permit()),
            store.delete("recordings", Found(Kind.VERSION, "a/b/c", "id", 0)),
            listed(store, "recordings"),
        ):
            with pytest.raises(Unavailable):
                await call


async def test_an_upload_is_gone_only_when_its_parts_are(store: Store, bucket: str, root: Minio) -> None:
    upload_id = root._create_multipart_upload(bucket, "a/b/e", {})
    root._upload_part(bucket, "a/b/e", os.urandom(100_000), None, upload_id, 1)
    (found,) = await listed(store, bucket)
    assert (found.kind, found.id) == (Kind.UPLOAD, upload_id)
    await store.delete(bucket, found)
    assert await listed(store, bucket) == []


@pytest.mark.parametrize("name", ["a b/ü+&=%20?#/c", "a/b.c~d_e-f", "a/'(x)!*;:@,$[]/c"])
async def test_a_strange_name_can_be_listed_and_deleted(store: Store, bucket: str, name: str) -> None:
    await store.put(bucket, name, b"one", permit())
    assert await store.get(bucket, name, permit()) == b"one"
    (found,) = await listed(store, bucket, name)
    assert found.name == name
    await store.delete(bucket, found)
    assert await listed(store, bucket) == []
