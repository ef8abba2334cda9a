"""The rights conversation, consent records and evidence over HTTP."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, Field, StringConstraints

from services.consent.records import operations
from services.consent.records.evidence import BEGINNINGS, EvidenceTooLarge, NotWhatItSays, read_evidence, store_evidence
from services.consent.records.model import SENTENCES, Authority, Method
from services.consent.records.operations import NewRecord, NotAcceptable, Recorded, give_consent, latest_day
from services.consent.records.rights import POINTS, Whose, not_talked_through
from services.consent.resources import Held, allow
from shared import media_store
from shared.contracts import Code
from shared.database import unit_of_work
from shared.http import (
    Caller,
    Invalid,
    NotFound,
    Router,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
    documented,
)
from shared.identity import Action

router = Router(prefix="/v1")

Short = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]*$")
]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")
]


class PointShown(BaseModel):
    point: str
    version: int
    text: str
    whose: Whose


class PointsShown(BaseModel):
    points: list[PointShown]


class PointTalkedThrough(BaseModel):
    point: Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
    version: Annotated[int, Field(ge=1, le=10_000)]


class NewConversation(BaseModel):
    held_on: date
    points: Annotated[list[PointTalkedThrough], Field(max_length=100)]
    language: Language
    format: Short
    interpreter: bool


class ConversationRecorded(BaseModel):
    conversation_id: UUID


class EvidenceStored(BaseModel):
    evidence_id: UUID


class NewConsentRecord(BaseModel):
    person_id: UUID = Field(description="The person filmed")
    given_by: UUID = Field(description="Who agreed: the person themselves, or another person of the family")
    authority: Authority
    disputed: bool = False
    purposes: Annotated[list[Code], Field(min_length=1, max_length=20)]
    method: Method
    evidence_id: UUID | None = None
    witness: Name | None = None
    notice_version: Short
    language: Language
    format: Short
    interpreter: bool
    valid_until: date | None = None
    given_on: date


class ConsentRecorded(BaseModel):
    consent_record_id: UUID
    episode_id: UUID


@router.get("/rights-points")
async def rights_points(caller: Caller) -> PointsShown:
    """What is talked through with every family before the first film; whoever has signed in may read it."""
    return PointsShown(
        points=[PointShown(point=p.point, version=p.version, text=p.text, whose=p.whose) for p in POINTS]
    )


@router.post("/families/{family_id}/rights-conversations", status_code=201, responses=documented(NotFound))
async def record_rights_conversation(
    family_id: UUID, new: NewConversation, caller: Caller, held: Held
) -> ConversationRecorded:
    """Record that every point was talked through, in its present version."""
    await allow(held, caller, Action.RIGHTS_CONVERSATION, family_id)
    if new.held_on > await latest_day(held.database):
        raise Invalid(errors=[{"at": "body.held_on", "problem": "A conversation cannot be held on a day to come"}])
    if missing := not_talked_through((one.point, one.version) for one in new.points):
        names = ", ".join(point.point for point in missing)
        raise Invalid(
            "Talk through every point in its present version, and record them all.",
            errors=[{"at": "body.points", "problem": f"Not talked through: {names}"}],
        )
    async with unit_of_work(held.database, family_id) as uow:
        conversation_id = await operations.record_rights_conversation(
            uow,
            held_on=new.held_on,
            points=[{"point": one.point, "version": one.version} for one in new.points],
            language=new.language,
            format=new.format,
            interpreter=new.interpreter,
            recorded_by=caller.person_id,
        )
    return ConversationRecorded(conversation_id=conversation_id)


_EVIDENCE_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in BEGINNINGS},
    }
}


@router.post(
    "/families/{family_id}/evidence",
    status_code=201,
    responses=documented(NotFound, TooLarge, UnsupportedMedia, Unavailable),
    openapi_extra=_EVIDENCE_BODY,
)
async def keep_evidence(family_id: UUID, request: Request, caller: Caller, held: Held) -> EvidenceStored:
    """Seal a signed form into the store; name it in the consent record afterwards."""
    await allow(held, caller, Action.RECORD_CONSENT, family_id)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in BEGINNINGS:
        raise UnsupportedMedia("Send the form as a PDF, a JPEG or a PNG.")
    try:
        evidence_id = await store_evidence(
            held.database,
            held.store,
            held.buckets.evidence,
            held.master,
            held.horizon.permit_seconds,
            family_id=family_id,
            media_type=media_type,
            body=request.stream(),
            recorded_by=caller.person_id,
        )
    except EvidenceTooLarge:
        raise TooLarge("Send a smaller scan: at most 32 MiB.") from None
    except NotWhatItSays:
        raise UnsupportedMedia("The file is not of the kind it is sent as; send a PDF, a JPEG or a PNG.") from None
    except media_store.Unavailable:
        raise Unavailable("The form could not be stored now. Keep it and try again in a moment.") from None
    return EvidenceStored(evidence_id=evidence_id)


@router.post("/families/{family_id}/consent-records", status_code=201, responses=documented(NotFound))
async def record_consent(family_id: UUID, new: NewConsentRecord, caller: Caller, held: Held) -> ConsentRecorded:
    """Record what was agreed for one person. The family's first record opens its consent episode."""
    await allow(held, caller, Action.RECORD_CONSENT, family_id)
    record = NewRecord(**{**new.model_dump(), "purposes": tuple(new.purposes)})
    try:
        given = await give_consent(held.database, held.master, held.settings, family_id, record, caller.person_id)
    except NotAcceptable as wrong:
        raise Invalid(
            SENTENCES[wrong.reasons[0]],
            errors=[{"at": "body", "code": one, "problem": SENTENCES[one]} for one in wrong.reasons],
        ) from None
    return ConsentRecorded(consent_record_id=given.record_id, episode_id=given.episode_id)


class ConsentRecordsShown(BaseModel):
    consent_records: list[Recorded]


@router.get("/families/{family_id}/consent-records", responses=documented(NotFound))
async def consent_records(family_id: UUID, caller: Caller, held: Held) -> ConsentRecordsShown:
    """Everything that was ever agreed, version by version."""
    await allow(held, caller, Action.READ_CONSENT, family_id)
    async with held.database.sessions() as session:
        return ConsentRecordsShown(consent_records=await operations.records_of(session, family_id))


class EvidenceFile(Response):
    media_type = "application/octet-stream"


@router.get(
    "/families/{family_id}/evidence/{evidence_id}",
    responses=documented(NotFound, Unavailable),
    response_class=EvidenceFile,
)
async def show_evidence(family_id: UUID, evidence_id: UUID, caller: Caller, held: Held) -> EvidenceFile:
    """The signed form, as it was stored; to be downloaded, never shown in a page of ours."""
    await allow(held, caller, Action.READ_CONSENT, family_id)
    try:
        file = await read_evidence(
            held.database,
            held.store,
            held.buckets.evidence,
            held.master,
            held.horizon.permit_seconds,
            family_id=family_id,
            evidence_id=evidence_id,
        )
    except media_store.Unavailable:
        raise Unavailable("The form cannot be read now. Nothing is lost; try again in a moment.") from None
    if file is None:
        raise NotFound
    return EvidenceFile(file, headers={"Content-Disposition": "attachment"})
