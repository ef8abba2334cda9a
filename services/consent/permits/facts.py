"""Everything that decides about a permit, as it stands at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.consent.episodes.model import EpisodeState
from services.consent.permits.model import Artefact, Episode, Facts, Kind, Question, Suspended
from services.consent.records.model import Narrowing, Statement

# In one statement and so in one snapshot. It is dated by its transaction, which began before
# that snapshot: the statement's own timestamp is read when it is executed, a little after the snapshot that was taken
# when it was bound, and consent could end between the two. Under the episode's lock it cannot.
_FACTS = text(
    """
    WITH known AS (SELECT * FROM artefacts WHERE id = ANY(:artefacts)),
    concerned AS (
        SELECT e.id, e.family_id, e.state, e.key,
            (SELECT jsonb_agg(jsonb_build_object('person_id', r.person_id, 'version', r.version, 'purposes', r.purposes,
                'given_on', r.given_on, 'valid_until', r.valid_until, 'disputed', r.disputed,
                'recorded_at', r.recorded_at)) FROM consent_records r WHERE r.episode_id = e.id) AS statements,
            (SELECT jsonb_agg(jsonb_build_object('person_id', n.person_id, 'purpose', n.purpose,
                'narrowed_at', n.narrowed_at)) FROM narrowings n WHERE n.episode_id = e.id) AS narrowings,
            (SELECT jsonb_agg(jsonb_build_object('first', s.suspended_at::date, 'last', s.reinstated_at::date))
                FROM suspensions s WHERE s.episode_id = e.id) AS suspensions,
            ARRAY(SELECT p.id FROM people p WHERE p.family_id = e.family_id) AS people,
            ARRAY(SELECT c.person_id FROM care_team c WHERE c.family_id = e.family_id) AS care_team,
            (SELECT min(t.held_on) FROM rights_conversations t WHERE t.family_id = e.family_id AND NOT EXISTS (
                SELECT FROM consent_episodes b WHERE b.family_id = e.family_id AND b.opened_at < e.opened_at
                    AND (t.recorded_at <= b.ended_at OR t.held_on < b.ended_at::date))) AS talked_on
        FROM consent_episodes e
        WHERE e.id = ANY(:episodes) OR e.id IN (SELECT episode_id FROM known)
    )
    SELECT CASE WHEN :locked THEN statement_timestamp() ELSE transaction_timestamp() END AS granted_at,
        CURRENT_DATE AS today, concerned.*, known.id AS artefact_id, known.kind, known.registered_by, known.recordings,
        known.people AS filmed, known.filmed_on, known.happy_to_film, known.discarded_at, known.key AS artefact_key,
        known.manifest_id
    FROM concerned LEFT JOIN known ON known.episode_id = concerned.id
    """
).bindparams(
    bindparam("artefacts", type_=ARRAY(Uuid)),
    bindparam("episodes", type_=ARRAY(Uuid)),
    bindparam("locked", type_=Boolean),
)


@dataclass(frozen=True)
class Keys:
    """Of one registered artefact."""

    wrapped: bytes | None
    manifest_id: UUID


@dataclass(frozen=True)
class Found:
    """The facts, and beside them what the decision must not see. `granted_at` is None where nothing is known."""

    granted_at: datetime | None
    facts: Facts
    episode_keys: Mapping[UUID, bytes | None]
    keys: Mapping[UUID, Keys]


async def find(connection: AsyncConnection, question: Question, *, locked: bool) -> Found:
    """What is known of everything that is asked for. locked: whether the connection holds the episode's lock."""
    ids = {*question.read, *(new.id for new in question.write), *(id for new in question.write for id in new.made_from)}
    episodes = {new.episode_id for new in question.write}
    asked = {"artefacts": list(ids), "episodes": list(episodes), "locked": locked}
    rows = (await connection.execute(_FACTS, asked)).all()
    known = [row for row in rows if row.artefact_id is not None]
    return Found(
        granted_at=rows[0].granted_at if rows else None,
        facts=Facts(
            today=rows[0].today if rows else date.min,
            artefacts={row.artefact_id: _artefact(row) for row in known},
            episodes={row.id: _episode(row) for row in rows},
        ),
        episode_keys={row.id: row.key for row in rows},
        keys={row.artefact_id: Keys(row.artefact_key, row.manifest_id) for row in known},
    )


def _artefact(row: Any) -> Artefact:
    return Artefact(
        row.artefact_id,
        row.id,
        Kind(row.kind),
        row.registered_by,
        recordings=frozenset(row.recordings),
        people=frozenset(row.filmed),
        filmed_on=row.filmed_on,
        happy_to_film=row.happy_to_film,
        discarded=row.discarded_at is not None,
    )


def _episode(row: Any) -> Episode:
    return Episode(
        row.id,
        row.family_id,
        EpisodeState(row.state),
        statements=tuple(
            Statement(
                UUID(one["person_id"]),
                one["version"],
                frozenset(one["purposes"]),
                date.fromisoformat(one["given_on"]),
                date.fromisoformat(one["valid_until"]) if one["valid_until"] else None,
                one["disputed"],
                datetime.fromisoformat(one["recorded_at"]),
            )
            for one in row.statements or ()
        ),
        narrowings=tuple(
            Narrowing(UUID(one["person_id"]), one["purpose"], datetime.fromisoformat(one["narrowed_at"]))
            for one in row.narrowings or ()
        ),
        suspensions=tuple(
            Suspended(date.fromisoformat(one["first"]), date.fromisoformat(one["last"]) if one["last"] else None)
            for one in row.suspensions or ()
        ),
        people=frozenset(row.people),
        care_team=frozenset(row.care_team),
        talked_on=row.talked_on,
    )
