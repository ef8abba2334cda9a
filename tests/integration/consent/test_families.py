"""Families: who may see them, and that nobody else learns that they exist."""

from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.consent import CareTeamChanged, FamilyRegistered, InvolvementEnded
from shared.identity import Role
from tests.integration.consent.world import TODAY, Consent, Family


def member(person: object, role: str = "practitioner") -> dict[str, str]:
    return {"person_id": str(person), "role": role}


async def test_a_family_is_registered_and_told(consent: Consent) -> None:
    family = await consent.registered()
    registered, changed = await consent.told()
    assert registered == FamilyRegistered()
    assert isinstance(changed, CareTeamChanged)
    assert changed.version == 1
    assert [(one.person_id, one.role) for one in changed.members] == [(family.practitioner, "practitioner")]


async def test_the_care_team_sees_what_is_missing_before_a_film(consent: Consent) -> None:
    family = await consent.registered()
    shown = await consent.done("GET", f"/families/{family.id}", consent.practitioner(family))
    assert [one["name"] for one in shown["people"]] == ["Ada Canary-Parent", "Bea Canary-Baby"]
    assert (shown["episode"], shown["permitted_purposes"]) == (None, [])
    assert [one["code"] for one in shown["missing_before_filming"]] == [
        "no_rights_conversation",
        "no_consent",
        "no_consent",
    ]
    await consent.talked(family)
    await consent.agreed(family, family.parent, ["film", "review", "training"])
    await consent.agreed(family, family.baby)
    shown = await consent.done("GET", f"/families/{family.id}", consent.practitioner(family))
    assert shown["missing_before_filming"] == []
    assert shown["permitted_purposes"] == ["film", "review"]
    assert (shown["episode"]["state"], shown["episode"]["episode_id"]) == ("open", str(family.episode))


async def test_a_list_of_ones_own_families(consent: Consent) -> None:
    mine, practitioner = await consent.ready_to_film(), uuid4()
    await consent.registered(practitioner)
    listed = await consent.done("GET", "/families", consent.practitioner(mine))
    assert listed["families"] == [
        {"family_id": str(mine.id), "episode_id": str(mine.episode), "state": "open"},
    ]
    own = await consent.done("GET", "/families", consent.person(Role.FAMILY, mine.parent, mine.id))
    assert own == listed


READING = ["", "/artefacts", "/consent-records", "/access-log"]


@pytest.mark.parametrize("path", READING)
async def test_another_family_looks_like_none(consent: Consent, path: str) -> None:
    """But for its reference, it is the answer about a family that does not exist."""
    family = await consent.registered()
    strangers = [
        consent.person(Role.PRACTITIONER, uuid4()),
        consent.person(Role.SUPERVISOR, uuid4()),
        consent.person(Role.FAMILY, family.parent, uuid4()),
    ]
    for stranger in strangers:
        theirs = await consent.ask("GET", f"/families/{family.id}{path}", stranger)
        nobodys = await consent.ask("GET", f"/families/{uuid4()}{path}", stranger)
        assert theirs.status_code == nobodys.status_code == 404
        assert {**theirs.json(), "reference": ""} == {**nobodys.json(), "reference": ""}


@pytest.mark.parametrize("path", READING)
async def test_its_own_family_may_see_it(consent: Consent, path: str) -> None:
    family = await consent.ready_to_film()
    await consent.done("GET", f"/families/{family.id}{path}", consent.person(Role.FAMILY, family.parent, family.id))


@pytest.mark.parametrize("path", ["", "/artefacts", "/consent-records"])
async def test_an_operator_does_not_see_families(consent: Consent, path: str) -> None:
    family = await consent.registered()
    answer = await consent.ask("GET", f"/families/{family.id}{path}", consent.person(Role.OPERATOR, uuid4()))
    assert answer.status_code == 403


async def changes(consent: Consent, family: Family) -> list[tuple[str, str, dict[str, Any]]]:
    person, episode = str(family.parent), family.episode
    withdrawal = {"by": person, "route": "phone", "confirmed_by_family": True}
    return [
        ("PUT", f"/families/{family.id}/care-team", {"members": [member(uuid4())]}),
        ("POST", f"/families/{family.id}/people", {"people": [{"role": "other", "name": "Z"}]}),
        ("POST", f"/families/{family.id}/involvement-end", {"ended_on": str(TODAY)}),
        ("POST", f"/families/{family.id}/consent-records", consent.record(family, family.parent)),
        ("POST", f"/episodes/{episode}/withdrawals", withdrawal),
        ("POST", f"/episodes/{episode}/reinstatements", {"reason": "r"}),
        ("POST", f"/episodes/{episode}/holds", {"kind": "legal", "reason": "r", "review_on": str(TODAY)}),
        ("DELETE", f"/episodes/{episode}/holds/{uuid4()}", {}),
    ]


async def test_a_stranger_changes_nothing(consent: Consent) -> None:
    family = await consent.ready_to_film()
    recording = await consent.filmed(family)
    before = await consent.told()
    for who in (consent.person(Role.PRACTITIONER, uuid4()), consent.person(Role.FAMILY, uuid4(), uuid4())):
        for method, path, body in [
            *await changes(consent, family),
            ("POST", f"/recordings/{recording}/discards", {"reason_code": "baby_distressed"}),
        ]:
            answer = await consent.ask(method, path, who, body)
            assert answer.status_code in (403, 404), (method, path, answer.text)
    assert await consent.told() == before


