"""Withdrawing, reinstating, holding and discarding over HTTP."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field, StringConstraints, model_validator

from services.consent.episodes import operations
from services.consent.episodes.model import Cause, ConsentEpisode, EpisodeState, HoldKind, Reinstatement, Route
from services.consent.episodes.operations import (
    AlreadyDiscarded,
    Hold,
    HoldStands,
    NotSuspended,
    NotTheirsToTakeBack,
    Withdrawal,
)
from services.consent.erasures.model import ErasureState
from services.consent.families.operations import people_of
from services.consent.permits.register import episode_of_recording
from services.consent.records.operations import narrow
from services.consent.resources import Held, Resources, allow
from shared.contracts import Code
from shared.database import EpisodeEnded, unit_of_work
from shared.http import Caller, Conflict, Invalid, NotFound, Router, documented
from shared.identity import Action, Role

router = Router(prefix="/v1")

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]


class OnePurpose(BaseModel):
    purpose: Code
    person_id: UUID | None = Field(None, description="Of whom; without it, of everybody")


class NewWithdrawal(BaseModel):
    by: UUID = Field(description="Who decided it; of a family's own request, always the one who asks")
    route: Route
    confirmed_by_family: bool = Field(description="Whether the family itself said so, and not staff on its behalf")
    scope: Literal["all"] | OnePurpose = "all"


class NewReinstatement(BaseModel):
    """Who took the withdrawal back, and how they said so; or, where nobody of the family did, why staff undo it."""

    asked_by: UUID | None = Field(None, description="Of a family's own request, always the one who asks")
    route: Route | None = None
    reason: Text | None = None

    @model_validator(mode="after")
    def says_how_or_why(self) -> Self:
        if (self.asked_by is None) != (self.route is None):
            raise ValueError("say who of the family asked for it and how they said so")
        return self


class EpisodeNow(BaseModel):
    state: EpisodeState
    erasure_id: UUID | None = None


class SuspensionShown(BaseModel):
    cause: Cause
    suspended_at: datetime
    end_due_at: datetime


class ErasureShown(BaseModel):
    erasure_id: UUID
    recording_id: UUID | None
    state: ErasureState
    opened_at: datetime


class EpisodeShown(BaseModel):
    episode_id: UUID
    family_id: UUID
    state: EpisodeState
    opened_at: datetime
    ended_at: datetime | None
    suspensions: list[SuspensionShown]
    holds: list[Hold] = Field(
        description="Never shown to the family: a hold may be there to protect somebody from them"
    )
    erasures: list[ErasureShown]


class NewHold(BaseModel):
    kind: HoldKind
    reason: Text
    review_on: date


class HoldPlaced(BaseModel):
    hold_id: UUID


class NewDiscard(BaseModel):
    reason_code: Code = Field(description="A word of this organisation's list")


class Discarded(BaseModel):
    erasure_id: UUID


class Over(Conflict):
    code, title = "ended", "Consent has ended"
    detail = "Nothing can be changed any more; see the erasure and its certificate."


class NotTakenBack(Conflict):
    code, title = "not-taken-back", "Who withdrew has not taken it back"
    detail = (
        "The family's withdrawal stands, whatever else keeps it from being finished. It can be taken back only by the "
        "person who withdrew: on the family's page, or by telling you; then say who asked and how they said so."
    )
    to_the_family = (
        "Somebody else of your family withdrew, and only they can take it back. Talk to your practitioner or call "
        "the team."
    )


class NotNow(Conflict):
    """A hold stands; to the family that is not said: it may be there to protect somebody from them."""

    code, title = "not-now", "This film cannot be erased now"
    detail = (
        "A hold stands on this family's consent, so nothing of theirs may be erased. Their page says of what kind it "
        "is and when it is to be looked at again. Tell the family that nothing is erased yet."
    )
    to_the_family = (
        "It stays locked as it is. Talk to your practitioner or call the team. You can also withdraw your consent: "
        "from that moment on nobody can watch any of your films."
    )


@router.get("/episodes/{episode_id}", responses=documented(NotFound))
async def show(episode_id: UUID, caller: Caller, held: Held) -> EpisodeShown:
    """The episode's state, what suspends it, what holds it, and its erasures."""
    family_id = await _family(held, episode_id)
    await allow(held, caller, Action.READ_FAMILY, family_id)
    async with held.database.sessions() as session:
        episode = await session.get(ConsentEpisode, episode_id)
        if episode is None:
            raise NotFound
        holds = [] if caller.role is Role.FAMILY else await operations.standing_holds(session, episode_id)
        return EpisodeShown(
            episode_id=episode.id,
            family_id=episode.family_id,
            state=episode.state,
            opened_at=episode.opened_at,
            ended_at=episode.ended_at,
            suspensions=[
                SuspensionShown(cause=one.cause, suspended_at=one.suspended_at, end_due_at=one.end_due_at)
                for one in await operations.standing_suspensions(session, episode_id)
            ],
            holds=holds,
            erasures=[
                ErasureShown(erasure_id=one.id, recording_id=one.recording_id, state=one.state, opened_at=one.opened_at)
                for one in await operations.erasures_of(session, episode_id)
            ],
        )


