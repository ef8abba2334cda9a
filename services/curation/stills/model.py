"""Stills: one frame of a clip as a picture, which needs a consent of its own."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.curation.clips.model import Clip, Cut
from shared.errors import AttuneError

PURPOSE = "stills"


class OutsideClip(AttuneError):
    """The frame is not one of the clip's."""


@dataclass
class Still(Cut):
    still_id: UUID
    clip_id: UUID
    recording_id: UUID
    episode_id: UUID
    family_id: UUID
    film_id: UUID
    frame: int  # of the film
    taken_by: UUID
    taken_at: datetime


def check_still(clip: Clip, frame: int) -> None:
    """Raises OutsideClip."""
    if not clip.first <= frame < clip.end:
        raise OutsideClip(f"the clip has the frames {clip.first} to {clip.end - 1}")
