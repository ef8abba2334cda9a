"""The one decision about media: may this person, through this service, use these artefacts for this purpose now?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID

from services.consent.episodes.model import EpisodeState
from services.consent.families.model import permitted
from services.consent.records.model import Narrowing, Statement, purposes_now, purposes_on


class Reason(StrEnum):
    """Why a permit is refused."""

    NOT_ALLOWED = "not_allowed"  # this service does not do this
    UNKNOWN_ARTEFACT = "unknown_artefact"
    UNKNOWN_EPISODE = "unknown_episode"
    UNKNOWN_PERSON = "unknown_person"
    SEVERAL_FAMILIES = "several_families"
    SUSPENDED = "suspended"
    ENDED = "ended"
    DISCARDED = "discarded"
    NOT_IN_CARE_TEAM = "not_in_care_team"
    NO_RIGHTS_CONVERSATION = "no_rights_conversation"
    NOT_HAPPY_TO_FILM = "not_happy_to_film"
    FILMED_IN_FUTURE = "filmed_in_future"
    NO_CONSENT = "no_consent"


SENTENCES = {
    Reason.NOT_ALLOWED: "This service may not do this with such a thing; nothing can be done about it here.",
    Reason.UNKNOWN_ARTEFACT: "One of the things asked for is not registered; check the ids.",
    Reason.UNKNOWN_EPISODE: "There is no such consent episode; check the id.",
    Reason.UNKNOWN_PERSON: "Name everybody in the film; each must be registered with the family first.",
    Reason.SEVERAL_FAMILIES: "Ask for the things of one family at a time.",
    Reason.SUSPENDED: "Consent is suspended. Nothing is lost; wait until it is reinstated or has ended.",
    Reason.ENDED: "Consent has ended. Delete whatever you hold of it.",
    Reason.DISCARDED: "The recording was discarded. Delete whatever you hold of it.",
    Reason.NOT_IN_CARE_TEAM: "Ask a member of the family's care team to add this person.",
    Reason.NO_RIGHTS_CONVERSATION: "Rights and responsibilities must be talked through before filming, and anew after"
    " a withdrawal. Record when you did; a film of a day before that cannot be kept.",
    Reason.NOT_HAPPY_TO_FILM: "Say that everybody was happy to film that day; else do not keep the film.",
    Reason.FILMED_IN_FUTURE: "Correct the day on which it was filmed.",
    Reason.NO_CONSENT: "Not everybody in it agrees to this, or did not on the day of the film; record consent first.",
}


class Kind(StrEnum):
    """Of artefacts. A recording is what the camera made; everything else is made from recordings."""

    RECORDING = "recording"
    FIRST_LOOK = "first_look"
    REVIEW_FILM = "review_film"
    POSTER = "poster"
    SPRITE = "sprite"
    WAVEFORM = "waveform"
    CLIP = "clip"
    REEL = "reel"
    STILL = "still"


FILM = "film"  # the purpose under which recordings are taken in
REVIEW = "review"  # this and stills a family itself may use

STILLS = "stills"  # the one under which pictures are made of moments, and looked at: without it nobody may

RENDITIONS = frozenset(Kind) - {Kind.RECORDING, Kind.STILL}
PREPARING = {"transcoding": frozenset(Kind) - {Kind.STILL}}

# By purpose, which service may register which kinds, and which may read which. What is not here is refused.
MAY_WRITE: Mapping[str, Mapping[str, frozenset[Kind]]] = {
    FILM: {"upload": frozenset({Kind.RECORDING})},
    REVIEW: {"transcoding": RENDITIONS},
    STILLS: {"transcoding": frozenset({Kind.STILL})},
}
MAY_READ: Mapping[str, Mapping[str, frozenset[Kind]]] = {
    FILM: {"upload": frozenset({Kind.RECORDING})},
    REVIEW: {**PREPARING, "curation": RENDITIONS},
    # curation asks for the film to know whether a still may be taken of it
    STILLS: {"transcoding": frozenset({Kind.REVIEW_FILM}), "curation": frozenset({Kind.REVIEW_FILM, Kind.STILL})},
}
WATCHING: Mapping[str, frozenset[Kind]] = {
    "curation": RENDITIONS
}  # for every other purpose: the original is never served


@dataclass(frozen=True)
class NewArtefact:
    """What somebody wants to write."""

    id: UUID
    episode_id: UUID
    kind: str
    made_from: tuple[UUID, ...] = ()
    people: tuple[UUID, ...] = ()  # of a recording; what is made from recordings has their people
    filmed_on: date | None = None
    happy_to_film: bool = False


@dataclass(frozen=True)
class Question:
    service: str
    purpose: str
    on_behalf_of: UUID
    read: tuple[UUID, ...] = ()
    write: tuple[NewArtefact, ...] = ()


@dataclass(frozen=True)
class Artefact:
    """A registered artefact, or one about to be: everything that decides who may use it."""

    id: UUID
    episode_id: UUID
    kind: Kind
    registered_by: str
    recordings: frozenset[UUID]
    people: frozenset[UUID]
    filmed_on: date | None = None
    happy_to_film: bool = False
    discarded: bool = False


@dataclass(frozen=True)
class Suspended:
    """Days on which an episode was suspended, both included; without an end it still is."""

    first: date
    last: date | None

    def on(self, day: date) -> bool:
        return self.first <= day and (self.last is None or day <= self.last)


@dataclass(frozen=True)
class Episode:
    """What is known of an episode and its family at the moment of the question."""

    id: UUID
    family_id: UUID
    state: EpisodeState
    statements: tuple[Statement, ...] = ()
    narrowings: tuple[Narrowing, ...] = ()
    suspensions: tuple[Suspended, ...] = ()
    people: frozenset[UUID] = frozenset()
    care_team: frozenset[UUID] = frozenset()
    talked_on: date | None = None  # when rights were first talked through for this episode, if they were


@dataclass(frozen=True)
class Facts:
    """today: by the database's clock; a family may be an hour ahead of it."""

    today: date
    artefacts: Mapping[UUID, Artefact]
    episodes: Mapping[UUID, Episode]


