"""The upload service's own tables, step by step."""

from services.upload.tables import metadata

__all__ = ["metadata"]
