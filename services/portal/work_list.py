"""The practitioner's work list: what waits for them, and the families they look after."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from services.portal.pages import form_of, page, seen_after, text
from services.portal.recordings import jobs_of
from services.portal.sign_in import Staff
from services.portal.visitor import Refusal, Visitor
from shared.http import Router

AT_ONCE = 8  # questions to one service for one page
TASKS = 50  # on one page


async def families_of(visitor: Visitor) -> dict[str, Mapping[str, Any]]:
    """The families of whose care team they are, with names, by id."""
    listed = [one["family_id"] for one in (await visitor.get("consent", "/families"))["families"]]
    turn = asyncio.Semaphore(AT_ONCE)

    async def look(family_id: str) -> Mapping[str, Any] | None:
        async with turn:
            try:
                found: Mapping[str, Any] = await visitor.get("consent", f"/families/{family_id}")
                return found
            except Refusal as refusal:
                if refusal.status in (403, 404):  # no longer theirs
                    return None
                raise

    found = await asyncio.gather(*map(look, listed))
    return {family["family_id"]: family for family in found if family}


def routes() -> Router:
    router = Router(anonymous=True)

    @router.get("/")
    async def work_list(request: Request, visitor: Staff, done: bool = False, before: UUID | None = None) -> Response:
        """Tasks, cards to wipe, people to tell or to ask; with `done`, what is done already. `before`: older tasks."""
        which = {"limit": TASKS} | ({"state": "done"} if done else {}) | ({"before": str(before)} if before else {})
        families, tasks, recordings, cards, messages = await asyncio.gather(
            families_of(visitor),
            visitor.get("curation", "/tasks", **which),
            visitor.get("upload", "/recordings") if visitor.identity.role == "practitioner" else _none(),
            visitor.get("upload", "/cards") if visitor.identity.role == "practitioner" else _none(),
            visitor.get("notification", "/deliveries", state="in_person"),
        )
        known = {task["recording_id"] for task in tasks["tasks"]}
        films = recordings["recordings"]
        blocked = [task for task in tasks["tasks"] if task["state"] == "blocked"]
        return page(
            request,
            "work_list.jinja",
            visitor=visitor,
            families=families,
            tasks=tasks["tasks"],
            failed=await jobs_of(visitor, "recordings", blocked, "recording_id"),
            done=done,
            older=tasks["tasks"][-1]["recording_id"] if len(tasks["tasks"]) == TASKS else None,
            arriving=[
                one
                for one in films
                if one["state"] in ("receiving", "verifying", "rejected") and one["recording_id"] not in known
            ],
            cards=cards["cards"],
            to_decide=[
                one
                for one in families.values()
                if one.get("involvement_ended_on") and one["episode"] and one["episode"]["state"] == "open"
            ],
            to_tell=[one for one in messages["deliveries"] if _is_of_the_family(one, families)],
        )

    @router.get("/families")
    async def families(request: Request, visitor: Staff) -> Response:
        return page(request, "families.jinja", visitor=visitor, families=await families_of(visitor))

    @router.post("/deliveries/{delivery_id}/told")
    async def told(request: Request, delivery_id: UUID, visitor: Staff) -> Response:
        """Somebody was told in person what could not be sent."""
        await visitor.post("notification", f"/deliveries/{delivery_id}/told")
        return seen_after(request, "/", "told")

    @router.post("/tasks/{recording_id}/done")
    async def reviewed(request: Request, recording_id: UUID, visitor: Staff) -> Response:
        await visitor.post("curation", f"/tasks/{recording_id}/done")
        return seen_after(request, "/", "done")

    @router.post("/tasks/{recording_id}/assignee")
    async def hand_over(request: Request, recording_id: UUID, visitor: Staff) -> Response:
        form = await form_of(request)
        await visitor.post("curation", f"/tasks/{recording_id}/assignee", {"person_id": text(form, "person_id")})
        return seen_after(request, f"/recordings/{recording_id}", "assigned")

    return router


def _is_of_the_family(message: Mapping[str, Any], families: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whom to tell in person; staff see on their own list what a message to them would have said."""
    family = families.get(message["family_id"])
    whose = {None, *(one["person_id"] for one in family["people"])} if family else set()  # None: the whole family
    return message["person_id"] in whose


async def _none() -> dict[str, list[Any]]:
    return {"recordings": [], "cards": []}
