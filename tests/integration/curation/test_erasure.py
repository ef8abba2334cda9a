"""What an erasure takes away here, and what it leaves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.curation.migrations import metadata
from shared.contracts.consent import (
    ConsentEnded,
    ErasureAcknowledged,
    ErasureCertified,
    PurgeAsked,
    RecordingDiscarded,
)
from shared.contracts.transcoding import ClipCut, RecordingReady, ReelReady
from tests.integration.curation.test_clips import marked, order
from tests.integration.curation.test_shared_reviews import hold
from tests.integration.curation.test_stills import take
from tests.integration.curation.world import Curation, Family, film_of, look_at, ready, received, until

GOAL = "canary-goal"
SUMMARY = "canary-summary"
ABOUT_MEDIA = [f"canary-{word}" for word in ("name", "note", "saw", "felt", "thought")]


@dataclass(frozen=True)
class Lived:
    """A family with everything this service can know of it."""

    family: Family
    recordings: list[RecordingReady]
    clips: list[str]
    reels: list[str]


@pytest.fixture
def lived(curation: Curation) -> Iterator[Lived]:
    yield live(curation)
    curation.consent.erasures.clear()


def live(curation: Curation) -> Lived:
    """Two recordings, a clip of each, a reel of the first and one of both, a review of each reel, a goal, a view.

    And a third recording that is looked at while its film is being made.
    """
    family = curation.family()
    curation.hears(look_at(uuid4()), family)
    recordings = [curation.recording(family) for _ in range(2)]
    clips = [
        str(marked(curation, family, one, name=ABOUT_MEDIA[0], note=ABOUT_MEDIA[1])["clip_id"]) for one in recordings
    ]
    reels = [str(order(curation, family, wanted).json()["reel_id"]) for wanted in (clips[:1], clips)]
    curation.hears(ClipCut(clip_id=UUID(clips[0]), artefact_id=uuid4(), frames=75), family)
    curation.hears(ReelReady(reel_id=UUID(reels[0]), artefact_id=uuid4(), frames=75), family)
    assert take(curation, family, clips[0], 120).status_code == 201
    words = dict(zip(("saw", "felt", "thought"), ABOUT_MEDIA[2:], strict=True))
    for cycle, reel in enumerate(reels, 1):
        assert hold(curation, family, reel_id=reel, cycle=cycle, words=words, summary=SUMMARY).status_code == 201
    third = hold(curation, family, clips=clips[1:], cycle=3, words=words, summary=SUMMARY)
    assert third.status_code == 201
    curation.http.post(
        f"/v1/families/{family.family_id}/goals",
        json={"words": GOAL, "now": 3, "hoped": 8},
        headers=curation.token(family.practitioner),
    )
    curation.store(film_of(recordings[0]), b"film")
    seen = curation.http.get(f"/v1/media/{film_of(recordings[0])}", headers=curation.token(family.practitioner))
    assert seen.status_code == 200
    return Lived(family, recordings, clips, reels)


def everything(curation: Curation, family: Family) -> dict[str, list[dict[str, Any]]]:
    """All rows of the family, by table."""
    return {table.name: rows_with(curation, table.name, family.family_id) for table in metadata.sorted_tables}


def rows_with(curation: Curation, table: str, id: UUID) -> list[dict[str, Any]]:
    """The rows of a table in which this id stands anywhere."""
    found = curation.rows(f"SELECT * FROM {table} t WHERE t::text LIKE '%' || $1 || '%'", str(id))
    return [dict(row) for row in found]


def purge(curation: Curation, family: Family, erasure: UUID, round: int, recording: UUID | None = None) -> int:
    """How many rows it says that went in this round."""
    curation.hears(PurgeAsked(erasure_id=erasure, round=round, recording_id=recording), family)

    def acknowledged() -> list[ErasureAcknowledged]:
        return [
            one for one in curation.told(family, ErasureAcknowledged) if (one.erasure_id, one.round) == (erasure, round)
        ]

    [one] = until(acknowledged, "never acknowledged")
    assert (one.participant, one.objects, one.bytes) == ("curation", 0, 0)
    return one.rows


def test_what_is_about_media_goes_and_the_record_stays(curation: Curation, lived: Lived) -> None:
    family, erasure = lived.family, uuid4()
    before, bystander = everything(curation, family), live(curation)
    untouched = everything(curation, bystander.family)
    curation.hears(ConsentEnded(erasure_id=erasure, cause="withdrawal"), family)
    gone = purge(curation, family, erasure, 1)
    after = everything(curation, family)
    assert {name for name, rows in after.items() if not rows} == {
        "review_tasks",
        "first_looks",
        "films",
        "clips",
        "stills",
        "reels",
    }
    for canary in ABOUT_MEDIA:
        assert canary in str(before)
        assert canary not in str(after)
    assert GOAL in str(after)
    assert str(after).count(SUMMARY) == 3
    for kept in ("goals", "ratings", "views", "playable"):
        assert after[kept] == before[kept]
        assert after[kept]
    emptied = {"reel_id", "clip_ids", "saw", "felt", "thought"}
    for was, now in zip(before["shared_reviews"], after["shared_reviews"], strict=True):
        assert now == was | dict.fromkeys(emptied)
    about = ("review_tasks", "first_looks", "films", "clips", "stills", "reels", "shared_reviews")
    assert gone == sum(len(before[name]) for name in about)
    assert everything(curation, bystander.family) == untouched


def test_a_second_round_finds_nothing_and_says_so(curation: Curation, lived: Lived) -> None:
    erasure = uuid4()
    curation.hears(ConsentEnded(erasure_id=erasure, cause="withdrawal"), lived.family)
    assert purge(curation, lived.family, erasure, 1) > 0
    assert purge(curation, lived.family, erasure, 2) == 0


def test_no_word_that_was_said_stays_in_any_column(curation: Curation, lived: Lived) -> None:
    erasure = uuid4()
    curation.hears(ConsentEnded(erasure_id=erasure, cause="withdrawal"), lived.family)
    purge(curation, lived.family, erasure, 1)
    tables = curation.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    for [table] in tables:
        dump = str(rows_with(curation, table, lived.family.family_id))
        for canary in ABOUT_MEDIA:
            assert canary not in dump, table


def test_a_discarded_recording_takes_only_what_was_made_from_it(curation: Curation, lived: Lived) -> None:
    family, erasure, recording = lived.family, uuid4(), lived.recordings[0].recording_id
    curation.hears(
        RecordingDiscarded(recording_id=recording, erasure_id=erasure, reason_code="baby_distressed"), family
    )
    curation.consent.made_from[erasure] = [recording, film_of(lived.recordings[0])]
    assert purge(curation, family, erasure, 1, recording) == 1 + 1 + 1 + 1 + 2 + 2
    after, kept = everything(curation, family), lived.recordings[1].recording_id
    assert [row["recording_id"] for row in after["review_tasks"]] == [kept]
    assert [row["recording_id"] for row in after["films"]] == [kept]
    assert [str(row["clip_id"]) for row in after["clips"]] == lived.clips[1:]
    assert after["stills"] == []
    assert after["reels"] == [], "both had a clip of it"
    said = {row["cycle"]: row["saw"] for row in after["shared_reviews"]}
    assert said == {1: None, 2: None, 3: ABOUT_MEDIA[2]}
    # the episode goes on
    headers = curation.token(family.practitioner)
    assert curation.http.post(f"/v1/tasks/{kept}/done", headers=headers).json()["state"] == "done"
    assert curation.http.get(f"/v1/tasks/{recording}", headers=headers).status_code == 404
    assert order(curation, family, lived.clips[:1]).status_code == 422
    # and nothing of it comes back
    curation.hears(received(family, recording), family)
    curation.hears(ready(recording), family)
    assert len(everything(curation, family)["review_tasks"]) == 1


def test_a_discard_that_is_heard_of_by_its_purge_alone_comes_back_no_more(curation: Curation, lived: Lived) -> None:
    erasure, recording = uuid4(), lived.recordings[0].recording_id
    purge(curation, lived.family, erasure, 1, recording)
    curation.hears(ready(recording), lived.family)
    assert recording not in [row["recording_id"] for row in everything(curation, lived.family)["films"]]


def test_an_erasure_that_no_event_told_of_is_asked_for(curation: Curation, lived: Lived) -> None:
    erasure, family = uuid4(), lived.family
    curation.consent.erasures[erasure] = {
        "erasure_id": str(erasure),
        "episode_id": str(family.episode_id),
        "family_id": str(family.family_id),
        "round": 1,
        "recording_id": None,
    }
    until(lambda: curation.told(family, ErasureAcknowledged), "never acknowledged")
    assert everything(curation, family)["clips"] == []
    late = received(family)
    assert curation.settled(curation.send(late, family)) == "ended"


def test_after_the_certificate_nothing_more_is_done(curation: Curation, lived: Lived) -> None:
    erasure = uuid4()
    curation.hears(ConsentEnded(erasure_id=erasure, cause="withdrawal"), lived.family)
    purge(curation, lived.family, erasure, 1)
    curation.hears(ErasureCertified(erasure_id=erasure, certificate_id=uuid4()), lived.family)
    assert curation.value("SELECT count(*) FROM open_erasures WHERE id = $1", erasure) == 0
    assert curation.settled(curation.send(received(lived.family), lived.family)) == "ended"


def test_a_clip_that_is_cut_after_its_row_has_gone_makes_none(curation: Curation, lived: Lived) -> None:
    erasure, artefact = uuid4(), uuid4()
    purge(curation, lived.family, erasure, 1, lived.recordings[0].recording_id)
    curation.hears(ClipCut(clip_id=UUID(lived.clips[0]), artefact_id=artefact, frames=75), lived.family)
    curation.hears(ReelReady(reel_id=UUID(lived.reels[0]), artefact_id=artefact, frames=75), lived.family)
    assert curation.value("SELECT count(*) FROM playable WHERE artefact_id = $1", artefact) == 0


def test_the_family_still_sees_who_watched(curation: Curation, lived: Lived) -> None:
    family, erasure = lived.family, uuid4()
    curation.hears(ConsentEnded(erasure_id=erasure, cause="withdrawal"), family)
    purge(curation, family, erasure, 1)
    answer = curation.http.get(f"/v1/families/{family.family_id}/views", headers=curation.parent(family))
    assert [view["viewer_id"] for view in answer.json()["views"]] == [str(family.practitioner)]
    goals = curation.http.get(f"/v1/families/{family.family_id}/goals", headers=curation.parent(family))
    assert [goal["words"] for goal in goals.json()["goals"]] == [GOAL]
