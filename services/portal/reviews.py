"""Goals in the parent's words with their ratings, and shared reviews."""

import asyncio
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from services.portal.families import family_of
from services.portal.pages import day_of, form_of, ids, number_of, page, seen_after, text, wanting
from services.portal.sign_in import Staff
from services.portal.visitor import Refusal, Visitor
from shared.http import Router


def _rating(form: FormData, errors: dict[str, str]) -> dict[str, Any]:
    """Both ends of the scale; what is wrong is added to `errors`."""
    now, hoped = number_of(form, "now"), number_of(form, "hoped")
    if now not in range(1, 11):
        errors["now"] = "Choose a number from 1 to 10 for now"
    if hoped not in range(1, 11):
        errors["hoped"] = "Choose a number from 1 to 10 for where they hope to be"
    return {"now": now, "hoped": hoped}


def routes() -> Router:
    router = Router(anonymous=True)

    @router.get("/families/{family_id}/goals")
    async def goals(request: Request, family_id: UUID, visitor: Staff) -> Response:
        return await _goals(request, family_id, visitor)

    @router.post("/families/{family_id}/goals")
    async def set_goal(request: Request, family_id: UUID, visitor: Staff) -> Response:
        form = await form_of(request)
        try:
            errors = {} if text(form, "words") else {"words": "Write what the parent wants, in the parent's own words"}
            rating = _rating(form, errors)
            wanting(errors)
            await visitor.post("curation", f"/families/{family_id}/goals", {"words": text(form, "words"), **rating})
        except Refusal as refusal:
            return await _goals(request, family_id, visitor, refusal.of(form))
        return seen_after(request, f"/families/{family_id}/goals", "goal")

    @router.post("/families/{family_id}/goals/{goal_id}/ratings")
    async def rate(request: Request, family_id: UUID, goal_id: UUID, visitor: Staff) -> Response:
        form, errors = await form_of(request), dict[str, str]()
        try:
            rating = _rating(form, errors)
            wanting({f"{field}-{goal_id}": sentence for field, sentence in errors.items()})
            await visitor.post("curation", f"/goals/{goal_id}/ratings", rating)
        except Refusal as refusal:
            return await _goals(request, family_id, visitor, refusal.of(form))
        return seen_after(request, f"/families/{family_id}/goals", "rated")

    async def _goals(request: Request, family_id: UUID, visitor: Visitor, refusal: Refusal | None = None) -> Response:
        family, found = await asyncio.gather(
            family_of(visitor, family_id), visitor.listed("curation", f"/families/{family_id}/goals", "goals")
        )
        return page(
            request,
            "goals.jinja",
            visitor=visitor,
            family=family,
            goals=found,
            refusal=refusal,
        )

    @router.get("/families/{family_id}/shared-reviews/new")
    async def new(request: Request, family_id: UUID, visitor: Staff, reel: UUID | None = None) -> Response:
        return await _new(request, family_id, visitor, reel)

    @router.post("/families/{family_id}/shared-reviews/new")
    async def record(request: Request, family_id: UUID, visitor: Staff) -> Response:
        form = await form_of(request)
        try:
            errors = {} if ids(form, "reel_id") else {"reel_id": "Choose the clips that you watched together"}
            held_on, cycle = day_of(form, "held_on"), number_of(form, "cycle")
            if not held_on:
                errors["held_on-day"] = "Enter the day of the shared review, with day, month and year"
            if cycle not in range(1, 101):
                errors["cycle"] = "Enter the number of the cycle: 1 for the first"
            wanting(errors)
            said = {
                "held_on": held_on,
                "cycle": cycle,
                "reel_id": text(form, "reel_id"),
                "words": {one: text(form, one) for one in ("saw", "felt", "thought")},
                "summary": text(form, "summary"),
            }
            await visitor.post("curation", f"/families/{family_id}/shared-reviews", said)
        except Refusal as refusal:
            return await _new(request, family_id, visitor, None, refusal.of(form))
        return seen_after(request, f"/families/{family_id}", "review")

    async def _new(
        request: Request, family_id: UUID, visitor: Visitor, reel: UUID | None, refusal: Refusal | None = None
    ) -> Response:
        family, reels, reviews, goals = await asyncio.gather(
            family_of(visitor, family_id),
            visitor.get("curation", f"/families/{family_id}/reels"),
            visitor.get("curation", f"/families/{family_id}/shared-reviews"),
            visitor.get("curation", f"/families/{family_id}/goals"),
        )
        cycles = [one["cycle"] for one in reviews["shared_reviews"]]
        return page(
            request,
            "review.jinja",
            visitor=visitor,
            family=family,
            reels=reels["reels"],
            chosen=str(reel) if reel else "",
            cycle=max(cycles, default=0) + 1,
            goals=goals["goals"],
            refusal=refusal,
        )

    return router
