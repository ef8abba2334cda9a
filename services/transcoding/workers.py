"""The worker: takes a job, stages what it needs, works in the jail, seals what it made.

One file over the usual length: what each kind of job does stands beside the one way in which all of them end.
"""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from uuid import UUID

from uuid_utils.compat import uuid7

from services.transcoding import look, operations, scratch
from services.transcoding.allowed import allowed
from services.transcoding.cores import Share, cores
from services.transcoding.cut import cut
from services.transcoding.failures import Code, Failure, MediaFailed
from services.transcoding.film import review_film
from services.transcoding.jailed import Jail, assert_floor
from services.transcoding.model import SLOTS, Make, Work
from services.transcoding.pictures import KINDS, pictures, still
from services.transcoding.plan import Plan, plan
from services.transcoding.probe import probe
from services.transcoding.spare import Spare
from services.transcoding.staging import stage
from services.transcoding.telling import Stage, Stand, Telling, nowhere
from shared import jobs, telemetry
from shared.database import Database, unit_of_work
from shared.http import client, create_app, lives, run
from shared.identity import ServiceToken, load_keys
from shared.jobs import HandBack, Job, LeaseLost
from shared.media_store import (
    ArtefactReader,
    ArtefactWriter,
    Forbidden,
    NewArtefact,
    Permits,
    Refused,
    StandingPermit,
    Store,
    Unavailable,
    clocks_agree,
    purge,
)
from shared.settings import (
    BucketSettings,
    DatabaseSettings,
    Environment,
    HorizonSettings,
    HttpSettings,
    PeerSettings,
    ScratchSettings,
    ServiceIdentity,
    Settings,
    StoreSettings,
)

log = logging.getLogger(__name__)

PURPOSE, STILLS = "review", "stills"
ATTEMPTS = 3
LOOK_SECONDS = 10.0  # that a review film waits for the first look at the recording, at most
ROOM_SECONDS = 5.0  # between two looks for room in the scratch
LOOK_STAGES = (Stage.STAGING, Stage.CODING, Stage.SEALING)
GRACE_SECONDS = 3.0  # between a review film and the end of the first look at it
MEDIA_TYPES = {".mp4": "video/mp4", ".jpg": "image/jpeg", ".png": "image/png"}
STOPS_FOR_A_WHILE = ("suspended",)  # reasons of a refusal after which the job may go on one day
GONE = ("ended", "discarded")  # and after which nobody waits for it: the erasure does the rest


