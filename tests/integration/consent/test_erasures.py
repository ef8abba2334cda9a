"""From the end to the certificate."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from services.consent.erasures.operations import NotAsked
from services.consent.erasures.verify_certificate import NotGenuine, verify
from shared.contracts import PARTICIPANTS
from shared.contracts.consent import (
    ErasureCertified,
    ErasureStalled,
)
from shared.identity import Role
from tests.integration.consent.erasing import certificate, ended, public_key, round_asked
from tests.integration.consent.world import TODAY, Consent


async def test_to_the_certificate_that_verifies_offline(consent: Consent) -> None:
    family = await consent.ready_to_film()
    recording = await consent.filmed(family)
    await consent.made(family, "review_film", recording)
    erasure = UUID((await consent.withdrawn(family))["erasure_id"])
    who = consent.practitioner(family)
    assert (await consent.ask("GET", f"/erasures/{erasure}/certificate", who)).status_code == 404
    for participant in PARTICIPANTS[1:]:
        await consent.acknowledges(family, erasure, 1, participant, objects=3, bytes=100, rows=7, jobs_cancelled=1)
    shown = await consent.erasure(erasure)
    assert (shown["state"], shown["waiting_for"]) == ("purging", [PARTICIPANTS[0]])
    wiped = uuid4()  # between the rounds
    await consent.acknowledges(family, erasure, 1, PARTICIPANTS[0], cards_not_wiped=2, cards=(recording, wiped))
    assert (await consent.erasure(erasure))["state"] == "draining"
    await round_asked(consent, erasure, 2)
    await consent.acknowledges(family, erasure, 2, PARTICIPANTS[0], cards_not_wiped=1, cards=(recording,))
    await consent.all_acknowledge(family, erasure, 2)
    assert (await consent.erasure(erasure))["waiting_for"] == ["verifier"]
    await consent.tick()
    assert (await consent.erasure(erasure))["state"] == "verifying"
    await consent.verify()
    await consent.tick()
    file = await certificate(consent, family, erasure)
    said = verify(file, await public_key(consent))
    assert said["organisation"] == consent.held.signer.organisation.model_dump()
    assert said["decision"] == {
        "cause": "withdrawal_confirmed",
        "decided_by": str(family.parent),
        "route": "phone",
    }
    assert said["registered"] == {"recording": 1, "review_film": 1}
    assert said["horizon"] | {"counted_from": ""} == {
        "seconds": 2,
        "permit_seconds": 2,
        "put_seconds": 0,
        "clock_skew_seconds": 0,
        "counted_from": "",
    }
    first, second = said["rounds"]
    assert [one["participant"] for one in first["acknowledgements"]] == sorted(PARTICIPANTS)
    assert {one["rows"] for one in second["acknowledgements"]} == {2}
    assert said["cards_not_wiped"] == 1
    assert said["cards"] == [{"recording_id": str(recording), "filmed_on": str(TODAY)}]
    (cards,) = (one for one in said["cannot_know"] if one["code"] == "camera_cards")
    assert cards["recordings"] == said["cards"]
    assert cards["sentence"] == f"Camera cards not confirmed as wiped: 1, with films of {TODAY}."
    assert [one["bucket"] for one in said["verified"]["listed"]] == ["recordings", "renditions", "evidence"]
    assert said["verified"]["found"] == 0
    assert said["ended_at"] == said["key_destroyed_at"] <= said["opened_at"]
    assert said["opened_at"] < said["horizon"]["counted_from"] < said["verified"]["begun_at"] < said["issued_at"]
    with pytest.raises(NotGenuine):
        verify(file.replace(b'"recording":1', b'"recording":2'), await public_key(consent))
    assert await consent.told(ErasureCertified) == [
        ErasureCertified(erasure_id=erasure, certificate_id=UUID(said["certificate_id"]))
    ]
    assert await consent.sql("SELECT 1 FROM open_erasures") == []
    with pytest.raises(DBAPIError, match="only ever added to"):
        await consent.sql("UPDATE certificates SET file = 'another'")
    family_reads = consent.person(Role.FAMILY, family.parent, family.id)
    assert (await consent.ask("GET", f"/erasures/{erasure}/certificate", family_reads)).content == file
    stranger = consent.person(Role.PRACTITIONER, uuid4())
    assert (await consent.ask("GET", f"/erasures/{erasure}/certificate", stranger)).status_code == 404


async def test_the_drain_is_counted_from_after_the_opening_commit(consent: Consent) -> None:
    family, _, erasure = await ended(consent)
    [row] = await consent.sql("SELECT fenced_at FROM erasures")
    assert row.fenced_at is None
    await consent.all_acknowledge(family, erasure, 1)
    await round_asked(consent, erasure, 2)
    [row] = await consent.sql(
        "SELECT fenced_at > opened_at AS after, asked_at >= fenced_at + interval '2 seconds' AS drained FROM erasures"
    )
    assert (row.after, row.drained) == (True, True)


async def test_acknowledgements_doubled_late_and_out_of_order(consent: Consent) -> None:
    family, _, erasure = await ended(consent)
    for participant in (*PARTICIPANTS[:3], *PARTICIPANTS[:3]):
        await consent.acknowledges(family, erasure, 1, participant, objects=5)
    await consent.acknowledges(family, erasure, 1, PARTICIPANTS[0], objects=99)
    assert (await consent.erasure(erasure))["state"] == "purging"
    await consent.acknowledges(family, erasure, 1, PARTICIPANTS[3])
    await round_asked(consent, erasure, 2)
    for participant in PARTICIPANTS:  # late ones of the first round count for nothing in the second
        await consent.acknowledges(family, erasure, 1, participant)
    shown = await consent.erasure(erasure)
    assert (shown["state"], shown["waiting_for"]) == ("purging", list(PARTICIPANTS))
    assert [one["objects"] for one in shown["acknowledgements"] if one["participant"] == PARTICIPANTS[0]] == [5]
    for participant in reversed(PARTICIPANTS):
        await consent.acknowledges(family, erasure, 2, participant)
    assert (await consent.erasure(erasure))["state"] == "verifying"


async def test_nobody_acknowledges_what_was_not_asked(consent: Consent) -> None:
    family, _, erasure = await ended(consent)
    other, _, another = await ended(consent)
    with pytest.raises(NotAsked):
        await consent.acknowledges(family, erasure, 2, "upload")
    with pytest.raises(NotAsked):
        await consent.acknowledges(family, uuid4(), 1, "upload")
    with pytest.raises(NotAsked):
        await consent.acknowledges(other, erasure, 1, "upload")
    assert (await consent.erasure(another))["acknowledgements"] == []


async def test_participants_ask_what_waits_for_them(consent: Consent) -> None:
    family, _, erasure = await ended(consent)
    film = consent.service("upload")
    waiting = await consent.done("GET", "/erasures?waiting_for=upload", film)
    mine = {
        "erasure_id": str(erasure),
        "episode_id": str(family.episode),
        "family_id": str(family.id),
        "round": 1,
        "recording_id": None,
    }
    assert waiting["erasures"] == [mine]
    await consent.acknowledges(family, erasure, 1, "upload")
    assert (await consent.done("GET", "/erasures?waiting_for=upload", film))["erasures"] == []
    assert (await consent.done("GET", "/erasures?waiting_for=curation", film))["erasures"] == [mine]
    assert (await consent.ask("GET", "/erasures?waiting_for=strangers", film)).status_code == 422
    assert (await consent.ask("GET", "/erasures", film)).status_code == 422
    practitioner = consent.practitioner(family)
    assert (await consent.ask("GET", "/erasures?waiting_for=upload", practitioner)).status_code == 403


async def test_a_person_is_told_who_keeps_it_waiting(consent: Consent) -> None:
    family, _, erasure = await ended(consent)
    await consent.acknowledges(family, erasure, 1, "curation")
    await consent.tick()
    assert await consent.told(ErasureStalled) == []
    await consent.sql("UPDATE erasures SET moved_at = moved_at - interval '61 seconds'")
    await consent.tick()
    await consent.tick()
    waiting_for = tuple(one for one in PARTICIPANTS if one != "curation")
    assert await consent.told(ErasureStalled) == [ErasureStalled(erasure_id=erasure, waiting_for=waiting_for)]
