"""Nobody's name, address or word gets where it may not stand: canaries in every field, then a raw search of all.

Families go through every operation of every service and every form of the portal, with a canary in whatever takes text:
which fields those are, the services' own descriptions and pages say. Each request comes spoilt as well. Afterwards all
topics, logs, spans, measurements, objects, files and mails are read raw. In each place a canary is planted on purpose,
and is all that may be found: a search that cannot find is none.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from joserfc.jwk import OKPKey

from deploy.local.stack import Stack
from deploy.system import DATABASES, DEVELOPMENT_ISSUER, PROCESSES, PRODUCT, Kind
from services.portal.app import portal
from services.portal.pages import Site
from services.portal.visitor import Peers
from shared.database.data_map import Holds, holds
from shared.identity.tokens import Role, mint
from shared.settings import Organisation, PeerSettings, PublicSettings
from tests.end_to_end.canaries import scan
from tests.end_to_end.canaries.book import Book, ending, found
from tests.end_to_end.canaries.drive import Drive
from tests.end_to_end.canaries.forms import Reader, without_ids
from tests.end_to_end.canaries.life import CODE_WORDS, Life, film
from tests.end_to_end.canaries.pages import Pages

SHORT_HORIZON = {"ATTUNE_PERMIT_SECONDS": "3", "ATTUNE_PUT_SECONDS": "3", "ATTUNE_CLOCK_SKEW_SECONDS": "2"}
PLACES = ("topics", "logs", "spans", "metrics", "store", "disks", "mails", "machinery")
HEARS_UPLOAD = ("transcoding", "curation")
GONE_BY_THEN = {"/cards/{id} device_label"}  # its recording was discarded next
# there until the review film is, which may be no time at all; tests/integration/curation sees it answer
FLEETING = {"curation GET /v1/recordings/{recording_id}/first-look"}
Home = tuple[str, str, str]
"""Service, table, column."""


@dataclass
class Seen:
    """What was driven, and what was found afterwards."""

    book: Book
    drive: Drive
    reader: Reader
    own: Reader
    before: dict[str, set[Home]] = field(default_factory=dict)  # canary -> where it is kept, before the families' end
    after: dict[str, set[Home]] = field(default_factory=dict)
    hits: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))  # place -> canary -> where
    read: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # place -> all that was read of it
    measured: str = ""

    def search(self, place: str, texts: Iterable[scan.Text]) -> None:
        for where, said in texts:
            self.read[place].append(where)
            self.hits[place] |= dict.fromkeys(found(said), where)

    def strayed(self, place: str) -> dict[str, str]:
        """What was found there and was not planted: where it was let out, and where it is."""
        hits = self.hits[place].items()
        return {self.book[canary]: where for canary, where in hits if self.book[canary] != scan.PLANTED}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder, book = tmp_path_factory.mktemp("canaries"), Book()
    planted = {
        "OTEL_RESOURCE_ATTRIBUTES": f"deployment={book.new(scan.PLANTED)}",
        "ATTUNE_ORGANISATION_NAME": book.new(scan.PLANTED),
    }
    with Stack(folder / "stack") as stack:
        yield asyncio.run(_seen(stack.start(env=SHORT_HORIZON | planted), book, film(folder / "film.mp4", book)))


async def _seen(stack: Stack, book: Book, made: Path) -> Seen:
    def token(role: str, subject: str, family: str | None) -> str:
        issuer = subject if role == "service" else DEVELOPMENT_ISSUER
        key = OKPKey.import_key(json.loads(stack.instance.key_file(issuer).read_text()))
        life = timedelta(minutes=2 if role == "service" else 60)
        return mint(key, subject, Role(role), datetime.now(UTC), life, UUID(family) if family else None)

    drive = Drive(stack.url, book, CODE_WORDS)
    seen = Seen(book, drive, Reader(stack.url("portal"), book), Reader(stack.url("portal"), book))
    for service in DATABASES:
        drive.read(service)
    life, pages = Life(drive, token, made), Pages(seen.reader, seen.own, Life(drive, token, made), token)
    await asyncio.gather(asyncio.to_thread(life.live), asyncio.to_thread(pages.live))
    seen.before = await _homes(stack)
    erasures = life.withdraws(), pages.withdraws()
    await asyncio.to_thread(life.is_certified, erasures[0])
    await asyncio.to_thread(pages.life.is_certified, erasures[1])
    pages.leave(erasures[1])
    await scan.tell_what_nobody_knows(stack, book)
    await _until_quiet(stack)
    seen.search("metrics", measured := list(scan.metrics(stack)))
    seen.measured = "".join(said.decode() for _, said in measured if isinstance(said, bytes))
    ours = [process.name for process in PRODUCT if process.kind is Kind.SERVICE]
    await asyncio.gather(*(asyncio.to_thread(stack.stop_process, name) for name in ours))  # their last spans go out
    for plant in (scan.plant_logs, scan.plant_spans, scan.plant_store):
        plant(stack, book)
    seen.search("topics", [one async for one in scan.topics(stack)])
    for place in ("logs", "spans", "store", "disks", "mails"):
        seen.search(place, getattr(scan, place)(stack))
    seen.after = await _homes(stack)
    for canary, homes in seen.after.items():
        if machinery := [".".join(home) for home in homes if _kept_as(home) is Holds.MACHINERY]:
            seen.hits["machinery"][canary] = machinery[0]
    return seen


async def _homes(stack: Stack) -> dict[str, set[Home]]:
    homes: dict[str, set[Home]] = defaultdict(set)
    async for service, table, column, value in scan.rows(stack):
        for canary in found(value if isinstance(value, bytes) else str(value)):
            homes[canary].add((service, table, column))
    return homes


def _kept_as(home: Home) -> Holds:
    """By the data map; what every service has is machinery."""
    service, table, column = home
    own = import_module(f"services.{service}.migrations").metadata.tables
    return holds(own[table].c[column]) if table in own else Holds.MACHINERY


async def _until_quiet(stack: Stack) -> None:
    """Nothing is to be told or done now, and what nobody knows has been put aside."""

    async def goes_on() -> str:
        for service in DATABASES:
            connection = await asyncpg.connect(stack.database_url(service))
            try:
                if await connection.fetchval("SELECT count(*) FROM outbox"):
                    return f"{service} has something to tell"
                now = "state = 'running' OR (state = 'queued' AND not_before < clock_timestamp())"
                if await connection.fetchval(f"SELECT count(*) FROM jobs WHERE {now}"):
                    return f"{service} has something to do"
                if service in HEARS_UPLOAD and await connection.fetchval("SELECT count(*) FROM dead_letters") < 2:
                    return f"{service} has not put aside what nobody knows"
            finally:
                await connection.close()
        return ""

    what = ""
    try:
        async with asyncio.timeout(120):
            while what := await goes_on():
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"it never becomes quiet: {what}")


def test_every_operation_does_what_it_is_for(seen: Seen) -> None:
    met = {name for name, answers in seen.drive.answered.items() if any(200 <= one < 300 for one in answers)}
    assert seen.drive.operations.keys() - met - FLEETING == set() and len(seen.drive.operations) > 50


def test_every_field_that_takes_text_carried_a_canary(seen: Seen) -> None:
    assert seen.drive.text_fields() - seen.drive.carried.keys() - CODE_WORDS == set()


def test_a_word_that_is_on_no_list_is_refused(seen: Seen) -> None:
    assert seen.drive.refused == CODE_WORDS


def test_every_page_was_asked_for_and_every_form_sent(seen: Seen) -> None:
    asked = {(method, path, status) for reader in (seen.reader, seen.own) for method, path, status in reader.asked}
    routes = [(route.path_regex, method) for route in _routes() for method in route.methods or ()]
    never = [
        f"{method} {regex.pattern}"
        for regex, method in routes
        if not any(how == method and status < 400 and regex.match(path) for how, path, status in asked)
    ]
    assert never == [] and len(routes) > 40
    sent = {without_ids(path) for method, path, status in asked if method == "POST" and status in (200, 303)}
    assert (seen.reader.offered | seen.own.offered) - sent == set()


def _routes() -> list[APIRoute]:
    """The portal's own."""
    public = PublicSettings(portal_url="http://a", upload_url="http://a", playback_url="http://a")
    site = Site("a", Organisation.model_construct(), public, True)
    app = portal(site, Peers(PeerSettings()), {}, Path(__file__).parent, [])
    routes = [route.original_route for route in iter_route_contexts(app.routes)]
    return [one for one in routes if isinstance(one, APIRoute) and not one.path.startswith(("/health", "/metrics"))]


