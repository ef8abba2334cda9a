"""The service's own branch of migrations."""

from services.transcoding.tables import metadata

__all__ = ["metadata"]
