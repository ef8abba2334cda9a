"""The permit decision, cell by cell: long, since every cell has a test of its own."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.consent.episodes.model import EpisodeState
from services.consent.permits.model import (
    SENTENCES,
    Artefact,
    Episode,
    Facts,
    Granted,
    Kind,
    NewArtefact,
    Question,
    Reason,
    Refused,
    Suspended,
    decide,
)
from services.consent.records.model import Narrowing, Statement

TODAY = date(2026, 11, 24)
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)

PRACTITIONER, STRANGER = uuid4(), uuid4()
PARENT, BABY, OTHER = uuid4(), uuid4(), uuid4()
FAMILY, EPISODE = uuid4(), uuid4()
RECORDING, FILM, CLIP, REEL = uuid4(), uuid4(), uuid4(), uuid4()
SERVICES = ("upload", "transcoding", "curation", "notification", "portal", "consent", "consent-verifier")
PURPOSES = ("film", "review", "supervision", "stills", "training", "anything")


def agreed(person: UUID, *purposes: str, **more: object) -> Statement:
    statement = Statement(person, 1, frozenset(purposes), YESTERDAY, None, False, NOON - timedelta(days=1))
    return replace(statement, **more)  # type: ignore[arg-type]


def episode(**more: object) -> Episode:
    everything = Episode(
        EPISODE,
        FAMILY,
        EpisodeState.OPEN,
        statements=(agreed(PARENT, *PURPOSES), agreed(BABY, *PURPOSES)),
        people=frozenset({PARENT, BABY, OTHER}),
        care_team=frozenset({PRACTITIONER}),
        talked_on=YESTERDAY,
    )
    return replace(everything, **more)  # type: ignore[arg-type]


def artefact(id: UUID, kind: Kind, **more: object) -> Artefact:
    by = "upload" if kind is Kind.RECORDING else "transcoding"
    made = Artefact(
        id,
        EPISODE,
        kind,
        by,
        recordings=frozenset({RECORDING}),
        people=frozenset({PARENT, BABY}),
        filmed_on=TODAY,
        happy_to_film=True,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def facts(*artefacts: Artefact, about: Episode | None = None) -> Facts:
    known = about or episode()
    return Facts(TODAY, {one.id: one for one in artefacts}, {known.id: known})


def to_write(kind: str = "recording", **more: object) -> NewArtefact:
    if kind == "recording":
        new = NewArtefact(RECORDING, EPISODE, kind, (), (PARENT, BABY), TODAY, True)
    else:
        new = NewArtefact(FILM, EPISODE, kind, made_from=(RECORDING,))
    return replace(new, **more)  # type: ignore[arg-type]


def uploading(new: NewArtefact | None = None, on_behalf_of: UUID = PRACTITIONER) -> Question:
    return Question("upload", "film", on_behalf_of, write=(new or to_write(),))


def watching(*read: UUID, on_behalf_of: UUID = PRACTITIONER, purpose: str = "review") -> Question:
    return Question("curation", purpose, on_behalf_of, read=read or (FILM,))


def refusal(question: Question, known: Facts) -> Reason:
    decision = decide(question, known)
    assert isinstance(decision, Refused), decision
    return decision.reason


class TestWhoMayDoWhat:
    """Every cell of service, purpose and kind, written out a second time."""

    @pytest.mark.parametrize("kind", Kind)
    @pytest.mark.parametrize("purpose", PURPOSES)
    @pytest.mark.parametrize("service", SERVICES)
    def test_reading(self, service: str, purpose: str, kind: Kind) -> None:
        may = (
            (service == "upload" and purpose == "film" and kind == "recording")
            or (service == "transcoding" and purpose == "review" and kind != "still")
            or (service == "transcoding" and purpose == "stills" and kind == "review_film")
            or (service == "curation" and purpose == "stills" and kind in ("review_film", "still"))
            or (service == "curation" and purpose not in ("film", "stills") and kind not in ("recording", "still"))
        )
        decision = decide(Question(service, purpose, PRACTITIONER, read=(FILM,)), facts(artefact(FILM, kind)))
        assert decision == Refused(Reason.NOT_ALLOWED) if not may else isinstance(decision, Granted)

    @pytest.mark.parametrize("kind", [*Kind, "evidence", "anything"])
    @pytest.mark.parametrize("purpose", PURPOSES)
    @pytest.mark.parametrize("service", SERVICES)
    def test_registering(self, service: str, purpose: str, kind: str) -> None:
        derived = kind in set(Kind) - {Kind.RECORDING}
        may = (
            (service == "upload" and purpose == "film" and kind == "recording")
            or (service == "transcoding" and purpose == "review" and derived and kind != "still")
            or (service == "transcoding" and purpose == "stills" and kind == "still")
        )
        known = facts(*([artefact(RECORDING, Kind.RECORDING)] if derived else []))
        decision = decide(Question(service, purpose, PRACTITIONER, write=(to_write(kind),)), known)
        assert decision == Refused(Reason.NOT_ALLOWED) if not may else isinstance(decision, Granted)


class TestFilming:
    """I1: consent by everyone in it, that day and now; the rights conversation; happy to film."""

    def test_everything_in_order(self) -> None:
        decision = decide(uploading(), facts())
        assert isinstance(decision, Granted)
        [recording] = decision.artefacts
        assert decision.family_id == FAMILY
        assert recording.people == {PARENT, BABY}
        assert recording.recordings == {RECORDING}

    def test_one_of_them_does_not_agree(self) -> None:
        about = episode(statements=(agreed(PARENT, "film"), agreed(BABY, "review")))
        assert refusal(uploading(), facts(about=about)) is Reason.NO_CONSENT

    def test_one_of_them_never_said_anything(self) -> None:
        assert refusal(uploading(to_write(people=(PARENT, BABY, OTHER))), facts()) is Reason.NO_CONSENT

    def test_who_is_not_in_the_film_need_not_agree(self) -> None:
        about = episode(statements=(agreed(PARENT, "film"),))
        assert isinstance(decide(uploading(to_write(people=(PARENT,))), facts(about=about)), Granted)

    def test_nobody_is_named(self) -> None:
        assert refusal(uploading(to_write(people=())), facts()) is Reason.UNKNOWN_PERSON

    def test_somebody_of_no_family_is_named(self) -> None:
        assert refusal(uploading(to_write(people=(PARENT, STRANGER))), facts()) is Reason.UNKNOWN_PERSON

    def test_they_agreed_after_the_day_of_the_film(self) -> None:
        the_day_before = YESTERDAY - timedelta(days=1)
        new, about = to_write(filmed_on=the_day_before), episode(talked_on=the_day_before)
        assert refusal(uploading(new), facts(about=about)) is Reason.NO_CONSENT

    def test_they_agreed_that_day_and_no_more(self) -> None:
        narrowing = Narrowing(BABY, "film", NOON)
        about = episode(narrowings=(narrowing,))
        assert refusal(uploading(to_write(filmed_on=YESTERDAY)), facts(about=about)) is Reason.NO_CONSENT

    def test_they_agree_now_and_did_not_that_day(self) -> None:
        earlier = agreed(BABY, "review", given_on=YESTERDAY)
        later = agreed(BABY, "film", version=2, given_on=TODAY)
        about = episode(statements=(agreed(PARENT, "film"), earlier, later))
        assert refusal(uploading(to_write(filmed_on=YESTERDAY)), facts(about=about)) is Reason.NO_CONSENT
        assert isinstance(decide(uploading(to_write(filmed_on=TODAY)), facts(about=about)), Granted)

    def test_it_ran_out_between_the_film_and_now(self) -> None:
        about = episode(statements=(agreed(PARENT, "film"), agreed(BABY, "film", valid_until=YESTERDAY)))
        assert refusal(uploading(to_write(filmed_on=YESTERDAY)), facts(about=about)) is Reason.NO_CONSENT

    def test_consent_was_suspended_that_day(self) -> None:
        about = episode(suspensions=(Suspended(YESTERDAY, YESTERDAY),))
        assert refusal(uploading(to_write(filmed_on=YESTERDAY)), facts(about=about)) is Reason.NO_CONSENT
        assert isinstance(decide(uploading(to_write(filmed_on=TODAY)), facts(about=about)), Granted)

    def test_the_record_is_disputed(self) -> None:
        about = episode(statements=(agreed(PARENT, "film"), agreed(BABY, "film", disputed=True)))
        assert refusal(uploading(), facts(about=about)) is Reason.NO_CONSENT

    def test_no_rights_conversation(self) -> None:
        about = episode(talked_on=None)
        assert refusal(uploading(), facts(about=about)) is Reason.NO_RIGHTS_CONVERSATION

    def test_the_rights_conversation_was_held_after_that_day(self) -> None:
        about = episode(talked_on=TODAY)
        assert refusal(uploading(to_write(filmed_on=YESTERDAY)), facts(about=about)) is Reason.NO_RIGHTS_CONVERSATION
        assert isinstance(decide(uploading(to_write(filmed_on=TODAY)), facts(about=about)), Granted)

    def test_not_happy_to_film(self) -> None:
        assert refusal(uploading(to_write(happy_to_film=False)), facts()) is Reason.NOT_HAPPY_TO_FILM

    def test_the_day_is_not_said(self) -> None:
        assert refusal(uploading(to_write(filmed_on=None)), facts()) is Reason.NOT_HAPPY_TO_FILM

    def test_the_day_is_to_come(self) -> None:
        assert refusal(uploading(to_write(filmed_on=TOMORROW + timedelta(days=1))), facts()) is Reason.FILMED_IN_FUTURE

    def test_where_the_family_is_it_may_be_tomorrow_already(self) -> None:
        assert isinstance(decide(uploading(to_write(filmed_on=TOMORROW)), facts()), Granted)

    def test_it_is_said_to_be_made_from_something(self) -> None:
        new = to_write(made_from=(FILM,))
        assert refusal(uploading(new), facts(artefact(FILM, Kind.REVIEW_FILM))) is Reason.NOT_ALLOWED

    def test_resuming_is_held_to_what_was_registered(self) -> None:
        """What an upload says again does not count: people, day and mood are those of the registration."""
        known = facts(artefact(RECORDING, Kind.RECORDING, happy_to_film=False))
        assert refusal(uploading(to_write(happy_to_film=True)), known) is Reason.NOT_HAPPY_TO_FILM
        about = episode(statements=(agreed(PARENT, "film"),))
        known = facts(artefact(RECORDING, Kind.RECORDING), about=about)
        assert refusal(uploading(to_write(people=(PARENT,))), known) is Reason.NO_CONSENT


class TestTheEpisode:
    @pytest.mark.parametrize("question", [uploading(), watching()], ids=["write", "read"])
    @pytest.mark.parametrize(
        ("state", "reason"), [(EpisodeState.SUSPENDED, Reason.SUSPENDED), (EpisodeState.ENDED, Reason.ENDED)]
    )
    def test_it_is_not_open(self, question: Question, state: EpisodeState, reason: Reason) -> None:
        known = facts(artefact(FILM, Kind.REVIEW_FILM), about=episode(state=state))
        assert refusal(question, known) is reason

    def test_the_end_is_said_even_where_the_recording_was_discarded(self) -> None:
        known = facts(artefact(FILM, Kind.REVIEW_FILM, discarded=True), about=episode(state=EpisodeState.ENDED))
        assert refusal(watching(), known) is Reason.ENDED

    def test_it_is_not_known(self) -> None:
        assert refusal(uploading(to_write(episode_id=uuid4())), facts()) is Reason.UNKNOWN_EPISODE

    def test_things_of_two_families(self) -> None:
        theirs = episode(id=uuid4(), family_id=uuid4())
        film, clip = artefact(FILM, Kind.REVIEW_FILM), artefact(CLIP, Kind.CLIP, episode_id=theirs.id)
        known = Facts(TODAY, {FILM: film, CLIP: clip}, {EPISODE: episode(), theirs.id: theirs})
        assert refusal(watching(FILM, CLIP), known) is Reason.SEVERAL_FAMILIES

    def test_one_of_two_episodes_has_ended(self) -> None:
        before = episode(id=uuid4(), state=EpisodeState.ENDED)
        film, clip = artefact(FILM, Kind.REVIEW_FILM), artefact(CLIP, Kind.CLIP, episode_id=before.id)
        known = Facts(TODAY, {FILM: film, CLIP: clip}, {EPISODE: episode(), before.id: before})
        assert refusal(watching(FILM, CLIP), known) is Reason.ENDED


class TestWhoAsks:
    def test_somebody_of_the_care_team(self) -> None:
        assert isinstance(decide(watching(), facts(artefact(FILM, Kind.REVIEW_FILM))), Granted)

    @pytest.mark.parametrize("question", [uploading(on_behalf_of=STRANGER), watching(on_behalf_of=STRANGER)])
    def test_somebody_else(self, question: Question) -> None:
        assert refusal(question, facts(artefact(FILM, Kind.REVIEW_FILM))) is Reason.NOT_IN_CARE_TEAM

    def test_the_family_watches_its_own_films(self) -> None:
        assert isinstance(decide(watching(on_behalf_of=PARENT), facts(artefact(FILM, Kind.REVIEW_FILM))), Granted)

    def test_the_family_looks_at_its_own_stills(self) -> None:
        question = watching(on_behalf_of=PARENT, purpose="stills")
        assert isinstance(decide(question, facts(artefact(FILM, Kind.STILL))), Granted)

    def test_the_family_watches_for_nothing_else(self) -> None:
        question = watching(on_behalf_of=PARENT, purpose="supervision")
        assert refusal(question, facts(artefact(FILM, Kind.REVIEW_FILM))) is Reason.NOT_IN_CARE_TEAM

    def test_the_family_does_not_upload(self) -> None:
        assert refusal(uploading(on_behalf_of=PARENT), facts()) is Reason.NOT_IN_CARE_TEAM

    def test_nothing_is_made_on_the_familys_behalf(self) -> None:
        question = Question("transcoding", "review", PARENT, read=(RECORDING,), write=(to_write("review_film"),))
        assert refusal(question, facts(artefact(RECORDING, Kind.RECORDING))) is Reason.NOT_IN_CARE_TEAM


class TestTheArtefacts:
    def test_one_is_not_registered(self) -> None:
        assert refusal(watching(FILM, CLIP), facts(artefact(FILM, Kind.REVIEW_FILM))) is Reason.UNKNOWN_ARTEFACT

    def test_one_was_discarded(self) -> None:
        known = facts(artefact(FILM, Kind.REVIEW_FILM), artefact(CLIP, Kind.CLIP, discarded=True))
        assert refusal(watching(FILM, CLIP), known) is Reason.DISCARDED

    def test_a_discarded_recording_is_not_written_on(self) -> None:
        assert refusal(uploading(), facts(artefact(RECORDING, Kind.RECORDING, discarded=True))) is Reason.DISCARDED

    def test_nothing_is_made_from_a_discarded_recording(self) -> None:
        question = Question("transcoding", "review", PRACTITIONER, write=(to_write("review_film"),))
        assert refusal(question, facts(artefact(RECORDING, Kind.RECORDING, discarded=True))) is Reason.DISCARDED

    @pytest.mark.parametrize("sources", [(), (uuid4(),)], ids=["nothing", "the unknown"])
    def test_made_from(self, sources: tuple[UUID, ...]) -> None:
        question = Question("transcoding", "review", PRACTITIONER, write=(to_write("clip", made_from=sources),))
        assert refusal(question, facts(artefact(RECORDING, Kind.RECORDING))) is Reason.UNKNOWN_ARTEFACT

    def test_made_from_another_episode(self) -> None:
        before = episode(id=uuid4())
        recording = artefact(RECORDING, Kind.RECORDING, episode_id=before.id)
        known = Facts(TODAY, {RECORDING: recording}, {EPISODE: episode(), before.id: before})
        question = Question("transcoding", "review", PRACTITIONER, write=(to_write("clip"),))
        assert refusal(question, known) is Reason.UNKNOWN_ARTEFACT

    def test_it_inherits_everybody_and_every_recording(self) -> None:
        second = uuid4()
        one = artefact(CLIP, Kind.CLIP, people=frozenset({PARENT}))
        other = artefact(FILM, Kind.CLIP, people=frozenset({BABY}), recordings=frozenset({second}))
        question = Question(
            "transcoding", "review", PRACTITIONER, write=(NewArtefact(REEL, EPISODE, "reel", made_from=(CLIP, FILM)),)
        )
        decision = decide(question, facts(one, other))
        assert isinstance(decision, Granted)
        assert decision.artefacts[0].people == {PARENT, BABY}
        assert decision.artefacts[0].recordings == {RECORDING, second}

    def test_a_reel_of_two_recordings_needs_everybody_of_both(self) -> None:
        about = episode(statements=(agreed(PARENT, "review"), agreed(BABY, "film")))
        one = artefact(CLIP, Kind.CLIP, people=frozenset({PARENT}))
        other = artefact(FILM, Kind.CLIP, people=frozenset({BABY}))
        question = Question(
            "transcoding", "review", PRACTITIONER, write=(NewArtefact(REEL, EPISODE, "reel", made_from=(CLIP, FILM)),)
        )
        assert refusal(question, facts(one, other, about=about)) is Reason.NO_CONSENT

    @pytest.mark.parametrize(
        "registered",
        [{"registered_by": "transcoding"}, {"episode_id": uuid4()}, {"kind": Kind.REVIEW_FILM}],
        ids=["another service's", "another episode's", "of another kind"],
    )
    def test_an_id_is_taken(self, registered: dict[str, object]) -> None:
        taken = replace(artefact(RECORDING, Kind.RECORDING), **registered)  # type: ignore[arg-type]
        assert refusal(uploading(), facts(taken)) is Reason.NOT_ALLOWED


class TestPurposes:
    @pytest.mark.parametrize("purpose", ["review", "supervision", "stills", "training"])
    def test_what_not_everybody_in_it_agrees_to(self, purpose: str) -> None:
        others = {"film", "review", "supervision", "stills", "training"} - {purpose}
        about = episode(statements=(agreed(PARENT, purpose, *others), agreed(BABY, *others)))
        known = facts(artefact(FILM, Kind.REVIEW_FILM), about=about)
        assert refusal(watching(purpose=purpose), known) is Reason.NO_CONSENT
        for other in others - {"film"}:
            assert isinstance(decide(watching(purpose=other), known), Granted)

    def test_watching_needs_consent_now_and_not_on_the_day(self) -> None:
        about = episode(statements=(agreed(PARENT, "training"), agreed(BABY, "training", given_on=TODAY)))
        film = artefact(FILM, Kind.REVIEW_FILM, filmed_on=YESTERDAY)
        assert isinstance(decide(watching(purpose="training"), facts(film, about=about)), Granted)


def test_every_refusal_is_a_sentence_that_says_what_to_do() -> None:
    assert SENTENCES.keys() == set(Reason)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())
