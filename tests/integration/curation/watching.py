"""Watching, and who is said to have watched."""

from typing import Any
from uuid import UUID

import httpx

from tests.integration.curation.world import Curation, Family


def play(
    curation: Curation, who: dict[str, str], film: UUID, range: str | None = None, **headers: str
) -> httpx.Response:
    headers |= {"Range": range} if range else {}
    return curation.http.get(f"/v1/media/{film}", headers=who | headers)


def views(curation: Curation, family: Family, who: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """The newest first; asked for by `who`, or by a practitioner of the family."""
    answer = curation.http.get(
        f"/v1/families/{family.family_id}/views", headers=who or curation.token(family.practitioner)
    )
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["views"]
    return found
