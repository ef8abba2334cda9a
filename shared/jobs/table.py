"""The row of a job."""

from enum import StrEnum

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, String, Table, Uuid, false, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.database import metadata
from shared.database.data_map import ABOUT_MEDIA


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"  # its episode is suspended
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"  # its episode ended, or its recording was discarded


OPEN = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("episode_id", Uuid, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("subject_id", Uuid, nullable=False),  # the recording, clip, reel, erasure or delivery it is for
    Column("about", ARRAY(Uuid), nullable=False, server_default="{}"),  # the recordings with which it goes
    Column("on_behalf_of", Uuid),  # the person whose act made it
    Column("spec", JSONB, nullable=False),
    Column("state", String(16), nullable=False, server_default=JobState.QUEUED),
    Column("priority", Integer, nullable=False, server_default="0"),  # higher first
    Column("outlives", Boolean, nullable=False, server_default=false()),  # done even after its episode has ended
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("silent", ARRAY(Uuid), nullable=False, server_default="{}"),  # tokens of attempts whose worker fell silent
    Column("not_before", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("token", Uuid),  # of the attempt that holds the lease
    Column("leased_until", DateTime(timezone=True)),
    Column("worker", String(64)),
    # the folders that its attempts have used and nobody has wiped: each goes when its worker has wiped it, or the next
    # process that starts on it
    Column("scratch", ARRAY(String(255)), nullable=False, server_default="{}"),
    Column("progress", JSONB),
    Column("failure", JSONB),  # {code, detail}: the code is for people, the detail for operators
    Column("trace", JSONB, nullable=False),  # the context of the span that enqueued it
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("closed_at", DateTime(timezone=True)),
    info=ABOUT_MEDIA,
)
Index("ix_jobs_episode_id", jobs.c.episode_id)
Index("ix_jobs_on_behalf_of", jobs.c.on_behalf_of, jobs.c.closed_at)  # whose turn it is
Index("uq_jobs_kind_subject_id", jobs.c.kind, jobs.c.subject_id, unique=True, postgresql_where=jobs.c.state.in_(OPEN))
