"""Switch telemetry on, by the standard OTEL_* variables alone.

OTEL_TRACES_EXPORTER (zipkin, otlp, none or unset), OTEL_EXPORTER_*, OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME,
OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_*, OTEL_PROPAGATORS, OTEL_SDK_DISABLED, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS mean
what OpenTelemetry says they mean.
"""

import os
from functools import cache

from opentelemetry import metrics as metrics_api
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import DropAggregation, View
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from shared.errors import AttuneError
from shared.telemetry import metrics
from shared.telemetry.allowed import AllowedOnly
from shared.telemetry.logs import setup_logs
from shared.telemetry.propagation import TraceParent

EXPORTERS: dict[str, type[SpanExporter]] = {"zipkin": ZipkinExporter, "otlp": OTLPSpanExporter}
VIEWS = [
    View(meter_name="attune", attribute_keys=metrics.LABELS),
    View(
        instrument_name="http.server.request.duration",
        attribute_keys={"http.request.method", "http.route", "http.response.status_code"},
    ),
    View(
        instrument_name="http.client.request.duration",
        attribute_keys={"http.request.method", "server.address", "server.port", "http.response.status_code"},
    ),
    View(instrument_name="*", aggregation=DropAggregation()),  # whatever else a library counts
]


@cache
def setup(service_name: str) -> None:
    """Traces, metrics and JSON logs of this process; the rest is sent at its exit. A second call changes nothing."""
    setup_logs(service_name)
    os.environ.setdefault("OTEL_SERVICE_NAME", service_name)
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    os.environ.setdefault("OTEL_BSP_MAX_QUEUE_SIZE", "8192")  # the default, 2048, is less than a burst of events makes
    if "OTEL_PROPAGATORS" not in os.environ:  # the default has baggage and tracestate: a stranger's text
        propagate.set_global_textmap(TraceParent())
    traces = TracerProvider()
    for name in filter(None, os.environ.get("OTEL_TRACES_EXPORTER", "").split(",")):
        if name == "none":
            continue
        if name not in EXPORTERS:
            raise AttuneError(f"OTEL_TRACES_EXPORTER: {name!r} is none of {', '.join(EXPORTERS)}, none")
        traces.add_span_processor(BatchSpanProcessor(AllowedOnly(EXPORTERS[name]())))
    trace.set_tracer_provider(traces)
    reader = PrometheusMetricReader(scope_info_enabled=False, registry=metrics.registry)
    metrics_api.set_meter_provider(MeterProvider([reader], views=VIEWS))
    unwanted = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    if "httpx" not in unwanted:
        HTTPXClientInstrumentor().instrument()
    if "asyncpg" not in unwanted:
        AsyncPGInstrumentor().instrument()  # type: ignore[no-untyped-call]
