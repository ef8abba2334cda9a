"""The events: one Pydantic model each; the JSON Schemas and the AsyncAPI document in `docs/events` come from them."""

from shared.contracts import consent, curation, notification, transcoding, upload
from shared.contracts.event import (
    PARTICIPANTS,
    PARTITIONS,
    REGISTRY,
    RETENTION_DAYS,
    SERVICES,
    Code,
    Event,
    Wire,
    topic_of,
)

__all__ = [
    "PARTICIPANTS",
    "PARTITIONS",
    "REGISTRY",
    "RETENTION_DAYS",
    "SERVICES",
    "Code",
    "Event",
    "Wire",
    "consent",
    "curation",
    "notification",
    "topic_of",
    "transcoding",
    "upload",
]
