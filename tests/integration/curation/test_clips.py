"""Clips are marked by frame within their film; reels put them in order and can be played before they are made."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.consent import ConsentEnded
from shared.contracts.curation import ClipRequested, Cut, ReelRequested
from shared.contracts.transcoding import ClipCut, ClipCutFailed, RecordingReady, ReelFailed, ReelReady
from shared.identity import Role
from tests.integration.curation.world import Curation, Family, film_of, received

MARK = {"first": 100, "end": 175, "name": "She looks up", "principle": "receiving_initiatives", "note": "Slow it down"}


def mark(curation: Curation, family: Family, recording: UUID, **changed: object) -> httpx.Response:
    return curation.http.post(
        f"/v1/recordings/{recording}/clips", json=MARK | changed, headers=curation.token(family.practitioner)
    )


def marked(curation: Curation, family: Family, ready: RecordingReady, **changed: object) -> dict[str, Any]:
    answer = mark(curation, family, ready.recording_id, **changed)
    assert answer.status_code == 201, answer.text
    clip: dict[str, Any] = answer.json()
    return clip


def order(curation: Curation, family: Family, clips: list[str]) -> httpx.Response:
    return curation.http.post(
        f"/v1/families/{family.family_id}/reels", json={"clips": clips}, headers=curation.token(family.practitioner)
    )


def test_a_marked_clip_is_sent_to_be_cut_and_can_be_watched_then(curation: Curation, family: Family) -> None:
    ready = curation.recording(family, frames=500)
    clip = marked(curation, family, ready)
    assert (clip["state"], clip["artefact_id"], clip["principles_version"]) == ("requested", None, 1)
    [asked] = curation.tells(family, ClipRequested)
    assert asked == ClipRequested(
        clip_id=UUID(clip["clip_id"]),
        cut=Cut(recording_id=ready.recording_id, film_id=film_of(ready), first=100, end=175),
        requested_by=family.practitioner,
    )
    artefact = curation.consent.register(family.episode_id)
    curation.hears(ClipCut(clip_id=asked.clip_id, artefact_id=artefact, frames=75), family)
    listed = curation.http.get(
        f"/v1/recordings/{ready.recording_id}/clips", headers=curation.token(family.supervisor, Role.SUPERVISOR)
    ).json()["clips"]
    assert listed == [clip | {"state": "ready", "artefact_id": str(artefact)}]
    curation.store(artefact, b"a clip")
    answer = curation.http.get(f"/v1/media/{artefact}", headers=curation.token(family.practitioner))
    assert answer.content == b"a clip"


def test_a_clip_that_could_not_be_cut_says_why_and_a_retry_makes_it(curation: Curation, family: Family) -> None:
    clip = marked(curation, family, curation.recording(family))
    clip_id, path = UUID(clip["clip_id"]), f"/v1/clips/{clip['clip_id']}"
    curation.hears(ClipCutFailed(clip_id=clip_id, code="stalled", retryable=True), family)
    failed = curation.http.get(path, headers=curation.token(family.practitioner)).json()
    assert (failed["state"], failed["reason"]) == ("failed", "stalled")
    curation.hears(ClipCut(clip_id=clip_id, artefact_id=uuid4(), frames=75), family)
    curation.hears(ClipCutFailed(clip_id=clip_id, code="stalled", retryable=True), family)
    made = curation.http.get(path, headers=curation.token(family.practitioner)).json()
    assert (made["state"], made["reason"]) == ("ready", None)


@pytest.mark.parametrize(
    ("wrong", "at"),
    [
        ({"end": 501}, "body.end"),
        ({"first": 500, "end": 501}, "body.end"),
        ({"first": 175}, "body.end"),
        ({"first": 176}, "body.end"),
        ({"first": -1}, "body.first"),
        ({"end": 2**60}, "body.end"),
        ({"name": "  "}, "body.name"),
        ({"name": "x" * 201}, "body.name"),
        ({"name": "a\0b"}, "body.name"),
        ({"principle": "being_clever"}, "body.principle"),
        ({"note": "x" * 10_001}, "body.note"),
    ],
)
def test_a_mark_that_is_none_is_refused_and_changes_nothing(
    curation: Curation, family: Family, wrong: dict[str, object], at: str
) -> None:
    ready = curation.recording(family, frames=500)
    answer = mark(curation, family, ready.recording_id, **wrong)
    assert answer.status_code == 422, answer.text
    assert at in [error["at"] for error in answer.json()["errors"]] or at in str(answer.json()["errors"])
    assert curation.value("SELECT count(*) FROM clips WHERE recording_id = $1", ready.recording_id) == 0
    assert curation.told(family, ClipRequested) == []


def test_who_marks_outside_the_film_is_told_how_long_it_is(curation: Curation, family: Family) -> None:
    problem = mark(curation, family, curation.recording(family, frames=500).recording_id, end=501).json()
    assert problem["frames"] == 500
    assert problem["errors"] == [{"at": "body.end", "problem": "the film has the frames 0 to 499"}]


def test_a_recording_that_is_not_ready_cannot_be_marked_and_an_unknown_one_is_unknown(
    curation: Curation, family: Family
) -> None:
    came = received(family)
    curation.hears(came, family)
    answer = mark(curation, family, came.recording_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "recording-not-ready")
    assert mark(curation, family, uuid4()).status_code == 404
    other = curation.family()
    assert mark(curation, other, came.recording_id).status_code == 403, "whose it is comes before how far it is"


def test_only_the_familys_practitioners_mark_and_order(curation: Curation, family: Family) -> None:
    ready = curation.recording(family)
    clip = marked(curation, family, ready)["clip_id"]
    other = curation.family()
    for headers in (
        curation.token(other.practitioner),
        curation.token(family.supervisor, Role.SUPERVISOR),
        curation.token(uuid4(), Role.OPERATOR),
        curation.parent(family),
        curation.service_token(),
    ):
        for path, body in (
            (f"/v1/recordings/{ready.recording_id}/clips", MARK),
            (f"/v1/families/{family.family_id}/reels", {"clips": [clip]}),
        ):
            assert curation.http.post(path, json=body, headers=headers).status_code == 403
    assert len(curation.told(family, ClipRequested)) == 1
    assert curation.told(family, ReelRequested) == []


def test_the_family_sees_its_clips_but_not_the_practitioners_notes(curation: Curation, family: Family) -> None:
    ready = curation.recording(family)
    clip = marked(curation, family, ready)
    for path in (f"/v1/clips/{clip['clip_id']}", f"/v1/recordings/{ready.recording_id}/clips"):
        answer = curation.http.get(path, headers=curation.parent(family))
        assert answer.status_code == 200
        assert "She looks up" in answer.text
        assert "Slow it down" not in answer.text
        assert curation.http.get(path, headers=curation.parent(curation.family())).status_code == 403


def test_a_film_says_what_marks_are_numbers_of(curation: Curation, family: Family) -> None:
    ready = curation.recording(family, frames=500)
    film = curation.http.get(
        f"/v1/recordings/{ready.recording_id}/film", headers=curation.token(family.practitioner)
    ).json()
    kinds = {"film_id": "review_film", "poster_id": "poster", "sprite_id": "sprite", "waveform_id": "waveform"}
    made = {one.kind: str(one.artefact_id) for one in ready.artefacts}
    assert {name: film[name] for name in kinds} == {name: made[kind] for name, kind in kinds.items()}
    assert (film["frames"], film["rate"]) == (500, {"numerator": 50, "denominator": 1})


def test_a_reel_plays_from_its_edit_list_at_once_and_in_the_order_chosen(curation: Curation, family: Family) -> None:
    films = [curation.recording(family), curation.recording(family)]
    clips = [marked(curation, family, film, first=first, end=first + 50) for film in films for first in (300, 20)]
    wanted = [clips[index] for index in (2, 0, 3, 1)]
    answer = order(curation, family, [clip["clip_id"] for clip in wanted])
    assert answer.status_code == 201
    reel = answer.json()
    keys = ("clip_id", "recording_id", "film_id", "first", "end")
    assert [{key: edit[key] for key in keys} for edit in reel["edits"]] == [
        {key: clip[key] for key in keys} for clip in wanted
    ]
    assert {(edit["rate"]["numerator"], edit["rate"]["denominator"]) for edit in reel["edits"]} == {(50, 1)}
    [asked] = curation.tells(family, ReelRequested)
    assert asked.reel_id == UUID(reel["reel_id"])
    assert [(cut.film_id, cut.first, cut.end) for cut in asked.cuts] == [
        (UUID(clip["film_id"]), clip["first"], clip["end"]) for clip in wanted
    ]
    artefact = curation.consent.register(family.episode_id)
    curation.hears(ReelFailed(reel_id=asked.reel_id, code="no_room", retryable=True), family)
    curation.hears(ReelReady(reel_id=asked.reel_id, artefact_id=artefact, frames=200), family)
    made = curation.http.get(f"/v1/reels/{asked.reel_id}", headers=curation.parent(family)).json()
    assert made == reel | {"state": "ready", "artefact_id": str(artefact)}
    listed = curation.http.get(
        f"/v1/families/{family.family_id}/reels", headers=curation.token(family.practitioner)
    ).json()
    assert listed == {"reels": [made]}
    curation.store(artefact, b"a reel")
    assert curation.http.get(f"/v1/media/{artefact}", headers=curation.parent(family)).content == b"a reel"


def test_a_reel_is_of_clips_of_one_family_and_of_one_consent(curation: Curation, family: Family) -> None:
    mine = marked(curation, family, curation.recording(family))["clip_id"]
    other = curation.family()
    theirs = marked(curation, other, curation.recording(other))["clip_id"]
    again = Family(family.family_id, uuid4(), family.practitioner)  # consented anew
    later = marked(curation, again, curation.recording(again))["clip_id"]
    for clips in ([], [mine, mine], [theirs], [mine, theirs], [mine, str(uuid4())], [mine, later]):
        answer = order(curation, family, clips)
        assert answer.status_code == 422, clips
        assert answer.json()["errors"][0]["at"] == "body.clips"
    assert curation.told(family, ReelRequested) == []
    assert order(curation, again, [later]).status_code == 201


def test_nothing_is_marked_or_ordered_after_the_end(curation: Curation, family: Family) -> None:
    ready = curation.recording(family)
    clip = marked(curation, family, ready)
    curation.hears(ConsentEnded(erasure_id=uuid4(), cause="withdrawal"), family)
    for answer in (mark(curation, family, ready.recording_id), order(curation, family, [clip["clip_id"]])):
        assert (answer.status_code, answer.json()["code"]) == (409, "consent-over")


def test_the_principles_are_a_versioned_list(curation: Curation, family: Family) -> None:
    answer = curation.http.get("/v1/principles", headers=curation.token(family.practitioner)).json()
    assert answer["version"] == 1
    assert answer["principles"][0] == "being_attentive"
    assert len(answer["principles"]) == 6
