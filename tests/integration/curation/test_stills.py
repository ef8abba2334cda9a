"""A still is of one frame of a clip, asked for and looked at under the purpose stills and no other."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.consent import ConsentEnded
from shared.contracts.curation import StillRequested
from shared.contracts.transcoding import StillFailed, StillMade
from shared.identity import Role
from tests.integration.curation.test_clips import marked
from tests.integration.curation.watching import play, views
from tests.integration.curation.world import Curation, Family, film_of


def take(
    curation: Curation, family: Family, clip: str, frame: int, who: dict[str, str] | None = None
) -> httpx.Response:
    headers = who or curation.token(family.practitioner)
    return curation.http.post(f"/v1/clips/{clip}/stills", json={"frame": frame}, headers=headers)


def taken(curation: Curation, family: Family, clip: dict[str, Any], frame: int = 120) -> dict[str, Any]:
    answer = take(curation, family, clip["clip_id"], frame)
    assert answer.status_code == 201, answer.text
    still: dict[str, Any] = answer.json()
    return still


def stills(curation: Curation, family: Family, recording: object) -> list[dict[str, Any]]:
    answer = curation.http.get(f"/v1/recordings/{recording}/stills", headers=curation.token(family.practitioner))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["stills"]
    return found


def test_a_still_is_asked_for_made_and_looked_at(curation: Curation, family: Family) -> None:
    ready = curation.recording(family, frames=500)
    clip = marked(curation, family, ready)
    still = taken(curation, family, clip)
    assert (still["state"], still["artefact_id"], still["frame"]) == ("requested", None, 120)
    [asked] = curation.tells(family, StillRequested)
    assert asked == StillRequested(
        still_id=UUID(still["still_id"]),
        recording_id=ready.recording_id,
        film_id=film_of(ready),
        frame=120,
        requested_by=family.practitioner,
    )
    artefact = curation.consent.register(family.episode_id)
    curation.hears(StillMade(still_id=asked.still_id, artefact_id=artefact), family)
    curation.hears(StillFailed(still_id=asked.still_id, code="stalled", retryable=True), family)
    assert stills(curation, family, ready.recording_id) == [still | {"state": "ready", "artefact_id": str(artefact)}]
    curation.store(artefact, b"a still", "image/jpeg")
    for who in (curation.token(family.practitioner), curation.parent(family)):
        answer = play(curation, who, artefact)
        assert (answer.content, answer.headers["Content-Type"]) == (b"a still", "image/jpeg")
    assert {view["kind"] for view in views(curation, family)} == {"still"}
    asked_for = {one["purpose"] for one in curation.consent.questions_about(artefact)[1:]}  # the first one stored it
    assert asked_for == {"stills"}


def test_a_supervisor_asks_as_one(curation: Curation, family: Family) -> None:
    """For supervision, under which consent shows nobody a still."""
    still = taken(curation, family, marked(curation, family, curation.recording(family)))
    artefact = curation.consent.register(family.episode_id)
    curation.hears(StillMade(still_id=UUID(still["still_id"]), artefact_id=artefact), family)
    play(curation, curation.token(family.supervisor, Role.SUPERVISOR), artefact)
    assert {one["purpose"] for one in curation.consent.questions_about(artefact)} == {"supervision"}


@pytest.mark.parametrize("frame", [99, 175, 499, 500, 2**52])
def test_a_still_is_within_its_clip(curation: Curation, family: Family, frame: int) -> None:
    clip = marked(curation, family, curation.recording(family))  # of the frames 100 to 174
    answer = take(curation, family, clip["clip_id"], frame)
    assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "body.frame")
    assert "Stop the film" in answer.json()["detail"]
    for edge in (100, 174):
        assert take(curation, family, clip["clip_id"], edge).status_code == 201


def test_the_same_frame_is_the_same_still_but_after_a_failure(curation: Curation, family: Family) -> None:
    clip = marked(curation, family, curation.recording(family))
    still = taken(curation, family, clip)
    assert taken(curation, family, clip) == still
    assert taken(curation, family, clip, 121)["still_id"] != still["still_id"]
    curation.hears(StillFailed(still_id=UUID(still["still_id"]), code="not_allowed", retryable=True), family)
    [failed, _] = stills(curation, family, clip["recording_id"])
    assert (failed["state"], failed["reason"]) == ("failed", "not_allowed")
    anew = taken(curation, family, clip)
    assert anew["still_id"] != still["still_id"] and anew["state"] == "requested"
    assert [one["frame"] for one in stills(curation, family, clip["recording_id"])] == [120, 121]
    assert len(curation.tells(family, StillRequested)) == 3
    late = StillMade(still_id=UUID(still["still_id"]), artefact_id=uuid4())  # of one that is no more
    curation.hears(late, family)
    assert [one["artefact_id"] for one in stills(curation, family, clip["recording_id"])] == [None, None]


@pytest.mark.parametrize(("reason", "code"), [("no_consent", "no-stills"), ("suspended", "consent-refuses")])
def test_without_that_consent_nobody_is_asked_to_make_one(
    curation: Curation, family: Family, reason: str, code: str
) -> None:
    clip = marked(curation, family, curation.recording(family))
    curation.consent.refusing[family.episode_id] = reason
    answer = take(curation, family, clip["clip_id"], 120)
    assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (403, code, reason)
    if code == "no-stills":
        assert "agrees that pictures are made from it" in answer.json()["detail"]
    assert curation.consent.asked[-1]["purpose"] == "stills"
    assert curation.consent.asked[-1]["read"] == [clip["film_id"]]
    assert stills(curation, family, clip["recording_id"]) == []
    assert curation.told(family, StillRequested) == []


def test_consents_silence_is_no_no(curation: Curation, family: Family) -> None:
    clip = marked(curation, family, curation.recording(family))
    curation.consent.away = True
    try:
        assert take(curation, family, clip["clip_id"], 120).status_code == 503
    finally:
        curation.consent.away = False
    assert take(curation, family, clip["clip_id"], 120).status_code == 201


def test_who_may_take_one(curation: Curation, family: Family) -> None:
    clip = marked(curation, family, curation.recording(family))
    for who in (
        curation.token(family.supervisor, Role.SUPERVISOR),
        curation.parent(family),
        curation.token(uuid4()),
    ):
        assert take(curation, family, clip["clip_id"], 120, who).status_code == 403
    assert take(curation, family, str(uuid4()), 120).status_code == 404
    other = f"/v1/recordings/{clip['recording_id']}/stills"
    assert curation.http.get(other, headers=curation.token(uuid4())).status_code == 403
    assert curation.http.get(other, headers=curation.parent(family)).json() == {"stills": []}
    assert curation.http.get(f"/v1/recordings/{uuid4()}/stills", headers=curation.parent(family)).status_code == 404


def test_none_is_taken_after_the_end(curation: Curation, family: Family) -> None:
    clip = marked(curation, family, curation.recording(family))
    curation.hears(ConsentEnded(erasure_id=uuid4(), cause="withdrawal"), family)
    answer = take(curation, family, clip["clip_id"], 120)
    assert (answer.status_code, answer.json()["code"]) == (409, "consent-over")
