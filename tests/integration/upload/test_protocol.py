"""tus 1.0 as it is written, and what is refused; nothing refused changes anything."""

import base64
import hashlib
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.identity import Role
from tests.integration.upload.conftest import MIB, Client, Clients, Inside, Service, film, metadata
from tests.integration.upload.consent import Episode


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """What a problem says; it must be one, with a sentence and a reference."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    if answer.url.path.startswith("/v1/uploads"):
        assert answer.headers["Tus-Resumable"] == "1.0.0"
    said: dict[str, Any] = answer.json()
    assert (said["status"], said["code"], said["type"]) == (status, code, f"urn:attune:problem:{code}")
    assert said["detail"].endswith(".")
    assert said["reference"]
    return said


async def test_the_server_says_what_it_can_do_to_anybody(shared_service: Service) -> None:
    async with httpx.AsyncClient(base_url=shared_service.processes[0].url) as anybody:
        answer = await anybody.options("/v1/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Resumable"] == answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,creation-with-upload,termination,checksum,expiration"
    assert answer.headers["Tus-Max-Size"] == str(32 * 1024**3)
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha256,sha1"


async def test_an_upload_is_begun_and_looked_at(client: Client, family: Episode) -> None:
    answer = await client.begin(family, 10 * MIB, filename="Anna Smith.mp4")
    assert answer.status_code == 201
    where = answer.headers["Location"]
    assert where.startswith("/v1/uploads/")
    assert UUID(where.rpartition("/")[2]).version == 7
    head = await client.http.head(where)
    assert head.status_code == 200
    assert head.headers["Tus-Resumable"] == "1.0.0"
    assert head.headers["Cache-Control"] == "no-store"
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("0", str(10 * MIB))
    assert parsedate_to_datetime(head.headers["Upload-Expires"]) > datetime.now(UTC) + timedelta(days=6)
    said = dict(pair.split(" ") for pair in head.headers["Upload-Metadata"].split(","))
    assert set(said) == {"episode_id", "people", "filmed_on", "happy_to_film", "kind"}, "file names are never taken"
    assert base64.b64decode(said["episode_id"]).decode() == str(family.id)


async def test_the_film_may_come_with_its_announcement(client: Client, family: Episode, inside: Inside) -> None:
    plain = film(MIB)
    about = {
        "episode_id": str(family.id),
        "people": ",".join(map(str, family.people)),
        "filmed_on": "2026-03-01",
        "happy_to_film": "true",
        "kind": "shared_review",
    }
    answer = await client.http.post(
        "/v1/uploads",
        content=plain,
        headers={
            "Upload-Length": str(MIB),
            "Upload-Metadata": metadata(about),
            "Content-Type": "application/offset+octet-stream",
        },
    )
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(MIB)), answer.text
    recording = await client.received(answer.headers["Location"])
    assert (recording["kind"], recording["filmed_on"]) == ("shared_review", "2026-03-01")
    assert await inside.film(answer.headers["Location"], family) == plain


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
@pytest.mark.parametrize("version", [None, "0.2.2", "1.0.1"])
async def test_another_version_is_refused(client: Client, family: Episode, method: str, version: str | None) -> None:
    where = await client.begun(family, 100)
    del client.http.headers["Tus-Resumable"]
    headers = {"Upload-Length": "100", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    if version:
        headers["Tus-Resumable"] = version
    answer = await client.http.request(method, "/v1/uploads" if method == "POST" else where, headers=headers)
    assert answer.status_code == 412
    assert answer.headers["Tus-Version"] == "1.0.0"


async def test_a_client_without_patch_and_delete_says_so_in_a_header(client: Client, family: Episode) -> None:
    where = await client.begun(family, 2 * MIB)
    headers = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    override = {"X-HTTP-Method-Override": "PATCH"}
    answer = await client.http.post(where, content=film(MIB), headers=headers | override)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(MIB))
    answer = await client.http.post(where, headers={"X-HTTP-Method-Override": "DELETE"})
    assert answer.status_code == 204
    assert (await client.http.head(where)).status_code == 410


async def test_the_portals_pages_may_use_it_and_nobody_elses(shared_service: Service) -> None:
    url = shared_service.processes[0].url
    wish = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "upload-offset,tus-resumable"}
    async with httpx.AsyncClient(base_url=url) as browser:
        ours = await browser.options("/v1/uploads/x", headers={"Origin": "http://portal.test", **wish})
        other = await browser.options("/v1/uploads/x", headers={"Origin": "http://evil.test", **wish})
        seen = await browser.options("/v1/uploads", headers={"Origin": "http://portal.test"})
    assert ours.status_code == 200
    assert ours.headers["Access-Control-Allow-Origin"] == "http://portal.test"
    assert "PATCH" in ours.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Origin" not in other.headers
    exposed = {name.strip().lower() for name in seen.headers["Access-Control-Expose-Headers"].split(",")}
    assert {"location", "upload-offset", "upload-length", "tus-resumable", "tus-version", "upload-expires"} <= exposed


async def test_a_body_of_another_type_is_not_read(client: Client, family: Episode) -> None:
    where = await client.begun(family, 100)
    answer = await client.add(where, 0, film(100), **{"Content-Type": "video/mp4"})
    problem(answer, 415, "unsupported-media-type")
    assert await client.offset(where) == 0


@pytest.mark.parametrize("offset", [1, MIB - 1, MIB + 1, 3 * MIB, 2**70])
async def test_bytes_go_only_where_the_upload_stands(client: Client, family: Episode, offset: int) -> None:
    plain = film(3 * MIB)
    where = await client.begun(family, len(plain))
    assert (await client.add(where, 0, plain[:MIB])).status_code == 204
    problem(await client.add(where, offset, b"x"), 409, "wrong-offset")
    assert await client.offset(where) == MIB


async def test_offsets_are_numbers(client: Client, family: Episode) -> None:
    where = await client.begun(family, 100)
    for offset in ("-1", "x", ""):
        answer = await client.http.patch(
            where, content=b"x", headers={"Upload-Offset": offset, "Content-Type": "application/offset+octet-stream"}
        )
        problem(answer, 422, "invalid")


async def test_more_than_was_announced_is_refused(client: Client, family: Episode) -> None:
    plain = film(MIB + 1)
    where = await client.begun(family, MIB)
    problem(await client.add(where, 0, plain), 413, "too-large")

    async def without_a_length() -> Any:
        for start in range(0, len(plain), 65536):
            yield plain[start : start + 65536]

    problem(await client.add(where, 0, without_a_length()), 413, "too-large")
    assert await client.offset(where) == 0


async def test_a_complete_upload_takes_nothing_more(client: Client, family: Episode) -> None:
    where = await client.begun(family, 100)
    assert (await client.add(where, 0, film(100))).status_code == 204
    problem(await client.add(where, 100, b""), 409, "upload-complete")
    problem(await client.http.delete(where), 409, "upload-complete")
    assert await client.offset(where) == 100
    await client.received(where)
    problem(await client.add(where, 100, b"x"), 409, "upload-complete")


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
async def test_bytes_with_a_checksum_count_all_or_not_at_all(client: Client, family: Episode, algorithm: str) -> None:
    plain = film(2 * MIB)
    where = await client.begun(family, len(plain))
    wrong = base64.b64encode(hashlib.new(algorithm, plain).digest()).decode()
    right = base64.b64encode(hashlib.new(algorithm, plain[:MIB]).digest()).decode()
    answer = await client.add(where, 0, plain[:MIB], **{"Upload-Checksum": f"{algorithm} {wrong}"})
    problem(answer, 460, "checksum-mismatch")
    assert await client.offset(where) == 0
    # damaged on the way, it is no film at all: that must not turn the upload away for good
    answer = await client.add(where, 0, bytes(MIB), **{"Upload-Checksum": f"{algorithm} {right}"})
    problem(answer, 460, "checksum-mismatch")
    answer = await client.add(where, 0, plain[:MIB], **{"Upload-Checksum": f"{algorithm} {right}"})
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(MIB))
    answer = await client.add(where, MIB, plain[MIB:])
    assert answer.status_code == 204
    assert (await client.received(where))["sha256"] == hashlib.sha256(plain).hexdigest()


async def test_a_checksum_is_for_one_segment_at_most(client: Client, family: Episode) -> None:
    plain = film(5 * MIB)
    where = await client.begun(family, len(plain))
    said = f"sha256 {base64.b64encode(hashlib.sha256(plain).digest()).decode()}"
    problem(await client.add(where, 0, plain, **{"Upload-Checksum": said}), 413, "too-large")

    async def without_a_length() -> Any:
        for start in range(0, len(plain), 65536):
            yield plain[start : start + 65536]

    problem(await client.add(where, 0, without_a_length(), **{"Upload-Checksum": said}), 413, "too-large")
    problem(await client.add(where, 0, plain, **{"Upload-Checksum": "crc32 AAAA"}), 400, "bad-request")
    assert await client.offset(where) == 0


async def test_a_stopped_upload_is_over(client: Client, family: Episode, inside: Inside) -> None:
    where = await client.begun(family, 2 * MIB)
    assert (await client.add(where, 0, film(MIB))).status_code == 204
    assert (await client.http.delete(where)).status_code == 204
    assert (await client.http.head(where)).status_code == 410
    problem(await client.http.delete(where), 410, "upload-over")
    problem(await client.add(where, MIB, bytes(MIB)), 410, "upload-over")
    recording = await client.recording(where)
    assert (recording["state"], recording["code"]) == ("cancelled", "cancelled")


@pytest.mark.parametrize("kind", ["m3u8", "picture", "text", "sound", "nothing much"])
async def test_what_is_not_a_film_is_turned_away_before_it_is_stored(
    client: Client, family: Episode, inside: Inside, kind: str
) -> None:
    plain = {
        "m3u8": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n" * 300_000,
        "picture": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(6 * MIB),
        "text": b"hello ",
        "sound": b"ID3\x04" + bytes(5000),
        "nothing much": b"\x00",
    }[kind]
    where = await client.begun(family, len(plain))
    said = problem(await client.add(where, 0, plain), 415, "not-a-film")
    assert "Choose the film" in said["detail"]
    assert await inside.objects(family) == []
    recording = await client.recording(where)
    assert (recording["state"], recording["code"]) == ("rejected", "not_a_film")
    assert recording["to_do"] == said["detail"]
    problem(await client.add(where, 0, film(len(plain))), 410, "upload-over")


async def test_a_file_that_comes_a_few_bytes_at_a_time_is_known_when_there_is_enough(
    client: Client, family: Episode, inside: Inside
) -> None:
    plain = film(20_000)
    where = await client.begun(family, len(plain))
    for start in range(0, len(plain), 1500):
        answer = await client.add(where, start, plain[start : start + 1500])
        assert answer.status_code == 204, answer.text
    await client.received(where)
    assert await inside.film(where, family) == plain
    where = await client.begun(family, 20_000)
    assert (await client.add(where, 0, bytes(3000))).status_code == 204
    problem(await client.add(where, 3000, bytes(3000)), 415, "not-a-film")


async def test_an_announcement_that_says_too_little_is_refused(client: Client, family: Episode, inside: Inside) -> None:
    for key in ("episode_id", "people", "filmed_on", "happy_to_film", "kind"):
        said = problem(await client.begin(family, 100, **{key: None}), 422, "invalid")
        assert said["errors"][0]["at"] == f"header.Upload-Metadata.{key}"
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()
    said = problem(await client.begin(family, 100, filmed_on=tomorrow.isoformat()), 422, "invalid")
    assert said["errors"][0]["at"] == "header.Upload-Metadata.filmed_on"
    answer = await client.http.post("/v1/uploads", headers={"Upload-Length": "5", "Upload-Metadata": "people ?"})
    problem(answer, 400, "bad-request")
    problem(await client.http.post("/v1/uploads"), 422, "invalid")
    assert await inside.rows("SELECT id FROM uploads WHERE episode_id = :id", id=family.id) == []


async def test_an_empty_file_and_one_too_large_are_refused(client: Client, family: Episode, inside: Inside) -> None:
    problem(await client.begin(family, 0), 422, "invalid")
    problem(await client.begin(family, 32 * 1024**3 + 1), 413, "too-large")
    problem(await client.begin(family, 2**80), 413, "too-large")
    assert await inside.rows("SELECT id FROM uploads WHERE episode_id = :id", id=family.id) == []


async def test_an_upload_is_only_its_own_persons(
    client: Client, clients: Clients, shared_service: Service, family: Episode
) -> None:
    where = await client.begun(family, MIB)
    other = clients(shared_service.processes[0], uuid4())
    assert (await other.http.head(where)).status_code == 404
    problem(await other.add(where, 0, film(MIB)), 404, "not-found")
    problem(await other.http.delete(where), 404, "not-found")
    problem(await other.http.get(f"/v1/recordings/{where.rpartition('/')[2]}"), 404, "not-found")
    assert await client.offset(where) == 0
    assert (await client.http.head(f"/v1/uploads/{uuid4()}")).status_code == 404
    problem(await client.add("/v1/uploads/not-an-id", 0, b"x"), 422, "invalid")


async def test_who_asks_must_be_known(
    client: Client, clients: Clients, shared_service: Service, family: Episode
) -> None:
    where = await client.begun(family, MIB)
    late = clients(shared_service.processes[0], family.practitioner)
    for token in ("", "Bearer nonsense"):
        late.http.headers["Authorization"] = token
        problem(await late.add(where, 0, film(MIB)), 401, "not-signed-in")
    over = clients(shared_service.processes[0], family.practitioner, life=timedelta(seconds=-60))
    problem(await over.begin(family, MIB), 401, "not-signed-in")
    problem(await over.add(where, 0, film(MIB)), 401, "not-signed-in")
    for role in (Role.SUPERVISOR, Role.OPERATOR):
        not_theirs = clients(shared_service.processes[0], family.practitioner, role=role)
        problem(await not_theirs.begin(family, MIB), 403, "not-allowed")
    parent = clients(shared_service.processes[0], family.practitioner, role=Role.FAMILY, family=family.family_id)
    problem(await parent.begin(family, MIB), 403, "not-allowed")
    assert await client.offset(where) == 0


async def test_days_of_long_ago_are_days(client: Client, family: Episode) -> None:
    answer = await client.begin(family, MIB, filmed_on=date(2026, 1, 1).isoformat())
    assert answer.status_code == 201
