"""Laws of clips and reels."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from services.curation.clips.model import (
    Clip,
    ClipsDoNotFit,
    CutState,
    EmptyRange,
    Film,
    FirstLook,
    OutsideFilm,
    Principle,
    check_range,
    check_reel,
)

FAMILY, EPISODE = uuid4(), uuid4()


def a_film(frames: int = 500) -> Film:
    return Film(uuid4(), EPISODE, FAMILY, uuid4(), None, None, None, frames, 50, 1)


def a_look(rate: int = 50) -> FirstLook:
    return FirstLook(uuid4(), EPISODE, FAMILY, uuid4(), 100, rate, 1)


def a_clip(family: UUID = FAMILY, episode: UUID = EPISODE) -> Clip:
    return Clip(
        state=CutState.REQUESTED,
        artefact_id=None,
        reason=None,
        clip_id=uuid4(),
        recording_id=uuid4(),
        episode_id=episode,
        family_id=family,
        film_id=uuid4(),
        first=0,
        end=10,
        name="A smile",
        principle=Principle.BEING_ATTENTIVE,
        principles_version=1,
        note=None,
        marked_by=uuid4(),
        marked_at=datetime.now(UTC),
    )


@pytest.mark.parametrize(("first", "end"), [(0, 1), (0, 500), (499, 500), (100, 200)])
def test_a_clip_lies_within_its_film(first: int, end: int) -> None:
    check_range(a_film(500), first, end)


@pytest.mark.parametrize(("first", "end"), [(0, 501), (499, 501), (500, 501), (-1, 10), (10**12, 10**12 + 1)])
def test_a_clip_outside_the_film_is_refused_and_told_how_long_it_is(first: int, end: int) -> None:
    with pytest.raises(OutsideFilm, match="0 to 499"):
        check_range(a_film(500), first, end)


@pytest.mark.parametrize(("first", "end"), [(0, 0), (500, 500), (200, 100)])
def test_a_clip_has_a_frame(first: int, end: int) -> None:
    with pytest.raises(EmptyRange):
        check_range(a_film(500), first, end)


@pytest.mark.parametrize(
    ("rate", "marked", "found"),
    [
        (50, (0, 1), (0, 1)),
        (50, (10, 60), (10, 60)),
        (25, (10, 60), (20, 120)),
        (100, (11, 60), (5, 30)),
        (100, (10, 61), (5, 31)),
        (50, (498, 501), (498, 500)),  # a first look may promise a frame more than the film has
        (50, (500, 501), (499, 500)),
    ],
)
def test_a_mark_on_a_first_look_is_moved_to_what_takes_its_place(
    rate: int, marked: tuple[int, int], found: tuple[int, int]
) -> None:
    clip, film = a_clip(), a_film(500)
    waiting = replace(clip, film_id=None, state=CutState.MARKED, first=marked[0], end=marked[1])
    waiting.moved(a_look(rate), replace(a_look(), frames=500))
    assert waiting == replace(clip, film_id=None, state=CutState.MARKED, first=found[0], end=found[1])
    waiting.moved(a_look(), film)
    assert waiting == replace(clip, film_id=film.film_id, state=CutState.REQUESTED, first=found[0], end=found[1])


def test_what_was_cut_stays_cut_whatever_comes_late() -> None:
    clip, artefact = a_clip(), uuid4()
    assert clip.failed("stalled")
    assert clip.made(artefact), "a retry that succeeds"
    assert not clip.made(uuid4())
    assert not clip.failed("stalled")
    assert (clip.state, clip.artefact_id, clip.reason) == (CutState.READY, artefact, None)


def test_a_reel_is_clips_of_one_family_in_any_order() -> None:
    clips = [a_clip() for _ in range(3)]
    check_reel(FAMILY, EPISODE, [clip.clip_id for clip in reversed(clips)], clips)


def wrong_reels() -> dict[str, tuple[list[UUID], list[Clip]]]:
    mine, theirs, earlier = a_clip(), a_clip(family=uuid4()), a_clip(episode=uuid4())
    waiting = replace(a_clip(), film_id=None, state=CutState.MARKED)
    return {
        "at least one": ([], []),
        "once": ([mine.clip_id, mine.clip_id], [mine]),
        "not all clips of this family": ([mine.clip_id, theirs.clip_id], [mine, theirs]),
        "not all clips": ([mine.clip_id, uuid4()], [mine]),
        "different consents": ([mine.clip_id, earlier.clip_id], [mine, earlier]),
        "not there yet": ([mine.clip_id, waiting.clip_id], [mine, waiting]),
    }


@pytest.mark.parametrize("why", wrong_reels())
def test_a_reel_says_why_it_cannot_be(why: str) -> None:
    wanted, clips = wrong_reels()[why]
    with pytest.raises(ClipsDoNotFit, match=why):
        check_reel(FAMILY, EPISODE, wanted, clips)


def test_the_principles_are_the_six_of_the_method_from_the_first_step_to_the_last() -> None:
    assert [str(one) for one in Principle] == [
        "being_attentive",
        "encouraging_initiatives",
        "receiving_initiatives",
        "developing_attuned_interactions",
        "guiding",
        "deepening_discussion",
    ]
