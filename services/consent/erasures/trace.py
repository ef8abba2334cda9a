"""An erasure goes on in the trace that opened it; after minutes a new one begins, linked."""

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from uuid import UUID

from shared import telemetry

NEW_TRACE_AFTER = timedelta(minutes=2)


def goes_on(name: str, trace: dict[str, str], erasure_id: UUID, age: timedelta) -> AbstractContextManager[Any]:
    """A span of this name; `trace` was stored when the erasure was opened, `age` ago."""
    if age > NEW_TRACE_AFTER:
        return telemetry.linked_root(name, trace, erasure=erasure_id)
    return telemetry.span(name, trace, erasure=erasure_id)
