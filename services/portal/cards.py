"""A camera's card, until it is confirmed as wiped: also where its film is erased, or is not theirs to see any more."""

from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from services.portal.pages import day_of, form_of, page, seen_after, text, wanting
from services.portal.sign_in import Staff
from services.portal.visitor import Refusal, Visitor, not_there
from shared.http import Router


async def confirm(request: Request, visitor: Visitor, recording_id: UUID) -> None:
    """What the form says of the card. Raises Refusal, of the form."""
    form = await form_of(request)
    try:
        wiped_on, errors = day_of(form, "wiped_on"), {}
        if not text(form, "device_label"):
            errors["device_label"] = "Enter what is written on the camera or the card"
        if not wiped_on:
            errors["wiped_on-day"] = "Enter the day on which the card was wiped, with day, month and year"
        wanting(errors)
        said = {"device_label": text(form, "device_label"), "wiped_on": wiped_on}
        await visitor.post("upload", f"/recordings/{recording_id}/card-wiped", said)
    except Refusal as refusal:
        raise refusal.of(form) from refusal


def routes() -> Router:
    router = Router(anonymous=True)

    @router.get("/cards/{recording_id}")
    async def show(request: Request, recording_id: UUID, visitor: Staff) -> Response:
        return await _show(request, recording_id, visitor)

    @router.post("/cards/{recording_id}")
    async def wiped(request: Request, recording_id: UUID, visitor: Staff) -> Response:
        try:
            await confirm(request, visitor, recording_id)
        except Refusal as refusal:
            return await _show(request, recording_id, visitor, refusal)
        return seen_after(request, "/", "card")

    async def _show(request: Request, recording_id: UUID, visitor: Visitor, refusal: Refusal | None = None) -> Response:
        cards = (await visitor.get("upload", "/cards"))["cards"]
        card = next((one for one in cards if one["recording_id"] == str(recording_id)), None)
        if card is None:
            raise not_there()
        return page(request, "card.jinja", visitor=visitor, card=card, refusal=refusal)

    return router
