"""What is recorded: the rights conversation, consent, its evidence."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from services.consent.records import evidence
from services.consent.records.rights import POINTS
from shared.contracts.consent import ConsentGiven, ConsentNarrowed
from shared.identity import Role
from shared.media_store import Store
from shared.settings import HorizonSettings
from tests.integration.consent.world import TODAY, Consent, Family, store_settings

PDF = b"%PDF-1.7 Canary " + os.urandom(100_000)


def conversation(**more: Any) -> dict[str, Any]:
    return {
        "held_on": str(TODAY),
        "points": [{"point": one.point, "version": one.version} for one in POINTS],
        "language": "pl",
        "format": "easy_read",
        "interpreter": True,
    } | more


async def test_the_points_are_there_to_read(consent: Consent) -> None:
    shown = await consent.done("GET", "/rights-points", consent.person(Role.PRACTITIONER, uuid4()))
    assert "Refusing or withdrawing changes nothing in your care." in [one["text"] for one in shown["points"]]
    assert {one["whose"] for one in shown["points"]} == {"family", "service"}


async def test_every_point_must_have_been_talked_through(consent: Consent) -> None:
    family = await consent.registered()
    path, who = f"/families/{family.id}/rights-conversations", consent.practitioner(family)
    missing_one = conversation(points=conversation()["points"][1:])
    answer = await consent.ask("POST", path, who, missing_one)
    assert answer.status_code == 422
    assert POINTS[0].point in answer.text
    assert (await consent.ask("POST", path, who, conversation(held_on="2999-01-01"))).status_code == 422
    await consent.done("POST", path, who, conversation())
    [row] = await consent.sql("SELECT points, language, format, interpreter FROM rights_conversations")
    assert (len(row.points), row.language, row.format, row.interpreter) == (len(POINTS), "pl", "easy_read", True)


async def test_the_first_record_opens_the_episode(consent: Consent) -> None:
    family = await consent.registered()
    await consent.agreed(family, family.parent)
    first = family.episode
    await consent.agreed(family, family.baby, ["film"], valid_until="2027-01-01")
    assert family.episode == first
    given = await consent.told(ConsentGiven)
    assert [(one.person_id, one.purposes) for one in given if isinstance(one, ConsentGiven)] == [
        (family.parent, ("film", "review")),
        (family.baby, ("film",)),
    ]


async def test_first_records_at_the_same_time_open_one_episode(consent: Consent) -> None:
    family = await consent.registered()
    made = await asyncio.gather(
        *(
            consent.done(
                "POST",
                f"/families/{family.id}/consent-records",
                consent.practitioner(family),
                consent.record(family, person),
            )
            for person in [family.parent, family.baby] * 4
        )
    )
    assert len({one["episode_id"] for one in made}) == 1
    versions = await consent.sql("SELECT person_id, version, supersedes, id FROM consent_records ORDER BY version")
    for person in (family.parent, family.baby):
        mine = [row for row in versions if row.person_id == person]
        assert [row.version for row in mine] == [1, 2, 3, 4]
        assert [row.supersedes for row in mine] == [None, *(row.id for row in mine[:-1])]


async def test_a_record_is_never_changed(consent: Consent) -> None:
    family = await consent.ready_to_film()
    for statement in (
        "UPDATE consent_records SET purposes = '{training}'",
        "DELETE FROM consent_records",
        "TRUNCATE consent_records CASCADE",
        "DELETE FROM rights_conversations",
        "DELETE FROM care_team_changes",
    ):
        with pytest.raises(DBAPIError, match="only ever added to"):
            await consent.sql(statement)
    shown = await consent.done("GET", f"/families/{family.id}/consent-records", consent.practitioner(family))
    assert [one["version"] for one in shown["consent_records"]] == [1, 1]


async def test_a_record_that_cannot_be_accepted_says_why_and_changes_nothing(consent: Consent) -> None:
    family = await consent.registered()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"given_by": str(uuid4())}, "unknown_giver"),
        ({"person_id": str(uuid4())}, "unknown_person"),
        ({"given_by": str(family.baby), "authority": "self"}, "giver_cannot_agree"),
        ({"purposes": ["advertising"]}, "unknown_purpose"),
        ({"method": "spoken"}, "no_witness"),
        ({"method": "paper"}, "no_evidence"),
        ({"method": "paper", "evidence_id": str(uuid4())}, "unknown_evidence"),
        ({"given_on": "2999-01-01"}, "given_in_future"),
        ({"valid_until": "2000-01-01"}, "ends_before_it_begins"),
    ]
    for more, code in wrong:
        answer = await consent.ask(
            "POST",
            f"/families/{family.id}/consent-records",
            consent.practitioner(family),
            consent.record(family, family.baby) | more,
        )
        assert answer.status_code == 422, answer.text
        assert [one["code"] for one in answer.json()["errors"]] == [code], answer.text
        assert answer.json()["detail"].endswith(".")
    assert await consent.told(ConsentGiven) == []
    assert await consent.sql("SELECT 1 FROM consent_episodes") == []


async def test_one_purpose_of_one_person_is_narrowed(consent: Consent) -> None:
    family = await consent.ready_to_film()
    film = await consent.made(family, "review_film", await consent.filmed(family))
    answer = await consent.withdrawn(family, scope={"purpose": "review", "person_id": str(family.baby)})
    assert answer == {"state": "open", "erasure_id": None}
    [row] = await consent.sql("SELECT withdrawal_id FROM narrowings")
    narrowed = ConsentNarrowed(person_id=family.baby, purpose="review", withdrawal_id=row.withdrawal_id)
    assert await consent.told(ConsentNarrowed) == [narrowed]
    assert await consent.refused("curation", "review", family.practitioner, [film]) == "no_consent"
    shown = await consent.done("GET", f"/families/{family.id}", consent.practitioner(family))
    assert shown["permitted_purposes"] == ["film"]
    await consent.filmed(family)


async def test_narrowing_what_was_not_agreed_tells_nothing(consent: Consent) -> None:
    family = await consent.ready_to_film()
    await consent.withdrawn(family, scope={"purpose": "training"})
    assert await consent.told(ConsentNarrowed) == []
    await consent.withdrawn(family, scope={"purpose": "review"})
    of_two = await consent.told(ConsentNarrowed)
    assert len(of_two) == 2
    assert len({one.withdrawal_id for one in of_two if isinstance(one, ConsentNarrowed)}) == 1, "by one act"


async def test_a_mistyped_purpose_is_not_taken_for_a_withdrawal(consent: Consent) -> None:
    family = await consent.ready_to_film()
    said = {"by": str(family.parent), "route": "phone", "confirmed_by_family": True, "scope": {"purpose": "reviews"}}
    path = f"/episodes/{family.episode}/withdrawals"
    answer = await consent.ask("POST", path, consent.practitioner(family), said)
    assert answer.status_code == 422 and answer.json()["errors"][0]["at"] == "body.scope.purpose"
    assert await consent.told(ConsentNarrowed) == []


# evidence


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1024 * 1024):
        yield body[start : start + 1024 * 1024]


async def put(consent: Consent, family: Family, body: bytes, media_type: str = "application/pdf") -> Any:
    return await consent.http.post(
        f"/v1/families/{family.id}/evidence",
        content=in_pieces(body),
        headers=consent.practitioner(family) | {"Content-Type": media_type},
    )


async def stored(consent: Consent, family: Family) -> list[bytes]:
    """What lies in the store under the family's prefix, as it lies there."""
    async with Store(store_settings(consent.stack.store, "root"), HorizonSettings()) as store:
        found = [one async for one in store.list_all("evidence", f"{family.id}/")]
    folder = consent.stack.folder / "s3"
    return [path.read_bytes() for one in found for path in folder.rglob(one.name) if path.is_file()]


