"""Where review tasks are kept."""

from sqlalchemy import Column, Date, Index, String, Table, Uuid

from services.curation.tables import mapping, metadata
from services.curation.tasks.model import ReviewTask, TaskState
from shared.database.data_map import ABOUT_MEDIA, word

review_tasks = Table(
    "review_tasks",
    metadata,
    Column("recording_id", Uuid, primary_key=True),
    Column("episode_id", Uuid, nullable=False, index=True),
    Column("family_id", Uuid, nullable=False, index=True),
    Column("assignee_id", Uuid),
    Column("kind", String(64)),
    Column("filmed_on", Date),
    Column("state", word(TaskState), nullable=False),
    Column("reason", String(64)),
    info=ABOUT_MEDIA,
)
Index("ix_review_tasks_assignee_id", review_tasks.c.assignee_id, review_tasks.c.recording_id)
mapping.map_imperatively(ReviewTask, review_tasks)
