"""All the tables of this service, for Alembic; the versions stand beside this file."""

from services.curation.clips import tables as clips
from services.curation.playback import tables as playback
from services.curation.shared_reviews import tables as shared_reviews
from services.curation.stills import tables as stills
from services.curation.tables import metadata
from services.curation.tasks import tables as tasks

__all__ = ["clips", "metadata", "playback", "shared_reviews", "stills", "tasks"]
