"""What people do, over HTTP: each act of a practitioner and a family, without a word about what it led to."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from deploy.demo import upload
from deploy.demo.world import Person

TODAY = datetime.now(UTC).date().isoformat()
PURPOSES = ["film", "review"]


@dataclass
class Family:
    """A family as its practitioner knows it."""

    id: str
    people: list[str]
    parent: str
    episode: str = ""

    def film(self) -> dict[str, str]:
        """What is said of a film of all of them before its first byte."""
        return {
            "episode_id": self.episode or str(uuid4()),
            "people": ",".join(self.people),
            "filmed_on": TODAY,
            "happy_to_film": "true",
            "kind": "parent_baby",
        }


async def register(practitioner: Person) -> Family:
    answer = await practitioner.post(
        "consent",
        "/families",
        {
            "people": [{"role": "parent", "name": "Canary Wren"}, {"role": "baby", "name": "Canary Robin"}],
            "care_team": [{"person_id": str(practitioner.id), "role": "practitioner"}],
        },
    )
    parent = next(person["person_id"] for person in answer["people"] if person["role"] == "parent")
    return Family(answer["family_id"], [person["person_id"] for person in answer["people"]], parent)


async def talk_through_rights(practitioner: Person, family: Family) -> list[dict[str, Any]]:
    """Returns the points that were talked through."""
    points: list[dict[str, Any]] = (await practitioner.get("consent", "/rights-points"))["points"]
    await practitioner.post(
        "consent",
        f"/families/{family.id}/rights-conversations",
        {
            "held_on": TODAY,
            "points": [{"point": point["point"], "version": point["version"]} for point in points],
            "language": "en",
            "format": "spoken",
            "interpreter": False,
        },
    )
    return points


async def consent(practitioner: Person, family: Family) -> None:
    """For each person filmed, to PURPOSES; the first record opens the episode."""
    for person in family.people:
        answer = await practitioner.post(
            "consent",
            f"/families/{family.id}/consent-records",
            {
                "person_id": person,
                "given_by": family.parent,
                "authority": "self" if person == family.parent else "parental_responsibility",
                "disputed": False,
                "purposes": PURPOSES,
                "method": "spoken",
                "witness": str(practitioner.id),
                "notice_version": "1",
                "language": "en",
                "format": "spoken",
                "interpreter": False,
                "given_on": TODAY,
            },
        )
        family.episode = answer["episode_id"]


async def reachable(practitioner: Person, person: str, family_id: str | None) -> str:
    """A mail address that is safe at any hour; returns it."""
    address = f"{person}@example.org"
    point = {"channel": "mail", "address": address, "safe": True}
    body = {"family_id": family_id, "points": [point]}
    await practitioner.call("notification", "PUT", f"/people/{person}/contact-points", json=body)
    return address


async def consenting_family(practitioner: Person) -> Family:
    """Registered, talked with, and consenting."""
    family = await register(practitioner)
    await talk_through_rights(practitioner, family)
    await consent(practitioner, family)
    return family


async def upload_film(practitioner: Person, family: Family, film: Path) -> str:
    """The recording's id."""
    created = await upload.create(practitioner, film.stat().st_size, family.film())
    recording = created.headers["Location"].rsplit("/", 1)[-1]
    await upload.send(practitioner, recording, film)
    return recording


async def mark(practitioner: Person, recording: str, name: str, first: int, end: int) -> str:
    """The clip's id."""
    body = {"first": first, "end": end, "name": name, "principle": "receiving_initiatives", "note": ""}
    answer = await practitioner.post("curation", f"/recordings/{recording}/clips", body)
    return str(answer["clip_id"])


async def withdraw(practitioner: Person, family: Family) -> str:
    """All of it, confirmed by the family: nothing to wait for. The erasure's id."""
    body = {"by": family.parent, "route": "in_person", "confirmed_by_family": True, "scope": "all"}
    answer = await practitioner.post("consent", f"/episodes/{family.episode}/withdrawals", body, expect=202)
    return str(answer["erasure_id"])


async def discard(practitioner: Person, recording: str) -> str:
    """The erasure's id."""
    body = {"reason_code": "baby_distressed"}
    return str(
        (await practitioner.post("consent", f"/recordings/{recording}/discards", body, expect=202))["erasure_id"]
    )
