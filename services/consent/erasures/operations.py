"""What can happen to an erasure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from services.consent import clock
from services.consent.erasures import certificate
from services.consent.erasures.certificate import Signer
from services.consent.erasures.model import Erasure, ErasureState, Step
from services.consent.erasures.tables import acknowledgements, certificates, erasures, findings
from shared import telemetry
from shared.contracts.consent import (
    ErasureAcknowledged,
    ErasureCertified,
    ErasureOpened,
    ErasureStalled,
    ErasureSuperseded,
    PurgeAsked,
)
from shared.database import UnitOfWork
from shared.errors import AttuneError
from shared.settings import HorizonSettings


class NotAsked(AttuneError):
    """An acknowledgement of an erasure, or of a round of it, that nobody asked for."""


async def open_erasure(
    uow: UnitOfWork,
    erasure_id: UUID,
    horizon: HorizonSettings,
    *,
    artefacts: int,
    cause: str,
    decided_by: UUID | None,
    route: str,
    key_destroyed_at: Any,
    recording_id: UUID | None = None,
    supersedes: Erasure | None = None,
) -> None:
    """Begin the saga in the transaction that destroyed the keys; everybody is asked to purge."""
    now = await clock.now(uow.session)
    erasure = Erasure(
        id=erasure_id,
        episode_id=uow.episode_id,
        family_id=uow.family_id,
        recording_id=recording_id,
        cause=cause,
        decided_by=decided_by,
        route=route,
        opened_at=now,
        asked_at=now,
        moved_at=now,
        permit_seconds=horizon.permit_seconds,
        put_seconds=horizon.put_seconds,
        clock_skew_seconds=horizon.clock_skew_seconds,
        trace=telemetry.headers(),
        supersedes=supersedes.id if supersedes else None,
        key_destroyed_at=key_destroyed_at,
    )
    uow.session.add(erasure)
    await uow.open_erasure(erasure_id, recording_id)
    uow.publish(ErasureOpened(erasure_id=erasure_id, scope=erasure.scope, artefacts=artefacts))
    if supersedes:
        superseded = await uow.session.scalar(
            select(certificates.c.id).where(certificates.c.erasure_id == supersedes.id)
        )
        uow.publish(ErasureSuperseded(erasure_id=supersedes.id, certificate_id=superseded, superseded_by=erasure_id))
    uow.publish(PurgeAsked(erasure_id=erasure_id, round=1, recording_id=recording_id))
    telemetry.note(erasure=erasure_id)


async def acknowledged(uow: UnitOfWork, event: ErasureAcknowledged) -> None:
    """A participant has purged; a second acknowledgement of a round changes nothing. Raises NotAsked."""
    erasure = await uow.session.get(Erasure, event.erasure_id)
    if erasure is None or erasure.episode_id != uow.episode_id or event.round > erasure.round:
        raise NotAsked(f"{event.participant} acknowledges round {event.round} of {event.erasure_id}")
    await uow.session.execute(postgresql.insert(acknowledgements).values(**event.model_dump()).on_conflict_do_nothing())
    await _advance(uow, erasure, clean=None, signer=None)


async def advance(uow: UnitOfWork, erasure_id: UUID, signer: Signer, stalled_after: timedelta) -> None:
    """Let time and the verifier's finding take effect; say so when somebody keeps it waiting."""
    erasure = await uow.session.get(Erasure, erasure_id)
    if erasure is None:
        return
    await _advance(uow, erasure, clean=await _clean(uow.session, erasure), signer=signer)
    by = await _acknowledged_by(uow.session, erasure)
    if erasure.stalls(by, await clock.now(uow.session), stalled_after):
        uow.publish(ErasureStalled(erasure_id=erasure.id, waiting_for=erasure.waiting_for(by)))


async def _advance(uow: UnitOfWork, erasure: Erasure, *, clean: bool | None, signer: Signer | None) -> None:
    now = await clock.now(uow.session)
    erasure.fence(now)
    while step := erasure.step(await _acknowledged_by(uow.session, erasure), clean, now):
        match step:
            case Step.ASK:
                uow.publish(PurgeAsked(erasure_id=erasure.id, round=erasure.round, recording_id=erasure.recording_id))
                clean = None  # it was of the round before
            case Step.CERTIFY:
                if signer is None:
                    raise LookupError("only who holds the key certifies")
                await _certify(uow, erasure, signer)


