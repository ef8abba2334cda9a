"""Events in: FastStream's own constructs, with one transaction per record in the middle (`delivery`).

A service's `subscribers.py` makes one `Events` and registers a handler per event type with `@events.on(Type)`; its
`app.py` binds them to a database and a broker.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from faststream import Depends
from faststream.kafka import KafkaBroker, KafkaMessage, KafkaRouter
from faststream.kafka.subscriber.usecase import DefaultSubscriber
from faststream.middlewares import AckPolicy
from sqlalchemy.exc import SQLAlchemyError

from shared import telemetry
from shared.contracts import Event, topic_of
from shared.contracts.cloudevents import UnknownType
from shared.contracts.event import REGISTRY
from shared.database import Database, UnitOfWork
from shared.messaging.dead_letters import known_by_now, requeue, to_requeue
from shared.messaging.delivery import CURRENT, OUTAGE_SECONDS, Delivery
from shared.messaging.watermark import Watermark
from shared.settings import KafkaSettings
from shared.telemetry import metrics
from shared.telemetry.metrics import Readings, Series

log = logging.getLogger(__name__)

REBALANCE_SECONDS = 60.0  # longer than an attempt and every time-out of PostgreSQL's below it
SESSION_SECONDS = 10.0  # after which a member that fell silent loses its partitions
REQUEUE_LOOK_SECONDS = 5.0
PING_SECONDS = 3.0
SHARE_WINDOW, SHARE_PARKED = 200, 0.25  # one bad deploy must not drain a topic into the dead letters
SHARE_LEAST = 20


async def _current() -> UnitOfWork:  # FastStream's own Context costs a thread hop a record
    return CURRENT.get()


Uow = Annotated[UnitOfWork, Depends(_current)]
Handler = Callable[..., Awaitable[None]]
H = TypeVar("H", bound=Handler)


class Events:
    """The subscriptions of one service: a subscriber and a group per topic it reads, a handler per event type.

    `ready` is False until it consumes, and while a record waits for the database or for an operator; whether each
    subscriber gets on besides is known by its watermark's `progress`.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.router = KafkaRouter()
        self.ready = False
        self._subscribers: dict[str, DefaultSubscriber] = {}
        self._watermarks: dict[str, Watermark] = {}
        self.handlers: dict[type[Event], Handler] = {}
        self._outcomes: list[bool] = []  # of late: whether it was parked
        self._passed_over = _PassedOver(service)
        self.database: Database
        self._broker: KafkaBroker

    def group(self, topic: str) -> str:
        return f"{self.service}.{topic}"

    @property
    def topics(self) -> list[str]:
        """Those that it reads."""
        return list(self._subscribers)

    def watermark(self, topic: str) -> Watermark:
        return self._watermarks[topic]

    def on(self, event: type[Event]) -> Callable[[H], H]:
        """Handle an event type. Raises ValueError for a second handler: FastStream would run only the first."""
        if event in self.handlers:
            raise ValueError(f"{self.service} handles {event.type} twice")

        def register(handler: H) -> H:
            self.handlers[event] = handler
            for service in event.services:
                topic = topic_of(service)
                self._subscriber(topic)(handler, filter=_of_type(event.type))
            return handler

        return register

    def _subscriber(self, topic: str) -> DefaultSubscriber:
        if topic not in self._subscribers:
            watermark = Watermark(topic, lambda: getattr(self._subscribers[topic], "consumer", None))
            self._watermarks[topic] = watermark
            subscriber = self.router.subscriber(
                topic,
                group_id=self.group(topic),
                ack_policy=AckPolicy.MANUAL,
                auto_offset_reset="earliest",
                parser=_readable,
                no_reply=True,
                listener=watermark,
                rebalance_timeout_ms=int(REBALANCE_SECONDS * 1000),
                session_timeout_ms=int(SESSION_SECONDS * 1000),
            )
            self._subscribers[topic] = subscriber
        return self._subscribers[topic]

    def bind(self, database: Database, kafka: KafkaSettings) -> None:
        """Say where the effects go and where the records come from; once, in the service's `app.py`."""
        self.database = database
        for subscriber in self._subscribers.values():  # registered last: the first match wins
            subscriber(_unhandled, decoder=_body)
        self._broker = KafkaBroker(
            kafka.servers.split(","),
            middlewares=[_Middleware(self)],
            graceful_timeout=30.0,
            allow_auto_create_topics=False,
            logger=self._passed_over,
        )
        self._broker.include_router(self.router)

    async def is_ready(self) -> bool:
        """Whether the broker answers, every subscriber has joined its group and gets on, and no record waits for the
        database or for an operator."""
        if not self.ready or not await self._broker.ping(PING_SECONDS):
            return False
        return all(await asyncio.gather(*(watermark.progress.gets_on() for watermark in self._watermarks.values())))

    async def observe(self) -> Readings:
        """How long records have waited, by topic; NaN while the broker is away, since nobody knows."""
        away = not await self._broker.ping(PING_SECONDS)
        return {
            Series(metrics.CONSUMER_LAG, "topic", topic): await watermark.progress.lag(away=away)
            for topic, watermark in self._watermarks.items()
        }

    async def run(self) -> None:
        """Consume for ever; while the broker is away at the start, say "not ready" and try again."""
        while True:
            try:
                async with self._consuming():
                    self.ready = True
                    await asyncio.Event().wait()
            except (KafkaError, OSError, TimeoutError, SQLAlchemyError) as error:
                self.ready = False
                log.warning("the consumer of %s cannot start: %s", self.service, type(error).__name__)
                await asyncio.sleep(OUTAGE_SECONDS)

    @asynccontextmanager
    async def _consuming(self) -> AsyncIterator[None]:
        """On leaving, what waits is let go and what is settled is committed."""
        async with self.database.sessions.begin() as session:
            await requeue(session, known_by_now())
        again = None
        try:
            await self._broker.start()
            again = asyncio.create_task(self._handle_again())
            yield
        finally:
            if again:
                again.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await again
            for watermark in self._watermarks.values():
                await watermark.release()
            await self._broker.stop()
            for watermark in self._watermarks.values():
                watermark.progress.stopped()

    async def _handle_again(self) -> None:
        """Feed the dead letters that are wanted again through their handlers."""
        while True:
            try:
                with telemetry.quietly():
                    for topic, subscriber in self._subscribers.items():
                        async with self.database.sessions() as session:
                            records = await to_requeue(session, self.group(topic))
                        for record in records:
                            await subscriber.process_message(record)
            except Exception:
                log.warning("dead letters cannot be looked at", exc_info=True)
            await asyncio.sleep(REQUEUE_LOOK_SECONDS)

    def does_nothing_with(self, type: str) -> bool:
        """Whether it is a known type without a handler here; such a record needs no transaction."""
        return type in REGISTRY and REGISTRY[type] not in self.handlers

    def settled(self, *, parked: bool) -> None:
        self.ready = True
        self._passed_over.kinds.clear()
        self._outcomes = [*self._outcomes[-SHARE_WINDOW:], parked]

    def may_park(self) -> bool:
        parked = sum(self._outcomes)
        return parked < SHARE_LEAST or parked < SHARE_PARKED * len(self._outcomes)


