"""Nothing is taken that consent does not cover, and taking ends when consent does."""

import asyncio
from typing import Any

import pytest

from tests.integration.upload.conftest import MIB, Client, Clients, Inside, Service, film, until
from tests.integration.upload.consent import Consent, Episode
from tests.integration.upload.test_protocol import problem


async def test_consent_is_asked_for_everybody_in_the_film_before_a_byte(
    client: Client, family: Episode, consent: Consent
) -> None:
    answer = await client.begin(family, 100)
    assert answer.status_code == 201
    (asked,) = [one for one in consent.asked if one["on_behalf_of"] == str(family.practitioner)]
    assert (asked["purpose"], asked["read"]) == ("film", [])
    (new,) = asked["write"]
    assert new["artefact_id"] == answer.headers["Location"].rpartition("/")[2]
    assert (new["kind"], new["happy_to_film"], new["episode_id"]) == ("recording", True, str(family.id))
    assert set(new["people"]) == {str(person) for person in family.people}
    assert new["filmed_on"]


@pytest.mark.parametrize(
    ("about", "said", "reason"),
    [
        ({"refusing": "suspended"}, {}, "suspended"),
        ({"refusing": "ended"}, {}, "ended"),
        ({"rights_conversation": False}, {}, "no_rights_conversation"),
        ({}, {"happy_to_film": "false"}, "not_happy_to_film"),
        ({}, {"filmed_on": "2025-12-31"}, "no_consent"),
        ({}, {"people": "00000000-0000-0000-0000-000000000001"}, "unknown_person"),
        ({}, {"episode_id": "00000000-0000-0000-0000-000000000001"}, "unknown_episode"),
    ],
)
async def test_what_consent_refuses_is_refused_before_a_byte(
    shared_service: Service,
    clients: Clients,
    consent: Consent,
    inside: Inside,
    about: dict[str, Any],
    said: dict[str, str],
    reason: str,
) -> None:
    family = consent.family(**about)
    client = clients(shared_service.processes[0], family.practitioner)
    refused = problem(await client.begin(family, 100, **said), 403, "consent-refused")
    assert refused["reason"] == reason
    assert len(refused["detail"]) > 40
    assert await inside.rows("SELECT id FROM uploads WHERE uploaded_by = :id", id=family.practitioner) == []
    assert await inside.objects(family) == []


async def test_who_is_not_in_the_care_team_is_refused(
    client: Client, consent: Consent, shared_service: Service, clients: Clients
) -> None:
    refused = problem(await client.begin(consent.family(), 100), 403, "consent-refused")
    assert refused["reason"] == "not_in_care_team"


async def test_while_consent_is_away_nothing_is_taken_and_nothing_lost(
    client: Client, family: Episode, consent: Consent
) -> None:
    plain = film(2 * MIB)
    where = await client.begun(family, len(plain))
    assert (await client.add(where, 0, plain[:MIB])).status_code == 204
    consent.away = True
    try:
        answer = await client.begin(family, 100)
        problem(answer, 503, "unavailable")
        assert answer.headers["Retry-After"]
        answer = await client.add(where, MIB, plain[MIB:])
        problem(answer, 503, "unavailable")
        assert answer.headers["Retry-After"]
        assert await client.offset(where) == MIB
    finally:
        consent.away = False
    assert (await client.add(where, MIB, plain[MIB:])).status_code == 204
    await client.received(where)


async def test_an_upload_under_way_ends_when_its_permit_is_not_renewed(
    shared_service: Service, clients: Clients, consent: Consent, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consent, "seconds", 3)
    family = consent.family()
    client = clients(shared_service.processes[0], family.practitioner)
    plain = film(20 * MIB)
    where = await client.begun(family, len(plain))

    async with client.adding(where, 0, len(plain)) as sending:
        await sending.send(plain[: 9 * MIB])

        async def two_segments() -> bool:
            return await client.arrived(where) == 8 * MIB

        await until(two_segments, "the second segment")
        family.refusing = "suspended"
        answering = asyncio.create_task(sending.answer())
        for _ in range(900):  # too slow to fill another segment
            if answering.done():
                break
            await sending.send(b"x")
            await asyncio.sleep(0.1)
        assert answering.done(), "it went on after its permit"
        refused = problem(await answering, 403, "consent-refused")
        assert (await answering).headers["connection"] == "close", "so that it does not go on sending"
        assert await sending.reader.read() == b""
    assert refused["reason"] == "suspended"
    assert await client.offset(where) == 8 * MIB, "what was stored stays until it is erased"
    problem(await client.add(where, 8 * MIB, b"x"), 403, "consent-refused")
    family.refusing = None
    assert (await client.add(where, 8 * MIB, plain[8 * MIB :])).status_code == 204
    await client.received(where)
    assert await inside.film(where, family) == plain
