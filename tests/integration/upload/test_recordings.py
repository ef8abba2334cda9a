"""What became of the films, and the camera's cards."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from shared.identity import Role
from tests.integration.upload.conftest import MIB, Client, Clients, Inside, Service, film, until
from tests.integration.upload.consent import Consent, Episode
from tests.integration.upload.events import told
from tests.integration.upload.test_protocol import problem


def recording_of(where: str) -> str:
    return f"/v1/recordings/{where.rpartition('/')[2]}"


async def uploaded(client: Client, family: Episode, length: int = MIB) -> str:
    where = await client.begun(family, length)
    assert (await client.add(where, 0, film(length))).status_code == 204
    await client.received(where)
    return where


TODAY = datetime.now(UTC).date()
SAID = {"device_label": "SIM 2 of camcorder 4", "wiped_on": TODAY.isoformat()}


async def test_the_practitioner_sees_how_far_a_film_is(client: Client, family: Episode) -> None:
    where = await client.begun(family, 2 * MIB)
    seen = await client.recording(where)
    assert (seen["state"], seen["bytes"], seen["bytes_received"], seen["to_do"]) == ("receiving", 2 * MIB, 0, None)
    assert (await client.add(where, 0, film(2 * MIB)[:MIB])).status_code == 204
    seen = await client.recording(where)
    assert (seen["bytes_received"], seen["sha256"]) == (MIB, None)
    assert seen["bytes_verified"] <= MIB
    assert (await client.add(where, MIB, film(2 * MIB)[MIB:])).status_code == 204
    seen = await client.received(where)
    assert (seen["bytes_verified"], seen["expires_at"]) == (2 * MIB, None)
    assert "Wipe the camera's card" in seen["to_do"]


async def test_a_card_is_confirmed_wiped_once_and_told(
    client: Client, family: Episode, inside: Inside, shared_service: Service
) -> None:
    where = await uploaded(client, family)
    answer = await client.http.post(f"{recording_of(where)}/card-wiped", json=SAID)
    assert answer.status_code == 200, answer.text
    assert answer.json() == SAID
    seen = await client.recording(where)
    assert (seen["card_wiped"], seen["to_do"]) == (SAID, None)
    again = await client.http.post(f"{recording_of(where)}/card-wiped", json=SAID | {"device_label": "another"})
    assert again.json() == answer.json(), "the first confirmation stands"

    async def both() -> bool:
        return len(await told(shared_service.stack.kafka_servers, where)) == 2

    await until(both, "both events")
    received, wiped = await told(shared_service.stack.kafka_servers, where)
    assert (received.type, wiped.type) == ("attune.recording.received.v1", "attune.recording.card_wiped.v1")
    assert wiped.value["on"] == TODAY.isoformat()
    assert "camcorder" not in str(wiped)


async def test_a_card_is_not_wiped_before_the_film_is_safe(client: Client, family: Episode) -> None:
    where = await client.begun(family, 2 * MIB)
    assert (await client.add(where, 0, film(MIB))).status_code == 204
    problem(await client.http.post(f"{recording_of(where)}/card-wiped", json=SAID), 409, "not-received")
    assert (await client.recording(where))["card_wiped"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"device_label": ""},
        {"device_label": "   "},
        {"device_label": "x" * 101},
        {"device_label": "a\x00b"},
        {"device_label": None},
        {"wiped_on": "yesterday"},
        {"wiped_on": (TODAY + timedelta(days=2)).isoformat()},
        {"wiped_on": (TODAY - timedelta(days=400)).isoformat()},
    ],
)
async def test_what_is_said_of_a_card_must_make_sense(
    client: Client, family: Episode, wrong: dict[str, str | None]
) -> None:
    where = await uploaded(client, family, 100)
    problem(await client.http.post(f"{recording_of(where)}/card-wiped", json=SAID | wrong), 422, "invalid")


async def test_the_list_begins_with_the_cards_that_wait(
    shared_service: Service, clients: Clients, consent: Consent
) -> None:
    family = consent.family()
    client = clients(shared_service.processes[0], family.practitioner)
    first, second, third = [await uploaded(client, family, 100) for _ in range(3)]
    begun = await client.begun(family, 100)
    assert (await client.http.post(f"{recording_of(third)}/card-wiped", json=SAID)).status_code == 200
    answer = await client.http.get("/v1/recordings")
    assert answer.status_code == 200
    listed = [one["recording_id"] for one in answer.json()["recordings"]]
    assert listed == [where.rpartition("/")[2] for where in (second, first, begun, third)]


async def in_the_team(inside: Inside, family: Episode, *people: UUID) -> None:
    await inside.change(
        "INSERT INTO care_teams (family_id, version, members) VALUES (:id, 1, CAST(:members AS jsonb))",
        id=family.family_id,
        members=json.dumps({str(person): "practitioner" for person in people}),
    )


async def test_who_filmed_and_has_left_the_team_sees_no_film_and_still_confirms_the_card(
    client: Client, clients: Clients, shared_service: Service, family: Episode, inside: Inside
) -> None:
    """The care team decides who sees films; the card is in the bag of whoever filmed."""
    where, colleague = await uploaded(client, family), uuid4()
    await in_the_team(inside, family, colleague)
    problem(await client.http.get(recording_of(where)), 404, "not-found")
    assert (await client.http.get("/v1/recordings")).json() == {"recordings": []}
    theirs = {"family_id": str(family.family_id)}
    problem(await client.http.get("/v1/recordings", params=theirs), 403, "not-allowed")
    problem(await client.http.get("/v1/cards", params=theirs), 403, "not-allowed")
    card = {"recording_id": where.rpartition("/")[2], "filmed_on": TODAY.isoformat(), "erased": False}
    assert (await client.http.get("/v1/cards")).json() == {"cards": [{**card, "family_id": None}]}
    others = await clients(shared_service.processes[0], colleague).http.get("/v1/cards")
    assert others.json() == {"cards": [{**card, **theirs}]}
    answer = await client.http.post(f"{recording_of(where)}/card-wiped", json=SAID)
    assert (answer.status_code, answer.json()) == (200, SAID)
    assert (await client.http.get("/v1/cards")).json() == {"cards": []}


async def test_colleagues_and_the_family_see_it_and_nobody_else(
    client: Client,
    clients: Clients,
    shared_service: Service,
    family: Episode,
    inside: Inside,
) -> None:
    where = await uploaded(client, family)
    colleague, supervisor, process = uuid4(), uuid4(), shared_service.processes[0]
    members = {family.practitioner: "practitioner", colleague: "practitioner", supervisor: "supervisor"}
    await inside.change(
        "INSERT INTO care_teams (family_id, version, members) VALUES (:id, 1, CAST(:members AS jsonb))",
        id=family.family_id,
        members=json.dumps({str(person): role for person, role in members.items()}),
    )
    theirs = {"family_id": str(family.family_id)}
    for person, role in ((colleague, Role.PRACTITIONER), (supervisor, Role.SUPERVISOR)):
        other = clients(process, person, role=role)
        assert (await other.http.get(recording_of(where))).status_code == 200
        listed = await other.http.get("/v1/recordings", params=theirs)
        assert [one["recording_id"] for one in listed.json()["recordings"]] == [where.rpartition("/")[2]]
    parent = clients(process, uuid4(), role=Role.FAMILY, family=family.family_id)
    assert (await parent.http.get(recording_of(where))).status_code == 200
    problem(await parent.http.post(f"{recording_of(where)}/card-wiped", json=SAID), 403, "not-allowed")
    problem(await clients(process, supervisor, role=Role.SUPERVISOR).http.get("/v1/recordings"), 403, "not-allowed")
    for stranger in (
        clients(process, uuid4()),
        clients(process, uuid4(), role=Role.FAMILY, family=uuid4()),
    ):
        problem(await stranger.http.get(recording_of(where)), 404, "not-found")
        problem(await stranger.http.get("/v1/recordings", params=theirs), 403, "not-allowed")
    problem(await client.http.get(f"/v1/recordings/{uuid4()}"), 404, "not-found")
    # a colleague may have the card, and no upload but one's own is gone on with
    helping = clients(process, colleague)
    assert (await helping.http.post(f"{recording_of(where)}/card-wiped", json=SAID)).status_code == 200
    assert (await helping.http.head(where)).status_code == 404
