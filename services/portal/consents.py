"""What is talked through with a family and agreed before a film, and withdrawing for them."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from services.portal import words
from services.portal.families import family_of, person_in
from services.portal.pages import day_of, form_of, ids, page, seen_after, text, texts, wanting
from services.portal.sign_in import Staff
from services.portal.visitor import Refusal, Visitor
from shared.http import Router

EVIDENCE_BYTES = 32 * 1024 * 1024
MISTAKE = "mistake"  # nobody of the family asked: staff take back what they wrote down


def routes(purposes: Sequence[str]) -> Router:
    """purposes: what this organisation asks consent for."""
    router = Router(anonymous=True)

    # what is talked through

    @router.get("/families/{family_id}/rights")
    async def rights(request: Request, family_id: UUID, visitor: Staff) -> Response:
        return await _rights(request, family_id, visitor)

    @router.post("/families/{family_id}/rights")
    async def record_rights(request: Request, family_id: UUID, visitor: Staff) -> Response:
        form = await form_of(request)
        try:
            points = (await visitor.get("consent", "/rights-points"))["points"]
            done, held_on = texts(form, "point"), day_of(form, "held_on")
            errors = {} if held_on else {"held_on-day": "Enter the day on which you talked, with day, month and year"}
            left = [one for one in points if one["point"] not in done]
            if left:
                errors[f"point-{left[0]['point']}"] = "Talk through every point, and tick each"
            wanting(errors)
            said = {
                "held_on": held_on,
                "points": [{"point": one["point"], "version": one["version"]} for one in points],
                "language": text(form, "language") or "en",
                "format": text(form, "format") or "spoken",
                "interpreter": text(form, "interpreter") == "yes",
            }
            await visitor.post("consent", f"/families/{family_id}/rights-conversations", said)
        except Refusal as refusal:
            return await _rights(request, family_id, visitor, refusal.of(form))
        return seen_after(request, f"/families/{family_id}", "rights")

    async def _rights(request: Request, family_id: UUID, visitor: Visitor, refusal: Refusal | None = None) -> Response:
        found, points = await asyncio.gather(family_of(visitor, family_id), visitor.get("consent", "/rights-points"))
        return page(
            request,
            "rights.jinja",
            visitor=visitor,
            family=found,
            points=points["points"],
            refusal=refusal,
        )

    # what is agreed

    @router.get("/families/{family_id}/people/{person_id}/consent")
    async def consent(request: Request, family_id: UUID, person_id: UUID, visitor: Staff) -> Response:
        return await _consent(request, family_id, person_id, visitor)

    @router.post("/families/{family_id}/people/{person_id}/consent")
    async def record_consent(request: Request, family_id: UUID, person_id: UUID, visitor: Staff) -> Response:
        form = await form_of(request)
        try:
            await visitor.post("consent", f"/families/{family_id}/consent-records", _record(form, person_id))
        except Refusal as refusal:
            return await _consent(request, family_id, person_id, visitor, refusal.of(form))
        return seen_after(request, f"/families/{family_id}", "consented")

    @router.post("/families/{family_id}/evidence")
    async def keep_evidence(request: Request, family_id: UUID, visitor: Staff) -> Response:
        """A signed form, on its way to the consent service; not a byte of it is kept here."""
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > EVIDENCE_BYTES:
            raise Refusal(413, "The file is too large", "Send a smaller scan: at most 32 MiB.", "too-large")
        headers = {"Content-Type": request.headers.get("content-type", ""), "Content-Length": length}
        answer = await visitor.call(
            "consent", "POST", f"/families/{family_id}/evidence", content=request.stream(), headers=headers
        )
        return Response(answer.content, 201, media_type="application/json")

    async def _consent(
        request: Request, family_id: UUID, person_id: UUID, visitor: Visitor, refusal: Refusal | None = None
    ) -> Response:
        found = await family_of(visitor, family_id)
        return page(
            request,
            "consent.jinja",
            visitor=visitor,
            family=found,
            person=person_in(found, person_id),
            purposes=purposes,
            refusal=refusal,
        )

    # withdrawing on behalf

    @router.get("/families/{family_id}/withdraw")
    async def withdraw(request: Request, family_id: UUID, visitor: Staff) -> Response:
        return await _withdraw(request, family_id, visitor)

    @router.post("/families/{family_id}/withdraw")
    async def record_withdrawal(request: Request, family_id: UUID, visitor: Staff) -> Response:
        form = await form_of(request)
        try:
            errors = {}
            if not text(form, "scope"):
                errors["scope"] = "Say what is withdrawn"
            if not ids(form, "by"):
                errors["by"] = "Say who of the family decided it"
            if text(form, "route") not in words.ROUTES:
                errors["route"] = "Say how they told you"
            if text(form, "sure") != "yes":
                errors["sure"] = "Tick that you have read what happens now"
            wanting(errors)
            found, scope = await family_of(visitor, family_id), text(form, "scope")
            if not found["episode"]:
                raise Refusal(409, "There is nothing to withdraw", "Nobody of this family has agreed to anything yet.")
            said = {
                "by": text(form, "by"),
                "route": text(form, "route"),
                "confirmed_by_family": text(form, "confirmed") == "yes",
                "scope": "all" if scope == "all" else {"purpose": scope},
            }
            now = await visitor.post("consent", f"/episodes/{found['episode']['episode_id']}/withdrawals", said)
        except Refusal as refusal:
            return await _withdraw(request, family_id, visitor, refusal.of(form))
        came = "narrowed" if scope != "all" else "withdrawn" if now["state"] == "ended" else "suspended"
        return seen_after(request, f"/families/{family_id}", came)

    async def _withdraw(
        request: Request, family_id: UUID, visitor: Visitor, refusal: Refusal | None = None
    ) -> Response:
        found = await family_of(visitor, family_id)
        return page(
            request,
            "withdraw.jinja",
            visitor=visitor,
            family=found,
            adults=[one for one in found["people"] if one["role"] in ("parent", "other")],
            refusal=refusal,
        )

    # and taking a withdrawal back

    @router.get("/families/{family_id}/reinstate")
    async def reinstate(request: Request, family_id: UUID, visitor: Staff) -> Response:
        return await _reinstate(request, family_id, visitor)

    @router.post("/families/{family_id}/reinstate")
    async def record_reinstatement(request: Request, family_id: UUID, visitor: Staff) -> Response:
        form = await form_of(request)
        try:
            who, errors = text(form, "asked_by"), {}
            if who != MISTAKE and not ids(form, "asked_by"):
                errors["asked_by"] = "Say who asked for it, or that it was a mistake"
            if who != MISTAKE and text(form, "route") not in words.ROUTES:
                errors["route"] = "Say how they told you"
            if who == MISTAKE and not text(form, "reason"):
                errors["reason"] = "Say what the mistake was"
            wanting(errors)
            said = {} if who == MISTAKE else {"asked_by": who, "route": text(form, "route")}
            reason = {"reason": text(form, "reason")} if text(form, "reason") else {}
            episode = (await family_of(visitor, family_id))["episode"]
            if not episode:
                raise Refusal(409, "There is nothing to take back", "Nobody of this family has agreed to anything yet.")
            await visitor.post("consent", f"/episodes/{episode['episode_id']}/reinstatements", said | reason)
        except Refusal as refusal:
            return await _reinstate(request, family_id, visitor, refusal.of(form))
        return seen_after(request, f"/families/{family_id}", "reinstated")

    async def _reinstate(
        request: Request, family_id: UUID, visitor: Visitor, refusal: Refusal | None = None
    ) -> Response:
        found = await family_of(visitor, family_id)
        adults = [one for one in found["people"] if one["role"] in ("parent", "other")]
        return page(request, "reinstate.jinja", visitor=visitor, family=found, adults=adults, refusal=refusal)

    return router


def _record(form: FormData, person_id: UUID) -> dict[str, Any]:
    """A consent record as the form says it. Raises Refusal."""
    errors, given_on, valid_until = {}, day_of(form, "given_on"), day_of(form, "valid_until")
    if not texts(form, "purpose"):
        errors["purpose"] = "Tick what they agreed to"
    if not ids(form, "given_by"):
        errors["given_by"] = "Say who agreed"
    if text(form, "authority") not in words.AUTHORITIES:
        errors["authority"] = "Say by what authority they agreed"
    if text(form, "method") not in words.METHODS:
        errors["method"] = "Say how they agreed"
    elif text(form, "method") == "spoken" and not text(form, "witness"):
        errors["witness"] = "Name the witness who heard it"
    elif text(form, "method") == "paper" and not ids(form, "evidence_id"):
        errors["evidence"] = "Choose the scanned form first, and wait until it is stored"
    if not given_on:
        errors["given_on-day"] = "Enter the day on which they agreed, with day, month and year"
    if text(form, "valid_until-day") and not valid_until:
        errors["valid_until-day"] = "Enter the last day as a day, a month and a year, or leave it empty"
    if not text(form, "notice_version"):
        errors["notice_version"] = "Enter the version of the information that they were given"
    wanting(errors)
    record: dict[str, Any] = {
        "person_id": str(person_id),
        "given_by": text(form, "given_by"),
        "authority": text(form, "authority"),
        "disputed": text(form, "disputed") == "yes",
        "purposes": texts(form, "purpose"),
        "method": text(form, "method"),
        "notice_version": text(form, "notice_version"),
        "language": text(form, "language") or "en",
        "format": text(form, "format") or "written",
        "interpreter": text(form, "interpreter") == "yes",
        "given_on": given_on,
    }
    if valid_until:
        record["valid_until"] = valid_until
    if record["method"] == "spoken":
        record["witness"] = text(form, "witness")
    if record["method"] == "paper":
        record["evidence_id"] = text(form, "evidence_id")
    return record
