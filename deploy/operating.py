"""The tables in `docs/operating.md` that are known elsewhere: `python -m deploy.operating` writes them anew."""

import importlib
from collections.abc import Iterable
from pathlib import Path

from deploy.system import BUCKETS, DELETE, GET, LIST, PRODUCT, PUT, STORE_USERS, Kind
from shared.contracts import PARTITIONS, RETENTION_DAYS, SERVICES, topic_of
from shared.failpoints import Failpoint
from shared.telemetry.metrics import DEFINITIONS

PAGE = Path(__file__).parents[1] / "docs" / "operating.md"
WORDS = ((LIST, "list"), (GET, "get"), (PUT, "put"), (DELETE, "delete"))  # versions and unfinished uploads among them


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [[*head], ["---"] * len([*head]), *([*row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def processes() -> str:
    def row(process_name: str) -> list[str]:
        (process,) = (one for one in PRODUCT if one.name == process_name)
        given, needs = process.resources, [need for need in process.needs if not need.startswith("migrate-")]
        memory = f"{given.memory} MiB" + (f", {given.scratch} of it scratch" if given.scratch else "")
        return [
            f"`{process.name}`",
            ", ".join(needs) or "-",
            ", ".join(process.calls) or "-",
            str(process.replicas),
            f"{given.cores:g} to {given.most_cores:g}",
            memory,
        ]

    head = ["process", "needs", "calls", "in production", "cores", "memory"]
    return table(head, (row(process.name) for process in PRODUCT if process.kind is Kind.SERVICE))


def rights() -> str:
    """Who may do what in which bucket."""

    def may(user: str) -> Iterable[str]:
        for bucket in BUCKETS:
            granted = set(bucket.owner_may if bucket.owner == user else ())
            granted |= (GET if user in bucket.readers else set()) | (LIST if user in bucket.listers else set())
            yield ", ".join(word for actions, word in WORDS if actions <= granted) or "nothing"

    return table(["user", *(f"`{bucket.name}`" for bucket in BUCKETS)], ([f"`{u}`", *may(u)] for u in STORE_USERS))


def topics() -> str:
    def readers(topic: str) -> Iterable[str]:
        for service in SERVICES:
            events = importlib.import_module(f"services.{service}.subscribers").events
            if topic in {name for subscriber in events.router.subscribers for name in subscriber.topic_names}:
                yield f"`{service}`"

    rows = ([f"`{topic_of(one)}`", f"`{one}`", ", ".join(readers(topic_of(one)))] for one in SERVICES)
    said = f"{PARTITIONS} partitions, chosen once; kept {RETENTION_DAYS} days. A reader's group is `<reader>.<topic>`."
    return f"{said}\n\n{table(['topic', 'written by', 'read by'], rows)}"


def metrics() -> str:
    rows = ([f"`{one.name}` ({one.unit})", one.meaning, one.remedy] for one in DEFINITIONS)
    return table(["metric", "what it is", "what to do"], rows)


def failpoints() -> str:
    return ", ".join(f"`{point.value}`" for point in Failpoint) + "."


def written(page: str) -> str:
    """The page with its tables as they are now: each stands between `<!-- name -->` and `<!-- end -->`."""
    for make in (processes, rights, topics, metrics, failpoints):
        begin, end = f"<!-- {make.__name__} -->\n", "<!-- end -->"
        before, found, rest = page.partition(begin)
        if not found:
            raise LookupError(f"{PAGE.name} has no place for {make.__name__}")
        page = f"{before}{begin}{make()}\n{end}{rest.partition(end)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
