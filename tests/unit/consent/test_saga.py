"""The saga: whatever comes in whatever order, nothing is certified too early, and everything is in the end."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.consent.erasures.model import Erasure, ErasureState, Step
from shared.contracts import PARTICIPANTS

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ALL = frozenset(PARTICIPANTS)
STALLED_AFTER = timedelta(seconds=60)


def erasure(**more: object) -> Erasure:
    given: dict[str, object] = {
        "id": uuid4(),
        "episode_id": uuid4(),
        "family_id": uuid4(),
        "recording_id": None,
        "cause": "withdrawal_confirmed",
        "decided_by": uuid4(),
        "route": "phone",
        "opened_at": START,
        "asked_at": START,
        "moved_at": START,
        "permit_seconds": 30,
        "put_seconds": 30,
        "clock_skew_seconds": 5,
        "trace": {},
    }
    return Erasure(**(given | more))  # type: ignore[arg-type]


def steps(one: Erasure, acknowledged: frozenset[str], clean: bool | None, now: datetime) -> list[Step]:
    """All that follow at this moment; a new round has no acknowledgements yet."""
    taken = []
    while step := one.step(acknowledged, clean, now):
        taken.append(step)
        if step is Step.ASK:
            acknowledged, clean = frozenset(), None
    return taken


def test_the_way_it_goes() -> None:
    one = erasure()
    one.fence(START + SECOND)
    assert steps(one, frozenset(PARTICIPANTS[:3]), None, START + SECOND) == []
    assert steps(one, ALL, None, START + SECOND) == [Step.WAIT]
    assert one.state == "draining"
    assert steps(one, ALL, None, START + 65 * SECOND) == []
    assert steps(one, ALL, None, START + 66 * SECOND) == [Step.ASK]
    assert (one.state, one.round) == (ErasureState.PURGING, 2)
    assert steps(one, ALL, None, START + 67 * SECOND) == [Step.WAIT]
    assert one.state == "verifying"
    assert steps(one, ALL, True, START + 68 * SECOND) == [Step.CERTIFY]


def test_a_find_asks_for_another_round_and_the_finding_is_of_the_round_before() -> None:
    one = erasure(state=ErasureState.VERIFYING, round=2, asked_at=START + 70 * SECOND)
    one.fence(START)
    assert steps(one, ALL, False, START + 80 * SECOND) == [Step.ASK]
    assert (one.state, one.round) == (ErasureState.PURGING, 3)
    assert steps(one, ALL, None, START + 81 * SECOND) == [Step.WAIT]
    assert one.state is ErasureState.VERIFYING


def test_acknowledgements_that_come_after_the_drain_are_still_of_a_round_asked_before_it() -> None:
    one = erasure()
    one.fence(START)
    assert steps(one, ALL, None, START + timedelta(hours=1)) == [Step.WAIT, Step.ASK]
    assert (one.state, one.round) == (ErasureState.PURGING, 2)


def test_the_fence_is_set_once() -> None:
    one = erasure()
    one.fence(START + SECOND)
    one.fence(START + timedelta(hours=1))
    assert one.fenced_at == START + SECOND


def test_without_a_fence_nothing_is_drained() -> None:
    assert not erasure().drained(START + timedelta(days=1000))


def test_who_keeps_it_waiting() -> None:
    one = erasure()
    assert one.waiting_for(["upload", "curation"]) == ("transcoding", "notification")
    one.state = ErasureState.DRAINING
    assert one.waiting_for([]) == ()
    one.state = ErasureState.VERIFYING
    assert one.waiting_for(ALL) == ("verifier",)
    one.state = ErasureState.CERTIFIED
    assert one.waiting_for([]) == ()


def test_a_person_is_told_once_per_state() -> None:
    one = erasure()
    one.fence(START)
    assert not one.stalls([], START + 59 * SECOND, STALLED_AFTER)
    assert one.stalls([], START + 60 * SECOND, STALLED_AFTER)
    assert not one.stalls([], START + 600 * SECOND, STALLED_AFTER)
    assert steps(one, ALL, None, START + 601 * SECOND) == [Step.WAIT, Step.ASK]
    assert not one.stalls([], START + 660 * SECOND, STALLED_AFTER)
    assert one.stalls([], START + 661 * SECOND, STALLED_AFTER)


def test_draining_is_no_stall() -> None:
    one = erasure(state=ErasureState.DRAINING)
    assert not one.stalls([], START + timedelta(days=1), STALLED_AFTER)


class Saga(RuleBasedStateMachine):
    """Participants, the verifier and time, in any order, each as often as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.erasure = erasure()
        self.acknowledged: set[tuple[int, str]] = set()
        self.findings: dict[int, bool] = {}
        self.asked = {1: START}
        self.certified_at: datetime | None = None

    def look(self) -> None:
        """What the ticker and the consumer do."""
        self.erasure.fence(self.now)
        while True:
            by = {who for round, who in self.acknowledged if round == self.erasure.round}
            step = self.erasure.step(by, self.findings.get(self.erasure.round), self.now)
            if step is Step.ASK:
                self.asked[self.erasure.round] = self.now
            if step is Step.CERTIFY:
                assert self.certified_at is None
                self.certified_at = self.now
            if step is None:
                return

    @rule(seconds=st.sampled_from([0, 1, 5, 64, 65, 66, 1000]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND
        self.look()

    @rule(seconds=st.integers(0, 100))
    def time_passes_unseen(self, seconds: int) -> None:
        """The ticker is away."""
        self.now += seconds * SECOND

    @rule(who=st.sampled_from(PARTICIPANTS), back=st.integers(0, 2))
    def acknowledges(self, who: str, back: int) -> None:
        """This round or an earlier one, for the first time or again."""
        self.acknowledged.add((max(1, self.erasure.round - back), who))
        self.look()

    @precondition(lambda self: self.erasure.state is ErasureState.VERIFYING)
    @rule(clean=st.booleans())
    def the_verifier_looks(self, clean: bool) -> None:
        self.findings.setdefault(self.erasure.round, clean)
        self.look()

    @invariant()
    def certified_only_when_everything_was_done(self) -> None:
        if self.certified_at is None:
            return
        one = self.erasure
        assert one.state is ErasureState.CERTIFIED
        assert one.fenced_at is not None
        assert {who for round, who in self.acknowledged if round == 1} == ALL
        assert {who for round, who in self.acknowledged if round == one.round} == ALL
        assert self.asked[one.round] >= one.fenced_at + 65 * SECOND
        assert self.findings[one.round] is True

    @invariant()
    def a_find_is_never_certified(self) -> None:
        assert not (self.certified_at and self.findings[self.erasure.round] is False)

    def teardown(self) -> None:
        """When everybody does their part from now on, it ends."""
        for _ in range(10):
            self.now += 100 * SECOND
            self.look()
            if self.erasure.state is ErasureState.VERIFYING:
                self.findings.setdefault(self.erasure.round, True)
            self.acknowledged |= {(self.erasure.round, who) for who in PARTICIPANTS}
        self.look()
        assert self.certified_at is not None


Saga.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestSaga = Saga.TestCase
