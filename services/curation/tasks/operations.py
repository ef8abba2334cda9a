"""What can happen to a review task."""

from collections.abc import Collection, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.curation.tasks.model import ReviewTask, TaskState
from services.curation.tasks.tables import review_tasks
from shared.care_team import care_team_of, care_teams
from shared.contracts.curation import ReviewTaskCreated, ReviewTaskDone, ReviewTaskReady, ReviewTaskReassigned
from shared.database import UnitOfWork


async def open_task(uow: UnitOfWork, recording_id: UUID, filmed_by: UUID, kind: str, filmed_on: date) -> None:
    """Give the practitioner who filmed it the recording's one task; a second call changes nothing."""
    task = await _task_of(uow, recording_id)
    if task.received(filmed_by, kind, filmed_on):
        uow.publish(ReviewTaskCreated(recording_id=recording_id, assignee_id=filmed_by))
        if task.state is TaskState.READY:  # heard before: nobody was known then who could be told
            uow.publish(ReviewTaskReady(recording_id=recording_id, assignee_id=filmed_by))


async def recording_ready(uow: UnitOfWork, recording_id: UUID) -> None:
    """The film can be watched."""
    task = await _task_of(uow, recording_id)
    if task.recording_ready() and task.assignee_id:
        uow.publish(ReviewTaskReady(recording_id=recording_id, assignee_id=task.assignee_id))


async def preparation_failed(uow: UnitOfWork, recording_id: UUID, reason: str) -> None:
    """The film could not be made ready; a retry may still make it so."""
    task = await _task_of(uow, recording_id)
    task.preparation_failed(reason)


async def reassign(uow: UnitOfWork, task: ReviewTask, assignee_id: UUID) -> None:
    """Hand the task to another member of the care team. Raises NotInCareTeam."""
    team = await care_team_of(uow.session, uow.family_id)
    if task.reassign(assignee_id, frozenset(team.members)):
        uow.publish(ReviewTaskReassigned(recording_id=task.recording_id, assignee_id=assignee_id))


async def finish(uow: UnitOfWork, task: ReviewTask) -> None:
    """The recording has been reviewed, or will not be. Raises StillPreparing."""
    if task.finish():
        uow.publish(ReviewTaskDone(recording_id=task.recording_id))


async def _task_of(uow: UnitOfWork, recording_id: UUID) -> ReviewTask:
    task = await uow.session.get(ReviewTask, recording_id)
    if task is None:
        task = ReviewTask(recording_id, uow.episode_id, uow.family_id)
        uow.session.add(task)
    return task


async def opened(session: AsyncSession, recording_id: UUID) -> ReviewTask | None:
    """The recording's task, once it is somebody's."""
    task = await session.get(ReviewTask, recording_id)
    return task if task and task.assignee_id else None


async def work_list(
    session: AsyncSession,
    person_id: UUID,
    states: Collection[TaskState],
    before: UUID | None,
    limit: int,
    *,
    of_team: bool,
) -> Sequence[ReviewTask]:
    """The newest recordings' tasks first, of families in whose care team the person is.

    of_team: also those of colleagues. before: go on after the task of this recording.
    """
    tasks = (
        select(ReviewTask)
        .join(care_teams, care_teams.c.family_id == review_tasks.c.family_id)
        .where(
            care_teams.c.members.has_key(str(person_id)),
            review_tasks.c.assignee_id.is_not(None),
            review_tasks.c.state.in_(states),
        )
        .order_by(review_tasks.c.recording_id.desc())
        .limit(limit)
    )
    if not of_team:
        tasks = tasks.where(review_tasks.c.assignee_id == person_id)
    if before:
        tasks = tasks.where(review_tasks.c.recording_id < before)
    return (await session.scalars(tasks)).all()
