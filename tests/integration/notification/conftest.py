"""The service in this process, on a real database, with a real SMTP server that answers as a test tells it to."""

import asyncio
import email
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from email.message import EmailMessage
from email.policy import default
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import select

from deploy.local.stack import Stack
from services.notification import operations, people, subscribers
from services.notification.model import Channel, CommunicationNeeds, ContactPoint, Delivery, Need
from services.notification.smtp import Post
from services.notification.workers import Sender
from shared.contracts import Event
from shared.database import Database, UnitOfWork, lock, outbox, unit_of_work
from shared.jobs import JobState, jobs
from shared.settings import DatabaseSettings, Organisation, SmtpSettings
from tests.integration.notification.service import Service
from tests.integration.notification.world import Family, eventually
from tests.stack import Database as TestDatabase

ORGANISATION = Organisation(
    name="Example NHS Trust",
    team="Team Nine",
    site="North House",
    phone="01632 960100",
    mail="team@example.org",
    complaints="PALS, 01632 960101",
)
PORTAL = "https://portal.example.org"


class Does(Enum):
    """What the server does with a message instead of answering."""

    HANG = "hang"
    DROP_BEFORE_IT_ANSWERS = "drop before"
    DROP_AFTER_IT_ANSWERED = "drop after"


@dataclass
class Postbox:
    """An SMTP server. `answers` are used up, one a message; then it takes everything."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    answers: list[str | Does] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # answers to RCPT, by address

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self.answers.pop(0) if self.answers else "250 taken"
        if answer is Does.HANG:
            await asyncio.Event().wait()
        if isinstance(answer, Does) or answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            mail = email.message_from_bytes(envelope.content, policy=default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
            self.recipients += envelope.rcpt_tos
        connection = server.transport
        assert isinstance(connection, asyncio.WriteTransport)
        if answer is Does.DROP_AFTER_IT_ANSWERED:
            connection.write(b"250 taken\r\n")
        if isinstance(answer, Does):
            connection.close()
            await asyncio.Event().wait()  # until aiosmtpd notices and cancels
        assert isinstance(answer, str)
        return answer


@pytest.fixture
async def postbox() -> AsyncIterator[Postbox]:
    box = Postbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, loop=loop, enable_SMTPUTF8=True), "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    yield box
    server.close()


@dataclass
class Notification:
    """The service as its tests see it: what it hears, what it keeps, what it has told."""

    database: Database
    postbox: Postbox

    async def hears(self, event: Event, family: Family, *, of_family: bool = False) -> UUID:
        """Handle an event under the lock, as the consumer does. Returns the event's id."""
        event_id, key = uuid4(), family.family_id if of_family else family.episode_id
        async with self.database.sessions.begin() as session:
            wire, ended = await lock(session, key, family.family_id)
            assert event.outlives or not ended
            uow = UnitOfWork(session, "notification", wire, cause=event_id)
            await subscribers.events.handlers[type(event)](event, uow)
            await uow.write_outbox()
        return event_id

    async def reachable(self, person_id: UUID, *points: ContactPoint, family: Family | None = None) -> None:
        family_id = family.family_id if family else None
        whose = family_id or person_id
        async with unit_of_work(self.database, whose, family_id=whose) as uow:
            await people.know(uow, person_id, family_id)
            await people.put_contact_points(uow, person_id, points)
            await operations.reachable_anew(uow, person_id)

    async def needs(self, person_id: UUID, *needs: Need, family: Family | None = None) -> None:
        known = CommunicationNeeds(frozenset(needs), None, False, None, date(2026, 11, 24))
        family_id = family.family_id if family else None
        whose = family_id or person_id
        async with unit_of_work(self.database, whose, family_id=whose) as uow:
            await people.know(uow, person_id, family_id)
            await people.put_needs(uow, person_id, known)

    async def somebody(self, name: str, *, family: Family | None = None, **point: Any) -> UUID:
        """A person who can be reached at NAME@example.org."""
        person_id = uuid4()
        at = ContactPoint(**{"channel": Channel.MAIL, "address": f"{name}@example.org", "safe": True, **point})
        await self.reachable(person_id, at, family=family)
        return person_id

    async def points_of(self, person_id: UUID) -> list[ContactPoint]:
        async with self.database.sessions() as session:
            return await people.contact_points_of(session, person_id)

    async def deliveries(self, family: Family) -> list[Delivery]:
        async with self.database.sessions() as session:
            return list(await operations.deliveries_of(session, [family.family_id]))

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and payload of what it has published."""
        async with self.database.sessions() as session:
            rows = await session.execute(select(outbox.c.headers, outbox.c.value).order_by(outbox.c.sequence))
            return [(row.headers["ce_type"], json.loads(row.value)) for row in rows]

    @asynccontextmanager
    async def sending(self, **settings: Any) -> AsyncIterator[Sender]:
        """The sender at work."""
        smtp: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.postbox.port,
            "starttls": False,
            "sender": "team@example.org",
        }
        smtp |= {"retry_seconds": 0.01, "attempts": 3, "timeout_seconds": 2.0, **settings}
        sender = Sender(self.database, Post(SmtpSettings(**smtp), "test"), ORGANISATION, PORTAL)
        working = asyncio.create_task(sender.run("sender"))
        try:
            yield sender
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def looked_at(self, family: Family) -> None:
        """Each of the family's messages has been looked at, and handed back to wait."""
        mine = select(jobs.c.id).where(jobs.c.episode_id == family.episode_id)

        async def waiting() -> bool:
            async with self.database.sessions() as session:
                every = len((await session.scalars(mine)).all())
                handed_back = mine.where(jobs.c.state == JobState.QUEUED, jobs.c.worker.is_not(None))
                closed = mine.where(jobs.c.closed_at.is_not(None))
                return every == len((await session.scalars(handed_back.union(closed))).all()) > 0

        await eventually(waiting)

    async def settles(self, family: Family) -> list[Delivery]:
        """What became of the family's messages, once none is waiting."""

        async def settled() -> list[Delivery]:
            found = await self.deliveries(family)
            return found if found and not any(one.state == "waiting" for one in found) else []

        return await eventually(settled)


@pytest.fixture
async def notification(database: Callable[[str], TestDatabase], postbox: Postbox) -> AsyncIterator[Notification]:
    mine = Database(DatabaseSettings(url=database("notification").url), "notification")
    yield Notification(mine, postbox)
    await mine.close()


@pytest.fixture
def family() -> Family:
    return Family()


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service and its sender as processes, on a stack of their own."""
    with Stack(tmp_path_factory.mktemp("notification")) as stack:
        stack.start(only=["traces", "notification", "notification-sender"], env={"ATTUNE_SMTP_RETRY_SECONDS": "0.2"})
        yield Service(stack)
