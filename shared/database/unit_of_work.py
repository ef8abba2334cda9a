"""The only way to change anything: one transaction that holds the episode's lock and tells what it changed."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from shared import telemetry
from shared.contracts import Event, Wire, cloudevents, topic_of
from shared.database.connection import Database
from shared.database.tables import closed_erasures, discarded_recordings, episodes, open_erasures, outbox
from shared.errors import AttuneError
from shared.failpoints import Failpoint, reach

MAXIMUM_VALUE_BYTES = 512 * 1024  # half of what a broker takes

# built once: building a statement costs more than running it
_LOCK = (
    select(episodes.c.family_id, episodes.c.ended_at)
    .where(episodes.c.id == bindparam("episode"))
    .with_for_update(key_share=True)  # FOR NO KEY UPDATE, the one lock mode everywhere
)
_FIRST_MENTION = (
    postgresql.insert(episodes).values(id=bindparam("episode"), family_id=bindparam("family")).on_conflict_do_nothing()
)
_OPEN_ERASURE = select(open_erasures.c.id).where(open_erasures.c.episode_id == bindparam("episode")).limit(1)
_CLOSED = select(closed_erasures.c.id).where(closed_erasures.c.id == bindparam("erasure"))
_OPEN = (
    postgresql.insert(open_erasures)
    .values(id=bindparam("erasure"), episode_id=bindparam("episode"), recording_id=bindparam("recording"))
    .on_conflict_do_nothing()
)
_SHUT = delete(open_erasures).where(open_erasures.c.id == bindparam("erasure"))
_CLOSE = (
    postgresql.insert(closed_erasures)
    .values(id=bindparam("erasure"), episode_id=bindparam("episode"))
    .on_conflict_do_nothing()
)
_OUTBOX = insert(outbox)
_DISCARD = (
    postgresql.insert(discarded_recordings)
    .values(id=bindparam("recording"), episode_id=bindparam("episode"))
    .on_conflict_do_nothing()
)
_DISCARDED = select(discarded_recordings.c.id).where(
    discarded_recordings.c.id.in_(bindparam("recordings", expanding=True))
)
_END = (
    update(episodes)
    .where(episodes.c.id == bindparam("episode"), episodes.c.ended_at.is_(None))
    .values(ended_at=func.clock_timestamp())
)


class EpisodeEnded(AttuneError):
    """The episode has ended for good; nothing of it changes any more."""


class EpisodeUnknown(AttuneError):
    """This database has not heard of the episode, and who asks does not know whose it is."""


class NoOpenErasure(AttuneError):
    """Nothing may be done after the end unless an erasure is open."""


class EventRefused(AttuneError):
    """The event could not be published: it belongs to another service, or a broker would not take it."""


@dataclass
class UnitOfWork:
    """A transaction under the episode's lock. What is published is written with the change, or not at all."""

    session: AsyncSession
    service: str
    wire: Wire
    cause: UUID | None = None  # the event being handled
    _published: list[dict[str, Any]] = field(default_factory=list)

    @property
    def family_id(self) -> UUID:
        return self.wire.family_id

    @property
    def episode_id(self) -> UUID:
        """Raises LookupError in the unit of work of a family that has no episode yet."""
        if self.wire.episode_id is None:
            raise LookupError("a family's unit of work has no episode")
        return self.wire.episode_id

    def publish(self, event: Event) -> UUID:
        """Write down that this happened; it is sent after the commit, in commit order. Returns the event's id."""
        if self.service not in event.services:
            raise EventRefused(f"{event.type} is not {self.service}'s to publish")
        value = cloudevents.encode(event, self.wire)
        if len(value) > MAXIMUM_VALUE_BYTES:
            raise EventRefused(f"{event.type} has {len(value)} bytes, more than {MAXIMUM_VALUE_BYTES}")
        event_id = uuid7()
        headers = cloudevents.headers(
            event, self.wire, id=event_id, source=self.service, time=datetime.now(UTC), cause=self.cause
        )
        headers |= telemetry.create(
            event.type, topic_of(self.service), event_id, episode=self.wire.episode_id, recording=recording_of(event)
        )
        self._published.append({"event_id": event_id, "key": self.wire.key, "headers": headers, "value": value})
        return event_id

    async def end_episode(self) -> None:
        """From this commit on nothing but erasure work is done for the episode here."""
        await self.session.execute(_END, {"episode": self.wire.key})

    async def discard(self, recording_id: UUID) -> None:
        """From this commit on nothing that is heard of the recording has an effect here."""
        await self.session.execute(_DISCARD, {"recording": recording_id, "episode": self.wire.key})

    async def open_erasure(self, erasure_id: UUID, recording_id: UUID | None = None) -> bool:
        """Open the door after the end; not again for an erasure that has been closed. Returns whether it is open."""
        if await self.session.scalar(_CLOSED, {"erasure": erasure_id}) is not None:
            return False
        which = {"erasure": erasure_id, "episode": self.episode_id, "recording": recording_id}
        await self.session.execute(_OPEN, which)
        return True

    async def close_erasure(self, erasure_id: UUID) -> None:
        """Shut the door: nothing more is done for this erasure here, whatever comes of it late."""
        await self.session.execute(_SHUT, {"erasure": erasure_id})
        await self.session.execute(_CLOSE, {"erasure": erasure_id, "episode": self.episode_id})

    async def write_outbox(self) -> None:
        if self._published:
            await self.session.execute(_OUTBOX, self._published)
            self._published = []


