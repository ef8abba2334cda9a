"""Logs: JSON lines on stdout, with trace ids, and without what a stranger's message may hold.

A library's exception may quote a row, an address or a signed URL. So of an exception its type and our own frames are
logged, and its message only when the error is one of ours.
"""

import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from opentelemetry import trace
from pythonjsonlogger.core import merge_record_extra
from pythonjsonlogger.json import JsonFormatter

from shared.errors import AttuneError
from shared.telemetry.references import reference

ROOT = Path(__file__).parents[2]
OURS = ("services", "shared", "deploy", "__main__")
SILENCED = {"urllib3": logging.ERROR, "uvicorn.access": logging.CRITICAL}  # urllib3 warns with the whole signed URL
_QUERY = re.compile(r"\?\S+")


def setup_logs(service_name: str) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Line(service_name))
    handler.addFilter(Seldom())
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    for name, level in SILENCED.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # it prints a record that fails, arguments and all
    sys.excepthook = _last_words
    threading.excepthook = lambda args: _last_words(args.exc_type, args.exc_value, args.exc_traceback)


def is_ours(logger: str) -> bool:
    return logger.split(".")[0] in OURS


class Line(JsonFormatter):
    """A record as one JSON object: time, level, logger, message, service, the trace, the error, our `extra=`."""

    def __init__(self, service_name: str) -> None:
        super().__init__(json_ensure_ascii=False)
        self._service = service_name

    def format(self, record: logging.LogRecord) -> str:
        """Everything from here: JsonFormatter would write the message as it is, and the traceback."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        said: dict[str, Any] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": message(record),
            "service": self._service,
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            said["trace_id"] = trace.format_trace_id(context.trace_id)
            said["span_id"] = trace.format_span_id(context.span_id)
            said["reference"] = reference(context.trace_id)
        if is_ours(record.name):
            extra = merge_record_extra(record, {}, self.reserved_attrs)
            said |= {name: _speakable(value) for name, value in extra.items()}
        if record.exc_info and record.exc_info[1]:
            said["error"] = described(record.exc_info[1])
        return self.serialize_log_record(said)


def message(record: logging.LogRecord) -> str:
    """What may be said: no stranger's exception as an argument, no query string, of a library only the first line."""
    args = record.args
    if isinstance(args, tuple):
        args = tuple(_speakable(arg) for arg in args)
    try:
        text = str(record.msg if not isinstance(record.msg, BaseException) else _speakable(record.msg))
        text = text % args if args else text
    except (TypeError, ValueError, KeyError):
        text = str(record.msg)
    if not is_ours(record.name):
        text = text.partition("\n")[0][:300]
    return _QUERY.sub("?…", text)


def _speakable(value: object) -> object:
    if isinstance(value, BaseException) and not isinstance(value, AttuneError):
        return type(value).__qualname__
    return value


def described(error: BaseException, depth: int = 5) -> dict[str, Any]:
    """Type, our own frames (innermost last), cause; the message only of an error of ours."""
    known: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
    if isinstance(error, AttuneError):
        known["message"] = str(error)
    frames = traceback.extract_tb(error.__traceback__)
    known["at"] = [
        f"{path.relative_to(ROOT)}:{frame.lineno} {frame.name}"
        for frame in frames
        if (path := Path(frame.filename)).is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in OURS
    ]
    if depth:
        if isinstance(error, BaseExceptionGroup):
            known["within"] = [described(inner, depth - 1) for inner in error.exceptions[:10]]
        if cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
            known["cause"] = described(cause, depth - 1)
    return known


class Seldom(logging.Filter):
    """Lets a library say the same thing once in a while, and counts the rest: aiokafka repeats itself in an outage."""

    def __init__(self, every: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every, self._clock = every, clock
        self._said: dict[tuple[str, int, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        if is_ours(record.name):
            return True
        said, now = (record.name, record.levelno, str(record.msg)[:100]), self._clock()
        with self._lock:
            last, unsaid = self._said.get(said, (float("-inf"), 0))
            if now - last < self._every:
                self._said[said] = last, unsaid + 1
                return False
            if len(self._said) > 1000:
                self._said.clear()
            self._said[said] = now, 0
        if unsaid:
            record.msg = f"{record.msg} ({unsaid} more like it)"
        return True


def _last_words(kind: type[BaseException], error: BaseException | None, frames: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("shared.telemetry").critical("The process ends by an error", exc_info=(kind, error, frames))
