"""The certificate of an erasure: what is true of it, gathered and signed. `verify_certificate.py` checks it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from services.consent.episodes.tables import consent_episodes
from services.consent.erasures.model import Erasure
from services.consent.erasures.tables import acknowledgements, certificates, findings
from services.consent.erasures.verify_certificate import FORMAT, SCHEMA_VERSION, canonical, fingerprint
from services.consent.permits.tables import artefacts
from shared.errors import AttuneError
from shared.settings import Organisation


@dataclass(frozen=True)
class Signer:
    """Who signs certificates: the organisation, its key, and how long its backups live."""

    organisation: Organisation
    backup_days: int
    key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_file(cls, path: Path, organisation: Organisation, backup_days: int) -> Self:
        """Raises AttuneError for a file without an Ed25519 private key."""
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except ValueError:
            raise AttuneError(f"{path} must hold a private key in PEM form, without a password") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise AttuneError(f"{path} must hold an Ed25519 key")
        return cls(organisation, backup_days, key)

    @property
    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, facts: dict[str, Any], issued_at: datetime) -> tuple[UUID, bytes]:
        """The certificate's id, and the file as it is given out for ever."""
        certificate_id = uuid7()
        certificate = facts | {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "certificate_id": str(certificate_id),
            "issued_at": moment(issued_at),
            "organisation": self.organisation.model_dump(),
            "public_key_fingerprint": fingerprint(self.key.public_key()),
            "cannot_know": cannot_know(facts["cards"], issued_at + timedelta(days=self.backup_days)),
        }
        signature = self.key.sign(canonical(certificate)).hex()
        return certificate_id, canonical({"certificate": certificate, "signature": signature})


def moment(at: datetime | None) -> str | None:
    """In UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds") if at else None


def cannot_know(cards: Sequence[Mapping[str, Any]], backups_until: datetime) -> list[dict[str, Any]]:
    """What no listing of our stores can show, said plainly. cards: the recordings that may still be on a camera's."""
    days = ", ".join(sorted({one["filmed_on"] for one in cards if one["filmed_on"]}))
    until = backups_until.date().isoformat()
    return [
        {
            "code": "copies_handed_out",
            "sentence": "Copies that were handed out, or filmed from a screen, are outside this system.",
        },
        {
            "code": "camera_cards",
            "count": len(cards),
            "recordings": cards,
            "sentence": f"Camera cards not confirmed as wiped: {len(cards)}{days and ', with films of '}{days}.",
        },
        {
            "code": "backups",
            "until": until,
            "sentence": f"Backups from before the erasure hold sealed bytes and wrapped keys, until {until}.",
        },
        {
            "code": "blocks",
            "sentence": "Disks may keep freed blocks until they are written over; what these hold is sealed.",
        },
    ]


async def facts(session: AsyncSession, erasure: Erasure) -> dict[str, Any]:
    """Everything that is known of this erasure and is worth signing: ids, times, counts and codes."""
    finding = (
        await session.execute(
            select(findings).where(findings.c.erasure_id == erasure.id, findings.c.round == erasure.round)
        )
    ).one()
    answers = list(
        await session.execute(
            select(acknowledgements)
            .where(acknowledgements.c.erasure_id == erasure.id)
            .order_by(acknowledgements.c.round, acknowledgements.c.participant)
        )
    )
    cards = await _cards(session, answers)
    return {
        "erasure_id": str(erasure.id),
        "episode_id": str(erasure.episode_id),
        "recording_id": str(erasure.recording_id) if erasure.recording_id else None,
        "decision": {
            "cause": erasure.cause,
            "decided_by": str(erasure.decided_by) if erasure.decided_by else "reconciler",
            "route": erasure.route,
        },
        "ended_at": moment(await _ended_at(session, erasure)),
        "opened_at": moment(erasure.opened_at),
        "key_destroyed_at": moment(erasure.key_destroyed_at),
        "registered": await _registered(session, erasure),
        "horizon": {
            "seconds": int(erasure.horizon.total_seconds()),
            "permit_seconds": erasure.permit_seconds,
            "put_seconds": erasure.put_seconds,
            "clock_skew_seconds": erasure.clock_skew_seconds,
            "counted_from": moment(erasure.fenced_at),
        },
        "rounds": [
            {
                "round": number,
                "acknowledgements": [
                    {
                        "participant": one.participant,
                        "at": moment(one.acknowledged_at),
                        "objects": one.objects,
                        "bytes": one.bytes,
                        "rows": one.rows,
                        "jobs_cancelled": one.jobs_cancelled,
                    }
                    for one in answers
                    if one.round == number
                ],
            }
            for number in sorted({one.round for one in answers})
        ],
        "cards_not_wiped": len(cards),
        "cards": cards,
        "verified": {
            "round": finding.round,
            "begun_at": moment(finding.begun_at),
            "finished_at": moment(finding.finished_at),
            "listed": finding.listed,
            "evidence": finding.evidence,
            "found": len(finding.found),
        },
        "supersedes": await _superseded(session, erasure),
    }


async def _cards(session: AsyncSession, answers: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """The recordings whose cards nobody had confirmed as wiped when they were asked about last."""
    asked_last = max((one.round for one in answers), default=0)
    ids = {id for one in answers if one.round == asked_last for id in one.cards}
    filmed = select(artefacts.c.id, artefacts.c.filmed_on).where(artefacts.c.id.in_(ids)).order_by(artefacts.c.id)
    days = {row.id: row.filmed_on.isoformat() for row in await session.execute(filmed)}
    return [{"recording_id": str(id), "filmed_on": days.get(id)} for id in sorted(ids)]


async def _ended_at(session: AsyncSession, erasure: Erasure) -> datetime | None:
    """When the episode ended; None for one that goes on without the recording."""
    ended_at: datetime | None = await session.scalar(
        select(consent_episodes.c.ended_at).where(consent_episodes.c.id == erasure.episode_id)
    )
    return ended_at


async def _registered(session: AsyncSession, erasure: Erasure) -> dict[str, int]:
    """How many artefacts of each kind the register holds of what was erased."""
    scope = artefacts.c.episode_id == erasure.episode_id
    if erasure.recording_id:
        scope &= artefacts.c.recordings.contains([erasure.recording_id])
    kinds = Counter(str(kind) for kind in await session.scalars(select(artefacts.c.kind).where(scope)))
    return dict(sorted(kinds.items()))


async def _superseded(session: AsyncSession, erasure: Erasure) -> dict[str, str] | None:
    """Which certificate this one takes the place of."""
    if erasure.supersedes is None:
        return None
    earlier = await session.scalar(select(certificates.c.id).where(certificates.c.erasure_id == erasure.supersedes))
    return {"erasure_id": str(erasure.supersedes), "certificate_id": str(earlier)}
