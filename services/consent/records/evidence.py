"""Signed forms, sealed into the store under keys of their own: they prove the consent and outlive the media."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, func, insert, select, update

from services.consent import clock
from services.consent.keys import Wrapping, new_key
from services.consent.records.tables import evidence
from shared.database import Database, unit_of_work
from shared.errors import AttuneError
from shared.media_store import (
    ArtefactReader,
    ArtefactWriter,
    Grant,
    Key,
    Manifest,
    Permit,
    StandingPermit,
    Store,
    Unavailable,
    purge,
)
from shared.media_store.permits import elapsed

MAXIMUM_BYTES = 32 * 1024 * 1024
STORED_WITHIN = timedelta(minutes=30)
UNFINISHED_AFTER = 2 * STORED_WITHIN  # so nothing is cleared that may yet come to be called stored
BEGINNINGS = {"application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}


class EvidenceTooLarge(AttuneError):
    """More than a scanned form ever has."""


class NotWhatItSays(AttuneError):
    """The bytes are not of the media type they came with."""


async def store_evidence(
    database: Database,
    store: Store,
    bucket: str,
    master: Wrapping,
    permit_seconds: int,
    *,
    family_id: UUID,
    media_type: str,
    body: AsyncIterator[bytes],
    recorded_by: UUID,
) -> UUID:
    """Register it, seal it, and only then call it stored.

    Raises EvidenceTooLarge, NotWhatItSays, Unavailable (also for bytes that come too slowly); then nothing of it is
    left.
    """
    evidence_id, manifest_id, key = uuid4(), uuid4(), new_key()
    async with unit_of_work(database, family_id) as uow:
        await uow.session.execute(
            insert(evidence).values(
                id=evidence_id,
                family_id=family_id,
                key=master.wrap(key, evidence_id),
                manifest_id=manifest_id,
                media_type=media_type,
                recorded_by=recorded_by,
            )
        )

    permit = _own_permit(database, permit_seconds, family_id, evidence_id, key, manifest_id)
    try:
        async with asyncio.timeout(STORED_WITHIN.total_seconds()):
            manifest = await _seal(store, permit, bucket, evidence_id, media_type, body)
    except BaseException as error:
        await _forget(database, store, bucket, family_id, evidence_id)
        if isinstance(error, TimeoutError):
            raise Unavailable("the bytes come too slowly") from error
        raise
    async with unit_of_work(database, family_id) as uow:
        stored = await uow.session.scalar(
            update(evidence)
            .where(evidence.c.id == evidence_id, evidence.c.registered_at > func.clock_timestamp() - STORED_WITHIN)
            .values(
                stored_at=func.clock_timestamp(),
                bytes=manifest.length,
                sha256=manifest.sha256,
                objects=len(manifest.segments) + 1,
            )
            .returning(evidence.c.id)
        )
    if stored is None:  # this process stood still, and may have been taken for dead
        await _forget(database, store, bucket, family_id, evidence_id)
        raise Unavailable("it took too long")
    return evidence_id


async def read_evidence(
    database: Database,
    store: Store,
    bucket: str,
    master: Wrapping,
    permit_seconds: int,
    *,
    family_id: UUID,
    evidence_id: UUID,
) -> bytes | None:
    """The plain bytes; None where there is no such evidence of this family. Raises Unavailable."""
    async with database.sessions() as session:
        row = (
            await session.execute(
                select(evidence).where(
                    evidence.c.id == evidence_id, evidence.c.family_id == family_id, evidence.c.stored_at.is_not(None)
                )
            )
        ).one_or_none()
    if row is None:
        return None
    key = master.unwrap(row.key, evidence_id)
    permit = _own_permit(database, permit_seconds, family_id, evidence_id, key, row.manifest_id)
    return b"".join([piece async for piece in ArtefactReader(store, permit, bucket, evidence_id).read()])


async def clear_unfinished(database: Database, store: Store, bucket: str) -> None:
    """Evidence whose storing was cut off with the process is nobody's: the form was never accepted."""
    async with database.sessions() as session:
        unfinished = (
            await session.execute(
                select(evidence.c.id, evidence.c.family_id).where(
                    evidence.c.stored_at.is_(None),
                    evidence.c.registered_at < func.clock_timestamp() - UNFINISHED_AFTER,
                )
            )
        ).all()
    for row in unfinished:
        await _forget(database, store, bucket, row.family_id, row.id)


async def _forget(database: Database, store: Store, bucket: str, family_id: UUID, evidence_id: UUID) -> None:
    await purge(store, bucket, family_id, evidence_id)
    async with unit_of_work(database, family_id) as uow:
        await uow.session.execute(delete(evidence).where(evidence.c.id == evidence_id, evidence.c.stored_at.is_(None)))


def _own_permit(
    database: Database, seconds: int, family_id: UUID, evidence_id: UUID, key: bytes, manifest_id: UUID
) -> StandingPermit:
    """Consent grants itself what it needs for its own evidence, dated by the database as any other permit is."""
    grants = {evidence_id: Grant(family_id, Key(key), manifest_id)}

    async def granted() -> Permit:
        asked = elapsed()
        async with database.sessions() as session:
            return Permit(await clock.now(session), seconds, asked + seconds, grants)

    return StandingPermit(granted)


async def _seal(
    store: Store, permit: StandingPermit, bucket: str, evidence_id: UUID, media_type: str, body: AsyncIterator[bytes]
) -> Manifest:
    head, length = b"", 0
    async with ArtefactWriter(store, permit, bucket, evidence_id) as writer:
        async for piece in body:
            length += len(piece)
            if length > MAXIMUM_BYTES:
                raise EvidenceTooLarge(f"more than {MAXIMUM_BYTES} bytes")
            if len(head) < 16:
                head += piece[:16]
                if len(head) >= 16 and not head.startswith(BEGINNINGS[media_type]):
                    raise NotWhatItSays(media_type)
            await writer.write(piece)
        if not head.startswith(BEGINNINGS[media_type]):
            raise NotWhatItSays(media_type)
        return await writer.finish(media_type)
