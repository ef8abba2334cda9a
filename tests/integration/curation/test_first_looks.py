"""A first look is served until the review film is there, and not a moment longer."""

from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from shared.contracts.curation import ClipRequested, Cut
from shared.contracts.transcoding import PreparationFailed
from shared.identity import Role
from tests.integration.curation.test_clips import mark, order
from tests.integration.curation.watching import play, views
from tests.integration.curation.world import Curation, Family, film_of, look_at, ready, received


def test_it_is_watched_until_the_film_is_there(curation: Curation, family: Family) -> None:
    who, came = curation.token(family.practitioner), received(family)
    curation.hears(came, family)
    path = f"/v1/recordings/{came.recording_id}"
    assert curation.http.get(f"{path}/first-look", headers=who).status_code == 404
    short, whole = (curation.consent.register(family.episode_id) for _ in range(2))
    for artefact, frames in ((short, 100), (whole, 500)):  # a later one takes the place of the one before
        curation.hears(look_at(came.recording_id, frames, artefact), family)
        curation.store(artefact, b"what the camera coded")
        assert curation.http.get(f"{path}/first-look", headers=who).json() == {
            "recording_id": str(came.recording_id),
            "family_id": str(family.family_id),
            "artefact_id": str(artefact),
            "frames": frames,
            "rate": {"numerator": 50, "denominator": 1},
        }
        assert play(curation, who, artefact).content == b"what the camera coded"
    assert curation.http.get(f"{path}/film", headers=who).status_code == 409
    curation.hears(PreparationFailed(recording_id=came.recording_id, code="no_room", retryable=True), family)
    assert play(curation, who, short).status_code == play(curation, who, whole).status_code == 200
    curation.hears(ready(came.recording_id), family)
    assert curation.http.get(f"{path}/first-look", headers=who).status_code == 404
    assert play(curation, who, short).status_code == play(curation, who, whole).status_code == 404
    assert curation.http.get(f"{path}/film", headers=who).status_code == 200
    assert {view["kind"] for view in views(curation, family)} == {"first_look"}  # who watched is not forgotten


def test_what_is_marked_on_it_is_cut_as_soon_as_the_film_is_there(curation: Curation, family: Family) -> None:
    came = received(family)
    recording = came.recording_id
    curation.hears(came, family)
    opening = look_at(recording, 100, rate=100)
    curation.hears(opening, family)
    assert mark(curation, family, recording, first=90, end=101).json()["frames"] == 100
    watched = str(opening.artefact_id)
    marks = [mark(curation, family, recording, first=first, end=first + 20, watched=watched) for first in (60, 20)]
    clips = [answer.json() for answer in marks]
    assert {(clip["state"], clip["film_id"]) for clip in clips} == {("marked", None)}
    clip_ids = [clip["clip_id"] for clip in clips]
    assert "its film is not there yet" in order(curation, family, clip_ids).text
    still = f"/v1/clips/{clip_ids[0]}/stills"
    assert curation.http.post(still, json={"frame": 60}, headers=curation.token(family.practitioner)).status_code == 409
    assert curation.told(family, ClipRequested) == []
    made = ready(recording, rate=25)
    for event in (look_at(recording, rate=50), ready(uuid7()), made):  # each of half the frames of the one before
        curation.hears(event, family)
    late = mark(curation, family, recording, first=0, end=10, watched=watched)
    assert (late.status_code, late.json()["code"]) == (409, "film-changed")
    asked = {one.clip_id: one for one in curation.tells(family, ClipRequested, 2)}
    for clip, first in zip(clips, (15, 5), strict=True):
        assert asked[UUID(clip["clip_id"])] == ClipRequested(
            clip_id=UUID(clip["clip_id"]),
            cut=Cut(recording_id=recording, film_id=film_of(made), first=first, end=first + 5),
            requested_by=family.practitioner,
        )
    path = f"/v1/recordings/{recording}/clips"
    listed = curation.http.get(path, headers=curation.token(family.practitioner)).json()["clips"]
    assert [(one["clip_id"], one["first"], one["state"]) for one in listed] == [
        (clip_ids[1], 5, "requested"),
        (clip_ids[0], 15, "requested"),
    ]
    assert order(curation, family, clip_ids).status_code == 201


@pytest.mark.parametrize("late", [True, False])
def test_one_that_is_heard_of_after_the_film_is_none(curation: Curation, family: Family, late: bool) -> None:
    other, recording = curation.consent.register(family.episode_id), uuid7()
    events = [look_at(recording, artefact=other), ready(recording)]
    for event in events[::-1] if late else events:
        curation.hears(event, family)
    assert play(curation, curation.token(family.practitioner), other).status_code == 404
    assert curation.value("SELECT count(*) FROM first_looks WHERE recording_id = $1", recording) == 0


def test_the_films_of_others_keep_theirs(curation: Curation, family: Family) -> None:
    looked, recording = curation.consent.register(family.episode_id), uuid7()
    curation.hears(look_at(recording, artefact=looked), family)
    curation.hears(ready(uuid7()), family)
    curation.store(looked, b"still")
    assert play(curation, curation.token(family.practitioner), looked).content == b"still"


def test_strangers_do_not_look(curation: Curation, family: Family) -> None:
    recording = uuid7()
    curation.hears(look_at(recording), family)
    for stranger in (curation.token(uuid4()), curation.token(uuid4(), Role.FAMILY, uuid4())):
        answer = curation.http.get(f"/v1/recordings/{recording}/first-look", headers=stranger)
        assert answer.status_code == 403
