"""A log line helps an operator and betrays nobody."""

import json
import logging
import sys
from typing import Any, TypeVar

import pytest

from shared import telemetry
from shared.errors import AttuneError
from shared.telemetry import logs
from shared.telemetry.logs import Line, Seldom
from tests.unit.telemetry.conftest import Exported

E = TypeVar("E", bound=Exception)
OURS, THEIRS = "services.consent.api", "aiokafka.conn"


def line(logger: str, message: Any, *args: Any, error: BaseException | None = None, **extra: Any) -> dict[str, Any]:
    record = logging.getLogger(logger).makeRecord(
        logger,
        logging.ERROR,
        __file__,
        1,
        message,
        args,
        (type(error), error, error.__traceback__) if error else None,
        extra=extra,
    )
    said = Line("consent").format(record)
    assert "\n" not in said
    parsed: dict[str, Any] = json.loads(said)
    return parsed


def raised(error: E, cause: Exception | None = None) -> E:
    try:
        raise error from cause
    except Exception:
        return error


def test_a_line_says_when_how_bad_where_what_and_by_whom() -> None:
    said = line(OURS, "asked for %d artefacts", 3, purpose="review")
    assert {name: said[name] for name in said if name != "time"} == {
        "level": "ERROR",
        "logger": OURS,
        "message": "asked for 3 artefacts",
        "service": "consent",
        "purpose": "review",
    }
    assert said["time"].endswith("Z")


def test_a_line_under_a_span_names_its_trace_and_reference(exported: Exported) -> None:
    with telemetry.span("record consent"):
        said = line(OURS, "recorded")
    span = exported.one("record consent")
    assert said["trace_id"] == f"{span.context.trace_id:032x}" if span.context else None
    assert said["reference"] == (span.attributes or {})["attune.reference"]


def test_a_strangers_error_is_named_without_its_message() -> None:
    cause = raised(KeyError("Jane"))
    said = line(OURS, "could not record", error=raised(ValueError("Jane Doe"), cause))
    assert said["error"]["type"] == "builtins.ValueError"
    assert said["error"]["cause"]["type"] == "builtins.KeyError"
    assert "Jane" not in json.dumps(said)


def test_an_error_of_ours_may_speak() -> None:
    said = line(
        OURS, "refused: %s", AttuneError("The episode has ended"), error=raised(AttuneError("The episode has ended"))
    )
    assert said["message"] == "refused: The episode has ended"
    assert said["error"]["message"] == "The episode has ended"


def test_our_frames_are_named_and_no_others() -> None:
    try:
        telemetry.reference("Jane")  # type: ignore[arg-type]
    except ValueError as error:
        said = line(OURS, "x", error=error)
    (frame,) = said["error"]["at"]
    assert frame.startswith("shared/telemetry/references.py:")
    assert frame.endswith(" reference")


def test_the_errors_of_a_group_are_each_described() -> None:
    group = raised(ExceptionGroup("Jane", [raised(ValueError("Jane")), raised(AttuneError("ours"))]))
    said = line(OURS, "x", error=group)
    assert [inner["type"] for inner in said["error"]["within"]] == ["builtins.ValueError", "shared.errors.AttuneError"]
    assert "Jane" not in json.dumps(said)


@pytest.mark.parametrize("logger", [OURS, THEIRS])
def test_an_error_as_an_argument_or_as_the_message_is_only_named(logger: str) -> None:
    assert line(logger, "failed: %s", ValueError("Jane"))["message"] == "failed: ValueError"
    assert line(logger, ValueError("Jane"))["message"] == "ValueError"


def test_of_a_library_only_the_first_line_is_kept() -> None:
    said = line(
        "asyncio",
        "Task exception was never retrieved\nfuture: <Task exception=ValueError('Jane Doe')>",
        extra_of_theirs="Jane",
    )
    assert said["message"] == "Task exception was never retrieved"
    assert "Jane" not in json.dumps(said)


@pytest.mark.parametrize("logger", [OURS, THEIRS])
def test_a_query_string_never_gets_into_a_log(logger: str) -> None:
    said = line(logger, "PUT %s failed", "http://s3/b/o?X-Amz-Signature=secret&x=1")
    assert said["message"] == "PUT http://s3/b/o?… failed"


def test_an_error_among_the_extras_is_only_named() -> None:
    assert line(OURS, "failed", why=ValueError("Jane"))["why"] == "ValueError"


def test_a_broken_message_is_still_a_line() -> None:
    assert line(OURS, "%d of %d", "one")["message"] == "%d of %d"


def test_a_library_that_repeats_itself_is_heard_once_in_a_while_and_counted() -> None:
    now = 0.0
    seldom = Seldom(every=10.0, clock=lambda: now)

    def says(logger: str, message: str) -> str | None:
        record = logging.getLogger(logger).makeRecord(logger, logging.WARNING, __file__, 1, message, (), None)
        return record.getMessage() if seldom.filter(record) else None

    assert says(THEIRS, "broker away") == "broker away"
    assert [says(THEIRS, "broker away") for _ in range(40)] == [None] * 40
    assert says(THEIRS, "something else") == "something else"
    now = 10.0
    assert says(THEIRS, "broker away") == "broker away (40 more like it)"
    assert [says(OURS, "withdrawn") for _ in range(3)] == ["withdrawn"] * 3


def test_the_last_words_of_a_process_are_a_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Line("consent"))
    monkeypatch.setattr(logging.root, "handlers", [handler])
    error = raised(ValueError("Jane"))
    logs._last_words(type(error), error, error.__traceback__)
    said = json.loads(capsys.readouterr().out)
    assert said["level"] == "CRITICAL"
    assert said["error"]["type"] == "builtins.ValueError"
