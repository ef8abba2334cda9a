"""A family: the people who may be in a film, born or not, and the care team that works with them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from uuid import UUID


class PersonRole(StrEnum):
    BABY = "baby"
    UNBORN = "unborn"
    PARENT = "parent"
    OTHER = "other"


class TeamRole(StrEnum):
    PRACTITIONER = "practitioner"
    SUPERVISOR = "supervisor"
    TEAM_LEAD = "team_lead"


@dataclass(frozen=True)
class Person:
    """Somebody who may be in a film, or who may speak for one who is."""

    id: UUID
    role: PersonRole
    name: str = field(repr=False)
    born: date | None = None

    @property
    def speaks(self) -> bool:
        """Whether they can agree to anything, for themselves or for another."""
        return self.role in (PersonRole.PARENT, PersonRole.OTHER)


@dataclass(frozen=True)
class Member:
    """Of a care team."""

    person_id: UUID
    role: TeamRole


@dataclass(frozen=True)
class Missing:
    """What stands between this family and its next film."""

    code: str
    sentence: str
    person_id: UUID | None = None


def missing_before_filming(
    people: Collection[Person],
    purposes: Mapping[UUID, frozenset[str]],
    *,
    rights_conversation: bool,
    suspended: bool,
) -> Iterator[Missing]:
    """Everything that is missing, in the order in which it is best done.

    purposes: of each person, what they agree to now.
    """
    if not rights_conversation:
        yield Missing(
            "no_rights_conversation", "Talk through the rights and responsibilities, and record that you did."
        )
    if suspended:
        yield Missing("suspended", "Consent is suspended: nobody may film until it is reinstated.")
    for person in people:
        if "film" not in purposes.get(person.id, frozenset()):
            yield Missing(
                "no_consent", "Record this person's consent to be filmed, or leave them out of the film.", person.id
            )


def permitted(people: Collection[UUID], purposes: Mapping[UUID, frozenset[str]]) -> frozenset[str]:
    """What everybody agrees to: the intersection; of nobody, nothing."""
    agreed = [purposes.get(person, frozenset()) for person in people]
    return frozenset.intersection(*agreed) if agreed else frozenset()
