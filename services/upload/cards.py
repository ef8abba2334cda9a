"""HTTP in: the cameras' cards, until somebody has confirmed that they are wiped; also after the film was erased."""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field, StringConstraints

from services.upload import operations
from services.upload.model import Upload, has_come
from services.upload.operations import Unknown
from services.upload.problems import CardNotYet, ConsentRefused, told
from services.upload.receiving import Intake
from services.upload.tables import cards
from shared import telemetry
from shared.care_team import care_team_of, families_of
from shared.database import EpisodeEnded, NoOpenErasure, erasure_work, unit_of_work
from shared.http import Caller, Invalid, NotAllowed, NotFound, Router, authorise, documented
from shared.identity import Action, Identity, Relation, relation_to


class CardView(BaseModel):
    """A film that may still be on a camera's card."""

    recording_id: UUID
    family_id: UUID | None = Field(description="None for who filmed it and is not in the family's care team any more")
    filmed_on: date
    erased: bool = Field(description="Whether this is all that is left of the film here")


class CardsView(BaseModel):
    cards: list[CardView]


class CardWiped(BaseModel):
    # an inventory label, such as "SIM 2 of camcorder 4"; control characters are nobody's label, and NUL no database's
    device_label: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
    ]
    wiped_on: date


def routes(intake: Intake) -> Router:
    router = Router(prefix="/v1")

    @router.get("/cards")
    async def not_wiped(
        caller: Caller, family_id: Annotated[UUID | None, Query(description="Only this family's")] = None
    ) -> CardsView:
        """Cards not confirmed as wiped: a family's, or without `family_id` one's own and those of one's families."""
        async with intake.database.sessions() as session:
            if family_id is None:
                authorise(caller, Action.CONFIRM_CARD_WIPED, Relation.CARE_TEAM)
                families = await families_of(session, caller.person_id)
                found = await operations.cards_of(session, families, caller.person_id)
            else:
                team = await care_team_of(session, family_id)
                authorise(caller, Action.READ_RECORDING, relation_to(caller, family_id, team.members))
                families = {family_id}
                found = await operations.cards_of(session, families)
        return CardsView(
            cards=[
                CardView(
                    recording_id=one.recording_id,
                    family_id=one.family_id if one.family_id in families else None,
                    filmed_on=one.filmed_on,
                    erased=one.erased,
                )
                for one in found
            ]
        )

    @router.post(
        "/recordings/{recording_id}/card-wiped",
        responses=documented(NotFound, CardNotYet, ConsentRefused, Invalid),
    )
    async def card_wiped(recording_id: UUID, said: CardWiped, caller: Caller) -> CardWiped:
        """Confirm that the camera's card no longer holds the film. The first confirmation stands."""
        telemetry.note(recording=recording_id)
        async with intake.database.sessions() as session:
            upload = await session.get(Upload, recording_id)
            kept = (await session.execute(cards.select().where(cards.c.recording_id == recording_id))).one_or_none()
            if upload:
                family_id, filmed_by, filmed_on = upload.family_id, upload.uploaded_by, upload.filmed_on
            elif kept:
                family_id, filmed_by, filmed_on = kept.family_id, kept.filmed_by, kept.filmed_on
            else:
                authorise(caller, Action.CONFIRM_CARD_WIPED, Relation.CARE_TEAM)
                raise NotFound
            team = await care_team_of(session, family_id)
        _may_confirm(caller, filmed_by, relation_to(caller, family_id, team.members))
        if said.wiped_on < filmed_on or not has_come(said.wiped_on, datetime.now(UTC)):
            problem = "a day from that of the film to today is wanted"
            raise Invalid(errors=[{"at": "body.wiped_on", "problem": problem}])
        if upload:
            with told():
                confirmed = await _confirmed(intake, upload, said)
            if confirmed:
                return confirmed
        with told():
            async with unit_of_work(intake.database, family_id, family_id=family_id) as uow:
                await operations.kept_card_wiped(uow, recording_id, said.wiped_on)
        return said

    return router


def _may_confirm(caller: Identity, filmed_by: UUID, relation: Relation) -> None:
    """Who filmed has the card, in the care team or not. Raises NotAllowed, NotFound."""
    try:
        authorise(
            caller,
            Action.CONFIRM_CARD_WIPED,
            Relation.CARE_TEAM if caller.subject == str(filmed_by) else relation,
        )
    except NotAllowed as denied:
        if relation is Relation.NONE:  # strangers do not learn that there is such a film
            raise NotFound from denied
        raise


async def _confirmed(intake: Intake, upload: Upload, said: CardWiped) -> CardWiped | None:
    """Of a film that is here, or is just being erased; none: it has gone meanwhile. Raises NotReceived."""
    for door in (unit_of_work, erasure_work):
        try:
            async with door(intake.database, upload.episode_id) as uow:
                found = await operations.card_wiped(uow, upload.id, said.device_label, said.wiped_on)
                assert found.device_label and found.card_wiped_on
                return CardWiped(device_label=found.device_label, wiped_on=found.card_wiped_on)
        except EpisodeEnded:
            continue
        except (Unknown, NoOpenErasure):
            break
    return None
