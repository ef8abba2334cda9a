"""A recording: bringing it in, watching it frame by frame, marking what goes well, and putting clips in order."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from services.portal import words
from services.portal.cards import confirm
from services.portal.families import family_of
from services.portal.pages import form_of, ids, number_of, page, seen_after, text, wanting
from services.portal.sign_in import Staff
from services.portal.visitor import Refusal, Visitor
from shared.http import Router
from shared.identity import Action


async def jobs_of(visitor: Visitor, made: str, things: list[Mapping[str, Any]], key: str) -> dict[str, Any]:
    """Of those that are not ready: how far they are, or why not."""
    wanted = [one[key] for one in things if one["state"] != "ready"]
    found = await asyncio.gather(*(visitor.find("transcoding", f"/{made}/{id}/job") for id in wanted))
    return {id: job for id, job in zip(wanted, found, strict=True) if job}


def routes() -> Router:
    router = Router(anonymous=True)

    @router.get("/families/{family_id}/upload")
    async def upload(request: Request, family_id: UUID, visitor: Staff) -> Response:
        """Who is in the film, and the film; the browser sends it to the upload service itself."""
        family, recordings = await asyncio.gather(
            family_of(visitor, family_id),
            visitor.listed("upload", "/recordings", "recordings", family_id=str(family_id)),
        )
        return page(
            request,
            "upload.jinja",
            visitor=visitor,
            family=family,
            unfinished=[one for one in recordings if one["state"] == "receiving"],
        )

    @router.get("/recordings/{recording_id}")
    async def show(request: Request, recording_id: UUID, visitor: Staff) -> Response:
        return await _show(request, recording_id, visitor)

    async def _show(request: Request, recording_id: UUID, visitor: Visitor, refusal: Refusal | None = None) -> Response:
        recording, task, film, look, taken, job = await asyncio.gather(
            visitor.get("upload", f"/recordings/{recording_id}"),
            visitor.find("curation", f"/tasks/{recording_id}"),
            visitor.find("curation", f"/recordings/{recording_id}/film"),
            visitor.find("curation", f"/recordings/{recording_id}/first-look"),
            visitor.find("curation", f"/recordings/{recording_id}/stills"),
            visitor.find("transcoding", f"/recordings/{recording_id}/job"),
        )
        family_id = recording["family_id"]
        family, marked, reels, principles = await asyncio.gather(
            family_of(visitor, UUID(family_id)),
            visitor.get("curation", f"/families/{family_id}/clips"),
            visitor.get("curation", f"/families/{family_id}/reels"),
            visitor.get("curation", "/principles"),
        )
        clips = [clip for clip in marked["clips"] if clip["recording_id"] == recording["recording_id"]]
        elsewhere = [clip for clip in marked["clips"] if clip not in clips and clip["film_id"]]
        stills = taken["stills"] if taken and visitor.may(Action.MARK_CLIP) else []
        mine = {clip["clip_id"] for clip in clips}
        own_reels = [one for one in reels["reels"] if any(edit["clip_id"] in mine for edit in one["edits"])]
        clip_jobs, reel_jobs = await asyncio.gather(
            jobs_of(visitor, "clips", clips, "clip_id"), jobs_of(visitor, "reels", own_reels, "reel_id")
        )
        is_open = bool(family["episode"]) and family["episode"]["state"] == "open"
        return page(
            request,
            "recording.jinja",
            visitor=visitor,
            recording=recording,
            family=family,
            is_open=is_open,
            task=task,
            film=film,
            look=None if film or look is None else {**look, "film_id": look["artefact_id"]},  # for the same player
            job=job,
            clips=clips,
            elsewhere=elsewhere if clips and film else [],  # a reel may be of several films
            clip_jobs=clip_jobs,
            stills=stills,
            reels=own_reels,
            reel_jobs=reel_jobs,
            principles=principles["principles"],
            refusal=refusal,
        )

    @router.post("/recordings/{recording_id}/clips")
    async def mark(request: Request, recording_id: UUID, visitor: Staff) -> Response:
        """Frames as they stand in the form: the last one is in the clip."""
        form = await form_of(request)
        try:
            first, last = number_of(form, "first"), number_of(form, "last")
            errors = {}
            if first is None:
                errors["first"] = "Mark the first frame of the clip"
            if last is None:
                errors["last"] = "Mark the last frame of the clip"
            elif first is not None and last < first:
                errors["last"] = "The last frame must come after the first"
            if not text(form, "name"):
                errors["name"] = "Give the clip a name, such as what goes well in it"
            if text(form, "principle") not in words.PRINCIPLES:
                errors["principle"] = "Choose the principle that you see in it"
            wanting(errors)
            clip = {
                "watched": text(form, "watched") or None,
                "first": first,
                "end": (last or 0) + 1,
                "name": text(form, "name"),
                "principle": text(form, "principle"),
                "note": text(form, "note"),
            }
            await visitor.post("curation", f"/recordings/{recording_id}/clips", clip)
        except Refusal as refusal:
            return await _show(request, recording_id, visitor, refusal.of(form))
        return seen_after(request, f"/recordings/{recording_id}", "clip")

    @router.post("/recordings/{recording_id}/reels")
    async def order(request: Request, recording_id: UUID, visitor: Staff) -> Response:
        """The clips that are ticked, in the order in which they stand on the page."""
        form = await form_of(request)
        try:
            wanting({} if ids(form, "clip") else {"clip": "Tick the clips for the shared review"})
            recording = await visitor.get("upload", f"/recordings/{recording_id}")
            await visitor.post("curation", f"/families/{recording['family_id']}/reels", {"clips": ids(form, "clip")})
        except Refusal as refusal:
            return await _show(request, recording_id, visitor, refusal.of(form))
        return seen_after(request, f"/recordings/{recording_id}", "reel")

    @router.post("/recordings/{recording_id}/stills")
    async def still(request: Request, recording_id: UUID, visitor: Staff) -> Response:
        """Of a clip, the frame at which the film stands."""
        form = await form_of(request)
        try:
            frame, clip = number_of(form, "frame"), (ids(form, "still") or [""])[0]
            wanting({} if frame is not None and clip else {"still": "Stop the film at a frame of a clip"})
            await visitor.post("curation", f"/clips/{clip}/stills", {"frame": frame})
        except Refusal as refusal:
            said = (
                refusal
                if refusal.code == "form"
                else replace(refusal, errors=[{"at": "still", "problem": refusal.detail}])
            )
            return await _show(request, recording_id, visitor, said.of(form))
        return seen_after(request, f"/recordings/{recording_id}", "still")

    @router.post("/recordings/{recording_id}/retry")
    async def retry(request: Request, recording_id: UUID, visitor: Staff) -> Response:
        """Once more: the film, or one of its clips or reels."""
        form = await form_of(request)
        what = next((made for made in ("clips", "reels") if ids(form, made)), "recordings")
        id = ids(form, what)[0] if what != "recordings" else recording_id
        await visitor.post("transcoding", f"/{what}/{id}/job/retry")
        return seen_after(request, f"/recordings/{recording_id}", "retry")

    @router.post("/recordings/{recording_id}/card-wiped")
    async def card_wiped(request: Request, recording_id: UUID, visitor: Staff) -> Response:
        try:
            await confirm(request, visitor, recording_id)
        except Refusal as refusal:
            return await _show(request, recording_id, visitor, refusal)
        return seen_after(request, f"/recordings/{recording_id}", "card")

    @router.get("/recordings/{recording_id}/discard")
    async def ask_discard(request: Request, recording_id: UUID, visitor: Staff) -> Response:
        recording = await visitor.get("upload", f"/recordings/{recording_id}")
        return page(request, "discard.jinja", visitor=visitor, recording=recording)

    @router.post("/recordings/{recording_id}/discard")
    async def discard(request: Request, recording_id: UUID, visitor: Staff) -> Response:
        form = await form_of(request)
        recording = await visitor.get("upload", f"/recordings/{recording_id}")
        try:
            wanting({} if text(form, "reason") in words.DISCARDS else {"reason": "Say why"})
            said = {"reason_code": text(form, "reason")}
            answer = await visitor.post("consent", f"/recordings/{recording_id}/discards", said)
        except Refusal as refusal:
            return page(request, "discard.jinja", visitor=visitor, recording=recording, refusal=refusal.of(form))
        return seen_after(request, f"/erasures/{answer['erasure_id']}", "discarded")

    @router.get("/reels/{reel_id}")
    async def reel(request: Request, reel_id: UUID, visitor: Staff) -> Response:
        """The clips in order, to be watched together: from the edit list, before anything is rendered."""
        found = await visitor.get("curation", f"/reels/{reel_id}")
        family, clips = await asyncio.gather(
            family_of(visitor, UUID(found["family_id"])),
            asyncio.gather(*(visitor.find("curation", f"/clips/{edit['clip_id']}") for edit in found["edits"])),
        )
        return page(
            request,
            "reel.jinja",
            visitor=visitor,
            reel=found,
            family=family,
            clips={clip["clip_id"]: clip for clip in clips if clip},
            job=None if found["state"] == "ready" else await visitor.find("transcoding", f"/reels/{reel_id}/job"),
        )

    return router
