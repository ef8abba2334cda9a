"""Exactly one review task per recording, whatever is heard first, and its way to done."""

import itertools
from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from shared.contracts import Event
from shared.contracts.consent import CareTeamChanged, CareTeamMember, ConsentEnded, RecordingDiscarded
from shared.contracts.curation import ReviewTaskCreated, ReviewTaskDone, ReviewTaskReady, ReviewTaskReassigned
from shared.contracts.transcoding import PreparationFailed
from shared.identity import Role
from tests.integration.curation.world import Curation, Family, ready, received

HEARD = ["received", "ready", "failed"]


def failed(recording_id: UUID, code: str = "no_room") -> PreparationFailed:
    return PreparationFailed(recording_id=recording_id, code=code, retryable=True)


def list_of(curation: Curation, person: UUID, **asked: object) -> list[dict[str, object]]:
    answer = curation.http.get("/v1/tasks", params=asked, headers=curation.token(person))  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    tasks: list[dict[str, object]] = answer.json()["tasks"]
    return tasks


@pytest.mark.parametrize("order", [order for heard in (2, 3) for order in itertools.permutations(HEARD, heard)])
def test_one_recording_is_one_task_in_whatever_order_and_however_often_it_is_heard(
    curation: Curation, order: tuple[str, ...]
) -> None:
    family, came = Family(), received(Family())
    events: dict[str, Event] = {
        "received": came,
        "ready": ready(came.recording_id),
        "failed": failed(came.recording_id),
    }
    for which in order:
        curation.hears(events[which], family)
        curation.hears(events[which], family)  # under another id: the inbox does not know it
    state, reason, assignee = curation.rows(
        "SELECT state, reason, assignee_id FROM review_tasks WHERE recording_id = $1", came.recording_id
    )[0]
    assert state == ("ready" if "ready" in order else "blocked" if "failed" in order else "preparing")
    assert reason == ("no_room" if state == "blocked" else None)
    assert assignee == (came.filmed_by if "received" in order else None)
    told = [type(event) for event in curation.told(family, Event)]
    expected = [ReviewTaskCreated] * ("received" in order) + [ReviewTaskReady] * ({"received", "ready"} <= {*order})
    assert told == expected


def test_one_event_delivered_twice_has_one_effect(curation: Curation, family: Family) -> None:
    came, id = received(family), uuid7()
    curation.hears(came, family, id)
    curation.send(came, family, id)
    curation.hears(ready(came.recording_id), family)  # settled after the second delivery, if on its partition
    curation.hears(received(family), family)
    assert len(curation.told(family, ReviewTaskCreated)) == 2


def test_a_blocked_task_says_why_and_a_retry_makes_it_ready(curation: Curation, family: Family) -> None:
    came = received(family)
    curation.hears(came, family)
    curation.hears(failed(came.recording_id), family)
    [task] = list_of(curation, family.practitioner)
    assert (task["state"], task["reason"]) == ("blocked", "no_room")
    curation.hears(ready(came.recording_id), family)
    [task] = list_of(curation, family.practitioner)
    assert (task["state"], task["reason"]) == ("ready", None)
    assert (task["filmed_on"], task["family_id"]) == ("2026-11-20", str(family.family_id))


def test_a_task_is_handed_over_within_the_care_team_and_both_lists_show_it(curation: Curation, family: Family) -> None:
    recording = curation.recording(family).recording_id
    path = f"/v1/tasks/{recording}/assignee"
    answer = curation.http.post(
        path, json={"person_id": str(family.colleague)}, headers=curation.token(family.practitioner)
    )
    assert answer.status_code == 200
    assert answer.json()["assignee_id"] == str(family.colleague)
    assert list_of(curation, family.practitioner) == []
    assert [task["recording_id"] for task in list_of(curation, family.colleague)] == [str(recording)]
    assert [task["recording_id"] for task in list_of(curation, family.practitioner, whose="team")] == [str(recording)]
    again = curation.http.post(
        path, json={"person_id": str(family.colleague)}, headers=curation.token(family.supervisor, Role.SUPERVISOR)
    )
    assert again.status_code == 200
    assert [one.assignee_id for one in curation.told(family, ReviewTaskReassigned)] == [family.colleague]


def test_a_task_goes_to_nobody_outside_the_care_team(curation: Curation, family: Family) -> None:
    recording = curation.recording(family).recording_id
    for stranger in (uuid4(), curation.family().practitioner, family.parent):
        answer = curation.http.post(
            f"/v1/tasks/{recording}/assignee",
            json={"person_id": str(stranger)},
            headers=curation.token(family.practitioner),
        )
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["at"] == "body.person_id"
    assert [task["assignee_id"] for task in list_of(curation, family.practitioner)] == [str(family.practitioner)]
    assert curation.told(family, ReviewTaskReassigned) == []


