"""The consent service's own tables, and how they came to be."""

import services.consent.episodes.tables
import services.consent.erasures.tables
import services.consent.families.tables
import services.consent.permits.tables
import services.consent.records.tables  # noqa: F401
from services.consent.tables import metadata

__all__ = ["metadata"]
