"""What is kept where, and what becomes of it when consent ends: media, about media, record, or machinery.

A table says it in its `info`; a column that is not like its table says it in its own. What is media goes, and what is
about media with it; a record stays, by its own rule. Whoever adds a place cannot but decide: a test asks every one.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Enum, Table

from shared.contracts import SERVICES, topic_of


class Holds(StrEnum):
    MEDIA = "media"  # in no table
    ABOUT_MEDIA = "about_media"
    RECORD = "record"
    MACHINERY = "machinery"  # ids, times, states and sealed records of the messaging: nothing anybody said or showed


ABOUT_MEDIA = {"holds": Holds.ABOUT_MEDIA.value}  # as plain text: Alembic writes it into migrations
"""Of a table: its rows are deleted. Of a column: it is emptied.

Whose it is stands in `episode_id`, and of which recording in `recording_id`, or in `made_from` where there are several.
"""
RECORD = {"holds": Holds.RECORD.value}
MACHINERY = {"holds": Holds.MACHINERY.value}

ELSEWHERE: Mapping[tuple[str, str], Holds] = {
    ("bucket", "recordings"): Holds.MEDIA,
    ("bucket", "renditions"): Holds.MEDIA,
    ("bucket", "evidence"): Holds.RECORD,
    ("folder", "scratch_folder"): Holds.MEDIA,  # wiped after each job, and before the first
    ("folder", "assets_folder"): Holds.MACHINERY,
    ("log", "stdout"): Holds.MACHINERY,
    **{("topic", topic_of(service)): Holds.MACHINERY for service in SERVICES},
}
"""What is in no table, by its kind and its name; of a folder, the name of its setting."""


def holds(part: Table | Column[Any]) -> Holds:
    """Raises KeyError for a table that does not say it."""
    if isinstance(part, Column) and "holds" not in part.info:
        part = part.table
    return Holds(part.info["holds"])


def word(words: type[StrEnum]) -> Enum:
    """A column of one of these words, kept as text: a new word needs no change of the type."""
    return Enum(words, native_enum=False, length=32, values_callable=lambda words: [word.value for word in words])