@dataclass(frozen=True)
class Granted:
    family_id: UUID
    artefacts: Sequence[Artefact]  # all that were asked for, those to be registered among them


@dataclass(frozen=True)
class Refused:
    reason: Reason


def decide(question: Question, facts: Facts) -> Granted | Refused:
    """The whole rule. It looks for a reason to refuse, and grants when there is none."""
    used: list[Artefact] = []
    for artefact_id in question.read:
        found = facts.artefacts.get(artefact_id)
        if found is None:
            return Refused(Reason.UNKNOWN_ARTEFACT)
        if found.kind not in _readable(question):
            return Refused(Reason.NOT_ALLOWED)
        used.append(found)
    for new in question.write:
        writing = _to_write(question, new, facts)
        if isinstance(writing, Refused):
            return writing
        used.append(writing)
    episodes = [facts.episodes[one.episode_id] for one in used if one.episode_id in facts.episodes]
    if not episodes or len(episodes) != len(used):
        return Refused(Reason.UNKNOWN_EPISODE)
    reason = _against_episodes(question, episodes) or next(
        (reason for one in used if (reason := _against(question, one, facts))), None
    )
    return Refused(reason) if reason else Granted(episodes[0].family_id, used)


def _readable(question: Question) -> frozenset[Kind]:
    return MAY_READ.get(question.purpose, WATCHING).get(question.service, frozenset())


def _to_write(question: Question, new: NewArtefact, facts: Facts) -> Artefact | Refused:
    """The artefact as it is registered, or as it would be."""
    if new.kind not in MAY_WRITE.get(question.purpose, {}).get(question.service, ()):
        return Refused(Reason.NOT_ALLOWED)
    known = facts.artefacts.get(new.id)
    if known is not None:
        same = (known.registered_by, known.episode_id, known.kind) == (question.service, new.episode_id, new.kind)
        return known if same else Refused(Reason.NOT_ALLOWED)
    if new.kind == Kind.RECORDING:
        if new.made_from:
            return Refused(Reason.NOT_ALLOWED)
        return Artefact(
            new.id,
            new.episode_id,
            Kind(new.kind),
            question.service,
            recordings=frozenset({new.id}),
            people=frozenset(new.people),
            filmed_on=new.filmed_on,
            happy_to_film=new.happy_to_film,
        )
    return _derived(question, new, [facts.artefacts.get(id) for id in new.made_from])


def _derived(question: Question, new: NewArtefact, sources: Sequence[Artefact | None]) -> Artefact | Refused:
    """What is made from artefacts has their recordings and their people, and goes when one of them goes."""
    known = [one for one in sources if one is not None]
    if not known or len(known) != len(sources) or any(one.episode_id != new.episode_id for one in known):
        return Refused(Reason.UNKNOWN_ARTEFACT)
    return Artefact(
        new.id,
        new.episode_id,
        Kind(new.kind),
        question.service,
        recordings=frozenset().union(*(one.recordings for one in known)),
        people=frozenset().union(*(one.people for one in known)),
        discarded=any(one.discarded for one in known),
    )


def _against_episodes(question: Question, episodes: Iterable[Episode]) -> Reason | None:
    episodes = list(episodes)
    if len({one.family_id for one in episodes}) > 1:
        return Reason.SEVERAL_FAMILIES
    states = {one.state for one in episodes}
    if EpisodeState.ENDED in states:
        return Reason.ENDED
    if EpisodeState.SUSPENDED in states:
        return Reason.SUSPENDED
    one = episodes[0]
    watches_own = question.purpose in (REVIEW, STILLS) and not question.write and question.on_behalf_of in one.people
    return None if question.on_behalf_of in one.care_team or watches_own else Reason.NOT_IN_CARE_TEAM


def _against(question: Question, artefact: Artefact, facts: Facts) -> Reason | None:
    """A reason not to use this artefact."""
    episode = facts.episodes[artefact.episode_id]
    if artefact.discarded:
        return Reason.DISCARDED
    if not artefact.people or not artefact.people <= episode.people:
        return Reason.UNKNOWN_PERSON
    if question.purpose == FILM and (reason := _against_filming(artefact, episode, facts.today)):
        return reason
    agreed = {id: purposes_now(id, episode.statements, episode.narrowings, facts.today) for id in artefact.people}
    return None if question.purpose in permitted(artefact.people, agreed) else Reason.NO_CONSENT


def _against_filming(recording: Artefact, episode: Episode, today: date) -> Reason | None:
    """A reason not to take this recording in: what holds now must have held on the day it was filmed."""
    day, talked_on = recording.filmed_on, episode.talked_on
    if talked_on is None or (day is not None and talked_on > day):
        return Reason.NO_RIGHTS_CONVERSATION
    if not recording.happy_to_film or day is None:
        return Reason.NOT_HAPPY_TO_FILM
    if day > today + timedelta(days=1):
        return Reason.FILMED_IN_FUTURE
    agreed = {id: purposes_on(id, episode.statements, episode.narrowings, day) for id in recording.people}
    if FILM not in permitted(recording.people, agreed) or any(one.on(day) for one in episode.suspensions):
        return Reason.NO_CONSENT
    return None
