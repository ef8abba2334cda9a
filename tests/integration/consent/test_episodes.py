"""Suspending, holding, reinstating, ending."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.consent.records import operations
from services.consent.records.model import Unacceptable
from shared import failpoints
from shared.contracts.consent import (
    ConsentEnded,
    ConsentReinstated,
    ConsentSuspended,
    ErasureOpened,
    PurgeAsked,
)
from shared.failpoints import Act, Armed, Failpoint
from shared.identity import Role
from shared.settings import ConsentSettings
from tests.integration.consent.waiting import until
from tests.integration.consent.world import TODAY, Consent, Family

HOLD = {"kind": "safeguarding", "reason": "Canary: a concern", "review_on": str(TODAY)}


MISTAKE = {"reason": "It was another family that withdrew"}


async def state(consent: Consent, family: Family) -> str:
    [row] = await consent.sql("SELECT state FROM consent_episodes WHERE id = :id", id=family.episode)
    return str(row.state)


async def held(consent: Consent, family: Family, **more: Any) -> UUID:
    placed = await consent.done("POST", f"/episodes/{family.episode}/holds", consent.practitioner(family), HOLD | more)
    return UUID(placed["hold_id"])


async def reinstating(consent: Consent, family: Family, who: dict[str, str], said: dict[str, Any]) -> httpx.Response:
    return await consent.ask("POST", f"/episodes/{family.episode}/reinstatements", who, said)


async def reinstated(consent: Consent, family: Family) -> None:
    """By the practitioner, who had written down what the family never said."""
    answer = await reinstating(consent, family, consent.practitioner(family), MISTAKE)
    assert answer.status_code == 200, answer.text


def cooling_off(consent: Consent, seconds: int) -> None:
    settings = ConsentSettings(cooling_off_reported_seconds=seconds)
    consent.http._transport.app.state.resources = consent.held = replace(consent.held, settings=settings)  # type: ignore[attr-defined]


async def test_a_reported_withdrawal_suspends_and_can_be_undone(consent: Consent) -> None:
    family = await consent.ready_to_film()
    recording = await consent.filmed(family)
    film = await consent.made(family, "review_film", recording)
    before = (await consent.permit("curation", "review", family.practitioner, [film])).json()["artefacts"]
    assert await consent.withdrawn(family, confirmed=False) == {"state": "suspended", "erasure_id": None}
    await consent.tick()
    assert await state(consent, family) == "suspended"
    assert await consent.refused("curation", "review", family.practitioner, [film]) == "suspended"
    new = [consent.recording(family)]
    assert await consent.refused("upload", "film", family.practitioner, write=new) == "suspended"
    await reinstated(consent, family)
    after = (await consent.permit("curation", "review", family.practitioner, [film])).json()["artefacts"]
    assert after == before
    told = await consent.told(ConsentSuspended, ConsentReinstated, ConsentEnded)
    assert told == [ConsentSuspended(cause="withdrawal_reported"), ConsentReinstated()]


async def test_a_film_of_a_day_on_which_consent_was_suspended_is_refused(consent: Consent) -> None:
    family = await consent.ready_to_film()
    await consent.withdrawn(family, confirmed=False)
    await reinstated(consent, family)
    new = [consent.recording(family)]
    assert await consent.refused("upload", "film", family.practitioner, write=new) == "no_consent"


async def test_after_reinstating_the_old_withdrawal_ends_nothing(consent: Consent) -> None:
    family = await consent.ready_to_film()
    cooling_off(consent, 0)
    hold = await held(consent, family)
    await consent.withdrawn(family, confirmed=False)
    await reinstated(consent, family)
    await consent.done("DELETE", f"/episodes/{family.episode}/holds/{hold}", consent.practitioner(family))
    await consent.tick()
    assert await state(consent, family) == "open"
    cooling_off(consent, 3600)
    await consent.withdrawn(family, confirmed=False)
    await consent.tick()
    assert await state(consent, family) == "suspended"


async def test_what_was_reported_ends_when_its_cooling_off_is_over(consent: Consent) -> None:
    family = await consent.ready_to_film()
    cooling_off(consent, 2)
    await consent.withdrawn(family, confirmed=False)

    async def ended() -> bool:
        await consent.tick()
        return await state(consent, family) == "ended"

    await until(ended)
    [row] = await consent.sql(
        "SELECT e.ended_at - s.suspended_at >= interval '2 seconds' AS cooled, e.ended_cause"
        " FROM consent_episodes e JOIN suspensions s ON s.episode_id = e.id"
    )
    assert (row.cooled, row.ended_cause) == (True, "withdrawal_reported")


async def test_the_family_confirms_what_was_reported(consent: Consent) -> None:
    family = await consent.ready_to_film()
    await consent.withdrawn(family, confirmed=False)
    ended = await consent.withdrawn(family, confirmed=True)
    assert ended["state"] == "ended"
    assert await consent.told(ConsentSuspended, ConsentEnded) == [
        ConsentSuspended(cause="withdrawal_reported"),
        ConsentEnded(erasure_id=UUID(ended["erasure_id"]), cause="withdrawal_confirmed"),
    ]


async def test_the_family_itself_withdraws_and_nobody_else_in_its_name(consent: Consent) -> None:
    family = await consent.ready_to_film()
    answer = await consent.done(
        "POST",
        f"/episodes/{family.episode}/withdrawals",
        consent.person(Role.FAMILY, family.parent, family.id),
        {"by": str(uuid4()), "route": "page", "confirmed_by_family": False},
    )
    assert answer["state"] == "ended"
    [row] = await consent.sql("SELECT cause, decided_by, confirmed_by_family, recorded_by FROM suspensions")
    assert tuple(row) == ("withdrawal_confirmed", family.parent, True, family.parent)


async def test_an_operator_takes_the_call(consent: Consent) -> None:
    family = await consent.ready_to_film()
    answer = await consent.done(
        "POST",
        f"/episodes/{family.episode}/withdrawals",
        consent.person(Role.OPERATOR, uuid4()),
        {"by": str(family.parent), "route": "phone", "confirmed_by_family": False},
    )
    assert answer["state"] == "suspended"


async def test_withdrawing_again_changes_nothing_and_says_the_same(consent: Consent) -> None:
    family = await consent.ready_to_film()
    first = await consent.withdrawn(family)
    told = await consent.told()
    assert await consent.withdrawn(family) == first
    assert await consent.withdrawn(family, scope={"purpose": "film"}) == first
    assert await consent.told() == told


async def test_many_withdrawals_at_once_end_it_once(consent: Consent) -> None:
    family = await consent.ready_to_film()
    answers = await asyncio.gather(*(consent.withdrawn(family) for _ in range(6)))
    assert len({answer["erasure_id"] for answer in answers}) == 1
    assert len(await consent.told(ConsentEnded)) == 1
    assert len(await consent.sql("SELECT 1 FROM erasures")) == 1


async def test_a_hold_keeps_it_from_ending_and_lifting_it_ends_it(consent: Consent) -> None:
    family = await consent.ready_to_film()
    film = await consent.made(family, "review_film", await consent.filmed(family))
    first, second = await held(consent, family), await held(consent, family, kind="legal")
    assert (await consent.withdrawn(family))["state"] == "suspended"
    await consent.tick()
    assert await consent.refused("curation", "review", family.practitioner, [film]) == "suspended"
    [key] = await consent.sql("SELECT key FROM consent_episodes")
    assert key.key is not None
    who = consent.practitioner(family)
    await consent.done("DELETE", f"/episodes/{family.episode}/holds/{first}", who)
    assert await state(consent, family) == "suspended"
    await consent.done("DELETE", f"/episodes/{family.episode}/holds/{second}", who)
    assert await state(consent, family) == "ended"
    assert (await consent.ask("DELETE", f"/episodes/{family.episode}/holds/{second}", who)).status_code == 409


async def test_a_hold_and_the_end_at_once(consent: Consent) -> None:
    """Whichever comes first under the lock: never an ended episode with a hold that stood before the end."""
    for _ in range(10):
        family = await consent.ready_to_film()
        placed, answer = await asyncio.gather(
            consent.ask("POST", f"/episodes/{family.episode}/holds", consent.practitioner(family), HOLD),
            consent.withdrawn(family),
        )
        assert (placed.status_code, answer["state"]) in [(201, "suspended"), (409, "ended")]


async def test_a_hold_is_not_shown_to_the_family(consent: Consent) -> None:
    family = await consent.ready_to_film()
    await held(consent, family)
    theirs = await consent.ask(
        "GET", f"/episodes/{family.episode}", consent.person(Role.FAMILY, family.parent, family.id)
    )
    assert theirs.json()["holds"] == []
    assert "Canary" not in theirs.text
    ours = await consent.done("GET", f"/episodes/{family.episode}", consent.practitioner(family))
    assert [one["kind"] for one in ours["holds"]] == ["safeguarding"]


async def test_one_commit_ends_destroys_and_opens(consent: Consent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens between ending and opening, there is both or neither."""
    family = await consent.ready_to_film()
    film = await consent.made(family, "review_film", await consent.filmed(family))
    told = await consent.told()
    monkeypatch.setitem(failpoints._armed, Failpoint.ENDED_NOT_OPENED, Armed(Act.ERROR, 1))
    said = {"by": str(family.parent), "route": "phone", "confirmed_by_family": True}
    answer = await consent.ask("POST", f"/episodes/{family.episode}/withdrawals", consent.practitioner(family), said)
    assert answer.status_code == 500
    assert await state(consent, family) == "open"
    assert await consent.told() == told
    assert (await consent.permit("curation", "review", family.practitioner, [film])).status_code == 200
    erasure = UUID((await consent.withdrawn(family))["erasure_id"])
    assert (await consent.told())[len(told) :] == [
        ConsentSuspended(cause="withdrawal_confirmed"),
        ConsentEnded(erasure_id=erasure, cause="withdrawal_confirmed"),
        ErasureOpened(erasure_id=erasure, scope="episode", artefacts=2),
        PurgeAsked(erasure_id=erasure, round=1),
    ]
    writers = await consent.sql(
        "SELECT e.xmin AS transaction FROM consent_episodes e UNION SELECT xmin FROM erasures"
        " UNION SELECT xmin FROM artefacts UNION SELECT xmin FROM open_erasures"
        " UNION SELECT xmin FROM episodes WHERE ended_at IS NOT NULL"
    )
    assert len(writers) == 1
    keys = await consent.sql(
        "SELECT e.key AS episode, a.key AS artefact, e.key_destroyed_at FROM consent_episodes e, artefacts a"
    )
    assert all(row.episode is None and row.artefact is None and row.key_destroyed_at for row in keys)


