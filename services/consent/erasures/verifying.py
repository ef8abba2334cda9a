"""What the verifier does with what it listed: findings for the erasures that wait for one, and the reconciliation."""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from services.consent import clock
from services.consent.episodes.tables import consent_episodes
from services.consent.erasures.inventory import Listing, Place, Register, Scope, Stray, remains
from services.consent.erasures.model import Erasure, ErasureState
from services.consent.erasures.operations import open_erasure
from services.consent.erasures.tables import erasures, findings
from services.consent.permits.register import made_from
from services.consent.permits.tables import artefacts
from services.consent.records.tables import evidence
from shared.database import Database, NoOpenErasure, UnitOfWork, ending, erasure_work
from shared.settings import HorizonSettings
from shared.telemetry import metrics

log = logging.getLogger(__name__)

NAMED = 100  # places that a finding names; the rest is counted
CHUNK = 1000


@dataclass(frozen=True)
class Waiting:
    """An erasure in a round that waits for the verifier's finding."""

    erasure_id: UUID
    episode_id: UUID
    round: int
    trace: dict[str, str]
    opened_at: datetime


async def waiting(session: AsyncSession) -> list[Waiting]:
    """Read before the listing begins: what was purged before then must not be seen in it."""
    done = select(findings.c.round).where(findings.c.erasure_id == erasures.c.id, findings.c.round == erasures.c.round)
    found = await session.scalars(
        select(Erasure).where(erasures.c.state == ErasureState.VERIFYING, ~done.exists()).order_by(erasures.c.opened_at)
    )
    return [Waiting(one.id, one.episode_id, one.round, one.trace, one.opened_at) for one in found]


async def write_finding(database: Database, one: Waiting, media: Sequence[Listing], kept: Listing) -> None:
    """What the listings show of this erasure; where it has gone on meanwhile, nothing is written."""
    places = [place for listing in media for place in listing.places]
    try:
        async with erasure_work(database, one.episode_id) as uow:
            erasure = await uow.session.get(Erasure, one.erasure_id)
            if erasure is None or (erasure.state, erasure.round) != (ErasureState.VERIFYING, one.round):
                return
            found = remains(await _scope(uow.session, erasure), places)
            await uow.session.execute(
                postgresql.insert(findings)
                .values(
                    erasure_id=erasure.id,
                    round=erasure.round,
                    begun_at=min(listing.begun_at for listing in (*media, kept)),
                    finished_at=max(listing.finished_at for listing in (*media, kept)),
                    listed=[listing.as_listed() for listing in (*media, kept)],
                    evidence=await _evidence(uow.session, erasure.family_id, kept),
                    found=[_named(place) for place in found[:NAMED]],
                )
                .on_conflict_do_nothing()
            )
    except NoOpenErasure:
        return
    if found:
        log.error("erasure %s: %d artefacts are still in a store after round %d", one.erasure_id, len(found), one.round)


async def reconcile(database: Database, horizon: HorizonSettings, media: Sequence[Listing], kept: Listing) -> int:
    """Look for what must not be there, and open erasures for it. Returns how many artefacts were found."""
    since = min(listing.begun_at for listing in media)
    places = sorted(place for listing in media for place in listing.places)
    strays: dict[Stray, list[Place]] = defaultdict(list)
    for start in range(0, len(places), CHUNK):
        chunk = places[start : start + CHUNK]
        async with database.sessions() as session:
            register = await _register(session, chunk, since)
        for place in chunk:
            if stray := register.stray(place):
                strays[stray].append(place)
    strays[Stray.UNKNOWN_EVIDENCE] += await _unknown_evidence(database, kept)
    for listing in (*media, kept):
        if listing.strangers:
            log.error("%s: %d entries whose names are not of our form", listing.bucket, listing.strangers)
    for stray in Stray:
        metrics.STRAYS.set(len(strays[stray]), {"kind": stray})
        for place in strays[stray][:NAMED]:
            log.error("stray (%s) in %s: artefact %s of %s", stray, place.bucket, place.artefact_id, place.episode_id)
    for place in {one.episode_id: one for one in strays[Stray.ENDED]}.values():
        await _supersede(database, horizon, place.episode_id, None, Stray.ENDED)
    for stray in (Stray.UNREGISTERED, Stray.DISCARDED):
        for place in {one.artefact_id: one for one in strays[stray]}.values():
            await _supersede(database, horizon, place.episode_id, place.artefact_id, stray)
    return sum(map(len, strays.values()))


async def _unknown_evidence(database: Database, kept: Listing) -> list[Place]:
    """Nobody may erase evidence on suspicion: a person has to look."""
    places = sorted(kept.places)
    known: set[UUID] = set()
    async with database.sessions() as session:
        for start in range(0, len(places), CHUNK):
            chunk = [place.artefact_id for place in places[start : start + CHUNK]]
            known.update(await session.scalars(select(evidence.c.id).where(evidence.c.id.in_(chunk))))
    return [place for place in places if place.artefact_id not in known]


