"""HTTP in: what became of the films."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.upload import operations
from services.upload.model import Kind, Rejection, State, Upload
from services.upload.problems import REJECTIONS, WIPE, told
from services.upload.receiving import Intake
from services.upload.tables import uploads
from shared import telemetry
from shared.care_team import care_team_of, care_teams, families_of
from shared.containers import Container
from shared.http import Caller, NotAllowed, NotFound, Router, authorise, documented
from shared.identity import Action, Identity, Relation, relation_to
from shared.jobs import jobs

LISTED = 200


class CardView(BaseModel):
    """How and when the camera's card was wiped."""

    device_label: str
    wiped_on: date


class RecordingView(BaseModel):
    recording_id: UUID
    family_id: UUID
    episode_id: UUID
    kind: Kind
    filmed_on: date
    filmed_by: UUID
    people: list[UUID]
    state: State
    code: Rejection | None = Field(description="Why there is no recording")
    to_do: str | None = Field(description="What the practitioner should do next, as a sentence")
    bytes: int
    bytes_received: int
    bytes_verified: int
    container: Container | None
    sha256: str | None = Field(description="Of the whole film, in hexadecimal, once it is verified")
    created_at: datetime
    expires_at: datetime | None = Field(description="Until when the next bytes are waited for")
    card_wiped: CardView | None


class RecordingsView(BaseModel):
    recordings: list[RecordingView]


def routes(intake: Intake) -> Router:
    router = Router(prefix="/v1/recordings")

    @router.get("")
    async def recordings(
        caller: Caller, family_id: Annotated[UUID | None, Query(description="Only this family's")] = None
    ) -> RecordingsView:
        """A family's films, or without `family_id` one's own of one's families; first those whose card is not wiped."""
        async with intake.database.sessions() as session:
            if family_id is None:
                authorise(caller, Action.UPLOAD, Relation.CARE_TEAM)
                known = select(care_teams.c.family_id)
                theirs = uploads.c.family_id.in_(await families_of(session, caller.person_id))
                unheard = uploads.c.family_id.not_in(known)
                whose: ColumnElement[bool] = (uploads.c.uploaded_by == caller.person_id) & (theirs | unheard)
            else:
                team = await care_team_of(session, family_id)
                authorise(caller, Action.READ_RECORDING, relation_to(caller, family_id, team.members))
                whose = uploads.c.family_id == family_id
            unconfirmed = (uploads.c.state == State.RECEIVED) & uploads.c.card_wiped_on.is_(None)
            order = unconfirmed.desc(), uploads.c.created_at.desc()
            found = (await session.scalars(select(Upload).where(whose).order_by(*order).limit(LISTED))).all()
            verified = await _verified(session, [upload.id for upload in found])
        return RecordingsView(recordings=[_view(upload, verified.get(upload.id, 0)) for upload in found])

    @router.get("/{recording_id}", responses=documented(NotFound))
    async def recording(recording_id: UUID, caller: Caller) -> RecordingView:
        """How far a film is, and what to do next."""
        telemetry.note(recording=recording_id)
        async with intake.database.sessions() as session:
            upload = await _allowed(session, recording_id, caller, Action.READ_RECORDING)
            verified = await _verified(session, [recording_id])
        return _view(upload, verified.get(recording_id, 0))

    return router


async def _allowed(session: AsyncSession, recording_id: UUID, caller: Identity, action: Action) -> Upload:
    """The film, if the caller is near enough to its family. Raises NotAllowed, NotFound."""
    with told():
        upload = await operations.find(session, recording_id)
    team = await care_team_of(session, upload.family_id)
    relation = relation_to(caller, upload.family_id, team.members)
    if caller.subject == str(upload.uploaded_by) and not team.version:
        relation = Relation.CARE_TEAM  # the team has not been heard of yet, and consent let them upload
    try:
        authorise(caller, action, relation)
    except NotAllowed as denied:
        if relation is Relation.NONE:  # strangers do not learn that there is such a film
            raise NotFound from denied
        raise
    return upload


async def _verified(session: AsyncSession, ids: list[UUID]) -> dict[UUID, int]:
    """How many bytes of the sealed copies have been read back so far."""
    done = func.max(jobs.c.progress["bytes"].as_integer()).label("done")
    by = jobs.c.kind.in_((operations.FOLLOW, operations.VERIFY))
    progress = select(jobs.c.subject_id, done).where(by, jobs.c.subject_id.in_(ids)).group_by(jobs.c.subject_id)
    return {row.subject_id: row.done or 0 for row in await session.execute(progress)}


def _view(upload: Upload, verified: int) -> RecordingView:
    to_do = REJECTIONS[upload.code] if upload.code else None
    if upload.state is State.RECEIVED and upload.card_wiped_on is None:
        to_do = WIPE
    return RecordingView(
        recording_id=upload.id,
        family_id=upload.family_id,
        episode_id=upload.episode_id,
        kind=upload.kind,
        filmed_on=upload.filmed_on,
        filmed_by=upload.uploaded_by,
        people=upload.people,
        state=upload.state,
        code=upload.code,
        to_do=to_do,
        bytes=upload.length,
        bytes_received=upload.offset,
        bytes_verified=upload.length if upload.state is State.RECEIVED else verified,
        container=upload.container,
        sha256=upload.sha256.hex() if upload.sha256 else None,
        created_at=upload.created_at,
        expires_at=upload.expires_at if upload.state is State.RECEIVING else None,
        card_wiped=CardView(device_label=upload.device_label, wiped_on=upload.card_wiped_on)
        if upload.device_label and upload.card_wiped_on
        else None,
    )
