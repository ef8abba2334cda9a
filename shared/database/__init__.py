"""One transaction per change, under the episode's lock, with its events beside it."""

from shared.database.connection import ATTEMPT_SECONDS, Database, is_contention, is_outage
from shared.database.tables import NAMING, closed_erasures, episodes, metadata, open_erasures, outbox
from shared.database.unit_of_work import (
    EpisodeEnded,
    EpisodeUnknown,
    EventRefused,
    NoOpenErasure,
    UnitOfWork,
    ending,
    erasure_work,
    is_discarded,
    lock,
    unit_of_work,
)

__all__ = [
    "ATTEMPT_SECONDS",
    "NAMING",
    "Database",
    "EpisodeEnded",
    "EpisodeUnknown",
    "EventRefused",
    "NoOpenErasure",
    "UnitOfWork",
    "closed_erasures",
    "ending",
    "episodes",
    "erasure_work",
    "is_contention",
    "is_discarded",
    "is_outage",
    "lock",
    "metadata",
    "open_erasures",
    "outbox",
    "unit_of_work",
]