async def test_a_signed_form_is_sealed_and_comes_back(consent: Consent) -> None:
    family = await consent.registered()
    kept = await put(consent, family, PDF)
    assert kept.status_code == 201, kept.text
    evidence_id = kept.json()["evidence_id"]
    objects = await stored(consent, family)
    assert len(objects) == 2
    assert not [one for one in objects if b"Canary" in one]
    await consent.agreed(family, family.baby, method="paper", evidence_id=evidence_id)
    for who in (consent.practitioner(family), consent.person(Role.FAMILY, family.parent, family.id)):
        answer = await consent.ask("GET", f"/families/{family.id}/evidence/{evidence_id}", who)
        assert answer.content == PDF


async def test_evidence_is_of_one_family(consent: Consent) -> None:
    family, other = await consent.registered(), await consent.registered()
    evidence_id = (await put(consent, family, PDF)).json()["evidence_id"]
    answer = await consent.ask(
        "POST",
        f"/families/{other.id}/consent-records",
        consent.practitioner(other),
        consent.record(other, other.baby) | {"method": "paper", "evidence_id": evidence_id},
    )
    assert answer.status_code == 422
    theirs = await consent.ask("GET", f"/families/{other.id}/evidence/{evidence_id}", consent.practitioner(other))
    assert theirs.status_code == 404


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"<script>", "text/html", 415),
        (b"<script>" * 10, "application/pdf", 415),
        (b"", "application/pdf", 415),
        (b"%PDF-", "image/png", 415),
        (b"%PDF-" + b"0" * (evidence.MAXIMUM_BYTES), "application/pdf", 413),
    ],
    ids=["another type", "another content", "nothing", "another picture", "too much"],
)
async def test_what_is_no_form_leaves_nothing(consent: Consent, body: bytes, media_type: str, status: int) -> None:
    family = await consent.registered()
    answer = await put(consent, family, body, media_type)
    assert answer.status_code == status, answer.text
    assert await stored(consent, family) == []
    assert await consent.sql("SELECT 1 FROM evidence") == []