async def _supersede(
    database: Database, horizon: HorizonSettings, episode_id: UUID, artefact_id: UUID | None, stray: Stray
) -> None:
    """Open an erasure over what was found. An earlier certificate stays as it is, and is superseded."""
    async with database.sessions() as session:
        family_id = await session.scalar(
            select(consent_episodes.c.family_id).where(consent_episodes.c.id == episode_id)
        )
        recording_id = artefact_id
        if artefact_id and stray is Stray.DISCARDED:
            recording_id = await _recording_of(session, artefact_id)
    if family_id is None:
        return
    async with ending(database, episode_id, family_id) as uow:
        same = (erasures.c.episode_id == episode_id) & erasures.c.recording_id.is_not_distinct_from(recording_id)
        earlier = (
            await uow.session.scalars(select(Erasure).where(same).order_by(erasures.c.opened_at.desc()).limit(1))
        ).one_or_none()
        if earlier is not None and earlier.state is not ErasureState.CERTIFIED:
            return  # opened in the meantime
        await open_erasure(
            uow,
            uuid7(),
            horizon,
            artefacts=len(await _artefacts_in(uow, recording_id)),
            cause=f"found_{stray}",
            decided_by=None,
            route="reconciler",
            key_destroyed_at=earlier.key_destroyed_at if earlier else None,
            recording_id=recording_id,
            supersedes=earlier,
        )


async def _recording_of(session: AsyncSession, artefact_id: UUID) -> UUID:
    """The discarded recording with which this artefact went."""
    recordings = await session.scalar(select(artefacts.c.recordings).where(artefacts.c.id == artefact_id))
    discarded: UUID | None = await session.scalar(
        select(erasures.c.recording_id).where(erasures.c.recording_id.in_(recordings or ())).limit(1)
    )
    return discarded or artefact_id


async def _artefacts_in(uow: UnitOfWork, recording_id: UUID | None) -> Sequence[UUID]:
    if recording_id:
        return await made_from(uow.session, uow.episode_id, recording_id)
    return (await uow.session.scalars(select(artefacts.c.id).where(artefacts.c.episode_id == uow.episode_id))).all()


async def _scope(session: AsyncSession, erasure: Erasure) -> Scope:
    registered = select(artefacts.c.id).where(artefacts.c.episode_id == erasure.episode_id)
    if erasure.recording_id is None:
        return Scope(erasure.episode_id, frozenset(await session.scalars(registered)))
    some = frozenset(await made_from(session, erasure.episode_id, erasure.recording_id))
    known = frozenset(await session.scalars(registered.where(artefacts.c.id.in_(some))))
    return Scope(erasure.episode_id, known, some)


async def _register(session: AsyncSession, places: Sequence[Place], since: datetime) -> Register:
    episodes = {place.episode_id for place in places}
    known = await session.execute(
        select(consent_episodes.c.id, consent_episodes.c.state).where(consent_episodes.c.id.in_(episodes))
    )
    registered = await session.execute(
        select(artefacts.c.id, artefacts.c.episode_id, artefacts.c.discarded_at).where(
            artefacts.c.id.in_({place.artefact_id for place in places})
        )
    )
    open_since = await session.scalars(
        select(Erasure).where(
            erasures.c.episode_id.in_(episodes),
            or_(erasures.c.state != ErasureState.CERTIFIED, erasures.c.moved_at >= since),
        )
    )
    return Register(
        episodes={row.id: row.state for row in known},
        artefacts={row.id: (row.episode_id, row.discarded_at is not None) for row in registered},
        erasing=[await _scope(session, erasure) for erasure in open_since.all()],
    )


async def _evidence(session: AsyncSession, family_id: UUID, kept: Listing) -> dict[str, Any]:
    """Of the family's evidence, which outlives the media: how much is to be there, and how much is not all there.

    What was stored since the listing began is not asked for: it may have come too late to be listed.
    """
    stored = (
        await session.execute(
            select(evidence.c.id, evidence.c.objects).where(
                evidence.c.family_id == family_id, evidence.c.stored_at < kept.begun_at
            )
        )
    ).all()
    missing = [
        row.id
        for row in stored
        if kept.places.get(Place(kept.bucket, family_id, row.id), Counter())["object"] != row.objects
    ]
    if missing:
        log.error("evidence is not as it was stored: %d of %d", len(missing), len(stored))
    return {"kept": len(stored), "objects": sum(row.objects for row in stored), "not_as_stored": len(missing)}


def _named(place: Place) -> dict[str, str]:
    return {"bucket": place.bucket, "episode_id": str(place.episode_id), "artefact_id": str(place.artefact_id)}


async def moment(database: Database) -> datetime:
    """By the database's clock."""
    async with database.sessions() as session:
        return await clock.now(session)
