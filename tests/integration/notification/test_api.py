"""Contact points, communication needs and deliveries over HTTP: who may, what is refused, and what an answer may be."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from services.notification.model import LOCAL
from shared.contracts.consent import ConsentSuspended
from shared.identity import Role
from tests.integration.notification.service import Service
from tests.integration.notification.world import Family, Team, eventually

POINT = {"channel": "mail", "address": "one@example.org", "safe": True}
FULL = POINT | {
    "preferred": True,
    "safe_days": [0, 4],
    "safe_from": "09:00:00",
    "safe_until": "15:30:00",
}
NEEDS = {
    "needs": ["easy_read"],
    "language": "so",
    "interpreter": True,
    "other": "Ring twice",
    "reviewed_on": "2026-11-24",
}
# what the form allows may still not fit who somebody is; a parameter that nobody knows is passed over
NOT_PROMISED: list[Any] = [positive_data_acceptance, negative_data_rejection]


def points(*given: dict[str, Any], family: Family | None = None) -> dict[str, Any]:
    return {"family_id": str(family.family_id) if family else None, "points": list(given)}


@pytest.fixture
async def team(service: Service, family: Family) -> Team:
    return await service.with_a_team(family)


@pytest.fixture
async def in_person(service: Service, family: Family, team: Team) -> dict[str, Any]:
    """A message of the family that somebody must tell in person."""
    parent = uuid4()
    unsafe = points(POINT | {"safe": False}, family=family)
    await service.ask("PUT", f"/people/{parent}/contact-points", team.practitioner, json=unsafe)
    needs = NEEDS | {"family_id": str(family.family_id)}
    await service.ask("PUT", f"/people/{parent}/needs", team.practitioner, json=needs)
    await service.hears(ConsentSuspended(cause="withdrawal_confirmed"), family)

    async def task() -> Any:
        answer = await service.ask("GET", "/deliveries?state=in_person", team.practitioner)
        found = [one for one in answer.json()["deliveries"] if one["message"] == "request_received"]
        return next(iter(found), None)

    found: dict[str, Any] = await eventually(task)
    return found


async def test_the_care_team_keeps_a_familys_contact_points(service: Service, family: Family, team: Team) -> None:
    parent = uuid4()
    given = points(FULL, POINT | {"address": "old@example.org", "safe": False}, family=family)
    answer = await service.ask("PUT", f"/people/{parent}/contact-points", team.practitioner, json=given)
    assert answer.status_code == 200
    kept = (await service.ask("GET", f"/people/{parent}/contact-points", team.practitioner)).json()
    assert kept == answer.json()
    first, second = kept["points"]
    assert first == FULL
    assert (second["address"], second["safe"], second["safe_days"]) == ("old@example.org", False, list(range(7)))
    fewer = points(POINT, family=family)
    await service.ask("PUT", f"/people/{parent}/contact-points", team.practitioner, json=fewer)
    kept = (await service.ask("GET", f"/people/{parent}/contact-points", team.practitioner)).json()
    assert [one["address"] for one in kept["points"]] == ["one@example.org"]


@pytest.mark.parametrize("what", ["contact-points", "needs"])
async def test_nobody_else_sees_or_changes_them(service: Service, family: Family, team: Team, what: str) -> None:
    parent = uuid4()
    given = points(POINT, family=family) if what == "contact-points" else NEEDS | {"family_id": str(family.family_id)}
    path = f"/people/{parent}/{what}"
    assert (await service.ask("PUT", path, team.practitioner, json=given)).status_code == 200
    strangers = [
        (uuid4(), Role.PRACTITIONER, None),
        (team.supervisor, Role.SUPERVISOR, None),
        (uuid4(), Role.OPERATOR, None),
        (parent, Role.FAMILY, family.family_id),  # another adult may be reading along
        (parent, Role.PRACTITIONER, None),
    ]
    for person, role, family_id in strangers:
        for method, body in (("GET", None), ("PUT", given)):
            answer = await service.ask(method, path, person, role, family_id=family_id, json=body)
            assert answer.status_code == 403, (role, method)
            assert "example.org" not in answer.text


async def test_staff_keep_their_own(service: Service) -> None:
    me = uuid4()
    for role in (Role.PRACTITIONER, Role.SUPERVISOR, Role.OPERATOR):
        assert (await service.ask("PUT", f"/people/{me}/contact-points", me, role, json=points(POINT))).is_success
        assert (await service.ask("PUT", f"/people/{me}/needs", me, role, json=NEEDS)).is_success
    assert (await service.ask("GET", f"/people/{me}/contact-points", me)).json()["points"][0]["address"] == POINT[
        "address"
    ]
    assert (await service.ask("GET", f"/people/{me}/needs", me)).json() == NEEDS | {"family_id": None}


async def test_a_person_cannot_be_claimed_for_another_family(service: Service, family: Family, team: Team) -> None:
    parent, other = uuid4(), Family()
    others = await service.with_a_team(other)
    path = f"/people/{parent}/contact-points"
    await service.ask("PUT", path, team.practitioner, json=points(POINT, family=family))
    claimed = points(POINT | {"address": "mine@example.org"}, family=other)
    answer = await service.ask("PUT", path, others.practitioner, json=claimed)
    assert (answer.status_code, answer.json()["code"]) == (409, "known-otherwise")
    colleague = f"/people/{team.lead}/contact-points"
    answer = await service.ask("PUT", colleague, others.practitioner, json=claimed)
    assert (answer.status_code, answer.json()["code"]) == (409, "known-otherwise")
    assert (await service.ask("GET", path, team.practitioner)).json()["points"][0]["address"] == POINT["address"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "nobody"},
        {"address": "a@b@example.org"},
        {"address": "one@example.org\r\nBcc: all@example.org"},
        {"address": "one@example.org, two@example.org"},
        {"address": f"{'x' * 250}@example.org"},
        {"channel": "pigeon"},
        {"safe_from": "09:00"},
        {"safe_from": "09:00", "safe_until": "09:00"},
        {"safe_from": "09:00Z", "safe_until": "10:00Z"},
        {"safe_days": []},
        {"safe_days": [7]},
        {"safe": None},
    ],
)
async def test_what_is_no_contact_point_is_refused_and_not_repeated(service: Service, wrong: dict[str, Any]) -> None:
    me = uuid4()
    answer = await service.ask("PUT", f"/people/{me}/contact-points", me, json=points(POINT | wrong))
    assert answer.status_code == 422
    assert "example.org" not in answer.text
    assert (await service.ask("GET", f"/people/{me}/contact-points", me)).json()["points"] == []


async def test_two_cannot_be_preferred(service: Service) -> None:
    me = uuid4()
    answer = await service.ask("PUT", f"/people/{me}/contact-points", me, json=points(FULL, FULL))
    assert answer.status_code == 422


async def test_whoever_nobody_has_asked_what_they_need_is_to_be_asked(service: Service) -> None:
    me = uuid4()
    answer = await service.ask("GET", f"/people/{me}/needs", me)
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        "Nobody has asked them yet what they need. Ask, and record it.",
    )


async def test_what_waits_for_safe_hours_is_told_in_person_as_soon_as_it_is_known_that_mail_is_no_use(
    service: Service, family: Family, team: Team
) -> None:
    parent, days = uuid4(), [(datetime.now(LOCAL) + timedelta(days=3)).weekday()]
    given = points(POINT | {"safe_days": days}, family=family)
    await service.ask("PUT", f"/people/{parent}/contact-points", team.practitioner, json=given)
    await service.hears(ConsentSuspended(cause="withdrawal_confirmed"), family)
    path = f"/families/{family.family_id}/deliveries"

    async def of_them(state: str) -> Any:
        found = (await service.ask("GET", path, team.practitioner)).json()["deliveries"]
        return next((one for one in found if (one["person_id"], one["state"]) == (str(parent), state)), None)

    await eventually(partial(of_them, "waiting"))
    needs = NEEDS | {"family_id": str(family.family_id)}
    await service.ask("PUT", f"/people/{parent}/needs", team.practitioner, json=needs)
    found = await eventually(partial(of_them, "in_person"))
    assert (found["failure"], found["needs"]) == ("not_by_mail", NEEDS)


async def test_a_task_says_whom_to_tell_and_what_they_need_and_is_done_once(
    service: Service, family: Family, team: Team, in_person: dict[str, Any]
) -> None:
    assert in_person["message"] == "request_received"
    assert (in_person["failure"], in_person["needs"]) == ("no_safe_contact_point", NEEDS)
    assert "example.org" not in str(in_person)
    path = f"/deliveries/{in_person['delivery_id']}/told"
    assert (await service.ask("POST", path, uuid4())).status_code == 403
    done = await service.ask("POST", path, team.practitioner)
    assert (done.status_code, done.json()["state"]) == (200, "told")
    again = await service.ask("POST", path, team.practitioner)
    assert (again.status_code, again.json()["code"]) == (409, "not-owed")
    told = await service.ask("GET", "/deliveries?state=told", team.practitioner)
    assert [one["delivery_id"] for one in told.json()["deliveries"]] == [in_person["delivery_id"]]


async def test_deliveries_are_seen_by_the_care_team_and_by_operators(
    service: Service, family: Family, team: Team, in_person: dict[str, Any]
) -> None:
    id = in_person["delivery_id"]
    for person, role in ((team.supervisor, Role.SUPERVISOR), (team.lead, Role.PRACTITIONER), (uuid4(), Role.OPERATOR)):
        for path in ("/deliveries", f"/families/{family.family_id}/deliveries"):
            listed = (await service.ask("GET", path, person, role)).json()["deliveries"]
            assert id in [one["delivery_id"] for one in listed], path
    stranger = await service.ask("GET", "/deliveries", uuid4())
    assert stranger.json() == {"deliveries": []}
    assert (await service.ask("GET", f"/families/{family.family_id}/deliveries", uuid4())).status_code == 403
    parent = await service.ask("GET", "/deliveries", uuid4(), Role.FAMILY, family_id=family.family_id)
    assert parent.status_code == 403
    missing = await service.ask("POST", f"/deliveries/{uuid4()}/told", team.practitioner)
    assert missing.status_code == 404


def operations(service: Service) -> list[schemathesis.APIOperation[Any, Any, Any, Any]]:
    document = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    return [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]


async def test_every_operation_does_what_it_is_for(
    service: Service, family: Family, team: Team, in_person: dict[str, Any]
) -> None:
    ids = {"person_id": in_person["person_id"], "family_id": family.family_id, "delivery_id": in_person["delivery_id"]}
    bodies = {
        "PUT /v1/people/{person_id}/contact-points": points(FULL, family=family),
        "PUT /v1/people/{person_id}/needs": NEEDS | {"family_id": str(family.family_id)},
    }
    labels = [operation.label for operation in await asyncio.to_thread(operations, service)]
    assert len(labels) == 7
    for label in labels:
        method, path = label.split(" ")
        place = path.removeprefix("/v1").format(**ids)
        answer = await service.ask(method, place, team.practitioner, json=bodies.get(label))
        assert answer.is_success, f"{label}: {answer.text}"


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
async def test_a_fuzzer_finds_no_5xx_and_nothing_undocumented(
    service: Service, family: Family, team: Team, in_person: dict[str, Any], mode: schemathesis.GenerationMode
) -> None:
    ids = {name: str(in_person[name]) for name in ("person_id", "family_id", "delivery_id")}
    headers = service.headers(team.practitioner)
    await asyncio.to_thread(fuzz, service, ids, headers, mode)


def fuzz(service: Service, ids: dict[str, str], headers: dict[str, str], mode: schemathesis.GenerationMode) -> None:
    for operation in operations(service):
        # by strategies and checks: schemathesis' own pytest plugin does not know pytest 9
        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
        )
        def ask(case: schemathesis.Case[Any]) -> None:
            for name in case.path_parameters if mode.is_positive else ():
                case.path_parameters[name] = ids[name]
            answer = case.call_and_validate(headers=headers, excluded_checks=NOT_PROMISED)
            assert answer.status_code < 500

        ask()
