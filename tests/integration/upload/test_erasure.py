"""Upload's part in an erasure: nothing of the family is left, nothing of another is missing, and cards are counted."""

import asyncio
from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.contracts.consent import ConsentEnded, ErasureCertified, PurgeAsked, RecordingDiscarded
from tests.integration.upload.conftest import MIB, Client, Clients, Inside, Service, film, until
from tests.integration.upload.consent import Consent, Episode
from tests.integration.upload.events import says, told
from tests.integration.upload.test_protocol import problem

TODAY = date.today().isoformat()  # noqa: DTZ011 - as the tests' client says it


async def acknowledged(servers: str, erasure_id: UUID, rounds: int) -> list[dict[str, Any]]:
    """What upload acknowledged in each of so many rounds."""

    async def all_of_them() -> list[dict[str, Any]] | None:
        events = [event.value for event in await told(servers, erasure_id)]
        return events if len(events) >= rounds else None

    found: list[dict[str, Any]] = await until(all_of_them, f"acknowledgement {rounds}")
    assert [one["round"] for one in found] == list(range(1, rounds + 1))
    return found


@pytest.fixture
def servers(shared_service: Service) -> Iterator[str]:
    """Kafka, where this service alone listens for upload."""
    yield shared_service.stack.kafka_servers
    shared_service.consent.open_erasures.clear()


async def uploaded(client: Client, family: Episode, seed: int, length: int = 5 * MIB) -> str:
    plain = film(length, seed)
    where = await client.begun(family, length)
    assert (await client.add(where, 0, plain)).status_code == 204
    await client.received(where)
    return where


async def test_an_ended_episode_leaves_nothing_and_other_families_lose_nothing(
    client: Client,
    clients: Clients,
    shared_service: Service,
    consent: Consent,
    family: Episode,
    inside: Inside,
    servers: str,
) -> None:
    wiped, not_wiped, another = [await uploaded(client, family, seed) for seed in (1, 2, 4)]
    half = await client.begun(family, 10 * MIB)
    assert (await client.add(half, 0, film(MIB))).status_code == 204
    said = {"device_label": "camera 4", "wiped_on": TODAY}
    answer = await client.http.post(f"/v1/recordings/{wiped.rpartition('/')[2]}/card-wiped", json=said)
    assert answer.status_code == 200, answer.text
    other = consent.family()
    elsewhere = clients(shared_service.processes[0], other.practitioner)
    theirs = await uploaded(elsewhere, other, 3)
    stored = await inside.objects(family)
    assert len(stored) == 3 * 3 + 1

    erasure_id = uuid4()
    family.refusing = "ended"
    await says(servers, family, ConsentEnded(erasure_id=erasure_id, cause="withdrawn"))
    await says(servers, family, PurgeAsked(erasure_id=erasure_id, round=1))
    (first,) = await acknowledged(servers, erasure_id, 1)
    assert (first["participant"], first["objects"], first["cards_not_wiped"]) == ("upload", len(stored), 3)
    assert first["cards"] == sorted(where.rpartition("/")[2] for where in (not_wiped, another, half))
    assert first["bytes"] > 16 * MIB
    assert first["rows"] == 4 + 3 * 2 + 1
    assert await inside.objects(family) == []
    assert await inside.rows("SELECT 1 FROM uploads WHERE episode_id = :id", id=family.id) == []
    for where in (wiped, not_wiped, another, half):
        assert (await client.http.head(where)).status_code == 404
        assert (await client.http.get(f"/v1/recordings/{where.rpartition('/')[2]}")).status_code == 404
    problem(await client.add(half, MIB, b"x"), 404, "not-found")

    # the cards are still to be wiped, by who filmed, and may be confirmed before the certificate or after
    async def cards() -> set[str]:
        waiting = (await client.http.get("/v1/cards")).json()["cards"]
        assert all(card["erased"] and card["filmed_on"] == TODAY for card in waiting)
        return {card["recording_id"] for card in waiting}

    async def confirm(where: str, by: Client = client) -> int:
        return (await by.http.post(f"/v1/recordings/{where.rpartition('/')[2]}/card-wiped", json=said)).status_code

    assert await cards() == set(first["cards"])
    assert await confirm(another, elsewhere) == 404, "strangers do not learn that there was such a film"
    assert await confirm(another) == 200

    async def is_told() -> bool:
        return [event.type for event in await told(servers, another)][-1] == "attune.recording.card_wiped.v1"

    await until(is_told, "that the card is wiped")

    # what lands late is found by the next round
    late = f"{family.id}/{uuid4()}/{uuid4()}"
    await inside.store.put("recordings", late, b"late", inside.permit(theirs, other))
    await says(servers, family, PurgeAsked(erasure_id=erasure_id, round=2))
    _, second = await acknowledged(servers, erasure_id, 2)
    assert (second["objects"], second["bytes"], second["rows"], second["cards_not_wiped"]) == (1, 4, 0, 2)
    assert second["cards"] == sorted(where.rpartition("/")[2] for where in (not_wiped, half))
    assert await inside.objects(family) == []

    await says(servers, family, ErasureCertified(erasure_id=erasure_id, certificate_id=uuid4()))

    async def shut() -> bool:
        return not await inside.rows("SELECT 1 FROM open_erasures WHERE id = :id", id=erasure_id)

    await until(shut, "the door's shutting")
    assert await confirm(not_wiped) == 200
    assert await confirm(not_wiped) == 404, "nothing is kept of it any more"
    assert await cards() == {half.rpartition("/")[2]}
    left = await inside.rows("SELECT recording_id, filmed_by FROM cards WHERE episode_id = :id", id=family.id)
    assert [(str(row.recording_id), row.filmed_by) for row in left] == [
        (half.rpartition("/")[2], family.practitioner)
    ], "and of a film, its day and who filmed it alone"
    assert await inside.film(theirs, other) == film(5 * MIB, 3)
    assert (await elsewhere.recording(theirs))["state"] == "received"