async def test_who_was_taken_out_of_the_team_sees_nothing_more(consent: Consent) -> None:
    family, successor = await consent.ready_to_film(), uuid4()
    recording = await consent.filmed(family)
    film = await consent.made(family, "review_film", recording)
    await consent.done(
        "PUT", f"/families/{family.id}/care-team", consent.practitioner(family), {"members": [member(successor)]}
    )
    answer = await consent.ask("GET", f"/families/{family.id}", consent.practitioner(family))
    assert answer.status_code == 404
    assert await consent.refused("curation", "review", family.practitioner, [film]) == "not_in_care_team"
    assert (await consent.permit("curation", "review", successor, [film])).status_code == 200
    changed = (await consent.told(CareTeamChanged))[-1]
    assert isinstance(changed, CareTeamChanged)
    assert changed.version == 2
    history = await consent.sql("SELECT version, changed_by FROM care_team_changes ORDER BY version")
    assert [tuple(row) for row in history] == [(1, family.practitioner), (2, family.practitioner)]


async def test_two_who_change_the_team_at_once_do_not_undo_each_other(consent: Consent) -> None:
    family = await consent.registered()
    who, team = consent.practitioner(family), f"/families/{family.id}/care-team"
    read = await consent.done("GET", f"/families/{family.id}", who)
    first, second = (
        {"members": [*read["care_team"], member(uuid4())], "made_from": read["care_team_version"]} for _ in range(2)
    )
    await consent.done("PUT", team, who, first)
    answer = await consent.ask("PUT", team, who, second)
    assert (answer.status_code, answer.json()["code"]) == (409, "care-team-changed")
    now = await consent.done("GET", f"/families/{family.id}", who)
    assert sorted(now["care_team"], key=str) == sorted(first["members"], key=str)
    await consent.done("PUT", team, who, second | {"made_from": now["care_team_version"]})


async def test_what_was_agreed_to_ends_with_the_episode(consent: Consent) -> None:
    family = await consent.ready_to_film()
    before = await consent.done("GET", f"/families/{family.id}", consent.practitioner(family))
    assert all("film" in one["purposes"] for one in before["people"])
    assert before["missing_before_filming"] == []
    await consent.withdrawn(family)
    after = await consent.done("GET", f"/families/{family.id}", consent.practitioner(family))
    assert after["episode"]["state"] == "ended"
    assert [one["purposes"] for one in after["people"]] == [[]] * len(before["people"])
    assert [(one["code"], one["person_id"]) for one in after["missing_before_filming"]] == [
        ("no_rights_conversation", None),
        *(("no_consent", one["person_id"]) for one in before["people"]),
    ]


async def test_a_baby_is_born(consent: Consent) -> None:
    family = await consent.registered()
    added = await consent.done(
        "POST",
        f"/families/{family.id}/people",
        consent.practitioner(family),
        {"people": [{"role": "baby", "name": "Cy", "born": str(TODAY)}]},
    )
    shown = await consent.done("GET", f"/families/{family.id}", consent.practitioner(family))
    assert shown["people"][-1]["person_id"] == added["people"][0]["person_id"]


async def test_involvement_ends_once(consent: Consent) -> None:
    family = await consent.registered()
    for _ in range(2):
        await consent.done(
            "POST", f"/families/{family.id}/involvement-end", consent.practitioner(family), {"ended_on": str(TODAY)}
        )
    assert await consent.told(InvolvementEnded) == [InvolvementEnded(ended_on=TODAY)]
    [row] = await consent.sql("SELECT involvement_ended_on, involvement_ended_by FROM families")
    assert tuple(row) == (TODAY, family.practitioner)


@pytest.mark.parametrize(
    "body",
    [
        {"people": [], "care_team": [member(uuid4())]},
        {"people": [{"role": "baby", "name": "Canary"}], "care_team": []},
        {"people": [{"role": "Canary", "name": "Canary"}], "care_team": [member(uuid4())]},
        {"people": [{"role": "baby", "name": "Canary\x00"}], "care_team": [member(uuid4())]},
        {"people": [{"role": "baby", "name": "Canary" * 100}], "care_team": [member(uuid4())]},
        {"people": [{"role": "baby", "name": "B", "born": "Canary"}], "care_team": [member("Canary")]},
    ],
)
async def test_what_is_wrong_is_said_without_repeating_it(consent: Consent, body: dict[str, Any]) -> None:
    answer = await consent.ask("POST", "/families", consent.person(Role.PRACTITIONER, uuid4()), body)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert "Canary" not in answer.text
    assert await consent.told() == []


async def test_no_name_stands_in_an_event(consent: Consent) -> None:
    await consent.withdrawn(await consent.ready_to_film())
    rows = await consent.sql("SELECT headers::text || convert_from(value, 'UTF8') AS text FROM outbox")
    assert len(rows) > 5
    assert not [row.text for row in rows if "Canary" in row.text]
