"""Goals and shared reviews over HTTP."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field
from uuid_utils.compat import uuid7

from services.curation.changes import MaybeText, Text, changing
from services.curation.clips.model import Clip, ClipsDoNotFit, Reel
from services.curation.shared_reviews import operations
from services.curation.shared_reviews.model import Goal, NotHeldYet, Rating, SharedReview, WatchedNothing
from shared.care_team import allow
from shared.database import Database
from shared.http import Caller, Conflict, ConsentOver, Invalid, NotFound, Router, documented
from shared.identity import Action

AHEAD = timedelta(hours=14)  # a day begins in the east so long before it does in UTC
Scale = Annotated[int, Field(ge=1, le=10)]


class CycleRecorded(Conflict):
    code, title = "cycle-recorded", "The shared review of this cycle is recorded already"
    detail = "Look at the family's shared reviews; a further one belongs to the next cycle."


class Rate(BaseModel):
    now: Scale
    hoped: Scale


class NewGoal(Rate):
    words: Text


class Rated(Rate):
    rated_at: datetime


class GoalOf(BaseModel):
    goal_id: UUID
    words: str
    set_by: UUID
    set_at: datetime
    ratings: list[Rated]

    @classmethod
    def of(cls, goal: Goal, ratings: list[Rating]) -> Self:
        return cls.model_validate({**vars(goal), "ratings": [vars(rating) for rating in ratings]})


class Goals(BaseModel):
    goals: list[GoalOf]


class Words(BaseModel):
    """The parent's own."""

    saw: MaybeText = None
    felt: MaybeText = None
    thought: MaybeText = None


class NewReview(BaseModel):
    held_on: date
    cycle: int = Field(ge=1, le=100)
    reel_id: UUID | None = None
    clips: list[UUID] = Field([], max_length=100)
    words: Words = Words()
    summary: MaybeText = None  # strengths and what to work on, as summed up together


class Review(BaseModel):
    shared_review_id: UUID
    family_id: UUID
    held_on: date
    held_by: UUID
    cycle: int
    reel_id: UUID | None
    clips: list[UUID]
    words: Words
    summary: str | None
    recorded_at: datetime

    @classmethod
    def of(cls, review: SharedReview) -> Self:
        return cls.model_validate({**vars(review), "clips": review.clip_ids or [], "words": vars(review)})


class Reviews(BaseModel):
    shared_reviews: list[Review]


def routes(database: Database) -> Router:
    router = Router(prefix="/v1")

    @router.post("/families/{family_id}/goals", status_code=201)
    async def set_goal(family_id: UUID, wanted: NewGoal, caller: Caller) -> GoalOf:
        """A goal is the family's, not the films': it outlasts any consent to film."""
        await allow(database, caller, Action.SET_GOAL, family_id)
        async with changing(database, family_id, family_id) as uow:
            goal, rating = await operations.set_goal(
                uow, wanted.words, wanted.now, wanted.hoped, caller.person_id, datetime.now(UTC)
            )
        return GoalOf.of(goal, [rating])

    @router.post("/goals/{goal_id}/ratings", status_code=201, responses=documented(NotFound))
    async def rate(goal_id: UUID, rated: Rate, caller: Caller) -> Rated:
        async with database.sessions() as session:
            goal = await session.get(Goal, goal_id)
        if goal is None:
            raise NotFound
        await allow(database, caller, Action.SET_GOAL, goal.family_id)
        async with changing(database, goal.family_id, goal.family_id) as uow:
            rating = operations.rate(uow, goal, rated.now, rated.hoped, datetime.now(UTC))
        return Rated.model_validate(vars(rating))

    @router.get("/families/{family_id}/goals")
    async def goals(family_id: UUID, caller: Caller) -> Goals:
        """The family's goals with all their ratings, the first one first."""
        await allow(database, caller, Action.READ_FAMILY, family_id)
        async with database.sessions() as session:
            found = await operations.goals_of(session, family_id)
        return Goals(goals=[GoalOf.of(goal, ratings) for goal, ratings in found])

    @router.post(
        "/families/{family_id}/shared-reviews", status_code=201, responses=documented(ConsentOver, CycleRecorded)
    )
    async def hold(family_id: UUID, held: NewReview, caller: Caller) -> Review:
        """Record a shared review: what was watched, and what the parent saw, felt and thought."""
        await allow(database, caller, Action.SHARED_REVIEW, family_id)
        now = datetime.now(UTC)
        async with database.sessions() as session:
            if held.reel_id:
                watched: Reel | Clip | None = await session.get(Reel, held.reel_id)
            else:
                watched = await session.get(Clip, held.clips[0]) if held.clips else None
        try:
            if watched is None or watched.family_id != family_id:
                raise ClipsDoNotFit("a shared review is of a reel or of clips of this family")
            review = SharedReview(
                shared_review_id=uuid7(),
                family_id=family_id,
                episode_id=watched.episode_id,
                held_on=held.held_on,
                held_by=caller.person_id,
                cycle=held.cycle,
                made_from=[],
                reel_id=held.reel_id,
                clip_ids=held.clips or None,
                saw=held.words.saw,
                felt=held.words.felt,
                thought=held.words.thought,
                summary=held.summary,
                recorded_at=now,
            )
            async with changing(database, watched.episode_id, family_id) as uow:
                await operations.hold(uow, review, today=(now + AHEAD).date())
        except (ClipsDoNotFit, WatchedNothing, NotHeldYet) as error:
            at = "body.held_on" if isinstance(error, NotHeldYet) else "body.reel_id"
            raise Invalid(errors=[{"at": at, "problem": str(error)}]) from error
        except operations.CycleHeld as error:
            raise CycleRecorded from error
        return Review.of(review)

    @router.get("/families/{family_id}/shared-reviews")
    async def reviews(family_id: UUID, caller: Caller) -> Reviews:
        """The family's shared reviews, the last one held first."""
        await allow(database, caller, Action.READ_FAMILY, family_id)
        async with database.sessions() as session:
            found = await operations.reviews_of(session, family_id)
        return Reviews(shared_reviews=[Review.of(review) for review in found])

    return router
