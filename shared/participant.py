"""A participant's part in an erasure: end the episode here, purge, acknowledge with counts; twice, and again if asked.

A service's subscribers register `ended`, `discarded`, `purge_asked` and `certified`; its app runs `purging` and
`pulling` beside its consumer, so that nothing that must happen rests on one message.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID, uuid5

import httpx

from shared import jobs, telemetry
from shared.contracts.consent import ConsentEnded, ErasureAcknowledged, ErasureCertified, PurgeAsked, RecordingDiscarded
from shared.database import (
    Database,
    NoOpenErasure,
    UnitOfWork,
    ending,
    erasure_work,
)
from shared.jobs import HandBack, Job
from shared.media_store import Unavailable
from shared.messaging import Uow

log = logging.getLogger(__name__)

PURGE = "purge"
PULL_SECONDS = 15.0


@dataclass(frozen=True)
class Scope:
    """What is to go: everything of an episode, or what was made from one recording.

    artefacts: the register's ids of what can hold bytes, for one recording; an episode goes by its whole prefix.
    """

    erasure_id: UUID
    episode_id: UUID
    recording_id: UUID | None
    artefacts: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class Counts:
    """What a purge found and deleted in the stores, and the recordings whose cards nobody confirmed wiped."""

    objects: int = 0
    bytes: int = 0
    cards: tuple[UUID, ...] = ()


Purge = Callable[[Scope], Awaitable[Counts]]  # stores and scratch; no transaction is open
Forget = Callable[[UnitOfWork, Scope], Awaitable[int]]  # rows about media; returns how many went


async def ended(event: ConsentEnded, uow: Uow) -> None:
    """The episode has ended: nothing of it changes here any more, and its work is cancelled."""
    await uow.end_episode()
    await uow.open_erasure(event.erasure_id)
    await jobs.cancel(uow)


async def discarded(event: RecordingDiscarded, uow: Uow) -> None:
    """Nothing more is made of the recording here, and its work is cancelled."""
    await uow.discard(event.recording_id)
    await jobs.cancel(uow, event.recording_id)


async def purge_asked(event: PurgeAsked, uow: Uow) -> None:
    """Make the round's purge a job; the end may not have been heard of yet, or the certificate already."""
    if not await uow.open_erasure(event.erasure_id, event.recording_id):
        return
    if event.recording_id is None:
        await uow.end_episode()
    else:
        await uow.discard(event.recording_id)
    await jobs.cancel(uow, event.recording_id)
    await jobs.enqueue(
        uow,
        PURGE,
        uuid5(event.erasure_id, str(event.round)),
        priority=100,
        outlives=True,
        spec={
            "erasure_id": str(event.erasure_id),
            "round": event.round,
            "recording_id": str(event.recording_id) if event.recording_id else None,
        },
    )


async def certified(event: ErasureCertified, uow: Uow) -> None:
    """The door after the end is shut again."""
    await uow.close_erasure(event.erasure_id)


async def purging(database: Database, consent: httpx.AsyncClient, purge: Purge, forget: Forget) -> None:
    """Work off this service's purges, for ever."""

    async def work(job: Job) -> None:
        try:
            await _purge(database, consent, purge, forget, job)
        except NoOpenErasure:  # asked for twice, and certified in the meantime
            await jobs.dismiss(database, job)

    async def give_up(job: Job, code: str, detail: str) -> None:
        """A purge is never given up: consent says that it waits, and the participant goes on trying."""
        await jobs.hand_back(database, job, delay=30.0)

    await jobs.work_off(database, [PURGE], f"{database.service}-purge", work, give_up)


async def _purge(database: Database, consent: httpx.AsyncClient, purge: Purge, forget: Forget, job: Job) -> None:
    scope = await _scope(consent, job)
    telemetry.note(erasure=scope.erasure_id)
    try:
        counts = await purge(scope)
    except Unavailable as error:
        raise HandBack("the store cannot be reached") from error
    async with erasure_work(database, job.episode_id) as uow:
        await jobs.cancel(uow, scope.recording_id)  # what was asked for since
        scratch_left = await jobs.scratch_left(uow, scope.recording_id)
        if not scratch_left:
            uow.publish(
                ErasureAcknowledged(
                    erasure_id=scope.erasure_id,
                    round=job.spec["round"],
                    participant=database.service,
                    objects=counts.objects,
                    bytes=counts.bytes,
                    rows=await forget(uow, scope),
                    jobs_cancelled=await jobs.forget(uow, scope.recording_id),
                    cards_not_wiped=len(counts.cards),
                    cards=counts.cards,
                )
            )
            await jobs.finish(uow, job)
    if scratch_left:
        raise HandBack("a worker still holds scratch of what is to go")


async def _scope(consent: httpx.AsyncClient, job: Job) -> Scope:
    erasure_id, recording = UUID(job.spec["erasure_id"]), job.spec["recording_id"]
    if recording is None:
        return Scope(erasure_id, job.episode_id, None)
    try:
        answer = await consent.get(f"/v1/erasures/{erasure_id}/artefacts")
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise HandBack("consent cannot be asked what was made from the recording") from error
    return Scope(erasure_id, job.episode_id, UUID(recording), tuple(UUID(one) for one in answer.json()["artefacts"]))


async def pulling(database: Database, consent: httpx.AsyncClient) -> None:
    """Ask consent which erasures still wait for this service, for ever."""
    while True:
        try:
            with telemetry.quietly():
                answer = await consent.get("/v1/erasures", params={"waiting_for": database.service})
                answer.raise_for_status()
                for erasure in answer.json()["erasures"]:
                    await _learn(database, erasure)
        except Exception as error:
            log.warning("consent cannot be asked for open erasures: %s", type(error).__name__)
        await asyncio.sleep(PULL_SECONDS)


async def _learn(database: Database, erasure: dict[str, str | int | None]) -> None:
    asked = PurgeAsked.model_validate(erasure)
    async with ending(database, UUID(str(erasure["episode_id"])), UUID(str(erasure["family_id"]))) as uow:
        await purge_asked(asked, uow)
