"""How a browser gets to the films itself, since no byte of them passes the portal: by cookies for a few minutes.

Each is for one address, and no script reads it. The player's names one artefact and is made by the playback gateway.
"""

from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from services.portal.pages import site_of
from services.portal.sign_in import Staff
from shared.http import Router

UPLOAD_SECONDS = 15 * 60


def routes() -> Router:
    router = Router(anonymous=True)

    @router.post("/media/{artefact_id}/session", status_code=204)
    async def to_playback(artefact_id: UUID, visitor: Staff) -> Response:
        """Hand on the cookie by which the player may ask for this artefact."""
        begun = await visitor.call("curation", "POST", f"/media/{artefact_id}/session")
        response = Response(status_code=204)
        for cookie in begun.headers.get_list("set-cookie"):
            response.headers.append("Set-Cookie", cookie)
        return response

    @router.post("/upload-session", status_code=204)
    async def to_upload(request: Request, visitor: Staff) -> Response:
        """Set the cookie by which the uploader may send films; the page asks again while it is at it."""
        site = site_of(request)
        response = Response(status_code=204)
        response.set_cookie(
            site.cookie("upload"),
            visitor.token,
            max_age=UPLOAD_SECONDS,
            path=f"{urlsplit(site.public.upload_url).path.rstrip('/')}/v1/uploads",
            secure=site.secure,
            httponly=True,
            samesite="strict",
        )
        return response

    return router