@dataclass(frozen=True)
class Worker:
    """What a worker works with. `scratch` holds plain bytes for as long as a job lasts, and is wiped after each."""

    database: Database
    permits: Permits
    store: Store
    buckets: BucketSettings
    scratch: Path
    jail: Jail
    name: str
    share: Share = field(default_factory=lambda: Share(cores()))  # one for all slots of a process
    spare: Spare | None = None  # for clips and reels: somebody waits for those at the screen
    makes: Sequence[Make] = tuple(Make)

    async def run(self) -> None:
        """Work off the jobs, for ever. What a process before left in the scratch folder is wiped first."""
        await self.wipe()
        await jobs.wiped(self.database, str(self.scratch))
        await jobs.work_off(
            self.database,
            list(self.makes),
            self.name,
            self.work,
            self.give_up,
            attempts=ATTEMPTS,
            scratch=str(self.scratch),
            wipe=self.wipe,
        )

    async def wipe(self) -> None:
        await asyncio.to_thread(scratch.empty, self.scratch)

    async def work(self, job: Job) -> None:
        """One attempt. What it may not do, or not now, is handed back; what it began and did not finish is purged."""
        async with self.database.sessions() as session:
            try:
                work = await operations.find(session, job.subject_id)
            except operations.Unknown:  # it was erased in this moment
                raise LeaseLost(str(job.id)) from None
            abandoned = await operations.abandoned(session, work.id)
            looked_at_first = await operations.look_is_waited_for(session, work.id)
        if work.make is Make.FIRST_LOOK and abandoned and job.waited < GRACE_SECONDS:
            raise HandBack("who looks at it is to learn of the review film first", delay=GRACE_SECONDS)
        if work.make is Make.REVIEW_FILM and job.waited < LOOK_SECONDS and looked_at_first:
            raise HandBack("its first look comes first", delay=0.5)
        try:
            await self._sweep(work, abandoned)
            with self.share.threads(film=work.make is Make.REVIEW_FILM) as threads:
                jail = replace(self.jail, threads=threads)
                match work.make:
                    case Make.FIRST_LOOK:
                        await self._look(job, work, jail)
                    case Make.REVIEW_FILM:
                        await self._prepare(job, work, jail)
                    case Make.CLIP | Make.REEL | Make.STILL:
                        await self._cut(job, work, jail)
        except Refused as refused:
            if refused.reason in STOPS_FOR_A_WHILE:
                raise HandBack(f"refused: {refused.reason}", pause=True) from refused
            if refused.reason in GONE:
                return await jobs.dismiss(self.database, job)
            await self._fail(job, Failure(code=Code.NOT_ALLOWED, detail=refused.reason))
        except (Unavailable, Forbidden) as away:
            raise HandBack(str(away)) from away
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            await self._failed(job, MediaFailed(Code.NO_ROOM, f"{error.strerror}, while a film was staged"))
        except MediaFailed as failed:
            await self._failed(job, failed)

    async def give_up(self, job: Job, code: str, detail: str) -> None:
        await self._fail(job, Failure(code=Code.TOOL_FAILED, detail=f"{code}: {detail}"))

    async def _failed(self, job: Job, failed: MediaFailed) -> None:
        """Raises it, as long as there are attempts that may end otherwise."""
        if failed.for_now and job.attempts < ATTEMPTS:
            raise failed
        await self._fail(job, failed.failure)

    async def _fail(self, job: Job, failure: Failure) -> None:
        async with unit_of_work(self.database, job.episode_id) as uow:
            await operations.failed(uow, job, failure)

    async def _look(self, job: Job, work: Work, jail: Jail) -> None:
        """Something to look at until the review film is there; by then this job only sweeps it away."""
        [recording_id], source, ends = work.made_from, self.scratch / "source", self.scratch / "ends"
        telemetry.note(recording=recording_id, job=job.id, episode=job.episode_id)
        async with self.database.sessions() as session:
            if await operations.film_is_made(session, recording_id):
                return await self._no_look(job, "the review film is there")
        permit = self._permit(work, read=[recording_id], write={})
        reader = ArtefactReader(self.store, permit, self.buckets.recordings, recording_id)
        telling = self._telling(job, permit, *LOOK_STAGES)
        length = (await reader.manifest()).length
        short = length <= look.HEAD + look.TAIL
        self._reserve(look.ROOM)
        copies = 2 * length + look.ROOM  # what is staged, and what is made of it
        long = not short and (length > look.WHOLE or not scratch.reserve(self.scratch, copies))
        if long and work.artefacts:
            raise HandBack("there is no room for more than its opening", delay=ROOM_SECONDS)
        try:
            if not work.artefacts and not short:
                with telemetry.span("stage"):
                    await reader.copy_ends_to(ends, look.HEAD, look.TAIL)
                opening = await look.planned_opening(ends, jail)
                last = long or not opening.copied
                told = telling if last else Telling(nowhere, *LOOK_STAGES)  # more is to come
                await self._show(job, work, ends, opening, jail, told, last=last)
                if last:
                    return
        except MediaFailed as failed:
            log.info("a film is looked at without an opening: %s", failed)
        if long:
            return await self._no_look(job, "it is long for the room that there is, and has no opening")
        ends.unlink(missing_ok=True)
        with telemetry.span("stage"):
            await reader.copy_to(source, telling.staged)
        if isinstance(planned := await look.planned(source, jail), str):
            return await self._no_look(job, planned)
        await self._show(job, work, source, planned, jail, telling, last=True)

    async def _show(
        self, job: Job, work: Work, source: Path, planned: look.Look, jail: Jail, telling: Telling, *, last: bool
    ) -> None:
        look_id, out = uuid7(), self.scratch / "look.mp4"
        permit = self._permit(work, read=[], write={Make.FIRST_LOOK.value: look_id})
        with telemetry.span("copy"):
            async with allowed(permit):
                await look.first_look(source, planned, out, telling.coded, jail)
        await self._note(job, [look_id])
        telling.to_seal([out])
        await self._seal(permit, look_id, out, telling)
        try:
            async with unit_of_work(self.database, job.episode_id) as uow:
                await operations.looked(uow, job, planned.plan, look_id, last=last)
        except operations.Overtaken:
            raise HandBack("the review film is there", delay=0) from None

    async def _no_look(self, job: Job, why: str) -> None:
        async with unit_of_work(self.database, job.episode_id) as uow:
            await operations.no_look(uow, job, why)

    async def _prepare(self, job: Job, work: Work, jail: Jail) -> None:
        telemetry.note(recording=work.id, job=job.id, episode=job.episode_id)
        made = {kind: uuid7() for kind in ("review_film", *KINDS)}
        source, film_path = self.scratch / "source", self.scratch / "film.mp4"
        reading = self._permit(work, read=[work.id], write={})  # nothing is registered before there is room to make it
        reader = ArtefactReader(self.store, reading, self.buckets.recordings, work.id)
        self._reserve(int((await reader.manifest()).length * scratch.FILM))
        permit = self._permit(work, read=[work.id], write=made)
        telling = self._telling(job, permit, *Stage)
        with telemetry.span("stage"):
            await reader.copy_to(source, telling.staged)
        probed = plan(await probe(source, jail))
        if not isinstance(probed, Plan):
            raise MediaFailed(probed.code, probed.detail, probed.subject)
        with telemetry.span("transcode"):
            async with allowed(permit):
                film = await review_film(source, probed, film_path, telling.coded, jail)
                await telling.tell(Stage.PICTURES, 0, 1)
                files = {"review_film": film_path, **await pictures(film_path, film, self.scratch, jail)}
                await telling.tell(Stage.PICTURES, 1, 1)
        await self._note(job, list(made.values()))
        telling.to_seal(files.values())
        for kind, path in files.items():
            await self._seal(permit, made[kind], path, telling)
        async with unit_of_work(self.database, job.episode_id) as uow:
            await operations.prepared(uow, job, probed, film, made)

    async def _cut(self, job: Job, work: Work, jail: Jail) -> None:
        telemetry.note(job=job.id, episode=job.episode_id)
        artefact_id, out = uuid7(), self.scratch / ("still.jpg" if work.make is Make.STILL else "cut.mp4")
        films = list(dict.fromkeys(UUID(part["film_id"]) for part in work.cuts))
        permit = self._permit(work, read=films, write={work.make.value: artefact_id})
        readers = {self._film(id): ArtefactReader(self.store, permit, self.buckets.renditions, id) for id in films}
        telling = self._telling(job, permit, Stage.CODING, Stage.SEALING)  # what it reads is brought as it is cut
        with telemetry.span("stage"):
            bring = await stage(readers)
        ranges = [(self._film(UUID(part["film_id"])), part["first"], part["end"]) for part in work.cuts]
        with telemetry.span("cut"):
            async with allowed(permit):
                if work.make is Make.STILL:
                    [(film, frame, _)] = ranges
                    self._reserve(film.stat().st_size)
                    await bring(film, 0, film.stat().st_size)
                    frames = await still(film, frame, out, jail)
                else:
                    frames = (await cut(ranges, out, telling.coded, jail, self.spare, bring)).frames
        await self._note(job, [artefact_id])
        telling.to_seal([out])
        await self._seal(permit, artefact_id, out, telling)
        async with unit_of_work(self.database, job.episode_id) as uow:
            await operations.cut(uow, job, frames, artefact_id)

    def _reserve(self, size: int) -> None:
        """Room in the scratch, before anything is staged. Raises HandBack; MediaFailed where it can never be had.

        Clips and reels take what is free: they stage the little that they read, and wait for nobody.
        """
        if size > (there := scratch.whole(self.scratch)):
            raise MediaFailed(Code.NO_ROOM, f"{size} bytes of scratch are needed of {there}", for_now=False)
        if not scratch.reserve(self.scratch, size):
            raise HandBack(f"{size} bytes of scratch are not to be had now", delay=ROOM_SECONDS)

    def _film(self, film_id: UUID) -> Path:
        return self.scratch / f"{film_id}.mp4"

    def _permit(self, work: Work, *, read: list[UUID], write: dict[str, UUID]) -> StandingPermit:
        new = [
            NewArtefact(artefact, work.episode_id, kind, made_from=work.made_from) for kind, artefact in write.items()
        ]
        purpose = STILLS if work.make is Make.STILL else PURPOSE
        return self.permits.standing(purpose, work.on_behalf_of, read=read, write=new)

    def _telling(self, job: Job, permit: StandingPermit, *stages: Stage) -> Telling:
        """Writes down how far the job is; after a refusal, nothing more."""

        async def write(stand: Stand) -> None:
            await permit.current()
            with telemetry.quietly():
                await jobs.progress(self.database, job, stand)

        return Telling(write, *stages)

    async def _note(self, job: Job, artefact_ids: list[UUID]) -> None:
        async with unit_of_work(self.database, job.episode_id) as uow:
            await operations.began(uow, job, artefact_ids)

    async def _seal(self, permit: StandingPermit, artefact_id: UUID, path: Path, telling: Telling) -> None:
        size = 0
        with telemetry.span("seal", artefact=artefact_id):
            async with ArtefactWriter(self.store, permit, self.buckets.renditions, artefact_id) as writer:
                with path.open("rb") as file:
                    while piece := await asyncio.to_thread(file.read, 1024 * 1024):
                        await writer.write(piece)
                        size += len(piece)
                        await telling.sealed(len(piece))
                await writer.finish(MEDIA_TYPES[path.suffix])
        await telling.sealed(size)

    async def _sweep(self, work: Work, artefact_ids: list[UUID]) -> None:
        """Purge what earlier attempts began and did not finish."""
        if not artefact_ids:
            return
        for artefact_id in artefact_ids:
            await purge(self.store, self.buckets.renditions, work.episode_id, artefact_id)
        async with unit_of_work(self.database, work.episode_id) as uow:
            await operations.swept(uow.session, artefact_ids)


