"""Laws of the review task, whatever order things are heard in."""

import itertools
from datetime import date
from uuid import uuid4

import pytest

from services.curation.tasks.model import (
    NotInCareTeam,
    ReviewTask,
    StillPreparing,
    TaskState,
)

PRACTITIONER, COLLEAGUE, STRANGER = uuid4(), uuid4(), uuid4()
DAY = date(2026, 11, 20)
HAPPENINGS = {
    "received": lambda task: task.received(PRACTITIONER, "parent_baby", DAY),
    "ready": lambda task: task.recording_ready(),
    "failed": lambda task: task.preparation_failed("stalled"),
}


def a_task(state: TaskState = TaskState.PREPARING, reason: str | None = None) -> ReviewTask:
    return ReviewTask(uuid4(), uuid4(), uuid4(), PRACTITIONER, "parent_baby", DAY, state, reason)


@pytest.mark.parametrize("order", sorted(set(itertools.permutations(["received", "ready", "failed"] * 2, 4))))
def test_a_film_that_is_there_makes_the_task_ready_in_any_order_however_often(order: tuple[str, ...]) -> None:
    task = ReviewTask(uuid4(), uuid4(), uuid4())
    for happening in order:
        HAPPENINGS[happening](task)
    assert (task.assignee_id == PRACTITIONER) == ("received" in order)
    expected = TaskState.READY if "ready" in order else TaskState.BLOCKED if "failed" in order else TaskState.PREPARING
    assert task.state is expected
    assert (task.reason is not None) == (expected is TaskState.BLOCKED)


def test_a_task_is_given_once() -> None:
    task = ReviewTask(uuid4(), uuid4(), uuid4())
    assert task.received(PRACTITIONER, "parent_baby", DAY)
    assert not task.received(COLLEAGUE, "shared_review", date(2026, 1, 1))
    assert (task.assignee_id, task.kind, task.filmed_on) == (PRACTITIONER, "parent_baby", DAY)


def test_a_reassigned_task_is_not_given_back_by_what_comes_late() -> None:
    task = a_task()
    task.reassign(COLLEAGUE, frozenset({COLLEAGUE}))
    assert not task.received(PRACTITIONER, "parent_baby", DAY)
    assert task.assignee_id == COLLEAGUE


def test_a_retry_that_succeeds_makes_a_blocked_task_ready() -> None:
    task = a_task(TaskState.BLOCKED, "no_room")
    assert task.recording_ready()
    assert (task.state, task.reason) == (TaskState.READY, None)


def test_a_later_failure_gives_the_later_reason() -> None:
    task = a_task(TaskState.BLOCKED, "no_room")
    assert task.preparation_failed("damaged")
    assert task.reason == "damaged"


@pytest.mark.parametrize("late", ["ready", "failed"])
def test_a_done_task_stays_done_whatever_comes_late(late: str) -> None:
    task = a_task(TaskState.DONE)
    assert not HAPPENINGS[late](task)
    assert task.state is TaskState.DONE


def test_only_the_care_team_is_given_a_task() -> None:
    task, team = a_task(), frozenset({PRACTITIONER, COLLEAGUE})
    with pytest.raises(NotInCareTeam):
        task.reassign(STRANGER, team)
    assert task.assignee_id == PRACTITIONER
    assert task.reassign(COLLEAGUE, team)
    assert not task.reassign(COLLEAGUE, team), "it is theirs already: nobody is told again"


@pytest.mark.parametrize("state", [TaskState.READY, TaskState.BLOCKED])
def test_what_can_be_watched_or_never_will_be_can_be_closed_and_once(state: TaskState) -> None:
    task = a_task(state)
    assert task.finish()
    assert not task.finish()
    assert task.state is TaskState.DONE


def test_nobody_has_reviewed_a_recording_that_is_being_prepared() -> None:
    task = a_task(TaskState.PREPARING)
    with pytest.raises(StillPreparing):
        task.finish()
    assert task.state is TaskState.PREPARING
