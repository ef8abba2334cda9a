"""The OpenAPI document is exact: whatever is sent, the answer is one that it names, and never a 5xx."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from deploy.local.stack import Stack
from services.consent.records.rights import POINTS
from shared.identity import Role
from tests.integration.consent.world import TODAY, Consent, Family

Headers = dict[str, str]
# what the form allows may still not fit the family; a parameter that nobody knows is passed over
NOT_PROMISED: list[Any] = [positive_data_acceptance, negative_data_rejection]
PDF = {"Content-Type": "application/pdf"}


def operations(stack: Stack) -> list[schemathesis.APIOperation[Any, Any, Any, Any]]:
    document = schemathesis.openapi.from_url(f"{stack.url('consent')}/openapi.json")
    return [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]


def who_asks(consent: Consent, family: Family, label: str) -> Headers:
    for_services = ("POST /v1/permits", "GET /v1/erasures", "GET /v1/erasures/{erasure_id}/artefacts")
    return consent.service("upload") if label in for_services else consent.practitioner(family)


async def lived(consent: Consent) -> tuple[Family, dict[str, str]]:
    """A family with one of everything, and the ids by the names of the path's parameters."""
    family = await consent.ready_to_film()
    who = consent.practitioner(family)
    recording, discarded = await consent.filmed(family), await consent.filmed(family)
    kept = await consent.http.post(f"/v1/families/{family.id}/evidence", content=b"%PDF-1.7 form", headers=who | PDF)
    gone = await consent.done("POST", f"/recordings/{discarded}/discards", who, {"reason_code": "baby_distressed"})
    hold = {"kind": "legal", "reason": "A court asked", "review_on": str(TODAY)}
    held = await consent.done("POST", f"/episodes/{family.episode}/holds", who, hold)
    return family, {
        "family_id": str(family.id),
        "episode_id": str(family.episode),
        "recording_id": str(recording),
        "evidence_id": kept.json()["evidence_id"],
        "hold_id": held["hold_id"],
        "erasure_id": gone["erasure_id"],
    }


async def test_every_operation_does_what_it_is_for(running: Consent, processes: Stack) -> None:
    family, ids = await lived(running)
    member = {"person_id": str(family.practitioner), "role": "practitioner"}
    withdrawal = {"by": str(family.parent), "route": "phone", "confirmed_by_family": False}
    bodies: dict[str, Any] = {
        "POST /v1/families": {"people": [{"role": "unborn", "name": "B"}], "care_team": [member]},
        "POST /v1/families/{family_id}/people": {"people": [{"role": "other", "name": "Aunt"}]},
        "PUT /v1/families/{family_id}/care-team": {"members": [member]},
        "POST /v1/families/{family_id}/involvement-end": {"ended_on": str(TODAY)},
        "POST /v1/families/{family_id}/rights-conversations": {
            "held_on": str(TODAY),
            "points": [{"point": one.point, "version": one.version} for one in POINTS],
            "language": "en-GB",
            "format": "braille",
            "interpreter": False,
        },
        "POST /v1/families/{family_id}/consent-records": running.record(family, family.baby),
        "POST /v1/permits": {
            "purpose": "film",
            "on_behalf_of": str(family.practitioner),
            "write": [running.recording(family)],
        },
        "POST /v1/episodes/{episode_id}/withdrawals": withdrawal,
        "POST /v1/episodes/{episode_id}/reinstatements": {"reason": "It was another family that withdrew"},
        "POST /v1/episodes/{episode_id}/holds": {"kind": "legal", "reason": "r", "review_on": str(TODAY)},
        "POST /v1/recordings/{recording_id}/discards": {"reason_code": "baby_distressed"},
    }
    later = ["GET /v1/erasures/{erasure_id}/certificate"]  # in test_processes, where it is waited for
    labels = [operation.label for operation in operations(processes)]
    assert len(labels) == 26
    assert bodies.keys() <= set(labels)
    # nothing is discarded while a hold stands; a withdrawal comes last but one, and is then undone
    order = {
        "DELETE /v1/episodes/{episode_id}/holds/{hold_id}": -2,
        "POST /v1/recordings/{recording_id}/discards": -1,
        "POST /v1/episodes/{episode_id}/withdrawals": 1,
        "POST /v1/episodes/{episode_id}/reinstatements": 2,
    }
    for label in sorted(set(labels) - set(later), key=lambda label: order.get(label, 0)):
        method, path = label.split(" ")
        answer = await running.http.request(
            method,
            path.format(**ids),
            params={"waiting_for": "upload"} if label == "GET /v1/erasures" else None,
            headers=who_asks(running, family, label) | (PDF if label.endswith("/evidence") else {}),
            **({"content": b"%PDF-1.7 form"} if label.endswith("/evidence") else {"json": bodies.get(label)}),
        )
        assert answer.is_success, f"{label}: {answer.text}"


TAKES_NOTHING = ("GET /v1/families", "GET /v1/rights-points", "GET /v1/certificate-key")


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
async def test_a_fuzzer_finds_no_5xx_and_nothing_undocumented(
    running: Consent, processes: Stack, mode: schemathesis.GenerationMode
) -> None:
    family, ids = await lived(running)
    operator = running.person(Role.OPERATOR, uuid4())
    for operation in operations(processes):
        if mode.is_positive or operation.label not in TAKES_NOTHING:
            who = [who_asks(running, family, operation.label), operator]
            await asyncio.to_thread(fuzz, operation, mode, ids, who)


def fuzz(
    operation: schemathesis.APIOperation[Any, Any, Any, Any],
    mode: schemathesis.GenerationMode,
    ids: dict[str, str],
    who: list[Headers],
) -> None:
    # by strategies and checks: schemathesis' own pytest plugin does not know pytest 9
    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    def ask(case: schemathesis.Case[Any]) -> None:
        for name in case.path_parameters if mode.is_positive else ():
            case.path_parameters[name] = ids[name]
        for headers in who:
            answer = case.call_and_validate(headers=headers, excluded_checks=NOT_PROMISED)
            assert answer.status_code < 500

    ask()
