"""Permits over HTTP, for services alone; and the register, for people."""

import base64
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from services.consent.permits import operations
from services.consent.permits.model import SENTENCES, Kind, NewArtefact, Question, Refused
from services.consent.permits.operations import Answered
from services.consent.permits.register import registered_of
from services.consent.resources import Held, allow
from shared.contracts import Code
from shared.http import Caller, Invalid, NotAllowed, NotFound, Router, authorise, documented
from shared.identity import Action
from shared.telemetry import metrics

router = Router(prefix="/v1")

Ids = Annotated[list[UUID], Field(max_length=500)]


class ArtefactToWrite(BaseModel):
    artefact_id: UUID
    episode_id: UUID
    kind: Code
    made_from: Ids = []
    people: Annotated[list[UUID], Field(max_length=30)] = []
    filmed_on: date | None = None
    happy_to_film: bool | None = None


class PermitQuestion(BaseModel):
    purpose: Code
    on_behalf_of: UUID
    read: Ids = []
    write: Annotated[list[ArtefactToWrite], Field(max_length=50)] = []


class ArtefactGranted(BaseModel):
    episode_id: UUID
    key: str = Field(description="32 bytes, base64")
    manifest_id: UUID


class PermitGranted(BaseModel):
    granted_at: AwareDatetime
    seconds: int
    family_id: UUID
    artefacts: dict[UUID, ArtefactGranted]


class PermitRefused(NotAllowed):
    """Its `reason` says why, for programs."""

    code, title = "permit-refused", "The permit is refused"
    detail = "See the reason."


@router.post("/permits", responses=documented(PermitRefused))
async def ask(question: PermitQuestion, caller: Caller, held: Held) -> PermitGranted:
    """May this person, through the service that asks, use these artefacts for this purpose now?"""
    authorise(caller, Action.ASK_PERMIT)
    if not question.read and not question.write:
        raise Invalid("Name at least one artefact to read or to write.")
    if len({one.episode_id for one in question.write}) > 1:
        raise Invalid("Write the artefacts of one consent episode at a time.")
    try:
        answer = await operations.ask(held.database, held.master, _question(question, caller.subject))
    except Exception:
        metrics.PERMITS.add(1, {"outcome": "unavailable"})
        raise
    if isinstance(answer, Refused):
        metrics.PERMITS.add(1, {"outcome": "refused"})
        raise PermitRefused(SENTENCES[answer.reason], reason=answer.reason)
    metrics.PERMITS.add(1, {"outcome": "granted"})
    return PermitGranted(
        granted_at=answer.granted_at,
        seconds=held.horizon.permit_seconds,
        family_id=answer.family_id,
        artefacts={
            id: ArtefactGranted(
                episode_id=one.episode_id, key=base64.b64encode(one.key).decode(), manifest_id=one.manifest_id
            )
            for id, one in answer.artefacts.items()
        },
    )


def _question(asked: PermitQuestion, service: str) -> Question:
    return Question(
        service,
        asked.purpose,
        asked.on_behalf_of,
        read=tuple(asked.read),
        write=tuple(
            NewArtefact(
                one.artefact_id,
                one.episode_id,
                one.kind,
                made_from=tuple(one.made_from),
                people=tuple(one.people),
                filmed_on=one.filmed_on,
                happy_to_film=bool(one.happy_to_film),
            )
            for one in asked.write
        ),
    )


class ArtefactShown(BaseModel):
    artefact_id: UUID
    kind: Kind
    made_from: list[UUID]
    created_at: datetime
    state: str = Field(description="kept, discarded or erased")


class ArtefactsShown(BaseModel):
    artefacts: list[ArtefactShown]


@router.get("/families/{family_id}/artefacts", responses=documented(NotFound))
async def kept(family_id: UUID, caller: Caller, held: Held) -> ArtefactsShown:
    """What there is, or was, of this family's films."""
    await allow(held, caller, Action.READ_FAMILY, family_id)
    async with held.database.sessions() as session:
        registered = await registered_of(session, family_id)
    return ArtefactsShown(
        artefacts=[
            ArtefactShown(
                artefact_id=one.artefact_id,
                kind=one.kind,
                made_from=one.made_from,
                created_at=one.registered_at,
                state=one.state,
            )
            for one in registered
        ]
    )


class AccessLog(BaseModel):
    permits: list[Answered]


@router.get("/families/{family_id}/access-log", responses=documented(NotFound))
async def access_log(
    family_id: UUID, caller: Caller, held: Held, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> AccessLog:
    """Which permits were granted and refused, to whom and for what, the latest first."""
    await allow(held, caller, Action.READ_ACCESS_LOG, family_id)
    async with held.database.sessions() as session:
        return AccessLog(permits=await operations.answered_of(session, family_id, limit))