def recording_of(event: Event) -> UUID | None:
    """The recording an event is about, by which an operator finds its trace."""
    return getattr(event, "recording_id", None)


async def is_discarded(session: AsyncSession, recordings: Collection[UUID]) -> bool:
    """Whether one of them has been discarded; asked under the episode's lock."""
    return bool(recordings) and await session.scalar(_DISCARDED, {"recordings": list(recordings)}) is not None


async def lock(session: AsyncSession, key: UUID, family_id: UUID | None = None) -> tuple[Wire, bool]:
    """Lock the row of an episode, or of a family that has none yet; make it at its first mention.

    Returns whose it is, and whether the episode has ended. Raises EpisodeUnknown.
    """
    row = (await session.execute(_LOCK, {"episode": key})).one_or_none()
    if row is None:
        if family_id is None:
            raise EpisodeUnknown(str(key))
        await session.execute(_FIRST_MENTION, {"episode": key, "family": family_id})
        row = (await session.execute(_LOCK, {"episode": key})).one()
    wire = Wire(family_id=row.family_id, episode_id=None if key == row.family_id else key)
    return wire, row.ended_at is not None


@asynccontextmanager
async def unit_of_work(database: Database, key: UUID, *, family_id: UUID | None = None) -> AsyncIterator[UnitOfWork]:
    """Lock the episode (or the family that has none yet), change, publish, commit.

    family_id: whose it is; needed where this database may not have heard of the episode.
    Raises EpisodeEnded, EpisodeUnknown.
    """
    async with database.sessions.begin() as session:
        wire, ended = await lock(session, key, family_id)
        if ended:
            raise EpisodeEnded(str(key))
        uow = UnitOfWork(session, database.service, wire)
        yield uow
        await uow.write_outbox()
        await reach(Failpoint.BEFORE_COMMIT)
    await reach(Failpoint.AFTER_COMMIT)


@asynccontextmanager
async def ending(database: Database, episode_id: UUID, family_id: UUID) -> AsyncIterator[UnitOfWork]:
    """Learn that an episode has ended or that an erasure is open, whatever this database knew of it before."""
    async with database.sessions.begin() as session:
        wire, _ = await lock(session, episode_id, family_id)
        uow = UnitOfWork(session, database.service, wire)
        yield uow
        await uow.write_outbox()
        await reach(Failpoint.BEFORE_ERASURE_COMMIT)
    await reach(Failpoint.AFTER_ERASURE_COMMIT)


@asynccontextmanager
async def erasure_work(database: Database, episode_id: UUID) -> AsyncIterator[UnitOfWork]:
    """The only door after the end: purge, acknowledgement, certificate, the last messages owed.

    Raises EpisodeUnknown, and NoOpenErasure where no erasure of this episode is open.
    """
    async with database.sessions.begin() as session:
        wire, _ = await lock(session, episode_id)
        if await session.scalar(_OPEN_ERASURE, {"episode": episode_id}) is None:
            raise NoOpenErasure(str(episode_id))
        uow = UnitOfWork(session, database.service, wire)
        yield uow
        await uow.write_outbox()
        await reach(Failpoint.BEFORE_ERASURE_COMMIT)
    await reach(Failpoint.AFTER_ERASURE_COMMIT)