def test_a_task_is_nobodys_business_outside_the_care_team(curation: Curation, family: Family) -> None:
    recording = curation.recording(family).recording_id
    other = curation.family()
    for headers in (
        curation.token(other.practitioner),
        curation.token(other.supervisor, Role.SUPERVISOR),
        curation.parent(family),
        curation.service_token(),
    ):
        for method, path, body in (
            ("GET", "", None),
            ("POST", "/assignee", {"person_id": str(other.practitioner)}),
            ("POST", "/done", None),
        ):
            answer = curation.http.request(method, f"/v1/tasks/{recording}{path}", json=body, headers=headers)
            assert answer.status_code == 403, answer.text
    assert list_of(curation, other.practitioner, whose="team") == []
    assert [task["state"] for task in list_of(curation, family.practitioner)] == ["ready"]


def test_a_reviewed_recording_is_done_once_and_stays_done(curation: Curation, family: Family) -> None:
    came = received(family)
    curation.hears(came, family)
    path, headers = f"/v1/tasks/{came.recording_id}/done", curation.token(family.practitioner)
    early = curation.http.post(path, headers=headers)
    assert (early.status_code, early.json()["code"]) == (409, "still-preparing")
    curation.hears(ready(came.recording_id), family)
    for _ in range(2):
        assert curation.http.post(path, headers=headers).json()["state"] == "done"
    curation.hears(ready(came.recording_id), family)
    curation.hears(failed(came.recording_id), family)
    assert list_of(curation, family.practitioner) == []
    assert [task["state"] for task in list_of(curation, family.practitioner, state="done")] == ["done"]
    assert len(curation.told(family, ReviewTaskDone)) == 1
    assert len(curation.told(family, ReviewTaskReady)) == 1


def test_the_work_list_goes_on_from_page_to_page_newest_first(curation: Curation, family: Family) -> None:
    recordings = [curation.recording(family).recording_id for _ in range(5)]
    seen: list[object] = []
    page = list_of(curation, family.practitioner, limit=2)
    while page:
        seen += [task["recording_id"] for task in page]
        page = list_of(curation, family.practitioner, limit=2, before=page[-1]["recording_id"])
    assert seen == [str(id) for id in reversed(recordings)]


def team(version: int, *people: UUID) -> CareTeamChanged:
    return CareTeamChanged(
        version=version, members=tuple(CareTeamMember(person_id=person, role="practitioner") for person in people)
    )


def test_who_has_left_the_care_team_sees_the_family_no_more(curation: Curation, family: Family) -> None:
    recording = curation.recording(family).recording_id
    curation.hears(team(3, family.colleague), family)
    curation.hears(team(2, family.practitioner), family)  # late: version 3 is known
    assert list_of(curation, family.practitioner, whose="team") == []
    answer = curation.http.get(f"/v1/tasks/{recording}", headers=curation.token(family.practitioner))
    assert answer.status_code == 403
    assert len(list_of(curation, family.colleague, whose="team")) == 1


def test_an_unknown_recording_has_no_task(curation: Curation, family: Family) -> None:
    heard_of = ready(uuid7())
    curation.hears(heard_of, family)  # ready, but not received: nobody is known whose task it could be
    for id in (uuid4(), heard_of.recording_id):
        for method, path in (("GET", ""), ("POST", "/done")):
            answer = curation.http.request(method, f"/v1/tasks/{id}{path}", headers=curation.token(family.practitioner))
            assert answer.status_code == 404


def test_what_comes_after_the_end_makes_no_task(curation: Curation, family: Family) -> None:
    curation.hears(ConsentEnded(erasure_id=uuid4(), cause="withdrawal"), family)
    late = received(family)
    assert curation.settled(curation.send(late, family)) == "ended"
    assert curation.value("SELECT count(*) FROM review_tasks WHERE recording_id = $1", late.recording_id) == 0


def test_what_comes_after_a_discard_makes_no_task(curation: Curation, family: Family) -> None:
    late = received(family)
    curation.hears(
        RecordingDiscarded(recording_id=late.recording_id, erasure_id=uuid4(), reason_code="baby_distressed"), family
    )
    for event in (late, ready(late.recording_id), failed(late.recording_id)):
        curation.hears(event, family)
    for table in ("review_tasks", "films"):
        assert curation.value(f"SELECT count(*) FROM {table} WHERE recording_id = $1", late.recording_id) == 0
    assert curation.told(family, ReviewTaskCreated) == []


def test_a_task_of_an_ended_consent_is_not_changed(curation: Curation, family: Family) -> None:
    recording = curation.recording(family).recording_id
    curation.hears(ConsentEnded(erasure_id=uuid4(), cause="withdrawal"), family)
    answer = curation.http.post(f"/v1/tasks/{recording}/done", headers=curation.token(family.practitioner))
    assert (answer.status_code, answer.json()["code"]) == (409, "consent-over")