def _of_type(type: str) -> Callable[[KafkaMessage], Awaitable[bool]]:
    async def matches(message: KafkaMessage) -> bool:  # async: a sync filter costs a thread hop a record
        return message.headers.get("ce_type") == type

    return matches


async def _readable(record: ConsumerRecord, parse: Callable[[ConsumerRecord], Awaitable[Any]]) -> Any:
    """A parser that never raises: FastStream would swallow the error and go on to the next record."""
    headers = [(name, (value or b"").decode(errors="replace").encode()) for name, value in record.headers]
    return await parse(replace(record, headers=headers))


async def _body(message: KafkaMessage) -> bytes:
    return message.body or b""


async def _unhandled(body: bytes) -> None:
    """What no handler is registered for: an event of ours that this service does nothing with, or an unknown type."""
    raise UnknownType("parked until a version that knows it starts")


class _PassedOver:
    """FastStream's logger: it goes on after any error, its consumer's or ours, and tells nobody else.

    Each kind is told once until a record is settled, and by its type alone: a message may hold personal data.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self.kinds: set[str] = set()

    def log(self, level: int, msg: Any, /, *, exc_info: Any = None, extra: Any = None) -> None:
        kind = type(exc_info).__name__
        if isinstance(exc_info, Exception) and kind not in self.kinds:
            self.kinds.add(kind)
            log.error("the consumer of %s goes on after an error: %s", self._service, kind)


class _Middleware:
    """Makes a delivery of every record; an object, since FastStream makes the middleware itself anew each time."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def __call__(self, record: Any, /, *, context: Any) -> Delivery:
        delivery = Delivery(record, context=context)
        delivery.events, delivery.let_go = self._events, self._events.watermark(record.topic).let_go
        return delivery