async def test_a_discarded_recording_goes_and_the_others_stay(
    client: Client, consent: Consent, family: Episode, inside: Inside, servers: str
) -> None:
    gone, kept = await uploaded(client, family, 1), await uploaded(client, family, 2)
    half = await client.begun(family, 10 * MIB)
    assert (await client.add(half, 0, film(5 * MIB))).status_code == 204
    for where in (gone, half):
        recording_id, erasure_id = UUID(where.rpartition("/")[2]), uuid4()
        consent.discarded.add(recording_id)
        consent.open_erasures.append(
            {
                "erasure_id": str(erasure_id),
                "episode_id": str(family.id),
                "family_id": str(family.family_id),
                "recording_id": str(recording_id),
                "round": 1,
            }
        )
        discarded = RecordingDiscarded(recording_id=recording_id, erasure_id=erasure_id, reason_code="not_wanted")
        await says(servers, family, discarded, PurgeAsked(erasure_id=erasure_id, round=1, recording_id=recording_id))
        (first,) = await acknowledged(servers, erasure_id, 1)
        assert (first["objects"], first["cards_not_wiped"]) == (3 if where == gone else 2, 1)
        assert await inside.objects(family, where) == []
        assert (await client.http.head(where)).status_code == 404
    assert await inside.film(kept, family) == film(5 * MIB, 2)
    assert (await client.recording(kept))["state"] == "received"
    rejected = [event.type for event in await told(servers, half)]
    assert rejected == ["attune.recording.rejected.v1"]


async def test_an_erasure_is_done_even_if_no_message_ever_comes(
    client: Client, consent: Consent, family: Episode, inside: Inside, servers: str
) -> None:
    await uploaded(client, family, 1)
    erasure_id = uuid4()
    family.refusing = "ended"
    consent.open_erasures.append(
        {
            "erasure_id": str(erasure_id),
            "episode_id": str(family.id),
            "family_id": str(family.family_id),
            "recording_id": None,
            "round": 1,
        }
    )
    (first,) = await acknowledged(servers, erasure_id, 1)
    assert first["objects"] == 3
    assert await inside.objects(family) == []
    # the news of its end may come afterwards, and changes nothing
    await says(servers, family, ConsentEnded(erasure_id=erasure_id, cause="withdrawn"))
    problem(await client.begin(family, 100), 403, "consent-refused")


async def test_an_upload_under_way_ends_with_the_episode(
    client: Client, consent: Consent, family: Episode, inside: Inside, servers: str
) -> None:
    plain = film(20 * MIB)
    where = await client.begun(family, len(plain))
    async with client.adding(where, 0, len(plain)) as sending:
        await sending.send(plain[: 5 * MIB])

        async def a_segment() -> bool:
            return await client.arrived(where) == 4 * MIB

        await until(a_segment, "the first segment")
        erasure_id = uuid4()  # its permit is good for some seconds more; the episode's end alone must be enough
        await says(servers, family, ConsentEnded(erasure_id=erasure_id, cause="withdrawn"))

        async def ended() -> bool:
            return bool(await inside.rows("SELECT 1 FROM episodes WHERE id = :i AND ended_at IS NOT NULL", i=family.id))

        await until(ended, "the end")
        answering = asyncio.create_task(sending.answer())
        await sending.send(plain[5 * MIB : 14 * MIB])
        assert problem(await answering, 403, "consent-refused")["reason"] == "ended"
    await says(servers, family, PurgeAsked(erasure_id=erasure_id, round=1))
    (first,) = await acknowledged(servers, erasure_id, 1)
    assert (first["objects"], first["rows"]) == (1, 2), "what came after the end was deleted at once"
    assert await inside.objects(family) == []
