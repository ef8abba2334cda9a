"""Consent records: who agreed, on what authority, to which purposes, until when; and what that allows on a day."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.consent.families.model import Person


class Authority(StrEnum):
    SELF = "self"
    PARENTAL_RESPONSIBILITY = "parental_responsibility"
    COURT_ORDER = "court_order"


class Method(StrEnum):
    PAPER = "paper"  # the signed form is the evidence
    E_SIGN = "e_sign"
    SPOKEN = "spoken"  # before a witness


@dataclass(frozen=True)
class Statement:
    """What one consent record says about what is allowed. A later version of the same person's takes its place."""

    person_id: UUID
    version: int
    purposes: frozenset[str]
    given_on: date
    valid_until: date | None
    disputed: bool
    recorded_at: datetime


@dataclass(frozen=True)
class Narrowing:
    """One person agrees to one purpose no more."""

    person_id: UUID
    purpose: str
    narrowed_at: datetime

    def narrows(self, record: Statement) -> bool:
        """Whether it came after the record; one that was given before, and only entered since, does not undo it."""
        came_after = self.narrowed_at >= record.recorded_at or self.narrowed_at.date() > record.given_on
        return self.person_id == record.person_id and came_after


def purposes_now(
    person_id: UUID, statements: Iterable[Statement], narrowings: Iterable[Narrowing], today: date
) -> frozenset[str]:
    """What this person agrees to now. A disputed or expired record allows nothing, and does not revive an older one."""
    mine = [one for one in statements if one.person_id == person_id]
    if not mine:
        return frozenset()
    return _allowed(max(mine, key=lambda one: one.version), narrowings, today)


def purposes_on(
    person_id: UUID, statements: Iterable[Statement], narrowings: Iterable[Narrowing], day: date
) -> frozenset[str]:
    """What this person agreed to on a day, by the records that had been given by then."""
    given = [one for one in statements if one.given_on <= day]
    return purposes_now(person_id, given, [one for one in narrowings if one.narrowed_at.date() <= day], day)


def _allowed(record: Statement, narrowings: Iterable[Narrowing], day: date) -> frozenset[str]:
    if record.disputed or (record.valid_until is not None and day > record.valid_until):
        return frozenset()
    return record.purposes - {one.purpose for one in narrowings if one.narrows(record)}


class Unacceptable(StrEnum):
    """Why a consent record cannot be accepted as it is."""

    UNKNOWN_PERSON = "unknown_person"
    UNKNOWN_GIVER = "unknown_giver"
    NOT_SELF = "not_self"
    GIVER_CANNOT_AGREE = "giver_cannot_agree"
    UNKNOWN_PURPOSE = "unknown_purpose"
    NO_EVIDENCE = "no_evidence"
    UNKNOWN_EVIDENCE = "unknown_evidence"
    NO_WITNESS = "no_witness"
    GIVEN_IN_FUTURE = "given_in_future"
    GIVEN_BEFORE_THE_END = "given_before_the_end"
    ENDS_BEFORE_IT_BEGINS = "ends_before_it_begins"


SENTENCES = {
    Unacceptable.UNKNOWN_PERSON: "Name a person of this family whose consent it is.",
    Unacceptable.UNKNOWN_GIVER: "Name a person of this family who gave it; register them first.",
    Unacceptable.NOT_SELF: "Who agrees for themselves is the person themselves; else choose the authority they have.",
    Unacceptable.GIVER_CANNOT_AGREE: "A baby cannot agree; name the parent or other person who did.",
    Unacceptable.UNKNOWN_PURPOSE: "Choose purposes from this organisation's list.",
    Unacceptable.NO_EVIDENCE: "Store the signed form first and name it as the evidence.",
    Unacceptable.UNKNOWN_EVIDENCE: "Store the evidence first, and name it as it was answered.",
    Unacceptable.NO_WITNESS: "Name the witness who heard it spoken.",
    Unacceptable.GIVEN_IN_FUTURE: "Consent cannot be given on a day to come; correct the date.",
    Unacceptable.GIVEN_BEFORE_THE_END: "Consent ended since that day; ask for it anew.",
    Unacceptable.ENDS_BEFORE_IT_BEGINS: "It must be valid until its first day at least; correct the dates.",
}


def unacceptable(
    *,
    person_id: UUID,
    given_by: UUID,
    authority: Authority,
    purposes: Collection[str],
    method: Method,
    has_evidence: bool | None,
    has_witness: bool,
    given_on: date,
    valid_until: date | None,
    people: Collection[Person],
    known_purposes: Collection[str],
    earliest_day: date | None,
    latest_day: date,
) -> Iterator[Unacceptable]:
    """What is wrong with a record that somebody wants to enter.

    has_evidence: whether what is named is stored; None where none is named.
    earliest_day: when the family's consent ended last. latest_day: today, wherever the family is.
    """
    known = {person.id: person for person in people}
    if person_id not in known:
        yield Unacceptable.UNKNOWN_PERSON
    giver = known.get(given_by)
    if giver is None:
        yield Unacceptable.UNKNOWN_GIVER
    elif not giver.speaks:
        yield Unacceptable.GIVER_CANNOT_AGREE
    if (authority is Authority.SELF) != (given_by == person_id):
        yield Unacceptable.NOT_SELF
    if not set(purposes) <= set(known_purposes):
        yield Unacceptable.UNKNOWN_PURPOSE
    if has_evidence is False:
        yield Unacceptable.UNKNOWN_EVIDENCE
    elif method is Method.PAPER and not has_evidence:
        yield Unacceptable.NO_EVIDENCE
    if method is Method.SPOKEN and not has_witness:
        yield Unacceptable.NO_WITNESS
    if given_on > latest_day:
        yield Unacceptable.GIVEN_IN_FUTURE
    if earliest_day is not None and given_on < earliest_day:
        yield Unacceptable.GIVEN_BEFORE_THE_END
    if valid_until is not None and valid_until < given_on:
        yield Unacceptable.ENDS_BEFORE_IT_BEGINS
