"""Families: registering them, everything about one on a page, how its people may be reached, and erasures."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from services.portal import words
from services.portal.pages import day_of, form_of, is_id, page, seen_after, site_of, text, texts, wanting
from services.portal.sign_in import Staff
from services.portal.visitor import Refusal, Visitor
from shared.http import Router
from shared.identity import Role
from shared.identity.development import development_token
from shared.settings import DevelopmentSettings

ROWS = 2
VIEWS = 20  # on one page


async def family_of(visitor: Visitor, family_id: UUID) -> Mapping[str, Any]:
    """With names. Raises Refusal."""
    found: Mapping[str, Any] = await visitor.get("consent", f"/families/{family_id}")
    return found


def person_in(family: Mapping[str, Any], person_id: UUID) -> Mapping[str, Any]:
    """Raises Refusal."""
    for person in family["people"]:
        if person["person_id"] == str(person_id):
            found: Mapping[str, Any] = person
            return found
    raise Refusal(404, "This person is not in this family", "Go back to the family's page.", "not-found")


def page_of_views(limit: int, before: UUID | None) -> dict[str, Any]:
    """What to ask for: the newest, or those before a view."""
    return {"limit": limit, **({"before": str(before)} if before else {})}


def _people(form: FormData) -> list[dict[str, Any]]:
    """The rows of a form in which somebody stands. Raises Refusal."""
    errors, people = {}, []
    count = int(text(form, "rows") or ROWS) if text(form, "rows").isdecimal() else ROWS
    for row in range(min(count, 30)):
        name, role, born = text(form, f"name-{row}"), text(form, f"role-{row}"), day_of(form, f"born-{row}")
        if not name:
            continue
        if role not in words.ROLES:
            errors[f"role-{row}"] = f"Say who {name} is in the family"
        if text(form, f"born-{row}-day") and not born:
            errors[f"born-{row}-day"] = f"Enter the date on which {name} was born as a day, a month and a year"
        people.append({"name": name, "role": role, **({"born": born} if born else {})})
    if not people:
        errors["name-0"] = "Enter the name of at least one person who may be filmed"
    wanting(errors)
    return people


def _needs_in(form: FormData) -> dict[str, Any]:
    """What somebody said they need. Raises Refusal."""
    language, reviewed_on, errors = text(form, "language"), day_of(form, "reviewed_on"), {}
    if not language:
        errors["language"] = "Choose the language they understand best"
    if text(form, "interpreter") not in ("yes", "no"):
        errors["interpreter"] = "Say whether they need an interpreter"
    if language == words.OTHER_LANGUAGE and not text(form, "other"):
        errors["other"] = "Say which language"
    if not reviewed_on:
        errors["reviewed_on-day"] = "Enter the day on which you asked, with day, month and year"
    wanting(errors)
    return {
        "needs": texts(form, "needs"),
        "language": language,
        "interpreter": text(form, "interpreter") == "yes",
        "other": text(form, "other") or None,
        "reviewed_on": reviewed_on,
    }


async def _known(visitor: Visitor, person_id: UUID, what: str) -> Any | None:
    """None while nobody has told notification of this person, or has asked them. Raises Refusal for every other no."""
    try:
        return await visitor.get("notification", f"/people/{person_id}/{what}")
    except Refusal as refusal:
        if refusal.status in (403, 404):
            return None
        raise


def routes(tokens: DevelopmentSettings | None) -> Router:
    """tokens: with what a family's link is made; there are none before people can sign in."""
    router = Router(anonymous=True)

    @router.get("/families/new")
    async def new(request: Request, visitor: Staff) -> Response:
        return page(request, "register.jinja", visitor=visitor, rows=ROWS)

    @router.post("/families/new")
    async def register(request: Request, visitor: Staff) -> Response:
        form = await form_of(request)
        rows = min(int(text(form, "rows")) if text(form, "rows").isdecimal() else ROWS, 30)
        if text(form, "add"):
            return page(request, "register.jinja", visitor=visitor, rows=rows + 1, form=form)
        try:
            people = _people(form)
            team = [{"person_id": str(visitor.id), "role": "practitioner"}]
            made = await visitor.post("consent", "/families", {"people": people, "care_team": team})
        except Refusal as refusal:
            return page(request, "register.jinja", visitor=visitor, rows=rows, refusal=refusal.of(form))
        return seen_after(request, f"/families/{made['family_id']}", "registered")

    @router.get("/families/{family_id}")
    async def show(request: Request, family_id: UUID, visitor: Staff, before: UUID | None = None) -> Response:
        """Everything about one family, and what to do next. `before`: who watched earlier than in this view."""
        found, recordings, reels, goals, reviews, views = await asyncio.gather(
            family_of(visitor, family_id),
            visitor.listed("upload", "/recordings", "recordings", family_id=str(family_id)),
            visitor.listed("curation", f"/families/{family_id}/reels", "reels"),
            visitor.listed("curation", f"/families/{family_id}/goals", "goals"),
            visitor.listed("curation", f"/families/{family_id}/shared-reviews", "shared_reviews"),
            visitor.listed("curation", f"/families/{family_id}/views", "views", **page_of_views(VIEWS, before)),
        )
        episode = None
        if found["episode"]:
            episode = await visitor.get("consent", f"/episodes/{found['episode']['episode_id']}")
        return page(
            request,
            "family.jinja",
            visitor=visitor,
            family=found,
            episode=episode,
            missing={one["code"] for one in found["missing_before_filming"]},
            recordings=recordings,
            reels=reels,
            goals=goals,
            reviews=reviews,
            views=views,
            earlier=views[-1]["view_id"] if len(views) == VIEWS else None,
        )

    @router.post("/families/{family_id}/people")
    async def add_person(request: Request, family_id: UUID, visitor: Staff) -> Response:
        await visitor.post("consent", f"/families/{family_id}/people", {"people": _people(await form_of(request))})
        return seen_after(request, f"/families/{family_id}", "person")

    @router.post("/families/{family_id}/care-team")
    async def change_team(request: Request, family_id: UUID, visitor: Staff) -> Response:
        """Add one member, or take one out; the team is always named whole."""
        form, found = await form_of(request), await family_of(visitor, family_id)
        members = [one for one in found["care_team"] if one["person_id"] != text(form, "leaves")]
        if not text(form, "leaves"):
            if not is_id(text(form, "person_id")) or text(form, "role") not in words.TEAM_ROLES:
                wanting({"person_id": "Enter the staff id of your colleague, and their role"})
            members.append({"person_id": text(form, "person_id"), "role": text(form, "role")})
        named = {"members": members, "made_from": found["care_team_version"]}
        await visitor.put("consent", f"/families/{family_id}/care-team", named)
        return seen_after(request, f"/families/{family_id}", "team")

    @router.post("/families/{family_id}/involvement-end")
    async def end_involvement(request: Request, family_id: UUID, visitor: Staff) -> Response:
        ended_on = day_of(await form_of(request), "ended_on")
        wanting({} if ended_on else {"ended_on-day": "Enter the day on which the work ended"})
        await visitor.post("consent", f"/families/{family_id}/involvement-end", {"ended_on": ended_on})
        return seen_after(request, f"/families/{family_id}", "ended")

    if tokens:

        @router.post("/families/{family_id}/people/{person_id}/link")
        async def link(request: Request, family_id: UUID, person_id: UUID, visitor: Staff) -> Response:
            """To hand over in person. What opens the page stands behind the #, which no browser sends anywhere."""
            if visitor.identity.role is not Role.PRACTITIONER:
                raise Refusal(403, "This is not yours to do", "Ask a practitioner of the family's care team.")
            found = await family_of(visitor, family_id)
            person = person_in(found, person_id)
            code = development_token(Role.FAMILY, person_id, family_id, tokens)
            address = f"{site_of(request).public.portal_url}/family#{code}"
            return page(request, "link.jinja", visitor=visitor, family=found, person=person, address=address)

    # how somebody may be reached

    @router.get("/families/{family_id}/people/{person_id}/contact")
    async def contact(request: Request, family_id: UUID, person_id: UUID, visitor: Staff) -> Response:
        return await _contact(request, family_id, person_id, visitor)

    @router.post("/families/{family_id}/people/{person_id}/contact")
    async def save_contact(request: Request, family_id: UUID, person_id: UUID, visitor: Staff) -> Response:
        form = await form_of(request)
        try:
            point = {"channel": "mail", "address": text(form, "address"), "safe": text(form, "safe") == "yes"}
            if text(form, "safe_from") and text(form, "safe_until"):
                point |= {"safe_from": text(form, "safe_from"), "safe_until": text(form, "safe_until")}
            said = {"family_id": str(family_id), "points": [point] if text(form, "address") else []}
            await visitor.put("notification", f"/people/{person_id}/contact-points", said)
        except Refusal as refusal:
            return await _contact(request, family_id, person_id, visitor, refusal.of(form))
        return seen_after(request, f"/families/{family_id}", "contact")

    async def _contact(
        request: Request, family_id: UUID, person_id: UUID, visitor: Visitor, refusal: Refusal | None = None
    ) -> Response:
        found, known, needs = await asyncio.gather(
            family_of(visitor, family_id),
            _known(visitor, person_id, "contact-points"),
            _known(visitor, person_id, "needs"),
        )
        return page(
            request,
            "contact.jinja",
            visitor=visitor,
            family=found,
            person=person_in(found, person_id),
            point=known["points"][0] if known and known["points"] else None,
            needs=needs,
            refusal=refusal,
        )

    # what they need so that they can understand us

    @router.get("/families/{family_id}/people/{person_id}/needs")
    async def needs(request: Request, family_id: UUID, person_id: UUID, visitor: Staff) -> Response:
        return await _needs(request, family_id, person_id, visitor)

    @router.post("/families/{family_id}/people/{person_id}/needs")
    async def save_needs(request: Request, family_id: UUID, person_id: UUID, visitor: Staff) -> Response:
        form = await form_of(request)
        try:
            said = {"family_id": str(family_id), **_needs_in(form)}
            await visitor.put("notification", f"/people/{person_id}/needs", said)
        except Refusal as refusal:
            return await _needs(request, family_id, person_id, visitor, refusal.of(form))
        return seen_after(request, f"/families/{family_id}/people/{person_id}/contact", "needs")

    async def _needs(
        request: Request, family_id: UUID, person_id: UUID, visitor: Visitor, refusal: Refusal | None = None
    ) -> Response:
        found, known = await asyncio.gather(family_of(visitor, family_id), _known(visitor, person_id, "needs"))
        return page(
            request,
            "needs.jinja",
            visitor=visitor,
            family=found,
            person=person_in(found, person_id),
            needs=known,
            refusal=refusal,
        )

    # erasures

    @router.get("/erasures/{erasure_id}")
    async def erasure(request: Request, erasure_id: UUID, visitor: Staff) -> Response:
        found = await visitor.get("consent", f"/erasures/{erasure_id}")
        return page(request, "erasure.jinja", visitor=visitor, erasure=found)

    @router.get("/erasures/{erasure_id}/certificate")
    async def certificate(erasure_id: UUID, visitor: Staff) -> Response:
        return await certificate_file(visitor, erasure_id)

    return router


async def certificate_file(visitor: Visitor, erasure_id: UUID) -> Response:
    """To keep: every byte is signed. Raises Refusal."""
    answer = await visitor.call("consent", "GET", f"/erasures/{erasure_id}/certificate")
    name = f"certificate-{words.ref(erasure_id)}.json"
    return Response(
        answer.content,
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