async def _certify(uow: UnitOfWork, erasure: Erasure, signer: Signer) -> None:
    issued_at = await clock.now(uow.session)
    certificate_id, file = signer.sign(await certificate.facts(uow.session, erasure), issued_at)
    await uow.session.execute(
        insert(certificates).values(id=certificate_id, erasure_id=erasure.id, file=file, issued_at=issued_at)
    )
    await uow.close_erasure(erasure.id)
    uow.publish(ErasureCertified(erasure_id=erasure.id, certificate_id=certificate_id))


async def _acknowledged_by(session: AsyncSession, erasure: Erasure) -> frozenset[str]:
    return frozenset(
        await session.scalars(
            select(acknowledgements.c.participant).where(
                acknowledgements.c.erasure_id == erasure.id, acknowledgements.c.round == erasure.round
            )
        )
    )


async def _clean(session: AsyncSession, erasure: Erasure) -> bool | None:
    """Whether the verifier found nothing in this round; None before it has looked."""
    found = (
        await session.execute(
            select(findings.c.found).where(findings.c.erasure_id == erasure.id, findings.c.round == erasure.round)
        )
    ).one_or_none()
    return None if found is None else not found.found


async def to_advance(
    session: AsyncSession, stalled_after: timedelta
) -> Sequence[tuple[UUID, UUID, dict[str, str], timedelta]]:
    """Erasures that time, the verifier or a silent participant has something to say about, the oldest first.

    Returns of each its id, episode and trace, and how long it has been open.
    """
    now = func.clock_timestamp()
    horizon = erasures.c.permit_seconds + erasures.c.put_seconds + erasures.c.clock_skew_seconds
    drained = erasures.c.fenced_at + func.make_interval(0, 0, 0, 0, 0, 0, horizon) <= now
    verified = (
        select(findings.c.round)
        .where(findings.c.erasure_id == erasures.c.id, findings.c.round == erasures.c.round)
        .exists()
    )
    found = await session.execute(
        select(erasures.c.id, erasures.c.episode_id, erasures.c.trace, (now - erasures.c.opened_at).label("age"))
        .where(
            erasures.c.state != ErasureState.CERTIFIED,
            or_(
                erasures.c.fenced_at.is_(None),
                (erasures.c.state == ErasureState.DRAINING) & drained,
                (erasures.c.state == ErasureState.VERIFYING) & verified,
                (erasures.c.state != ErasureState.DRAINING)
                & erasures.c.stalled_at.is_(None)
                & (erasures.c.moved_at + stalled_after <= now),
            ),
        )
        .order_by(erasures.c.opened_at)
    )
    return [(row.id, row.episode_id, row.trace, row.age) for row in found]


async def waiting_for(session: AsyncSession, participant: str) -> Sequence[Erasure]:
    """Erasures whose present round this participant has not acknowledged."""
    done = select(acknowledgements.c.participant).where(
        acknowledgements.c.erasure_id == erasures.c.id,
        acknowledgements.c.round == erasures.c.round,
        acknowledgements.c.participant == participant,
    )
    found = await session.scalars(
        select(Erasure).where(erasures.c.state == ErasureState.PURGING, ~done.exists()).order_by(erasures.c.opened_at)
    )
    return found.all()


@dataclass(frozen=True)
class Acknowledgement:
    participant: str
    round: int
    objects: int
    bytes: int
    rows: int
    jobs_cancelled: int
    cards_not_wiped: int
    acknowledged_at: Any


async def acknowledgements_of(session: AsyncSession, erasure_id: UUID) -> list[Acknowledgement]:
    """In the order of rounds and participants."""
    found = await session.execute(
        select(acknowledgements)
        .where(acknowledgements.c.erasure_id == erasure_id)
        .order_by(acknowledgements.c.round, acknowledgements.c.participant)
    )
    return [
        Acknowledgement(**{name: row._mapping[name] for name in Acknowledgement.__dataclass_fields__}) for row in found
    ]


async def certificate_of(session: AsyncSession, erasure_id: UUID) -> bytes | None:
    """The signed file, byte by byte as it was issued."""
    file: bytes | None = await session.scalar(
        select(certificates.c.file).where(certificates.c.erasure_id == erasure_id)
    )
    return file


async def open_by_state(session: AsyncSession) -> dict[ErasureState, tuple[int, float]]:
    """How many erasures are open in each state, and the age of the oldest in seconds."""
    age = func.extract("epoch", func.clock_timestamp() - func.min(erasures.c.opened_at))
    found = await session.execute(
        select(erasures.c.state, func.count(), age)
        .where(erasures.c.state != ErasureState.CERTIFIED)
        .group_by(erasures.c.state)
    )
    return {state: (count, float(oldest)) for state, count, oldest in found}
