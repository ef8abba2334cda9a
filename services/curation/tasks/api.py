"""The practitioner's work list over HTTP."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from services.curation.changes import changing
from services.curation.tasks import operations
from services.curation.tasks.model import NotInCareTeam, ReviewTask, StillPreparing, TaskState
from shared import telemetry
from shared.care_team import allow
from shared.database import Database
from shared.http import Caller, Conflict, ConsentOver, Invalid, NotFound, Router, authorise, documented
from shared.identity import Action, Relation

OPEN = (TaskState.PREPARING, TaskState.READY, TaskState.BLOCKED)


class Preparing(Conflict):
    code, title = "still-preparing", "The recording is still being prepared"
    detail = "Wait until the film can be watched."


class Task(BaseModel):
    recording_id: UUID
    family_id: UUID
    assignee_id: UUID
    kind: str
    filmed_on: date
    state: TaskState
    reason: str | None  # why it is blocked: a code; transcoding's job says what to do

    @classmethod
    def of(cls, task: ReviewTask) -> Self:
        return cls.model_validate(vars(task))


class Tasks(BaseModel):
    tasks: list[Task]


class Assignee(BaseModel):
    person_id: UUID


def routes(database: Database) -> Router:
    router = Router(prefix="/v1/tasks")

    async def found(recording_id: UUID) -> ReviewTask:
        telemetry.note(recording=recording_id)
        async with database.sessions() as session:
            task = await operations.opened(session, recording_id)
        if task is None:
            raise NotFound
        return task

    @router.get("")
    async def work_list(
        caller: Caller,
        whose: Literal["mine", "team"] = "mine",
        state: Annotated[list[TaskState], Query()] = list(OPEN),  # noqa: B006
        before: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Tasks:
        """Tasks of families in whose care team the caller is, the newest first; `before` is the last one of a page."""
        authorise(caller, Action.READ_TASKS, Relation.SELF)
        async with database.sessions() as session:
            tasks = await operations.work_list(session, caller.person_id, state, before, limit, of_team=whose == "team")
        return Tasks(tasks=[Task.of(task) for task in tasks])

    @router.get("/{recording_id}", responses=documented(NotFound))
    async def one(recording_id: UUID, caller: Caller) -> Task:
        task = await found(recording_id)
        await allow(database, caller, Action.READ_TASKS, task.family_id)
        return Task.of(task)

    @router.post("/{recording_id}/assignee", responses=documented(NotFound, ConsentOver))
    async def reassign(recording_id: UUID, to: Assignee, caller: Caller) -> Task:
        """Hand the task to another member of the family's care team."""
        task = await found(recording_id)
        await allow(database, caller, Action.REASSIGN_TASK, task.family_id)
        async with changing(database, task.episode_id, task.family_id) as uow:
            current = await operations.opened(uow.session, recording_id)
            if current is None:
                raise NotFound
            try:
                await operations.reassign(uow, current, to.person_id)
            except NotInCareTeam as error:
                raise Invalid(
                    "Choose somebody in the family's care team, or add them to it first.",
                    errors=[{"at": "body.person_id", "problem": str(error)}],
                ) from error
        return Task.of(current)

    @router.post("/{recording_id}/done", responses=documented(NotFound, ConsentOver, Preparing))
    async def done(recording_id: UUID, caller: Caller) -> Task:
        """The recording has been reviewed, or will not be."""
        task = await found(recording_id)
        await allow(database, caller, Action.FINISH_TASK, task.family_id)
        async with changing(database, task.episode_id, task.family_id) as uow:
            current = await operations.opened(uow.session, recording_id)
            if current is None:
                raise NotFound
            try:
                await operations.finish(uow, current)
            except StillPreparing as error:
                raise Preparing from error
        return Task.of(current)

    return router
