"""Our own spans: an event's way from outbox to handler, by OpenTelemetry's conventions, and what follows a wait.

The header on the wire is the context of the `create` span, untouched; `send` and `process` are its children.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TypedDict, Unpack
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import Link, Span, SpanKind, StatusCode

from shared.telemetry.propagation import TraceParent

tracer = trace.get_tracer("attune")
_w3c = TraceParent()
_EVENT_TYPE = re.compile(r"attune\.([a-z_]+(?:\.[a-z_]+)*)\.v\d+")

Headers = Mapping[str, str]
"""With a `traceparent`; other headers do no harm."""


class Ids(TypedDict, total=False):
    """The opaque ids a span may carry, as `attune.<name>`; an operator finds a trace by them."""

    recording: UUID | None
    job: UUID | None
    erasure: UUID | None
    episode: UUID | None
    artefact: UUID | None


def quietly() -> AbstractContextManager[None]:
    """Within it libraries make no spans: for what polls. Our own spans are made all the same."""
    return suppress_instrumentation()


def headers() -> dict[str, str]:
    """The current trace context, to be stored with what will go on with it."""
    carrier: dict[str, str] = {}
    _w3c.inject(carrier)
    return carrier


def note(**ids: Unpack[Ids]) -> None:
    """Put ids on the current span."""
    trace.get_current_span().set_attributes(_named(ids))


def create(event_type: str, topic: str, event_id: UUID, **ids: Unpack[Ids]) -> dict[str, str]:
    """The span of writing an event to the outbox; answers with the headers to store and to send as they are."""
    attributes = _message("create", event_type, topic, str(event_id)) | _named(ids)
    created = tracer.start_span(_name("create", event_type), kind=SpanKind.PRODUCER, attributes=attributes)
    created.end()
    carrier: dict[str, str] = {}
    _w3c.inject(carrier, trace.set_span_in_context(created))
    return carrier


@contextmanager
def send(topic: str, rows: Iterable[Headers]) -> Iterator[None]:
    """Round the sending of outbox rows, known by their headers (`ce_type`, `ce_id`, `traceparent`): a span for each."""
    spans = []
    for row in rows:
        created = _context(row)
        if trace.get_current_span(created).get_span_context().trace_flags.sampled:
            event_type, event_id = row.get("ce_type", ""), row.get("ce_id", "")
            attributes = _message("send", event_type, topic, event_id)
            spans.append(tracer.start_span(_name("send", event_type), created, SpanKind.PRODUCER, attributes))
    try:
        yield
    except Exception as error:
        for sent in spans:
            _failed(sent, error)
        raise
    finally:
        for sent in spans:
            sent.end()


@contextmanager
def process(
    topic: str, group: str, headers: Headers, partition: int, offset: int, attempt: int = 1, **ids: Unpack[Ids]
) -> Iterator[Span]:
    """Round the handling of one record: a child of the span that created it, and linked to it by the conventions."""
    event_type, created = headers.get("ce_type", ""), _context(headers)
    attributes = _message("process", event_type, topic, headers.get("ce_id", "")) | _named(ids)
    attributes |= {
        "messaging.consumer.group.name": group,
        "messaging.destination.partition.id": str(partition),
        "messaging.kafka.offset": offset,
        "attune.attempt": attempt,
    }
    links = _links([headers])
    with _current(
        tracer.start_span(_name("process", event_type), created, SpanKind.CONSUMER, attributes, links)
    ) as current:
        yield current


@contextmanager
def span(name: str, parent: Headers | None = None, **ids: Unpack[Ids]) -> Iterator[Span]:
    """A piece of work worth seeing; with `parent` it goes on with a stored trace (a job that waited seconds)."""
    context = None if parent is None else _context(parent)
    with _current(tracer.start_span(name, context, attributes=_named(ids))) as current:
        yield current


@contextmanager
def linked_root(name: str, *origins: Headers, **ids: Unpack[Ids]) -> Iterator[Span]:
    """A new trace that says which stored ones it comes from: what goes on after minutes begins anew."""
    links = _links(origins)
    attributes = _named(ids)
    if links:  # also as an attribute: Zipkin drops links
        attributes["attune.link.trace_id"] = ",".join(trace.format_trace_id(link.context.trace_id) for link in links)
    with _current(tracer.start_span(name, Context(), attributes=attributes, links=links)) as current:
        yield current


def _context(carrier: Headers) -> Context:
    return _w3c.extract(carrier, Context())


def _links(origins: Iterable[Headers]) -> list[Link]:
    contexts = (trace.get_current_span(_context(origin)).get_span_context() for origin in origins)
    return [Link(context) for context in contexts if context.is_valid]


@contextmanager
def _current(started: Span) -> Iterator[Span]:
    with trace.use_span(started, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield started
        except Exception as error:
            _failed(started, error)
            raise


def _failed(failed: Span, error: Exception) -> None:
    failed.set_status(StatusCode.ERROR)
    failed.set_attribute("error.type", type(error).__qualname__)


Attributes = dict[str, str | int]


def _named(ids: Ids) -> Attributes:
    return {f"attune.{name}": str(value) for name, value in ids.items() if value is not None}


def _name(operation: str, event_type: str) -> str:
    """`process recording.received`: the topic, one per service, would say less. A stranger's type is not repeated."""
    known = _EVENT_TYPE.fullmatch(event_type)
    return f"{operation} {known[1] if known else 'unknown event'}"


def _message(operation: str, event_type: str, topic: str, event_id: str) -> Attributes:
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": topic,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.message.id": event_id,
        "cloudevents.event_type": event_type,
        "attune.event": event_id,
    }
