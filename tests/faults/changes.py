"""Which change each event tells of: as SQL over what the witness saw of a row, `before` and `after`.

Written down here once more, apart from the services, so that they can be held against it (I5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NEW = "before IS NULL"


def becomes(state: str, column: str = "state") -> str:
    return f"after->>'{column}' = '{state}' AND before->>'{column}' IS DISTINCT FROM '{state}'"


def alters(column: str) -> str:
    return f"after->>'{column}' IS NOT NULL AND before->>'{column}' IS DISTINCT FROM after->>'{column}'"


@dataclass(frozen=True)
class Change:
    """What an event tells of: in whose database, of which row, which column of it is the subject, and when."""

    service: str
    relation: str
    of: str
    when: str

    @property
    def subject(self) -> str:
        return self.of if ">" in self.of else f"after->>'{self.of}'"


def _made(make: str) -> str:
    return f"after->>'make' = '{make}' AND {becomes('made')}"


def _failed(make: str) -> str:
    return f"after->>'make' = '{make}' AND {becomes('failed')}"


_ASSIGNED = "after->>'assignee_id' IS NOT NULL"
_READY = "after->>'state' = 'ready' AND after->>'assignee_id' IS NOT NULL"  # and there is somebody to be told
_LOOK = "jsonb_array_length(after->'artefacts') > 0 AND before->'artefacts' IS DISTINCT FROM after->'artefacts'"

CHANGES: Mapping[str, Sequence[Change]] = {
    "attune.family.registered.v1": [Change("consent", "families", "id", NEW)],
    "attune.family.involvement_ended.v1": [Change("consent", "families", "id", alters("involvement_ended_on"))],
    "attune.care_team.changed.v1": [Change("consent", "care_team_changes", "family_id", NEW)],
    "attune.consent.given.v1": [Change("consent", "consent_records", "episode_id", NEW)],
    "attune.consent.narrowed.v1": [Change("consent", "narrowings", "episode_id", NEW)],
    "attune.consent.suspended.v1": [
        Change("consent", "consent_episodes", "id", "before->>'state' = 'open' AND after->>'state' <> 'open'")
    ],
    "attune.consent.reinstated.v1": [
        Change("consent", "consent_episodes", "id", f"before->>'state' = 'suspended' AND {becomes('open')}")
    ],
    "attune.consent.ended.v1": [Change("consent", "consent_episodes", "id", becomes("ended"))],
    "attune.recording.discarded.v1": [
        Change("consent", "erasures", "recording_id", f"{NEW} AND {alters('recording_id')} AND "
               "after->>'supersedes' IS NULL")
    ],
    "attune.erasure.opened.v1": [Change("consent", "erasures", "id", NEW)],
    "attune.erasure.purge_asked.v1": [Change("consent", "erasures", "id", alters("round"))],
    "attune.erasure.acknowledged.v1": [
        Change(service, "jobs", "after->'spec'->>'erasure_id'", f"after->>'kind' = 'purge' AND {becomes('done')}")
        for service in ("upload", "transcoding", "curation", "notification")
    ],
    "attune.erasure.stalled.v1": [Change("consent", "erasures", "id", alters("stalled_at"))],
    "attune.erasure.certified.v1": [Change("consent", "certificates", "erasure_id", NEW)],
    "attune.erasure.superseded.v1": [Change("consent", "erasures", "supersedes", f"{NEW} AND {alters('supersedes')}")],
    "attune.recording.received.v1": [Change("upload", "uploads", "id", becomes("received"))],
    "attune.recording.rejected.v1": [Change("upload", "uploads", "id", alters("code"))],
    "attune.recording.card_wiped.v1": [Change("upload", "uploads", "id", alters("card_wiped_on"))],
    "attune.recording.first_look_ready.v1": [
        Change("transcoding", "works", "after->'made_from'->>0", f"after->>'make' = 'first_look' AND {_LOOK}")
    ],
    "attune.recording.ready.v1": [Change("transcoding", "works", "id", _made("review_film"))],
    "attune.recording.preparation_failed.v1": [Change("transcoding", "works", "id", _failed("review_film"))],
    "attune.clip.cut.v1": [Change("transcoding", "works", "id", _made("clip"))],
    "attune.clip.cut_failed.v1": [Change("transcoding", "works", "id", _failed("clip"))],
    "attune.reel.ready.v1": [Change("transcoding", "works", "id", _made("reel"))],
    "attune.reel.failed.v1": [Change("transcoding", "works", "id", _failed("reel"))],
    "attune.still.made.v1": [Change("transcoding", "works", "id", _made("still"))],
    "attune.still.failed.v1": [Change("transcoding", "works", "id", _failed("still"))],
    "attune.still.requested.v1": [Change("curation", "stills", "still_id", NEW)],
    "attune.clip.requested.v1": [Change("curation", "clips", "clip_id", NEW)],
    "attune.reel.requested.v1": [Change("curation", "reels", "reel_id", NEW)],
    "attune.review.task_created.v1": [
        Change("curation", "review_tasks", "recording_id", f"{_ASSIGNED} AND before->>'assignee_id' IS NULL")
    ],
    "attune.review.task_ready.v1": [
        Change("curation", "review_tasks", "recording_id", f"{_READY} AND (before->>'state' IS DISTINCT FROM 'ready'"
               " OR before->>'assignee_id' IS NULL)")
    ],
    "attune.review.task_reassigned.v1": [
        Change("curation", "review_tasks", "recording_id", f"{alters('assignee_id')} AND "
               "before->>'assignee_id' IS NOT NULL")
    ],
    "attune.review.task_done.v1": [Change("curation", "review_tasks", "recording_id", becomes("done"))],
    "attune.shared_review.held.v1": [Change("curation", "shared_reviews", "shared_review_id", NEW)],
    "attune.notification.sent.v1": [Change("notification", "deliveries", "id", becomes("sent"))],
    "attune.notification.undeliverable.v1": [Change("notification", "deliveries", "id", becomes("in_person"))],
}  # fmt: skip
UNSEEN: Mapping[str, str] = {}
"""Event types whose change no row shows, each with the reason; a test wants every type here or in CHANGES."""

# What is told once of its subject, whatever comes twice, late or in another order.
ONCE = frozenset(
    f"attune.{name}.v1"
    for name in (
        *("family.registered", "recording.received", "recording.ready", "clip.cut", "reel.ready", "clip.requested"),
        *("reel.requested", "review.task_created", "review.task_ready", "review.task_done", "shared_review.held"),
        *("recording.discarded", "recording.rejected", "recording.card_wiped", "consent.ended", "erasure.opened"),
        *("erasure.certified", "notification.sent"),
    )
)

# What only events change: a row of it is written where an event is settled, or it was written for one that came again.
HEARD = {
    "transcoding": ("care_teams",),
    "curation": ("care_teams", "films", "first_looks", "playable"),
    "notification": ("care_teams", "assignees"),
}


def relations(service: str) -> set[str]:
    """What the witness in this service's database looks at."""
    told = {change.relation for kinds in CHANGES.values() for change in kinds if change.service == service}
    return told | set(HEARD.get(service, ()))