async def test_what_a_dead_process_left_half_stored_is_cleared(
    consent: Consent, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = await consent.registered()

    async def killed(*_: Any) -> None:
        raise AssertionError("nothing is cleaned up when a process is killed")

    monkeypatch.setattr(evidence, "_forget", killed)
    assert (await put(consent, family, b"%PDF-" + b"0" * evidence.MAXIMUM_BYTES)).status_code == 500
    monkeypatch.undo()
    assert len(await stored(consent, family)) > 1
    await evidence.clear_unfinished(consent.database, consent.held.store, "evidence")
    assert len(await stored(consent, family)) > 1
    await consent.sql("UPDATE evidence SET registered_at = registered_at - interval '2 hours'")
    await evidence.clear_unfinished(consent.database, consent.held.store, "evidence")
    assert await stored(consent, family) == []
    assert await consent.sql("SELECT 1 FROM evidence") == []


async def test_what_was_cleared_while_it_was_being_stored_is_not_called_stored(
    consent: Consent, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, seal = await consent.registered(), evidence._seal

    async def sealed_too_late(store: Any, permit: Any, bucket: str, evidence_id: UUID, *of_what: Any) -> Any:
        manifest = await seal(store, permit, bucket, evidence_id, *of_what)
        await consent.sql("UPDATE evidence SET registered_at = registered_at - interval '2 hours'")
        await evidence.clear_unfinished(consent.database, consent.held.store, "evidence")
        await seal(store, permit, bucket, evidence_id, "application/pdf", one_piece())  # what comes after the clearing
        return manifest

    async def one_piece() -> AsyncIterator[bytes]:
        yield PDF

    monkeypatch.setattr(evidence, "_seal", sealed_too_late)
    answer = await put(consent, family, PDF)
    assert answer.status_code == 503 and "Keep it" in answer.json()["detail"]
    assert await stored(consent, family) == []
    assert await consent.sql("SELECT 1 FROM evidence") == []


async def test_bytes_that_come_too_slowly_leave_nothing(consent: Consent, monkeypatch: pytest.MonkeyPatch) -> None:
    family = await consent.registered()

    async def never_seals(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(evidence, "_seal", never_seals)
    monkeypatch.setattr(evidence, "STORED_WITHIN", timedelta(seconds=0.1))
    assert (await put(consent, family, PDF)).status_code == 503
    assert await consent.sql("SELECT 1 FROM evidence") == []


async def test_the_key_of_evidence_is_wrapped_by_the_master_key_and_outlives_the_episode(consent: Consent) -> None:
    family = await consent.ready_to_film()
    evidence_id = UUID((await put(consent, family, PDF)).json()["evidence_id"])
    [row] = await consent.sql("SELECT key FROM evidence")
    assert len(consent.held.master.unwrap(row.key, evidence_id)) == 32
    await consent.withdrawn(family)
    answer = await consent.ask("GET", f"/families/{family.id}/evidence/{evidence_id}", consent.practitioner(family))
    assert answer.content == PDF