async def test_after_the_end_nothing_changes_and_consenting_again_is_anew(consent: Consent) -> None:
    family = await consent.ready_to_film()
    recording = await consent.filmed(family)
    film = await consent.made(family, "review_film", recording)
    await consent.withdrawn(family)
    ended, who = family.episode, consent.practitioner(family)
    for method, path, body in [
        ("POST", f"/episodes/{ended}/reinstatements", MISTAKE),
        ("POST", f"/episodes/{ended}/holds", HOLD),
        ("POST", f"/recordings/{recording}/discards", {"reason_code": "baby_distressed"}),
    ]:
        answer = await consent.ask(method, path, who, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "ended")
    await consent.agreed(family, family.parent)
    await consent.agreed(family, family.baby)
    assert family.episode != ended
    assert await consent.refused("curation", "review", family.practitioner, [film]) == "ended"
    old = [consent.recording(family, recording)]
    assert await consent.refused("upload", "film", family.practitioner, write=old) == "not_allowed"
    await consent.talked(family)
    await consent.filmed(family)
    [first, second] = await consent.sql("SELECT state, key FROM consent_episodes ORDER BY opened_at")
    assert (first.state, first.key, second.state) == ("ended", None, "open")
    assert second.key is not None


async def test_consent_given_before_the_end_does_not_open_a_new_episode(consent: Consent) -> None:
    family = await consent.ready_to_film()
    await consent.withdrawn(family)
    await consent.sql("UPDATE consent_episodes SET ended_at = ended_at + interval '1 day'")
    answer = await consent.ask(
        "POST",
        f"/families/{family.id}/consent-records",
        consent.practitioner(family),
        consent.record(family, family.baby),
    )
    assert [one["code"] for one in answer.json()["errors"]] == ["given_before_the_end"]