def main() -> None:
    telemetry.setup("transcoding-worker")
    settings, folders = Settings(), ScratchSettings().scratch_folder
    database = Database(DatabaseSettings(), "transcoding")
    consent = client(PeerSettings().consent_url, ServiceToken(ServiceIdentity().key_file))
    horizon = HorizonSettings()
    store = Store(StoreSettings(), horizon)

    @asynccontextmanager
    async def resources() -> AsyncIterator[None]:
        async with store, consent:
            yield
        await database.close()

    async def work() -> None:
        jail = await assert_floor(development=settings.environment is Environment.DEVELOPMENT)
        permits, buckets, share = Permits(consent), BucketSettings(), Share(cores())

        async def slot(name: str, makes: Sequence[Make]) -> None:
            folder, called = folders / name, f"{folders.name}/{name}"
            async with AsyncExitStack() as held:
                spare = await held.enter_async_context(Spare(jail, folder)) if Make.CLIP in makes else None
                await Worker(database, permits, store, buckets, folder, jail, called, share, spare, makes).run()

        async with asyncio.TaskGroup() as slots:
            for name, makes in SLOTS.items():
                slots.create_task(slot(name, makes))

    app = create_app(
        "Attune transcoding worker",
        keys=load_keys(settings.jwks_file, settings.environment),
        needs={
            "database": database.answers,
            "store": partial(clocks_agree, database, store, horizon),
        },
        waits_for={"consent": partial(lives, consent)},
        background={"work": work},
        resources=resources,
    )
    run(app, HttpSettings())


if __name__ == "__main__":
    main()
