"""Traces, logs and metrics: what an operator sees, and never anything personal."""

from shared.telemetry.references import reference
from shared.telemetry.setup import setup
from shared.telemetry.spans import create, headers, linked_root, note, process, quietly, send, span

__all__ = ["create", "headers", "linked_root", "note", "process", "quietly", "reference", "send", "setup", "span"]
