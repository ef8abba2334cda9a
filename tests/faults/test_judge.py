"""The judge itself: it finds what is planted, and says nothing where all is well. In a house, see test_failpoints."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from shared.contracts import REGISTRY
from tests.faults.changes import CHANGES, ONCE, UNSEEN
from tests.faults.house import PERMIT_SECONDS, SKEW_SECONDS, Record
from tests.faults.permitted import VIEW, Access, Permits, Stored, View, accesses, unpermitted
from tests.faults.told import Account, doubled, unequal, unfaithful
from tests.faults.witness import Committed


def test_of_every_event_type_the_judge_knows_the_change_or_why_it_cannot() -> None:
    assert set(REGISTRY) == {*CHANGES, *UNSEEN}
    assert not CHANGES.keys() & UNSEEN.keys()
    assert set(REGISTRY) >= ONCE
    for type, of in CHANGES.items():
        assert {change.service for change in of} == set(REGISTRY[type].services), type


# I5

SUSPENDED = Committed(1, "800", "e1", "attune.consent.suspended.v1", "episode", None, "episode", b"{}")
ENDED = Committed(2, "800", "e2", "attune.consent.ended.v1", "episode", None, "episode", b"{}")
OPENED = Committed(3, "800", "e3", "attune.erasure.opened.v1", "erasure", "cause", "episode", b"{}")
HAPPENED = {event.type: [(event.transaction, event.subject)] for event in (SUSPENDED, ENDED, OPENED)}


def account(*events: Committed) -> Account:
    return Account("consent", events, HAPPENED)


def topic(*events: Committed) -> list[Record]:
    return [
        Record(
            cast(Any, SimpleNamespace(key=event.key.encode(), value=event.value)),
            event.id,
            event.type,
            event.subject,
            {},
        )
        for event in events
    ]


def test_what_is_told_as_it_happened_is_well() -> None:
    told = account(SUSPENDED, ENDED, OPENED)
    assert unequal(told) == []
    assert doubled(told) == []
    assert unfaithful(told, topic(SUSPENDED, ENDED, SUSPENDED, ENDED, OPENED)) == []  # a record may come twice


@pytest.mark.parametrize(
    "planted",
    [
        [SUSPENDED, ENDED],  # a change without its event
        [SUSPENDED, ENDED, OPENED, replace(OPENED, id="e4", subject="another")],  # an event without its change
        [SUSPENDED, ENDED, OPENED, replace(OPENED, id="e4")],  # one change, two events
        [SUSPENDED, ENDED, replace(OPENED, transaction="801")],  # the event in a transaction of its own
    ],
)
def test_a_change_and_an_event_that_do_not_belong_together_are_found(planted: list[Committed]) -> None:
    assert unequal(account(*planted))


@pytest.mark.parametrize(
    "again",
    [
        replace(ENDED, id="e4", transaction="801"),  # of one subject
        replace(OPENED, id="e4", type="attune.erasure.stalled.v1"),
    ],
)
def test_what_is_told_twice_is_found(again: Committed) -> None:
    stalled = replace(OPENED, type="attune.erasure.stalled.v1")
    assert doubled(account(SUSPENDED, ENDED, stalled, again))


@pytest.mark.parametrize(
    "heard",
    [
        [SUSPENDED, ENDED],  # lost
        [SUSPENDED, ENDED, OPENED, replace(OPENED, id="e4")],  # made up
        [ENDED, SUSPENDED, OPENED],  # in another order
        [SUSPENDED, OPENED, ENDED, OPENED],
        [SUSPENDED, ENDED, replace(OPENED, value=b"{ }")],  # altered
        [SUSPENDED, ENDED, replace(OPENED, key="another")],
    ],
)
def test_a_topic_that_is_not_what_was_committed_is_found(heard: list[Committed]) -> None:
    assert unfaithful(account(SUSPENDED, ENDED, OPENED), topic(*heard))


def test_of_two_keys_each_has_an_order_of_its_own() -> None:
    other = replace(OPENED, key="other")
    assert unfaithful(account(SUSPENDED, ENDED, other), topic(other, SUSPENDED, ENDED)) == []


# I10

FILM, CLIP, VIEWER = str(uuid4()), str(uuid4()), uuid4()
NOON = datetime(2026, 11, 24, 12, 0, 0, 400_000, tzinfo=UTC)
LINE = (
    "root {bucket} [24/November/2026:12:00:{second:02} +0000] 127.0.0.1 {who} JUHSGGOPZNYSNXHZ s3_{what} {name}"
    " /{bucket}/{name}?X-Amz-Expires=3 {status} - 0 10 {took} {took} - python-httpx/0.28.1 - id SigV4 - QueryString"
)


def line(what: str, artefact: str, second: int, **other: object) -> str:
    said = {"bucket": "renditions", "who": "transcoding", "status": 200, "took": 40, "name": f"e/{artefact}/s", **other}
    return LINE.format(what=what, second=second, **said)


def granted(service: str = "transcoding", **what: object) -> dict[str, Any]:
    return {
        "service": service,
        "at": NOON,
        "on_behalf_of": VIEWER,
        "read": [],
        "written": [],
        "outcome": "granted",
        **what,
    }


PERMITS = Permits.of([granted(read=[FILM], written=[CLIP]), granted("curation", read=[FILM])])
LAST = PERMIT_SECONDS + SKEW_SECONDS


def found(*lines: str, stored: Iterable[Stored] = (), views: Iterable[View] = ()) -> list[str]:
    return unpermitted(PERMITS, accesses(lines), stored, views)


def test_what_is_done_under_a_permit_is_well() -> None:
    assert found(
        line("GetObject", FILM, 0),
        line("GetObject", FILM, LAST),
        line("GetObject", FILM, 1, who="curation"),
        line("GetObject", CLIP, 2),  # who writes it also reads it back
        line("PutObject", CLIP, 20, took=19_000),  # that began in time
        line("GetObject", CLIP, 59, status=403),  # refused
        line("GetObject", CLIP, 59, who="root"),
        line("GetObject", CLIP, 59, who="consent", bucket="evidence"),
        line("ListObjectsV2", CLIP, 59),
        line("DeleteObject", CLIP, 59),
        stored=[Stored("renditions", f"e/{CLIP}/s", NOON + timedelta(seconds=19))],
        views=[View(FILM, VIEWER, NOON + timedelta(seconds=1))],
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    "planted",
    [
        line("GetObject", FILM, LAST + 1),  # the permit had run out
        line("PutObject", CLIP, LAST + 1),
        line("PutObject", CLIP, 20, took=1000),
        line("PutObject", FILM, 1),  # it was granted to be read
        line("GetObject", str(uuid4()), 1),  # never granted
        line("GetObject", FILM, 1, who="upload"),  # to another service
        line("GetObject", FILM, 1).replace("12:00:01", "11:59:58"),  # not yet granted
    ],
)
def test_a_read_or_write_without_a_permit_that_is_alive_is_found(planted: str) -> None:
    assert len(found(planted)) == 1


def test_a_refusal_permits_nothing() -> None:
    permits = Permits.of([granted(read=[FILM], outcome="suspended")])
    assert unpermitted(permits, accesses([line("GetObject", FILM, 1)]), [], [])


def test_an_object_that_nobody_was_seen_to_write_is_found() -> None:
    since = NOON + timedelta(seconds=2)
    assert found(stored=[Stored("renditions", f"e/{CLIP}/s", since)]) == []  # the store died with its line
    assert found(stored=[Stored("renditions", f"e/{CLIP}/s", since + timedelta(minutes=1))])
    assert found(stored=[Stored("renditions", f"e/{FILM}/s", since)])


@pytest.mark.parametrize(
    "planted",
    [View(FILM, uuid4(), NOON), View(CLIP, VIEWER, NOON), View(FILM, VIEWER, NOON + VIEW + timedelta(seconds=1))],
)
def test_a_view_without_a_permit_is_found(planted: View) -> None:
    assert found(views=[planted])


def test_the_artefact_is_read_from_the_name() -> None:
    [one] = accesses([line("PutObject", FILM, 7, took=1500)])
    assert one == Access("transcoding", True, "renditions", f"e/{FILM}/s", NOON.replace(second=5, microsecond=500_000))
    assert UUID(one.artefact) == UUID(FILM)
