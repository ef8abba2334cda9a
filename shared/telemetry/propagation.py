"""How a trace goes from one process to the next: by `traceparent` alone.

Into `tracestate` a caller may write anything, and it would be kept with all that follows: in rows, events, questions.
"""

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


class TraceParent(TextMapPropagator):
    """W3C Trace Context without `tracestate`, in and out."""

    _w3c = TraceContextTextMapPropagator()

    @property
    def fields(self) -> set[str]:
        return {"traceparent"}

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        found = self._w3c.extract(carrier, context, getter)
        return _stateless(found) or found

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        self._w3c.inject(carrier, _stateless(context), setter)


def stateless(span_context: SpanContext) -> SpanContext:
    if not span_context.trace_state:
        return span_context
    return SpanContext(span_context.trace_id, span_context.span_id, span_context.is_remote, span_context.trace_flags)


def _stateless(context: Context | None) -> Context | None:
    span_context = trace.get_current_span(context).get_span_context()
    if not span_context.trace_state:
        return context
    return trace.set_span_in_context(NonRecordingSpan(stateless(span_context)), context)
