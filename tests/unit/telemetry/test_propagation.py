"""A trace goes on by its id alone: what a caller wrote beside it goes nowhere."""

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from shared.telemetry import spans
from shared.telemetry.propagation import TraceParent
from tests.unit.telemetry.conftest import Exported

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CALLER = {"traceparent": TRACEPARENT, "tracestate": "vendor=JaneDoe", "baggage": "name=JaneDoe"}


def test_a_callers_trace_goes_on_without_what_it_says_of_itself() -> None:
    found = trace.get_current_span(TraceParent().extract(CALLER)).get_span_context()
    assert f"{found.trace_id:032x}" in TRACEPARENT and found.is_remote and found.trace_flags.sampled
    assert not found.trace_state


def test_without_a_readable_header_there_is_no_trace() -> None:
    assert TraceParent().extract({"traceparent": "JaneDoe"}, Context()) == Context()


def test_nothing_but_the_trace_is_handed_on() -> None:
    state = TraceState([("vendor", "JaneDoe")])
    context = trace.set_span_in_context(NonRecordingSpan(SpanContext(1, 2, True, TraceFlags(1), state)))
    handed_on: dict[str, str] = {}
    TraceParent().inject(handed_on, context)
    assert handed_on == {"traceparent": "00-00000000000000000000000000000001-0000000000000002-01"}


def test_what_is_stored_with_an_event_is_the_trace_alone(exported: Exported) -> None:
    with spans.span("take in", CALLER):
        stored = spans.headers()
    assert stored.keys() == {"traceparent"} and stored["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]