async def test_consent_given_before_an_end_that_comes_while_it_is_recorded_does_not_open_a_new_episode(
    consent: Consent, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, looked = await consent.ready_to_film(), operations._wrong
    ends = iter([True])

    async def ends_after_the_look(*arguments: Any) -> list[Unacceptable]:
        wrong = await looked(*arguments)
        if next(ends, False):
            await consent.withdrawn(family)
            await consent.sql("UPDATE consent_episodes SET ended_at = ended_at + interval '1 day'")
        return wrong

    monkeypatch.setattr(operations, "_wrong", ends_after_the_look)
    records = f"/families/{family.id}/consent-records"
    answer = await consent.ask("POST", records, consent.practitioner(family), consent.record(family, family.baby))
    assert [one["code"] for one in answer.json()["errors"]] == ["given_before_the_end"]
    assert [one.state for one in await consent.sql("SELECT state FROM consent_episodes")] == ["ended"]


async def test_reinstating_what_is_open(consent: Consent) -> None:
    family = await consent.ready_to_film()
    answer = await reinstating(consent, family, consent.practitioner(family), MISTAKE)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_a_withdrawal_that_is_held_is_not_undone_but_by_who_withdrew(consent: Consent) -> None:
    """A hold keeps what is to be erased; it gives nobody the films back."""
    family = await consent.ready_to_film()
    film = await consent.made(family, "review_film", await consent.filmed(family))
    await held(consent, family)
    assert (await consent.withdrawn(family))["state"] == "suspended"
    who, other = consent.practitioner(family), uuid4()
    by_the_other = {"asked_by": str(other), "route": "phone"}
    for asker, said in (
        (who, MISTAKE),
        (who, by_the_other | MISTAKE),
        (consent.person(Role.FAMILY, other, family.id), {}),
    ):
        answer = await reinstating(consent, family, asker, said)
        assert (answer.status_code, answer.json()["code"]) == (409, "not-taken-back")
    assert await consent.refused("curation", "review", family.practitioner, [film]) == "suspended"
    assert await consent.told(ConsentReinstated) == []
    by_phone = {"asked_by": str(family.parent), "route": "phone", "reason": "Canary: they talked it over"}
    assert (await reinstating(consent, family, who, by_phone)).status_code == 200
    assert (await consent.permit("curation", "review", family.practitioner, [film])).status_code == 200
    [row] = await consent.sql(
        "SELECT reinstated_by, reinstatement_asked_by, reinstatement_route, reinstatement_reason FROM suspensions"
    )
    assert tuple(row) == (family.practitioner, family.parent, "phone", "Canary: they talked it over")
    assert await consent.told(ConsentReinstated) == [ConsentReinstated()]


async def test_the_family_takes_back_its_own_withdrawal_on_its_page(consent: Consent) -> None:
    family = await consent.ready_to_film()
    await held(consent, family)
    await consent.withdrawn(family)
    theirs = consent.person(Role.FAMILY, family.parent, family.id)
    assert (await reinstating(consent, family, theirs, {"asked_by": str(uuid4()), "route": "phone"})).status_code == 200
    [row] = await consent.sql("SELECT reinstated_by, reinstatement_asked_by, reinstatement_route FROM suspensions")
    assert tuple(row) == (family.parent, family.parent, "page")


async def test_staff_who_undo_a_report_say_why(consent: Consent) -> None:
    family = await consent.ready_to_film()
    await consent.withdrawn(family, confirmed=False)
    for incomplete in ({}, {"asked_by": str(family.parent)}, {"route": "phone", "reason": "r"}):
        answer = await reinstating(consent, family, consent.practitioner(family), incomplete)
        assert answer.status_code == 422, incomplete
    assert await state(consent, family) == "suspended"
    await reinstated(consent, family)
    assert await state(consent, family) == "open"


@pytest.mark.parametrize("confirmed", [True, False])
async def test_that_a_withdrawal_is_held_is_told(consent: Consent, confirmed: bool) -> None:
    """Once, and whichever of the two comes first; saying it again tells nothing new."""
    family = await consent.ready_to_film()
    cause = "withdrawal_confirmed" if confirmed else "withdrawal_reported"
    if confirmed:
        await held(consent, family)
        await consent.withdrawn(family)
        await consent.withdrawn(family)
    else:
        await consent.withdrawn(family, confirmed=False)
        await held(consent, family)
    await held(consent, family, kind="legal")
    received = [] if confirmed else [ConsentSuspended(cause=cause)]
    assert await consent.told(ConsentSuspended) == [*received, ConsentSuspended(cause=cause, held=True)]


async def test_a_report_that_the_family_confirms_while_it_is_held_is_told_anew(consent: Consent) -> None:
    family = await consent.ready_to_film()
    await held(consent, family)
    await consent.withdrawn(family, confirmed=False)
    await consent.withdrawn(family, confirmed=True)
    assert await consent.told(ConsentSuspended) == [
        ConsentSuspended(cause="withdrawal_reported", held=True),
        ConsentSuspended(cause="withdrawal_confirmed", held=True),
    ]


async def test_a_withdrawal_was_decided_by_somebody_of_the_family(consent: Consent) -> None:
    family = await consent.ready_to_film()
    for by in (uuid4(), family.baby, family.practitioner):
        said = {"by": str(by), "route": "phone", "confirmed_by_family": True}
        path, who = f"/episodes/{family.episode}/withdrawals", consent.practitioner(family)
        answer = await consent.ask("POST", path, who, said)
        assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "body.by")
    assert await state(consent, family) == "open"