def test_what_was_written_is_kept_by_its_service_alone(seen: Seen) -> None:
    carried = seen.drive.carried | seen.reader.carried
    kept = seen.before.keys() | seen.after.keys()  # the second: what was said at the end
    assert {at for at, canary in carried.items() if ending(canary) not in kept} == GONE_BY_THEN
    for at, canary in seen.drive.carried.items():
        homes = seen.before[ending(canary)] or seen.after[ending(canary)]
        assert {service for service, *_ in homes} == {at.partition(" ")[0]}, f"{at} is in {homes}"


def test_nothing_else_is_kept(seen: Seen) -> None:
    """No header, no name of a file, no query, nothing that was refused: but what a service asked a permit for."""
    asked = {("consent", "permit_log", "purpose")}
    written = {ending(canary) for canary in (*seen.drive.carried.values(), *seen.reader.carried.values())}
    others = {canary: homes for canary, homes in seen.before.items() if canary not in written and homes != asked}
    # an earlier request of the same kind was met too
    kept = {at: homes for canary, homes in others.items() if not _of_a_body(at := seen.book[canary])}
    assert {at: homes for at, homes in kept.items() if at != scan.PLANTED} == {}


def _of_a_body(place: str) -> bool:
    return (": body." in place or place.startswith("portal POST")) and "in place of" not in place


def test_what_is_about_media_went_with_it_and_records_stayed(seen: Seen) -> None:
    about = {canary for canary, homes in seen.before.items() if Holds.ABOUT_MEDIA in map(_kept_as, homes)}
    assert len(about) > 5
    assert {seen.book[canary]: seen.after[canary] for canary in about & seen.after.keys()} == {}
    records = {canary for canary, homes in seen.before.items() if {"consent"} == {service for service, *_ in homes}}
    assert len(records) > 10 and records <= seen.after.keys()


@pytest.mark.parametrize("place", PLACES)
def test_nobody_is_named_in(seen: Seen, place: str) -> None:
    assert seen.strayed(place) == {}
    assert seen.hits[place]  # what was planted


def test_everything_was_searched(seen: Seen) -> None:
    assert {f"{name}.log" for name in PROCESSES} | {"supervisor.log"} <= set(seen.read["logs"])
    assert set(seen.read["metrics"]) == {process.name for process in PRODUCT if process.http}
    assert all(route in seen.measured for route in ("/v1/families/{family_id}/goals", "/people/{person_id}/contact"))
    assert {f"attune.{service}" for service in DATABASES} <= {where.rpartition("-")[0] for where in seen.read["topics"]}
