"""What can happen to goals and shared reviews."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from services.curation.clips.model import Clip, ClipsDoNotFit, Reel
from services.curation.clips.operations import clips_of
from services.curation.shared_reviews.model import Goal, Rating, SharedReview
from services.curation.shared_reviews.tables import goals, ratings, shared_reviews
from shared.contracts.curation import SharedReviewHeld
from shared.database import UnitOfWork
from shared.errors import AttuneError


class CycleHeld(AttuneError):
    """This cycle's shared review is recorded already."""


async def set_goal(
    uow: UnitOfWork, words: str, now_rated: int, hoped: int, set_by: UUID, now: datetime
) -> tuple[Goal, Rating]:
    """Write down what the parent wants, in their words, with their first rating."""
    goal = Goal(uuid7(), uow.family_id, words, set_by, now)
    uow.session.add(goal)
    await uow.session.flush()
    return goal, rate(uow, goal, now_rated, hoped, now)


def rate(uow: UnitOfWork, goal: Goal, now_rated: int, hoped: int, now: datetime) -> Rating:
    """Where the parent sees themselves today. Earlier ratings stay: the way from one to the next is the point."""
    rating = Rating(uuid7(), goal.goal_id, goal.family_id, now_rated, hoped, now)
    uow.session.add(rating)
    return rating


async def hold(uow: UnitOfWork, review: SharedReview, today: date) -> None:
    """Record a shared review. Raises NotHeldYet, WatchedNothing, ClipsDoNotFit, CycleHeld."""
    review.check(today)
    review.made_from = await _watched(uow, review)
    same = (shared_reviews.c.episode_id == uow.episode_id, shared_reviews.c.cycle == review.cycle)
    if await uow.session.scalar(select(shared_reviews.c.shared_review_id).where(*same)):
        raise CycleHeld(f"the shared review of cycle {review.cycle} is recorded already")
    uow.session.add(review)
    uow.publish(SharedReviewHeld(shared_review_id=review.shared_review_id, cycle=review.cycle))


async def _watched(uow: UnitOfWork, review: SharedReview) -> list[UUID]:
    """The recordings that were watched. Raises ClipsDoNotFit."""
    if review.reel_id:
        reel = await uow.session.get(Reel, review.reel_id)
        if reel is None or reel.episode_id != uow.episode_id:
            raise ClipsDoNotFit("this is not a reel of this family")
        return list(reel.made_from)
    wanted = review.clip_ids or []
    clips: list[Clip] = await clips_of(uow.session, wanted)
    if len(clips) != len(wanted) or any(clip.episode_id != uow.episode_id for clip in clips):
        raise ClipsDoNotFit("these are not all clips of this family and of one consent")
    return list(dict.fromkeys(clip.recording_id for clip in clips))


async def goals_of(session: AsyncSession, family_id: UUID) -> list[tuple[Goal, list[Rating]]]:
    """The family's goals, the first one first, each with its ratings, the first one first."""
    found = await session.scalars(select(Goal).where(goals.c.family_id == family_id).order_by(goals.c.goal_id))
    rated: dict[UUID, list[Rating]] = {}
    for rating in await session.scalars(
        select(Rating).where(ratings.c.family_id == family_id).order_by(ratings.c.rating_id)
    ):
        rated.setdefault(rating.goal_id, []).append(rating)
    return [(goal, rated.get(goal.goal_id, [])) for goal in found]


async def reviews_of(session: AsyncSession, family_id: UUID) -> Sequence[SharedReview]:
    """The family's shared reviews, the last one held first."""
    held = select(SharedReview).where(shared_reviews.c.family_id == family_id)
    ordered = held.order_by(shared_reviews.c.held_on.desc(), shared_reviews.c.shared_review_id.desc())
    return (await session.scalars(ordered)).all()
