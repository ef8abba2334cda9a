"""Families by the API, for tests that are about something else."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx

from shared.identity.tokens import Role
from tests.browser.conftest import Running

TODAY = datetime.now(UTC).date().isoformat()
SAID = {"language": "en", "format": "spoken", "interpreter": False}


class Family:
    """One that has agreed to everything, by the API."""

    def __init__(self, running: Running, practitioner: UUID) -> None:
        headers = {"Authorization": f"Bearer {running.token(Role.PRACTITIONER, practitioner)}"}
        self._consent = httpx.Client(base_url=f"{running.stack.url('consent')}/v1", headers=headers, timeout=60)
        people = [{"role": "parent", "name": "Jay Featherstone"}, {"role": "baby", "name": "Pip Featherstone"}]
        team = [{"person_id": str(practitioner), "role": "practitioner"}]
        made = self._post("/families", people=people, care_team=team)
        self.id = made["family_id"]
        self.people = [one["person_id"] for one in made["people"]]
        points = self._consent.get("/rights-points").json()["points"]
        talked = [{"point": one["point"], "version": one["version"]} for one in points]
        self._post(f"/families/{self.id}/rights-conversations", held_on=TODAY, points=talked, **SAID)
        self.agrees("film", "review")

    def agrees(self, *purposes: str) -> None:
        """Each of them, to these purposes and no others."""
        for number, one in enumerate(self.people):
            self._post(
                f"/families/{self.id}/consent-records",
                person_id=one,
                given_by=self.people[0],
                authority="parental_responsibility" if number else "self",
                purposes=purposes,
                method="spoken",
                witness="A colleague",
                notice_version="1",
                given_on=TODAY,
                **SAID,
            )

    def _post(self, path: str, **body: Any) -> Any:
        return self._consent.post(path, json=body).raise_for_status().json()
