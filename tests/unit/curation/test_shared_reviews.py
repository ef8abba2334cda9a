"""Laws of the shared review."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from services.curation.shared_reviews.model import NotHeldYet, SharedReview, WatchedNothing

TODAY = date(2026, 11, 24)
REVIEW = SharedReview(
    shared_review_id=uuid4(),
    family_id=uuid4(),
    episode_id=uuid4(),
    held_on=TODAY,
    held_by=uuid4(),
    cycle=1,
    made_from=[],
    reel_id=uuid4(),
    clip_ids=None,
    saw="She looks at me",
    felt=None,
    thought=None,
    summary=None,
    recorded_at=datetime(2026, 11, 24, 12, tzinfo=UTC),
)


@pytest.mark.parametrize("held_on", [TODAY, date(2026, 1, 1)])
def test_a_shared_review_is_recorded_once_it_was_held(held_on: date) -> None:
    replace(REVIEW, held_on=held_on).check(TODAY)


def test_a_shared_review_that_is_still_to_come_is_not_recorded() -> None:
    with pytest.raises(NotHeldYet):
        replace(REVIEW, held_on=date(2026, 11, 25)).check(TODAY)


def test_a_shared_review_is_of_a_reel_or_of_clips() -> None:
    replace(REVIEW, reel_id=None, clip_ids=[uuid4()]).check(TODAY)
    for reel_id, clip_ids in ((None, None), (None, []), (uuid4(), [uuid4()])):
        with pytest.raises(WatchedNothing):
            replace(REVIEW, reel_id=reel_id, clip_ids=clip_ids).check(TODAY)
