"""What may leave in a span: an allow-list, since libraries put addresses, tokens, statements, messages into theirs."""

import re
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanKind, Status
from opentelemetry.util.types import AttributeValue

from shared.telemetry.propagation import stateless
from shared.telemetry.references import reference

OURS = "attune"  # the instrumentation scope of our own spans
REFERRED = ("recording", "job", "erasure")  # what people are given the reference of


def _number(value: object) -> bool:
    return isinstance(value, int)


def _text(pattern: str) -> Callable[[object], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


_uuid = _text(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_word = _text(r"[A-Za-z_][A-Za-z0-9_.\-]{0,99}")  # the name of a class, a method, a topic, a database
_event_type = _text(r"attune(?:\.[a-z_]+)+\.v[0-9]+")
_our_name = re.compile(r"[A-Za-z][A-Za-z_. ]{0,79}")  # no digits: no id gets into a name

ALLOWED: Mapping[str, Callable[[object], bool]] = {
    "http.request.method": _word,
    "http.response.status_code": _number,
    "http.route": _text(r"/[A-Za-z0-9_./{}:\-]*"),
    "network.protocol.version": _text(r"[0-9.]+"),
    "server.address": _text(r"[A-Za-z0-9.:\-]+"),
    "server.port": _number,
    "error.type": _text(r"[A-Za-z0-9_.]{1,100}"),
    "exception.type": _word,
    "db.system.name": _word,
    "db.namespace": _word,
    "messaging.system": _word,
    "messaging.destination.name": _word,
    "messaging.destination.partition.id": _text(r"[0-9]+"),
    "messaging.consumer.group.name": _word,
    "messaging.operation.name": _word,
    "messaging.operation.type": _word,
    "messaging.message.id": _uuid,
    "messaging.kafka.offset": _number,
    "cloudevents.event_type": _event_type,
    "attune.event": _uuid,
    "attune.recording": _uuid,
    "attune.job": _uuid,
    "attune.erasure": _uuid,
    "attune.episode": _uuid,
    "attune.artefact": _uuid,
    "attune.attempt": _number,
    "attune.link.trace_id": _text(r"[0-9a-f]{32}(?:,[0-9a-f]{32})*"),
}

Attributes = dict[str, AttributeValue]


class AllowedOnly(SpanExporter):
    """Hands an exporter each span made anew from what is allowed; those that say nothing are left out."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([allowed(span) for span in spans if not says_nothing(span)])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def allowed(span: ReadableSpan) -> ReadableSpan:
    """The same span without what nobody has allowed, its name rebuilt, and findable by reference."""
    given = span.attributes or {}
    kept = _kept(given)
    if span.kind is not SpanKind.CLIENT:  # a server's address is whatever the caller wrote into Host
        kept.pop("server.address", None)
        kept.pop("server.port", None)
    kept |= _statement(given.get("db.query.text"))
    name = _name(span, kept)
    kept |= _references(span, kept)
    return ReadableSpan(
        name=name,
        context=span.context and stateless(span.context),
        parent=span.parent and stateless(span.parent),
        resource=span.resource,
        attributes=kept,
        events=[_event(event) for event in span.events],
        links=[Link(stateless(link.context), _kept(link.attributes or {})) for link in span.links],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _event(event: Event) -> Event:
    name = event.name if _our_name.fullmatch(event.name) else "event"
    return Event(name, _kept(event.attributes or {}), event.timestamp)


def _kept(attributes: Mapping[str, AttributeValue]) -> Attributes:
    return {key: value for key, value in attributes.items() if key in ALLOWED and ALLOWED[key](value)}


_OPERATION = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|SET|LISTEN|NOTIFY|COPY|WITH)\b", re.IGNORECASE
)
_TABLE = re.compile(r"\b(?:INTO|UPDATE|FROM)\s+([a-z_]+)\b")
# greedy: rather no table than a literal
_QUOTED = re.compile(r"'.*'|\".*\"|\$\w*\$.*\$\w*\$|--.*|/\*.*\*/", re.DOTALL)


def _statement(statement: object) -> Attributes:
    """Of a statement its operation and first table; its text may hold literals."""
    if not isinstance(statement, str) or not (operation := _OPERATION.match(statement)):
        return {}
    described: Attributes = {"db.operation.name": operation[1].upper()}
    if table := _TABLE.search(_QUOTED.sub(" ", statement)):
        described["db.collection.name"] = table[1]
    return described


# a pool asks whether a connection lives, a session begins; that it changed something is told by its COMMIT
_EDGE = re.compile(r"\s*(?:;|(?:BEGIN|ROLLBACK)\b[\w\s,;]*)", re.IGNORECASE)


def says_nothing(span: ReadableSpan) -> bool:
    """Whether it is half of what a database's connection does and nothing that an operator looks for."""
    statement = (span.attributes or {}).get("db.query.text")
    return isinstance(statement, str) and span.status.is_ok and _EDGE.fullmatch(statement) is not None


def _name(span: ReadableSpan, kept: Attributes) -> str:
    if span.instrumentation_scope and span.instrumentation_scope.name == OURS:
        return span.name if _our_name.fullmatch(span.name) else "unnamed"
    parts = [kept.get(key) for key in ("http.request.method", "http.route", "db.operation.name", "db.collection.name")]
    return " ".join(str(part) for part in parts if part) or "unnamed"


def _references(span: ReadableSpan, kept: Attributes) -> Attributes:
    """The short references people see, as attributes, since a viewer finds only what it has word for word."""
    referred = ((f"attune.{name}.reference", kept.get(f"attune.{name}")) for name in REFERRED)
    found: Attributes = {name: reference(UUID(str(identity))) for name, identity in referred if identity}
    entered = span.parent is None or span.parent.is_remote
    if entered and span.context:
        found["attune.reference"] = reference(span.context.trace_id)
    return found
