"""One trace runs from the change to its last effect; what waits long begins a new one that says where it comes from."""

from uuid import uuid4

import pytest
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, format_trace_id

from shared import telemetry
from tests.unit.telemetry.conftest import Exported

TYPE, TOPIC = "attune.recording.received.v1", "attune.upload"


def context(span: ReadableSpan) -> SpanContext:
    known = span.get_span_context()
    assert known
    return known


def parent(span: ReadableSpan) -> int:
    assert span.parent
    return span.parent.span_id


def stored() -> dict[str, str]:
    event = uuid4()
    return {"ce_type": TYPE, "ce_id": str(event)} | telemetry.create(TYPE, TOPIC, event)


def test_from_change_to_effect_it_is_one_trace(exported: Exported) -> None:
    with telemetry.span("take in", recording=uuid4()):
        first = stored()
    with telemetry.send(TOPIC, [first]):
        pass
    with telemetry.process(TOPIC, "curation.attune.upload", first, 3, 17):
        telemetry.create("attune.review.task_created.v1", "attune.curation", uuid4())
    root, create = exported.one("take in"), exported.one("create recording.received")
    send, process = exported.one("send recording.received"), exported.one("process recording.received")
    effect = exported.one("create review.task_created")
    assert {context(span).trace_id for span in exported.all()} == {context(root).trace_id}
    assert parent(create) == context(root).span_id
    assert parent(send) == parent(process) == context(create).span_id
    assert parent(effect) == context(process).span_id
    assert [span.kind for span in (create, send, process)] == [SpanKind.PRODUCER, SpanKind.PRODUCER, SpanKind.CONSUMER]


def test_the_header_is_the_create_context_untouched(exported: Exported) -> None:
    headers = stored()
    create = exported.one("create recording.received")
    version, trace_id, span_id, _ = headers["traceparent"].split("-")
    assert (version, trace_id, span_id) == (
        "00",
        format_trace_id(context(create).trace_id),
        f"{context(create).span_id:016x}",
    )


def test_process_is_also_linked_to_create(exported: Exported) -> None:
    with telemetry.process(TOPIC, "g", stored(), 0, 0):
        pass
    (link,) = exported.one("process recording.received").links
    assert link.context.span_id == context(exported.one("create recording.received")).span_id


def test_the_attributes_are_those_of_the_conventions(exported: Exported) -> None:
    recording, episode = uuid4(), uuid4()
    headers = stored()
    with telemetry.process(
        TOPIC, "curation.attune.upload", headers, 3, 17, attempt=2, recording=recording, episode=episode
    ):
        pass
    said = dict(exported.one("process recording.received").attributes or {})
    assert said.pop("attune.recording.reference") == telemetry.reference(recording)
    assert said.pop("attune.reference")
    assert said == {
        "messaging.system": "kafka",
        "messaging.destination.name": TOPIC,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": headers["ce_id"],
        "messaging.consumer.group.name": "curation.attune.upload",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 17,
        "cloudevents.event_type": TYPE,
        "attune.event": headers["ce_id"],
        "attune.attempt": 2,
        "attune.recording": str(recording),
        "attune.episode": str(episode),
    }


def test_a_failed_attempt_says_its_kind_and_not_its_message(exported: Exported) -> None:
    with pytest.raises(ValueError, match="Jane"), telemetry.process(TOPIC, "g", stored(), 0, 0):
        raise ValueError("Jane Doe, 9434765919")
    span = exported.one("process recording.received")
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert (span.attributes or {})["error.type"] == "ValueError"
    assert not span.events


def test_a_batch_that_could_not_be_sent_fails_in_each_of_its_traces(exported: Exported) -> None:
    rows = [stored(), stored()]
    with pytest.raises(ConnectionError), telemetry.send(TOPIC, rows):
        raise ConnectionError
    sent = [span for span in exported.all() if span.name == "send recording.received"]
    assert [span.status.status_code for span in sent] == [StatusCode.ERROR] * 2
    assert len({context(span).trace_id for span in sent}) == 2


def test_rows_without_a_sampled_trace_cost_no_span(exported: Exported) -> None:
    unsampled = stored() | {"traceparent": f"00-{uuid4().hex}-{uuid4().hex[:16]}-00"}
    with telemetry.send(TOPIC, [unsampled, {}]):
        pass
    assert not [span for span in exported.all() if span.name.startswith("send")]


@pytest.mark.parametrize("garbage", ["", "nonsense", "00-0-0-0", f"00-{'0' * 32}-{'0' * 16}-01", "é" * 55])
def test_a_strangers_headers_begin_a_new_trace_and_are_not_repeated(exported: Exported, garbage: str) -> None:
    with telemetry.process(TOPIC, "g", {"traceparent": garbage, "ce_type": "Jane Doe", "ce_id": "Jane"}, 0, 0):
        pass
    span = exported.one("process unknown event")
    assert span.parent is None
    assert "Jane" not in span.to_json()


def test_what_waited_long_begins_a_new_trace_that_names_the_old_one(exported: Exported) -> None:
    origin, other = stored(), stored()
    with telemetry.span("in between"), telemetry.linked_root("job transcode", origin, other, job=uuid4()):
        pass
    root = exported.one("job transcode")
    trace_ids = [headers["traceparent"].split("-")[1] for headers in (origin, other)]
    assert root.parent is None
    assert [format_trace_id(link.context.trace_id) for link in root.links] == trace_ids
    assert (root.attributes or {})["attune.link.trace_id"] == ",".join(trace_ids)
    assert format_trace_id(context(root).trace_id) not in trace_ids


def test_a_linked_root_without_origin_is_just_a_root(exported: Exported) -> None:
    with telemetry.linked_root("job transcode", {}):
        pass
    assert not exported.one("job transcode").links


def test_a_job_goes_on_with_the_trace_that_made_it(exported: Exported) -> None:
    with telemetry.span("ask for a clip"):
        carried = telemetry.headers()
    with telemetry.span("job clip", carried):
        pass
    assert parent(exported.one("job clip")) == context(exported.one("ask for a clip")).span_id


def test_ids_noted_later_are_on_the_current_span(exported: Exported) -> None:
    erasure = uuid4()
    with telemetry.span("purge"):
        telemetry.note(erasure=erasure, episode=None)
    said = exported.one("purge").attributes or {}
    assert said["attune.erasure"] == str(erasure)
    assert said["attune.erasure.reference"] == telemetry.reference(erasure)
    assert "attune.episode" not in said


def test_pollers_are_quiet_but_what_they_do_is_still_seen(exported: Exported) -> None:
    with telemetry.quietly():
        assert not is_instrumentation_enabled()
        with telemetry.span("purge"):
            pass
    assert is_instrumentation_enabled()
    assert exported.one("purge")


def test_a_reference_is_eight_unmistakable_characters_of_the_end() -> None:
    assert telemetry.reference(0) == "00000000"
    assert telemetry.reference((7 << 40) | 0xFFFFFFFFFF) == "ZZZZZZZZ"
    assert telemetry.reference(1) == "00000001"
    assert not set("ILOU") & set("".join(telemetry.reference(uuid4()) for _ in range(500)))
