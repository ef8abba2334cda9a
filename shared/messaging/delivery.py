"""One record on its way to being settled, in one transaction: its inbox row, its effect and what it publishes.

A member takes the records of a partition in order, and never leaves one unsettled and goes on.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from aiokafka import ConsumerRecord
from faststream import BaseMiddleware
from sqlalchemy.ext.asyncio import AsyncSession

from shared import telemetry
from shared.contracts import Event, Wire
from shared.contracts.cloudevents import Malformed, UnknownType
from shared.contracts.event import REGISTRY
from shared.database import ATTEMPT_SECONDS, UnitOfWork, is_contention, is_discarded, lock
from shared.errors import AttuneError
from shared.failpoints import Failpoint, reach
from shared.messaging.dead_letters import (
    HOPELESS,
    REQUEUED,
    Letter,
    first_time,
    park,
    read,
)
from shared.messaging.progress import Progress
from shared.messaging.watermark import Watermark
from shared.telemetry import metrics

if TYPE_CHECKING:
    from shared.messaging.events import Events

log = logging.getLogger(__name__)

BACK_OFF_SECONDS = (0.05, 0.2, 0.7, 2.0)  # near 3 s in all: it holds up the whole member, not the episode alone
OUTAGE_SECONDS = 1.0

CURRENT: ContextVar[UnitOfWork] = ContextVar("the unit of work of the record being handled")


class Lost(AttuneError):
    """The database is away, which is nobody's failure: the record is tried again for ever."""


class TooManyParked(AttuneError):
    """The share of records parked of late is too large: more likely this version is wrong than they are."""


class Delivery(BaseMiddleware):
    """One record on its way to being settled."""

    events: "Events"
    let_go: asyncio.Event  # of the assignment that it came by; the watermark has another after a rebalance
    settled = False

    @property
    def record(self) -> ConsumerRecord:
        return self.msg

    @property
    def watermark(self) -> Watermark:
        return self.events.watermark(self.record.topic)

    @property
    def progress(self) -> Progress:
        return self.watermark.progress

    async def on_receive(self) -> None:
        if self.record.offset != REQUEUED:
            self.progress.took(self.record)

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> Any:
        """Try until the record is settled, or must be let go: done, ended, or parked with a reason."""
        if self.let_go.is_set():  # one below it may have been let go unsettled
            return
        letter = read(self.record, self.events.group(self.record.topic))
        if not letter.reason and self.events.does_nothing_with(letter.type):
            self._settle()
            return
        work: Callable[[AsyncSession], Awaitable[None]] = partial(self._handle, call_next, msg, letter)
        if letter.reason:
            work = partial(park, letter)
        failures = 0
        while not self.settled and not self.let_go.is_set():
            try:
                with telemetry.process(
                    self.record.topic,
                    letter.group,
                    letter.headers,
                    self.record.partition,
                    self.record.offset,
                    failures + 1,
                ):
                    if not await self._once(work, letter):
                        return
                self.events.settled(parked=letter.reason is not None)
                return
            except (Lost, TooManyParked):
                self.events.ready = False
                delay = OUTAGE_SECONDS
            except Exception as error:
                delay = BACK_OFF_SECONDS[0]
                if letter.reason:
                    self.events.ready, delay = False, OUTAGE_SECONDS
                    log.critical("%s: it cannot even be parked; an operator must look", letter.group, exc_info=True)
                elif not is_contention(error):
                    failures += 1
                    delay = BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS)) - 1]
                    if isinstance(error, HOPELESS) or failures > len(BACK_OFF_SECONDS):
                        letter, delay = letter.because(error, failures), 0.0
                        work = partial(park, letter)
                        log.error(
                            "%s of %s: parked, %s at %s", letter.type, self.record.topic, letter.reason, letter.detail
                        )
            self.progress.tried()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.let_go.wait(), delay)

    async def _once(self, work: Callable[[AsyncSession], Awaitable[None]], letter: Letter) -> bool:
        """False when it was let go before it came to its transaction."""
        if letter.reason and letter.reason != "unknown_type" and not self.events.may_park():
            log.critical("%s: too large a share would be parked; an operator must look", letter.group)
            raise TooManyParked(letter.group)
        async with self.events.database.sessions() as session:
            try:
                driver = (await (await session.connection()).get_raw_connection()).driver_connection
            except Exception as error:
                raise Lost(type(error).__name__) from error
            async with self.watermark.transaction:
                if self.let_go.is_set():
                    return False
                await self._attempt(work, session, driver)
        await reach(Failpoint.EFFECT_WITHOUT_OFFSET)
        return True

    async def _attempt(
        self, work: Callable[[AsyncSession], Awaitable[None]], session: AsyncSession, driver: Any
    ) -> None:
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS) as limit:
                await work(session)
                await reach(Failpoint.BEFORE_COMMIT)
                await session.commit()
        except BaseException as error:
            away = not await self.events.database.answers() if limit.expired() else driver.is_closed()
            if away:  # asked, not guessed: one outage shows as a dozen kinds of exception
                await session.invalidate()
                raise Lost(type(error).__name__) from error
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and not task.cancelling():
                raise RuntimeError("the handler awaited something that was cancelled") from error
            raise
        self._settle()

    def _settle(self) -> None:
        self.settled = True
        if self.record.offset != REQUEUED:
            self.watermark.settle(self.record)

    async def _handle(
        self, call_next: Callable[[Any], Awaitable[Any]], msg: Any, letter: Letter, session: AsyncSession
    ) -> None:
        event = REGISTRY.get(letter.type)
        if event is None:
            raise UnknownType(letter.type)
        wire = Wire.model_validate_json(self.record.value or b"null")
        if self.record.key != str(wire.key).encode():  # its order is not that of the episode's other events
            raise Malformed("its key is not its episode, or its family where there is none")
        wire, ended = await lock(session, wire.key, wire.family_id)
        refused = not event.outlives and (ended or await self._is_discarded(event, session))
        if not await first_time(session, letter, "ended" if refused else "done"):
            metrics.DUPLICATES.add(1, {"topic": self.record.topic})
            return
        if refused:
            return
        uow = UnitOfWork(session, self.events.service, wire, cause=letter.event_id)
        token = CURRENT.set(uow)
        try:
            await call_next(msg)
        finally:
            CURRENT.reset(token)
        await uow.write_outbox()

    async def _is_discarded(self, event: type[Event], session: AsyncSession) -> bool:
        return await is_discarded(session, event.model_validate_json(self.record.value or b"null").recordings())

    async def after_processed(self, exc_type: Any = None, exc_val: Any = None, exc_tb: Any = None) -> bool | None:
        """The belt: whatever raised outside, a record that is not settled is taken again before those above it."""
        if self.record.offset != REQUEUED:
            if not self.settled and not self.let_go.is_set():
                await asyncio.sleep(OUTAGE_SECONDS)
                await self.watermark.seek_back(self.record)
            self.progress.put_down()
        return await super().after_processed(exc_type, exc_val, exc_tb)
