"""Families over HTTP. Names come in here and never go anywhere but to the family's own care team and family."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints
from uuid_utils.compat import uuid7

from services.consent.episodes.model import ConsentEpisode, EpisodeState
from services.consent.episodes.operations import episode_of, episodes_of
from services.consent.families import operations
from services.consent.families.model import (
    Member,
    Person,
    PersonRole,
    TeamRole,
    missing_before_filming,
    permitted,
)
from services.consent.records.operations import had_rights_conversation, purposes_of
from services.consent.resources import Held, allow
from shared.database import unit_of_work
from shared.http import Caller, Conflict, NotFound, Router, authorise, documented
from shared.identity import Action, Relation

router = Router(prefix="/v1")

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")
]


class NewPerson(BaseModel):
    role: PersonRole
    name: Name
    born: date | None = None


class TeamMember(BaseModel):
    person_id: UUID
    role: TeamRole


Team = Annotated[list[TeamMember], Field(min_length=1, max_length=50)]
People = Annotated[list[NewPerson], Field(min_length=1, max_length=30)]


class NewFamily(BaseModel):
    people: People
    care_team: Team


class RegisteredPerson(BaseModel):
    person_id: UUID
    role: PersonRole


class RegisteredFamily(BaseModel):
    family_id: UUID
    people: list[RegisteredPerson]


class NewPeople(BaseModel):
    people: People


class RegisteredPeople(BaseModel):
    people: list[RegisteredPerson]


class TeamMoved(Conflict):
    code, title = "care-team-changed", "The care team has been changed meanwhile"
    detail = "Look at it again, and make your change once more."


class NewTeam(BaseModel):
    members: Team
    made_from: Annotated[
        int | None, Field(ge=0, lt=2**31, description="The version that was read; if it is another by now, 409")
    ] = None


class PersonShown(RegisteredPerson):
    name: str
    born: date | None
    purposes: list[str] = Field(description="What they agree to now")


class EpisodeShown(BaseModel):
    episode_id: UUID
    state: EpisodeState
    opened_at: datetime
    ended_at: datetime | None


class MissingShown(BaseModel):
    code: str
    sentence: str
    person_id: UUID | None


class FamilyShown(BaseModel):
    family_id: UUID
    people: list[PersonShown]
    care_team: list[TeamMember]
    care_team_version: int
    episode: EpisodeShown | None
    permitted_purposes: list[str] = Field(description="What everybody in the family agrees to")
    missing_before_filming: list[MissingShown]
    involvement_ended_on: date | None


class FamilyListed(BaseModel):
    family_id: UUID
    episode_id: UUID | None
    state: EpisodeState | None


class FamiliesListed(BaseModel):
    families: list[FamilyListed]


@router.post("/families", status_code=201)
async def register(new: NewFamily, caller: Caller, held: Held) -> RegisteredFamily:
    """Register a family with the people who may be filmed and its care team."""
    authorise(caller, Action.REGISTER_FAMILY)
    family_id, persons = uuid7(), _persons(new.people)
    async with unit_of_work(held.database, family_id, family_id=family_id) as uow:
        await operations.register(uow, persons, _members(new.care_team), caller.person_id)
    return RegisteredFamily(family_id=family_id, people=_registered(persons))


@router.get("/families")
async def list_families(caller: Caller, held: Held) -> FamiliesListed:
    """The families of whose care team the caller is; of a family, itself."""
    async with held.database.sessions() as session:
        if caller.family_id:
            ids = [caller.family_id]
        else:
            authorise(caller, Action.READ_FAMILY, Relation.CARE_TEAM)  # of these alone
            ids = list(await operations.families_of(session, caller.person_id))
        episodes = await episodes_of(session, ids)
    return FamiliesListed(
        families=[
            FamilyListed(
                family_id=family_id,
                episode_id=episodes[family_id].id if family_id in episodes else None,
                state=episodes[family_id].state if family_id in episodes else None,
            )
            for family_id in ids
        ]
    )


@router.get("/families/{family_id}", responses=documented(NotFound))
async def show(family_id: UUID, caller: Caller, held: Held) -> FamilyShown:
    """The people, the care team, the consent episode, what may be done, and what is missing before a film."""
    await allow(held, caller, Action.READ_FAMILY, family_id)
    async with held.database.sessions() as session:
        people = await operations.people_of(session, family_id)
        team = await operations.team_of(session, family_id)
        episode = await episode_of(session, family_id)
        purposes: Mapping[UUID, frozenset[str]] = {}
        if episode and episode.state is not EpisodeState.ENDED:  # what was agreed to ends with it
            purposes = await purposes_of(session, episode.id, [one.id for one in people])
        missing = missing_before_filming(
            people,
            purposes,
            rights_conversation=await had_rights_conversation(session, family_id),
            suspended=episode is not None and episode.state is EpisodeState.SUSPENDED,
        )
        is_open = episode is not None and episode.state is EpisodeState.OPEN
        return FamilyShown(
            family_id=family_id,
            people=[
                PersonShown(
                    person_id=one.id,
                    role=one.role,
                    name=one.name,
                    born=one.born,
                    purposes=sorted(purposes.get(one.id, ())),
                )
                for one in people
            ],
            care_team=[TeamMember(person_id=member.person_id, role=member.role) for member in team],
            care_team_version=await operations.team_version(session, family_id),
            episode=_shown(episode) if episode else None,
            permitted_purposes=sorted(permitted([one.id for one in people], purposes)) if is_open else [],
            missing_before_filming=[
                MissingShown(code=one.code, sentence=one.sentence, person_id=one.person_id) for one in missing
            ],
            involvement_ended_on=await operations.involvement_ended_on(session, family_id),
        )


@router.post("/families/{family_id}/people", status_code=201, responses=documented(NotFound))
async def add_people(family_id: UUID, new: NewPeople, caller: Caller, held: Held) -> RegisteredPeople:
    """Add people who may be filmed, such as a baby who is born."""
    await allow(held, caller, Action.RECORD_CONSENT, family_id)
    persons = _persons(new.people)
    async with unit_of_work(held.database, family_id) as uow:
        await operations.add_people(uow, persons, caller.person_id)
    return RegisteredPeople(people=_registered(persons))


@router.put("/families/{family_id}/care-team", responses=documented(NotFound, TeamMoved))
async def change_care_team(family_id: UUID, team: NewTeam, caller: Caller, held: Held) -> NewTeam:
    """Name the whole care team anew."""
    await allow(held, caller, Action.ADD_CARE_TEAM, family_id)
    try:
        async with unit_of_work(held.database, family_id) as uow:
            await operations.change_care_team(uow, _members(team.members), caller.person_id, team.made_from)
    except operations.TeamChanged:
        raise TeamMoved from None
    return team


class InvolvementEnd(BaseModel):
    ended_on: date


@router.post("/families/{family_id}/involvement-end", responses=documented(NotFound))
async def end_involvement(family_id: UUID, end: InvolvementEnd, caller: Caller, held: Held) -> InvolvementEnd:
    """The service's work with this family is over."""
    await allow(held, caller, Action.END_INVOLVEMENT, family_id)
    async with unit_of_work(held.database, family_id) as uow:
        await operations.end_involvement(uow, end.ended_on, caller.person_id)
    return end


def _persons(people: list[NewPerson]) -> list[Person]:
    return [operations.new_person(one.role, one.name, one.born) for one in people]


def _members(team: list[TeamMember]) -> list[Member]:
    """Each once: who is named twice has the role named last."""
    return [Member(person, role) for person, role in {one.person_id: one.role for one in team}.items()]


def _registered(persons: list[Person]) -> list[RegisteredPerson]:
    return [RegisteredPerson(person_id=one.id, role=one.role) for one in persons]


def _shown(episode: ConsentEpisode) -> EpisodeShown:
    return EpisodeShown(
        episode_id=episode.id, state=episode.state, opened_at=episode.opened_at, ended_at=episode.ended_at
    )
