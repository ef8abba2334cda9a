"""I5: every change has its event and every event its change, in one transaction; told in commit order; and once.

By code that shares nothing with the services: it reads what the witness saw in each database, and the topics.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from deploy.system import DATABASES
from tests.faults import witness
from tests.faults.changes import CHANGES, HEARD, ONCE, UNSEEN
from tests.faults.house import House, Record
from tests.faults.witness import Committed


@dataclass(frozen=True)
class Account:
    """What the witness of one database saw: the events, and by type each change's transaction and subject."""

    service: str
    events: Sequence[Committed]
    changes: Mapping[str, Iterable[tuple[str, str]]]


async def account(house: House, service: str) -> Account:
    async with house.database(service) as database:
        found = {
            type: [one for kind in kinds if kind.service == service
                   for one in await witness.changes(database, kind.relation, kind.subject, kind.when)]
            for type, kinds in CHANGES.items()
        }  # fmt: skip
        return Account(service, await witness.committed(database), found)


async def heard_twice(house: House, service: str) -> list[str]:
    """Effects of an event that was settled before."""
    found = []
    async with house.database(service) as database:
        settled = await witness.heard(database)
        for relation in HEARD.get(service, ()):
            effects = await witness.changes(database, relation, "after::text", "true")
            found += [
                f"I5: {service}.{relation} changed, and no event was settled with it: {row}"
                for transaction, row in effects
                if transaction not in settled
            ]
    return found


def unequal(account: Account) -> list[str]:
    """Where, in one transaction, the events are not those of the changes."""
    told = Counter((event.transaction, event.type, event.subject) for event in account.events)
    happened = Counter(
        (transaction, type, subject) for type, all_of in account.changes.items() for transaction, subject in all_of
    )
    told = Counter({event: times for event, times in told.items() if event[1] not in UNSEEN})
    return [
        *(f"I5: {type} of {of} was told, and nothing of the kind happened" for _, type, of in told - happened),
        *(f"I5: {type} of {of} was not told with what happened" for _, type, of in happened - told),
    ]


def doubled(account: Account) -> list[str]:
    """What was told twice of one subject, or twice because of one event."""
    of = Counter((event.type, event.subject) for event in account.events if event.type in ONCE)
    because = Counter((event.cause, event.type, event.subject) for event in account.events if event.cause)
    return [
        *(f"I5: {type} of {subject} was told {times} times" for (type, subject), times in of.items() if times > 1),
        *(
            f"I5: {type} of {subject} was told {times} times because of {cause}"
            for (cause, type, subject), times in because.items()
            if times > 1
        ),
    ]


def unfaithful(account: Account, records: Iterable[Record]) -> list[str]:
    """Where the topic is not what was committed: lost, made up, altered, or in another order."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.id, record)
    was = {event.id: event for event in account.events}
    found = [f"I5: {was[id].type} {id} was committed and never told" for id in was.keys() - first.keys()]
    found += [f"I5: {first[id].type} {id} was told and never committed" for id in first.keys() - was.keys()]
    last: dict[str, Committed] = {}
    for id, record in first.items():
        if (event := was.get(id)) is None:
            continue
        said = (record.type, record.subject, record.key, bytes(record.raw.value or b""))
        if said != (event.type, event.subject, event.key, event.value):
            found.append(f"I5: {event.type} {id} was told otherwise than it was committed")
        if event.key in last and event.number < last[event.key].number:
            found.append(f"I5: {event.type} {id} comes after {last[event.key].type}, which was committed later")
        last[event.key] = max(event, last.get(event.key, event), key=lambda one: one.number)
    return found


async def complaints(house: House, records: Sequence[Record], services: Iterable[str] = DATABASES) -> list[str]:
    """What of I5 does not hold in a quiet house, of these services."""
    found = []
    for service in services:
        seen = await account(house, service)
        theirs = [record for record in records if record.topic == f"attune.{service}"]
        found += [*unequal(seen), *doubled(seen), *unfaithful(seen, theirs), *await heard_twice(house, service)]
    return found
