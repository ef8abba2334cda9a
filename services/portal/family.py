"""The family's own page: who watched, what is kept and until when, and withdrawing. By a link handed over in person."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from services.portal import words
from services.portal.families import certificate_file, page_of_views
from services.portal.pages import form_of, page, seen_after, text
from services.portal.sign_in import OfTheFamily
from services.portal.visitor import Refusal, Visitor
from shared.http import Router

VIEWS = 100  # on one page


async def _known(visitor: Visitor, before: UUID | None) -> dict[str, Any]:
    """What the family may know about itself. What others than consent know may be missing: `views` is then None."""
    id = visitor.identity.family_id
    own, records, recordings, cards, views = await asyncio.gather(
        _own(visitor),
        visitor.get("consent", f"/families/{id}/consent-records"),
        _unless_away(visitor.get("upload", "/recordings", family_id=str(id))),
        _unless_away(visitor.get("upload", "/cards", family_id=str(id))),
        _unless_away(visitor.get("curation", f"/families/{id}/views", **page_of_views(VIEWS, before))),
    )
    family, films = own["family"], recordings["recordings"] if recordings else []
    episode = None
    if family["episode"]:
        episode = await visitor.get("consent", f"/episodes/{family['episode']['episode_id']}")
    erasures = await asyncio.gather(
        *(visitor.get("consent", f"/erasures/{one['erasure_id']}") for one in (episode or {}).get("erasures", []))
    )
    suspensions = episode["suspensions"] if episode and episode["state"] == "suspended" else []
    due = min((datetime.fromisoformat(one["end_due_at"]) for one in suspensions), default=None)
    records_now = [one for one in records["consent_records"] if episode and one["episode_id"] == episode["episode_id"]]
    return {
        **own,
        "episode": episode,
        "confirmed": any(one["cause"] == "withdrawal_confirmed" for one in suspensions),
        "ends_at": due if due and due > datetime.now(UTC) else None,  # past: something keeps it, which is not told
        "until": max((one["valid_until"] for one in records_now if one["valid_until"]), default=None),
        "recordings": {one["recording_id"]: one for one in films},
        "cards": cards["cards"] if cards else [],
        "views": views and [one for one in views["views"] if not one["refused"] and one["kind"] not in words.BESIDE],
        "earlier": views["views"][-1]["view_id"] if views and len(views["views"]) == VIEWS else None,
        "erasures": erasures,
    }


async def _own(visitor: Visitor) -> dict[str, Any]:
    """What it takes to withdraw: consent alone is asked, so that nobody else's outage stands in the way."""
    id = visitor.identity.family_id
    family, artefacts = await asyncio.gather(
        visitor.get("consent", f"/families/{id}"), visitor.get("consent", f"/families/{id}/artefacts")
    )
    kept = [one for one in artefacts["artefacts"] if one["state"] == "kept"]
    return {"visitor": visitor, "family": family, "kept": kept}


async def _unless_away(asked: Awaitable[Any]) -> Any | None:
    try:
        return await asked
    except Refusal as refusal:
        if refusal.status == 503:
            return None
        raise


def routes() -> Router:
    router = Router(prefix="/family", anonymous=True)

    @router.get("")
    async def show(request: Request, visitor: OfTheFamily, before: UUID | None = None) -> Response:
        """`before`: who watched earlier than in this view."""
        return page(request, "own_page.jinja", **await _known(visitor, before))

    @router.get("/withdraw")
    async def ask(request: Request, visitor: OfTheFamily) -> Response:
        return page(request, "own_withdraw.jinja", **await _own(visitor))

    @router.post("/withdraw")
    async def withdraw(request: Request, visitor: OfTheFamily) -> Response:
        form, own = await form_of(request), await _own(visitor)
        if text(form, "sure") != "yes":
            sentence = "Tick the box if you are sure, or go back to your page"
            refusal = Refusal(422, "There is a problem", sentence, errors=[{"at": "sure", "problem": sentence}])
            return page(request, "own_withdraw.jinja", refusal=refusal, **own)
        if episode := own["family"]["episode"]:
            said = {"by": str(visitor.id), "route": "page", "confirmed_by_family": True, "scope": "all"}
            now = await visitor.post("consent", f"/episodes/{episode['episode_id']}/withdrawals", said)
            return seen_after(request, "/family", "withdrawn" if now["state"] == "ended" else "stopped")
        return seen_after(request, "/family")

    @router.post("/keep")
    async def keep(request: Request, visitor: OfTheFamily) -> Response:
        """Staff wrote down a withdrawal, and it was a mistake."""
        own = await _own(visitor)
        if episode := own["family"]["episode"]:
            await visitor.post("consent", f"/episodes/{episode['episode_id']}/reinstatements")
        return seen_after(request, "/family", "reinstated")

    @router.get("/erasures/{erasure_id}/certificate")
    async def certificate(erasure_id: UUID, visitor: OfTheFamily) -> Response:
        return await certificate_file(visitor, erasure_id)

    return router
