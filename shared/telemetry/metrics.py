"""Every metric, once: what it means and what to do about it. `GET /metrics` shows them.

Labels are words of ours (topic, kind, outcome, state), never an id.
"""

from dataclasses import dataclass
from typing import NamedTuple

from opentelemetry import metrics
from opentelemetry.metrics import Counter, Histogram
from opentelemetry.metrics import _Gauge as Gauge
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

LABELS = {"topic", "kind", "outcome", "state", "check"}
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_meter = metrics.get_meter("attune")


@dataclass(frozen=True)
class Definition:
    name: str
    unit: str
    meaning: str
    remedy: str


DEFINITIONS: list[Definition] = []


class Series(NamedTuple):
    """One line of a gauge: the whole of it, or what it says of one value of its label."""

    gauge: Gauge
    label: str = ""
    of: str = ""

    def show(self, value: float) -> None:
        self.gauge.set(value, {self.label: self.of} if self.label else {})


Readings = dict[Series, float]
"""All that one observation sees."""


def _gauge(name: str, unit: str, meaning: str, remedy: str) -> Gauge:
    DEFINITIONS.append(Definition(name, unit, meaning, remedy))
    return _meter.create_gauge(name, unit, meaning)


def _counter(name: str, unit: str, meaning: str, remedy: str) -> Counter:
    DEFINITIONS.append(Definition(name, unit, meaning, remedy))
    return _meter.create_counter(name, unit, meaning)


def _histogram(name: str, unit: str, meaning: str, remedy: str) -> Histogram:
    DEFINITIONS.append(Definition(name, unit, meaning, remedy))
    return _meter.create_histogram(name, unit, meaning, explicit_bucket_boundaries_advisory=_SECONDS)


OUTBOX_OLDEST = _gauge(
    "attune.outbox.oldest_age",
    "s",
    "Age of the oldest event that is committed and not yet sent.",
    "Above a minute: no relay leads, the one that leads is frozen (its liveness probe ends it, and another takes over),"
    " or the broker refuses. Look at readiness and at the relay's log; nothing is lost.",
)
RELAY_LATENCY = _histogram(
    "attune.relay.latency",
    "s",
    "From writing an event to the broker's acknowledgement.",
    "Rising with few events: the NOTIFY does not wake the relay. Rising with many: the broker is slow.",
)
CONSUMER_LAG = _gauge(
    "attune.consumer.lag",
    "s",
    "Age, by the broker's clock, of the record that is being handled, by topic; 0 when none waits, NaN while the broker"
    " is away.",
    "Rising: records come faster than they are handled, or one is tried again: see readiness and the log.",
)
COMMITS_FAILED = _counter(
    "attune.consumer.commits_failed",
    "{commit}",
    "Commits of offsets that failed, by topic; no record is lost by it.",
    "A few: a rebalance came in between. A steady stream: a restart reads everything again; the log says what failed.",
)
DEAD_LETTERS = _gauge(
    "attune.dead_letters",
    "{letter}",
    "Parked records that wait for a person, by topic.",
    "Above 0: read the reason, repair the cause, requeue. An effect is missing until then.",
)
PARKED = _counter(
    "attune.dead_letters.parked",
    "{letter}",
    "Records parked since the start, by topic.",
    "A burst is one cause: the consumer stops by itself when too large a share would be parked.",
)
DUPLICATES = _counter(
    "attune.inbox.duplicates",
    "{record}",
    "Records that had been handled before and were passed over, by topic.",
    "Normal after a restart. A steady stream: offsets are not being committed.",
)
JOBS_WAITING = _gauge(
    "attune.jobs.waiting",
    "{job}",
    "Jobs that nobody works on yet, by kind.",
    "Rising: add workers, or see why a worker is not ready.",
)
JOBS_OLDEST = _gauge(
    "attune.jobs.oldest_age",
    "s",
    "Age of the oldest job that is neither done nor failed, by kind.",
    "Above an hour: no worker takes it, or its attempts end without a result. Look up the job by its age.",
)
PERMITS = _counter(
    "attune.permits",
    "{permit}",
    "Permits asked for, by outcome: granted, refused, unavailable.",
    "Unavailable: consent cannot be reached, media stands still. Refused: expected after a withdrawal, else see why.",
)
ERASURES_OPEN = _gauge(
    "attune.erasures.open",
    "{erasure}",
    "Erasures without a certificate, by state.",
    "One that stays in a state: the erasure's page names who has not acknowledged.",
)
ERASURES_OLDEST = _gauge(
    "attune.erasures.oldest_age",
    "s",
    "Age of the oldest erasure without a certificate.",
    "Above a day: a family has been promised something that is not happening. A person must look.",
)
STRAYS = _gauge(
    "attune.reconciler.strays",
    "{artefact}",
    "Artefacts in a store at the last look that must not be there, by kind: ended, discarded, unregistered, unknown.",
    "Above 0: an erasure was opened over it by itself, unless the episode is unknown; find out who wrote it.",
)
WAITING_FOR = _gauge(
    "attune.waiting_for",
    "1",
    "Whether the process waits for this, by check: 1 while it is away, else 0.",
    "1 for minutes: bring back what the check names. What was taken is in a database and goes on by itself.",
)
UNOBSERVED = _counter(
    "attune.observations.failed",
    "{observation}",
    "Groups of gauges that could not be measured when /metrics was asked, by check; they are NaN until they can be.",
    "The database is away or slow: see readiness. NaN is above nothing, so no other alert speaks of it.",
)

registry = CollectorRegistry()
ProcessCollector(registry=registry)
GCCollector(registry=registry)


def exposition() -> tuple[bytes, str]:
    """All metrics as Prometheus reads them, and the content type."""
    return generate_latest(registry), CONTENT_TYPE_LATEST
