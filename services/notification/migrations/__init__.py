"""The service's own tables, and how they came to be."""

from services.notification.tables import metadata

__all__ = ["metadata"]
