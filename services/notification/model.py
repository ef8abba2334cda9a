"""Who is told what, where they may be reached, and when: the rules, pure.

A message names nobody and says nothing of what it is about: another adult may be reading along.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.errors import AttuneError

LOOK_AGAIN = timedelta(minutes=10)  # who somebody is; to hear of them comes sooner
LOCAL = ZoneInfo("Europe/London")  # whose hours and days safe hours are


class Audience(StrEnum):
    ASSIGNEE = "assignee"  # whoever has the recording's review task
    TEAM_LEAD = "team_lead"
    FILMED_BY = "filmed_by"  # whom the event names
    FAMILY = "family"  # each of its people who agreed or may be reached; who cannot be is told in person


class Template(StrEnum):
    READY = "ready"
    FAILED_TRY_AGAIN = "failed_try_again"
    FAILED = "failed"
    NOT_RECEIVED = "not_received"
    NEEDS_A_PERSON = "needs_a_person"
    TELL_IN_PERSON = "tell_in_person"
    NOT_FINISHED = "not_finished"
    REQUEST_RECEIVED = "request_received"
    REQUEST_HELD = "request_held"  # received, and something keeps it from being finished
    REQUEST_UNDONE = "request_undone"
    REQUEST_COMPLETE = "request_complete"


AUDIENCE = {
    Template.READY: Audience.ASSIGNEE,
    Template.FAILED_TRY_AGAIN: Audience.ASSIGNEE,
    Template.FAILED: Audience.ASSIGNEE,
    Template.NOT_RECEIVED: Audience.FILMED_BY,
    Template.NEEDS_A_PERSON: Audience.TEAM_LEAD,
    Template.TELL_IN_PERSON: Audience.TEAM_LEAD,
    Template.NOT_FINISHED: Audience.TEAM_LEAD,
    Template.REQUEST_RECEIVED: Audience.FAMILY,
    Template.REQUEST_HELD: Audience.FAMILY,
    Template.REQUEST_UNDONE: Audience.FAMILY,
    Template.REQUEST_COMPLETE: Audience.FAMILY,
}
OF_RECORDINGS = frozenset(
    {Template.READY, Template.FAILED_TRY_AGAIN, Template.FAILED, Template.NOT_RECEIVED, Template.NEEDS_A_PERSON}
)
OF_ERASURES = frozenset({Template.NOT_FINISHED, Template.REQUEST_COMPLETE})
# Owed even after the episode has ended; every other message goes with what it was about, or is no longer true.
OUTLIVES = frozenset(
    {Template.TELL_IN_PERSON, Template.NOT_FINISHED, Template.REQUEST_RECEIVED, Template.REQUEST_COMPLETE}
)


class DeliveryState(StrEnum):
    WAITING = "waiting"  # for its person to be known, for safe hours, or for the mail server
    SENT = "sent"
    IN_PERSON = "in_person"  # it cannot be sent: somebody must tell them, and say that it was done
    TOLD = "told"


OWED = (DeliveryState.WAITING, DeliveryState.IN_PERSON)


class Failure(StrEnum):
    """Why a message cannot be sent."""

    NO_SAFE_CONTACT_POINT = "no_safe_contact_point"
    NOT_BY_MAIL = "not_by_mail"  # they need it in another way; in which, no event says
    REFUSED = "refused"  # the mail server says that it will never take it
    GAVE_UP = "gave_up"  # tried too often


@dataclass(eq=False)
class Delivery:
    """One message that is owed to one person because of one event."""

    id: UUID
    cause: UUID
    template: Template
    audience: Audience
    family_id: UUID
    episode_id: UUID
    about: UUID  # the recording, the erasure or the episode; people are given its short reference
    person_id: UUID | None = None  # none until it is known who that is
    state: DeliveryState = DeliveryState.WAITING
    failure: Failure | None = None
    created_at: datetime | None = None  # by the database's clock
    settled_at: datetime | None = None

    @property
    def owed(self) -> bool:
        return self.state in OWED

    def sent(self, now: datetime) -> None:
        self.state, self.failure, self.settled_at = DeliveryState.SENT, None, now

    def cannot_be_sent(self, failure: Failure) -> None:
        self.state, self.failure = DeliveryState.IN_PERSON, failure

    def told(self, now: datetime) -> bool:
        """Somebody has told them. False where nobody had to."""
        if self.state is not DeliveryState.IN_PERSON:
            return False
        self.state, self.settled_at = DeliveryState.TOLD, now
        return True


class Channel(StrEnum):
    MAIL = "mail"


@dataclass(frozen=True)
class ContactPoint:
    """Where a person can be reached. Not safe: kept, so that nobody records it anew, and never used.

    safe_days: 0 is Monday. safe_from, safe_until: local time, past midnight where `until` is less; none: at any hour.
    """

    channel: Channel
    address: str
    safe: bool
    preferred: bool = False
    safe_days: frozenset[int] = frozenset(range(7))
    safe_from: time | None = None
    safe_until: time | None = None

    def safe_at(self, now: datetime) -> bool:
        local = now.astimezone(LOCAL)
        if self.safe_from is None or self.safe_until is None:
            return local.weekday() in self.safe_days
        if self.safe_from < self.safe_until:
            return local.weekday() in self.safe_days and self.safe_from <= local.time() < self.safe_until
        if local.time() >= self.safe_from:
            return local.weekday() in self.safe_days
        the_night_before = (local.weekday() - 1) % 7 in self.safe_days
        return the_night_before and local.time() < self.safe_until

    def next_safe(self, now: datetime) -> datetime:
        """`now`, or when its safe hours next begin."""
        if self.safe_at(now):
            return now
        local = now.astimezone(LOCAL)
        openings = (
            datetime.combine(local.date() + timedelta(days=days), self.safe_from or time(0), LOCAL).astimezone(UTC)
            for days in range(15)  # the clocks may change on the one safe day of a week
        )
        return next(opening for opening in openings if opening > now and self.safe_at(opening))


def chosen(points: Iterable[ContactPoint]) -> ContactPoint | None:
    """The preferred one of those that are safe, else the first; none: they must be told in person."""
    safe = [point for point in points if point.safe]
    return next((point for point in safe if point.preferred), safe[0] if safe else None)


class Need(StrEnum):
    """What somebody needs so that they can read, hear or understand us (Accessible Information Standard)."""

    LARGE_PRINT = "large_print"
    EASY_READ = "easy_read"
    BRAILLE = "braille"
    AUDIO = "audio"
    SIGN_LANGUAGE = "sign_language"
    LIP_READING = "lip_reading"
    SPOKEN = "spoken"  # rather talked with than written to
    MORE_TIME = "more_time"
    ADVOCATE = "advocate"


# What a plain mail meets: its reader makes it as large as they like, takes their time, and needs to see no lips. Every
# other need asks for a format that it is not (Easy Read is more than short words), or for somebody who is with them;
# the standard wants needs met, not only recorded.
MET_BY_MAIL = frozenset({Need.LARGE_PRINT, Need.LIP_READING, Need.MORE_TIME})


@dataclass(frozen=True)
class CommunicationNeeds:
    """Language and interpreter stand apart: the standard is about disability. Needs change, hence the day.

    language: BCP 47; none is English. other: for whoever tells them.
    """

    needs: frozenset[Need]
    language: str | None
    interpreter: bool
    other: str | None
    reviewed_on: date

    @property
    def met_by_mail(self) -> bool:
        """Whether they can make use of a plain mail in English."""
        english = self.language is None or self.language.lower().split("-")[0] == "en"
        return self.needs <= MET_BY_MAIL and english and not self.interpreter


class SomebodyElse(AttuneError):
    """This person is known as staff, or as one of another family."""


TEAM_LEAD = "team_lead"


def leads(members: Mapping[UUID, str]) -> set[UUID]:
    """Who, of a care team's roles by person, looks after what needs a person: the leads, or all where it has none."""
    return {person for person, role in members.items() if role == TEAM_LEAD} or set(members)


def pause_after(attempts: int, first: float) -> float:
    """Seconds until the next attempt: twice as long each time, an hour at most."""
    return min(first * 2.0 ** (attempts - 1), 3600.0)
