"""The mail sender: one message at a time to one person. `python -m services.notification.workers`"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from services.notification import operations
from services.notification.model import OF_ERASURES, OF_RECORDINGS, ContactPoint, Delivery, Failure, pause_after
from services.notification.smtp import Away, Post, Refused, TryLater
from services.notification.templates import message
from shared import jobs, telemetry
from shared.database import Database, UnitOfWork
from shared.failpoints import Failpoint, reach
from shared.http import create_app, run
from shared.identity import load_keys
from shared.jobs import HandBack, Job
from shared.settings import DatabaseSettings, HttpSettings, Organisation, PublicSettings, Settings, SmtpSettings

SENDERS = 4  # a server that hangs holds up one
AWAY_SECONDS = 10.0


@dataclass
class Sender:
    """What it takes to send a message."""

    database: Database
    post: Post
    organisation: Organisation
    portal_url: str

    async def tell(self, job: Job) -> None:
        """One attempt at one message. If it is cut short after the server took it, the same message is sent again."""
        if await self._where(job) is None:
            return
        try:
            with telemetry.span("send mail"):
                async with self.post.entered() as server:
                    # asked again: while we were let in they may have said that it is not safe there
                    if (found := await self._where(job)) is None:
                        return
                    delivery, point = found
                    said = message(delivery.template, delivery.about, self.organisation, self.portal_url)
                    await self.post.hand_over(server, delivery.id, point.address, said, datetime.now(UTC))
        except Away as away:
            raise HandBack(str(away), delay=AWAY_SECONDS) from away
        except Refused:
            await self._settle(job, Failure.REFUSED)
        except TryLater as later:
            await self._try_later(job, later)
        else:
            await reach(Failpoint.MAIL_ACCEPTED)
            await self._settle(job, None)

    async def _where(self, job: Job) -> tuple[Delivery, ContactPoint] | None:
        """The message, and where it is to be sent now; none: nowhere, and the job is done. Raises HandBack."""
        async with self._delivery(job) as (uow, delivery):
            where = await operations.address(uow, delivery, datetime.now(UTC)) if delivery else None
            if where is None:
                await jobs.finish(uow, job)
        if delivery is None or where is None:
            return None
        if isinstance(where, datetime):
            raise HandBack(
                "its time, or its person, is not there yet", delay=(where - datetime.now(UTC)).total_seconds()
            )
        return delivery, where

    async def _try_later(self, job: Job, later: TryLater) -> None:
        settings = self.post.settings
        if job.attempts >= settings.attempts:
            await self._settle(job, Failure.GAVE_UP)
        else:
            delay = pause_after(job.attempts, settings.retry_seconds)
            await jobs.hand_back(self.database, job, delay=delay, costs=True)

    async def _settle(self, job: Job, failure: Failure | None) -> None:
        async with self._delivery(job) as (uow, delivery):
            if delivery and failure:
                await operations.cannot_be_sent(uow, delivery, failure)
            elif delivery:
                await operations.sent(uow, delivery, datetime.now(UTC))
            await jobs.finish(uow, job)

    @asynccontextmanager
    async def _delivery(self, job: Job) -> AsyncIterator[tuple[UnitOfWork, Delivery | None]]:
        """The job's message under the lock; none: it was erased. Raises LeaseLost."""
        async with operations.door(self.database, job.episode_id) as uow:
            await jobs.held(uow, job)
            delivery = await uow.session.get(Delivery, job.subject_id)
            if delivery:
                uow.cause = delivery.cause
                telemetry.note(
                    recording=delivery.about if delivery.template in OF_RECORDINGS else None,
                    erasure=delivery.about if delivery.template in OF_ERASURES else None,
                )
            yield uow, delivery

    async def give_up(self, job: Job, code: str, detail: str) -> None:
        """After attempts that failed in no way that we know, or that took the sender down."""
        await self._settle(job, Failure.GAVE_UP)

    async def run(self, name: str) -> None:
        await jobs.work_off(
            self.database, [operations.MAIL], name, self.tell, self.give_up, attempts=self.post.settings.attempts
        )


def main() -> None:
    telemetry.setup("notification-sender")
    settings = Settings()
    database = Database(DatabaseSettings(), "notification")
    post = Post(SmtpSettings(), settings.instance)
    sender = Sender(database, post, Organisation(), PublicSettings().portal_url)

    async def reachable() -> bool:
        return post.reachable

    @asynccontextmanager
    async def resources() -> AsyncIterator[None]:
        yield
        await database.close()

    app = create_app(
        "Attune notification sender",
        keys=load_keys(settings.jwks_file, settings.environment),
        needs={"database": database.answers, "mail server": reachable},
        background={f"sender {number}": partial(sender.run, f"sender-{number}") for number in range(1, SENDERS + 1)},
        observations={"jobs": partial(jobs.observe, database, [operations.MAIL])},
        resources=resources,
    )
    run(app, HttpSettings())


if __name__ == "__main__":
    main()
