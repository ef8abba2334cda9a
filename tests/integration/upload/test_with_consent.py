"""With the real consent service: from the family's first yes to the end of their films."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from deploy.local.stack import Stack
from shared.identity import Role
from shared.media_store import ArtefactReader, Grant, Key, Permit, Store
from shared.media_store.permits import elapsed
from shared.settings import HorizonSettings, StoreSettings
from tests.integration.consent.world import TODAY, Consent, Family, key_of
from tests.integration.upload.conftest import MIB, Client, film, metadata, until
from tests.integration.upload.test_protocol import problem
from tests.patience import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Consent and upload, on a stack of their own."""
    with Stack(tmp_path_factory.mktemp("upload-and-consent")) as stack:
        yield stack.start(only=["consent", "upload"], env={"ATTUNE_PERMIT_SECONDS": "3"})


@pytest.fixture
async def consent(running: Stack) -> AsyncIterator[Consent]:
    async with httpx.AsyncClient(base_url=running.url("consent"), timeout=PATIENCE_SECONDS) as http:
        yield Consent(None, http, running)  # type: ignore[arg-type]


def client_of(running: Stack, consent: Consent, family: Family) -> Client:
    headers = consent.person(Role.PRACTITIONER, family.practitioner) | {"Tus-Resumable": "1.0.0"}
    http = httpx.AsyncClient(base_url=running.url("upload"), headers=headers, timeout=PATIENCE_SECONDS)
    return Client(http, family.practitioner)


async def begin(client: Client, family: Family, length: int, **about: str) -> httpx.Response:
    said = {
        "episode_id": str(family.episode),
        "people": f"{family.parent},{family.baby}",
        "filmed_on": TODAY.isoformat(),
        "happy_to_film": "true",
        "kind": "parent_baby",
    }
    headers = {"Upload-Length": str(length), "Upload-Metadata": metadata(said | about)}
    return await client.http.post("/v1/uploads", headers=headers)


async def test_a_family_says_yes_films_and_says_no(running: Stack, consent: Consent) -> None:
    family = await consent.registered()
    client = client_of(running, consent, family)
    refused = problem(await begin(client, family, 100), 403, "consent-refused")
    assert refused["reason"] == "unknown_episode"
    await consent.agreed(family, family.parent)
    refused = problem(await begin(client, family, 100), 403, "consent-refused")
    assert refused["reason"] == "no_rights_conversation"
    await consent.talked(family)
    refused = problem(await begin(client, family, 100), 403, "consent-refused")
    assert refused["reason"] == "no_consent"
    await consent.agreed(family, family.baby)
    refused = problem(await begin(client, family, 100, happy_to_film="false"), 403, "consent-refused")
    assert refused["reason"] == "not_happy_to_film"

    plain = film(9 * MIB)
    answer = await begin(client, family, len(plain))
    assert answer.status_code == 201, answer.text
    where = answer.headers["Location"]
    assert (await client.add(where, 0, plain[: 5 * MIB])).status_code == 204
    assert (await client.add(where, 5 * MIB, plain[5 * MIB :])).status_code == 204
    assert (await client.received(where))["sha256"] == hashlib.sha256(plain).hexdigest()
    assert await unsealed(running, consent, family, where) == plain

    half = (await begin(client, family, 20 * MIB)).headers["Location"]
    async with client.adding(half, 0, 20 * MIB) as sending:
        await sending.send(plain)

        async def two_segments() -> bool:
            return await client.arrived(half) == 8 * MIB

        await until(two_segments, "the second segment")
        erasure_id = (await consent.withdrawn(family))["erasure_id"]
        await sending.send(bytes(MIB))
        assert problem(await sending.answer(), 403, "consent-refused")["reason"] == "ended"

    async def acknowledged() -> dict[str, Any] | None:
        shown = await consent.erasure(erasure_id)
        return next((one for one in shown["acknowledgements"] if one["participant"] == "upload"), None)

    ours = await until(acknowledged, "upload's acknowledgement")
    assert (ours["objects"], ours["cards_not_wiped"]) == (3 + 1 + 2, 2)
    assert (await client.http.head(where)).status_code == 404
    refused = problem(await begin(client, family, 100), 403, "consent-refused")
    assert refused["reason"] == "ended"
    await client.http.aclose()


async def unsealed(running: Stack, consent: Consent, family: Family, where: str) -> bytes:
    """The film, by a permit of its own."""
    recording = UUID(where.rpartition("/")[2])
    answer = await consent.permit("transcoding", "review", family.practitioner, read=[recording])
    grant = answer.json()["artefacts"][str(recording)]
    grants = {recording: Grant(family.episode, Key(key_of(answer, recording)), UUID(grant["manifest_id"]))}
    access, secret = running.store.keys["upload"]
    settings = StoreSettings(
        endpoint=running.store.endpoint, secure=False, access_key=access, secret_key=SecretStr(secret)
    )
    async with Store(settings, HorizonSettings()) as store:
        permit = Permit(datetime.now(UTC), 30, elapsed() + 30, grants)
        return b"".join([piece async for piece in ArtefactReader(store, permit, "recordings", recording).read()])