@router.post("/episodes/{episode_id}/withdrawals", status_code=202, responses=documented(NotFound))
async def withdraw(episode_id: UUID, new: NewWithdrawal, caller: Caller, held: Held) -> EpisodeNow:
    """Withdraw all consent, or that to one purpose. Everything it allowed is refused from this moment on."""
    family_id = await _family(held, episode_id)
    await allow(held, caller, Action.WITHDRAW, family_id)
    by_the_family = caller.role is Role.FAMILY
    decided_by = caller.person_id if by_the_family else new.by
    if not by_the_family and family_id and not await _speaks_for(held, family_id, new.by):
        raise Invalid(errors=[{"at": "body.by", "problem": "Name a parent or another adult of this family"}])
    try:
        async with unit_of_work(held.database, episode_id) as uow:
            if isinstance(new.scope, OnePurpose):
                narrowed = await narrow(
                    uow,
                    new.scope.purpose,
                    new.scope.person_id,
                    decided_by=decided_by,
                    route=new.route,
                    recorded_by=caller.person_id,
                )
                if not narrowed and new.scope.purpose not in held.settings.purposes:  # mistyped, it withdraws nothing
                    raise Invalid(errors=[{"at": "body.scope.purpose", "problem": "There is no such purpose"}])
            else:
                confirmed = new.confirmed_by_family or by_the_family
                withdrawal = Withdrawal(decided_by, new.route, confirmed, caller.person_id)
                await operations.withdraw(uow, withdrawal, held.settings, held.horizon)
    except EpisodeEnded:
        pass  # said once more: it has ended, and the answer says so
    return await _now(held, episode_id)


@router.post("/episodes/{episode_id}/reinstatements", responses=documented(NotFound, Conflict, NotTakenBack, Over))
async def reinstate(episode_id: UUID, new: NewReinstatement, caller: Caller, held: Held) -> EpisodeNow:
    """Undo a suspension, while the episode has not ended. A withdrawal is taken back by who withdrew, or a mistake."""
    family_id = await _family(held, episode_id)
    await allow(held, caller, Action.REINSTATE, family_id)
    asked_by, route = new.asked_by, new.route
    if caller.role is Role.FAMILY:
        asked_by, route = caller.person_id, Route.PAGE
    elif asked_by is None and new.reason is None:
        raise Invalid(errors=[{"at": "body.reason", "problem": "Say why, or who of the family asked for it"}])
    try:
        async with unit_of_work(held.database, episode_id) as uow:
            await operations.reinstate(uow, Reinstatement(asked_by, route, new.reason, caller.person_id))
    except NotTheirsToTakeBack:
        raise NotTakenBack(NotTakenBack.to_the_family if caller.role is Role.FAMILY else None) from None
    except NotSuspended:
        raise Conflict("Consent is not suspended; look at its present state.") from None
    except EpisodeEnded:
        raise Over from None
    return await _now(held, episode_id)


@router.post("/episodes/{episode_id}/holds", status_code=201, responses=documented(NotFound, Over))
async def place_hold(episode_id: UUID, new: NewHold, caller: Caller, held: Held) -> HoldPlaced:
    """Say why this episode must not end yet."""
    await allow(held, caller, Action.HOLD, await _family(held, episode_id))
    try:
        async with unit_of_work(held.database, episode_id) as uow:
            hold_id = await operations.place_hold(uow, new.kind, new.reason, new.review_on, caller.person_id)
    except EpisodeEnded:
        raise Over from None
    return HoldPlaced(hold_id=hold_id)


@router.delete("/episodes/{episode_id}/holds/{hold_id}", status_code=204, responses=documented(NotFound, Over))
async def lift_hold(episode_id: UUID, hold_id: UUID, caller: Caller, held: Held) -> Response:
    """The reason is no more; what waited for it ends now."""
    await allow(held, caller, Action.HOLD, await _family(held, episode_id))
    try:
        async with unit_of_work(held.database, episode_id) as uow:
            if not await operations.lift_hold(uow, hold_id, caller.person_id, held.horizon):
                raise NotFound
    except EpisodeEnded:
        raise Over from None
    return Response(status_code=204)


@router.post(
    "/recordings/{recording_id}/discards", status_code=202, responses=documented(NotFound, Conflict, Over, NotNow)
)
async def discard(recording_id: UUID, new: NewDiscard, caller: Caller, held: Held) -> Discarded:
    """Discard one recording and everything made from it, for good."""
    async with held.database.sessions() as session:
        found = await episode_of_recording(session, recording_id)
    episode_id, family_id = found or (None, None)
    await allow(held, caller, Action.DISCARD_RECORDING, family_id)
    if episode_id is None:
        raise NotFound
    if new.reason_code not in held.settings.discard_reasons:  # it is told to everybody, so it must be nobody's words
        words = ", ".join(held.settings.discard_reasons)
        raise Invalid(errors=[{"at": "body.reason_code", "problem": f"One of these is wanted: {words}"}])
    try:
        async with unit_of_work(held.database, episode_id) as uow:
            erasure_id = await operations.discard(uow, recording_id, new.reason_code, caller.person_id, held.horizon)
    except HoldStands:
        raise NotNow(NotNow.to_the_family if caller.role is Role.FAMILY else None) from None
    except AlreadyDiscarded:
        raise Conflict("It was discarded before; there is nothing more to do.") from None
    except EpisodeEnded:
        raise Over from None
    return Discarded(erasure_id=erasure_id)


async def _family(held: Resources, episode_id: UUID) -> UUID | None:
    async with held.database.sessions() as session:
        return await operations.family_of(session, episode_id)


async def _speaks_for(held: Resources, family_id: UUID, person_id: UUID) -> bool:
    async with held.database.sessions() as session:
        return any(one.id == person_id and one.speaks for one in await people_of(session, family_id))


async def _now(held: Resources, episode_id: UUID) -> EpisodeNow:
    async with held.database.sessions() as session:
        episode = await session.get(ConsentEpisode, episode_id)
        if episode is None:
            raise NotFound
        of_all = (one.id for one in await operations.erasures_of(session, episode_id) if one.recording_id is None)
        return EpisodeNow(state=episode.state, erasure_id=next(of_all, None))
