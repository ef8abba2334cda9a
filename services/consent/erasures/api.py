"""Erasures and certificates over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from services.consent.erasures import operations
from services.consent.erasures.model import Erasure, ErasureState
from services.consent.permits.register import made_from
from services.consent.resources import Held, Resources, allow
from shared.contracts import PARTICIPANTS
from shared.http import Caller, NotFound, Router, authorise, documented
from shared.identity import Action

router = Router(prefix="/v1")
public = Router(prefix="/v1", anonymous=True)

Participant = Annotated[str, Query(pattern=f"^({'|'.join(PARTICIPANTS)})$")]


class ErasureListed(BaseModel):
    erasure_id: UUID
    episode_id: UUID
    family_id: UUID
    round: int
    recording_id: UUID | None


class ErasuresListed(BaseModel):
    erasures: list[ErasureListed]


class AcknowledgementShown(BaseModel):
    participant: str
    round: int
    objects: int
    bytes: int
    rows: int
    jobs_cancelled: int
    cards_not_wiped: int
    acknowledged_at: datetime


class ErasureShown(BaseModel):
    erasure_id: UUID
    episode_id: UUID
    family_id: UUID
    recording_id: UUID | None
    state: ErasureState
    round: int
    opened_at: datetime
    drained_at: datetime | None = Field(description="When nothing that was permitted can land any more")
    supersedes: UUID | None
    acknowledgements: list[AcknowledgementShown]
    waiting_for: list[str]


class ArtefactIds(BaseModel):
    artefacts: list[UUID]


@router.get("/erasures")
async def waiting(waiting_for: Participant, caller: Caller, held: Held) -> ErasuresListed:
    """The erasures that wait for this participant."""
    authorise(caller, Action.READ_OPEN_ERASURES)
    async with held.database.sessions() as session:
        found = await operations.waiting_for(session, waiting_for)
    return ErasuresListed(
        erasures=[
            ErasureListed(
                erasure_id=one.id,
                episode_id=one.episode_id,
                family_id=one.family_id,
                round=one.round,
                recording_id=one.recording_id,
            )
            for one in found
        ]
    )


@router.get("/erasures/{erasure_id}", responses=documented(NotFound))
async def show(erasure_id: UUID, caller: Caller, held: Held) -> ErasureShown:
    """How far an erasure is, and whose turn it is."""
    erasure = await _found(held, erasure_id)
    await allow(held, caller, Action.READ_ERASURE, erasure.family_id if erasure else None)
    if erasure is None:
        raise NotFound
    async with held.database.sessions() as session:
        acknowledged = await operations.acknowledgements_of(session, erasure_id)
    return ErasureShown(
        erasure_id=erasure.id,
        episode_id=erasure.episode_id,
        family_id=erasure.family_id,
        recording_id=erasure.recording_id,
        state=erasure.state,
        round=erasure.round,
        opened_at=erasure.opened_at,
        drained_at=erasure.fenced_at + erasure.horizon if erasure.fenced_at else None,
        supersedes=erasure.supersedes,
        acknowledgements=[AcknowledgementShown(**vars(one)) for one in acknowledged],
        waiting_for=list(erasure.waiting_for([one.participant for one in acknowledged if one.round == erasure.round])),
    )


@router.get("/erasures/{erasure_id}/artefacts", responses=documented(NotFound))
async def artefacts(erasure_id: UUID, caller: Caller, held: Held) -> ArtefactIds:
    """Of the erasure of one recording, everything registered that can hold bytes of it."""
    authorise(caller, Action.READ_OPEN_ERASURES)
    erasure = await _found(held, erasure_id)
    if erasure is None or erasure.recording_id is None:
        raise NotFound
    async with held.database.sessions() as session:
        return ArtefactIds(artefacts=await made_from(session, erasure.episode_id, erasure.recording_id))


class SignedFile(JSONResponse):
    """JSON already written down: not a byte of it may change."""

    def render(self, content: bytes) -> bytes:
        return content


@router.get("/erasures/{erasure_id}/certificate", responses=documented(NotFound), response_class=SignedFile)
async def certificate(erasure_id: UUID, caller: Caller, held: Held) -> SignedFile:
    """The signed file, as it was issued; keep it as it is, for every byte is signed."""
    erasure = await _found(held, erasure_id)
    await allow(held, caller, Action.READ_CERTIFICATE, erasure.family_id if erasure else None)
    async with held.database.sessions() as session:
        file = await operations.certificate_of(session, erasure_id)
    if file is None:
        raise NotFound("There is no certificate yet; see how far the erasure is.")
    return SignedFile(file)


class PublicKey(Response):
    media_type = "application/x-pem-file"


@public.get("/certificate-key", response_class=PublicKey)
async def certificate_key(held: Held) -> PublicKey:
    """With which anybody can check a certificate; compare its fingerprint by another way."""
    return PublicKey(held.signer.public_pem)


async def _found(held: Resources, erasure_id: UUID) -> Erasure | None:
    async with held.database.sessions() as session:
        return await session.get(Erasure, erasure_id)
