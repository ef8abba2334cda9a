"""How far the work on a film is, over HTTP; and another try when it has failed."""

from collections.abc import Mapping
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel

from services.transcoding import operations
from services.transcoding.failures import Failure
from services.transcoding.model import Make, NotFailed, State, Work
from shared import jobs
from shared.care_team import allow
from shared.database import Database, EpisodeEnded, unit_of_work
from shared.http import Caller, Conflict, ConsentOver, NotFound, Router, documented
from shared.identity import Action, Identity, Role


class CannotRetry(Conflict):
    code, title = "cannot-retry", "There is nothing to try again"
    detail = "Only what has failed can be tried again; look at its state."


class Progress(BaseModel):
    """Pictures coded, of those expected; `fraction` from 0 to 1: of all that the job does, to its last byte stored."""

    frames: int
    of: int
    fraction: float


class Failed(BaseModel):
    code: str
    sentence: str  # for the practitioner: what to do
    retryable: bool


class Technical(BaseModel):
    """For operators: what went wrong, and why the film was treated as it was."""

    detail: str | None
    plan: dict[str, Any] | None


class Status(BaseModel):
    id: UUID
    state: State
    progress: Progress | None
    failure: Failed | None
    technical: Technical | None  # for an operator alone

    @classmethod
    def of(cls, work: Work, progress: Mapping[str, Any] | None, caller: Identity) -> Self:
        failure = Failure.model_validate(work.failure) if work.failure else None
        return cls(
            id=work.id,
            state=work.state,
            progress=Progress.model_validate(progress) if progress else None,
            failure=Failed(code=failure.code, sentence=failure.sentence, retryable=failure.retry) if failure else None,
            technical=Technical(detail=failure.detail if failure else None, plan=work.plan)
            if caller.role is Role.OPERATOR
            else None,
        )


def routes(database: Database) -> list[Router]:
    """The same two for recordings, clips and reels."""
    return [
        _routes(database, "/v1/recordings", Make.REVIEW_FILM),
        _routes(database, "/v1/clips", Make.CLIP),
        _routes(database, "/v1/reels", Make.REEL),
    ]


def _routes(database: Database, prefix: str, make: Make) -> Router:
    router = Router(prefix=prefix)

    async def found(work_id: UUID, caller: Caller, action: Action) -> Work:
        async with database.sessions() as session:
            try:
                work = await operations.find(session, work_id)
            except operations.Unknown:
                raise NotFound from None
        if work.make is not make:
            raise NotFound
        await allow(database, caller, action, work.family_id)
        return work

    @router.get("/{id}/job", responses=documented(NotFound))
    async def status(id: UUID, caller: Caller) -> Status:
        """How far it is; to an operator also the plan, and what went wrong in technical words."""
        work = await found(id, caller, Action.READ_JOB)
        async with database.sessions() as session:
            return Status.of(work, await jobs.progress_of(session, id), caller)

    @router.post("/{id}/job/retry", status_code=202, responses=documented(NotFound, CannotRetry, ConsentOver))
    async def retry(id: UUID, caller: Caller) -> Status:
        """Try once more what has failed."""
        work = await found(id, caller, Action.RETRY_JOB)
        try:
            async with unit_of_work(database, work.episode_id) as uow:
                await operations.again(uow, id)
                work = await operations.find(uow.session, id)
        except EpisodeEnded:
            raise ConsentOver from None
        except operations.Unknown:
            raise NotFound from None
        except NotFailed:
            raise CannotRetry from None
        return Status.of(work, None, caller)

    return router
