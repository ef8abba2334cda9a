"""A family's way through every operation of every service, from its registration to its certificate.

One long file: it is one story, told in order.
"""

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from tests import films
from tests.end_to_end.canaries.book import Book
from tests.end_to_end.canaries.drive import ABSENT, TODAY, Drive
from tests.patience import PATIENCE_SECONDS

T = TypeVar("T")
Token = Callable[[str, str, str | None], str]
"""Of a role, a subject, and for a family its id."""
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {"Content-Type": "application/offset+octet-stream"}
SPOKEN = {"language": None, "format": None, "interpreter": False}

CODE_WORDS = {
    f"consent POST /v1/{field}"
    for field in (
        "families/{family_id}/rights-conversations body.points[].point",
        "families/{family_id}/consent-records body.purposes[]",
        "episodes/{episode_id}/withdrawals body.scope.purpose",
        "recordings/{recording_id}/discards body.reason_code",
        "permits body.purpose",
        "permits body.write[].kind",
    )
}
"""Words of a list that is not in the schema: whatever is not on it must be refused."""


def until(found: Callable[[], T | None], what: str) -> T:
    """Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if (value := found()) is not None:
            return value
        time.sleep(0.1)
    raise TimeoutError(what)


def film(path: Path, book: Book) -> Path:
    """With a canary in each field of its container."""
    plain = films.make(path.with_stem("plain"), 50, metadata=False)
    said = {name: book.new(f"the film's {name}") for name in ("title", "artist", "comment", "location", "make")}
    words = [word for name, canary in said.items() for word in ("-metadata", f"{name}={canary}")]
    handler = f"handler_name={book.new('the name of a track of the film')}"
    films.ffmpeg("-i", plain, "-map", "0", "-c", "copy", *words, "-metadata:s:v", handler, path)
    return path


class Life:
    """One family and who looks after it."""

    def __init__(self, drive: Drive, token: Token, film: Path) -> None:
        self.drive, self.film = drive, film.read_bytes()
        self.practitioner, self.colleague, self.lead = (str(uuid4()) for _ in range(3))
        self.who = token("practitioner", self.practitioner, None)
        self.operator = token("operator", str(uuid4()), None)
        self._token = token
        self.family = self.episode = ""
        self.people: list[str] = []

    def _service(self, name: str) -> str:
        """Its token lives for two minutes."""
        return self._token("service", name, None)

    def do(self, name: str, given: Any = None, **ids: str) -> Any:
        return self.drive.do(name, self.who, given, **ids)

    def ask(self, name: str, given: Any = None, **more: Any) -> Any:
        return self.drive.ask(name, self.who, given, **more)

    def live(self) -> None:
        """All of it but its end."""
        self.registers()
        self.agrees()
        recording, another = self.is_filmed()
        clip, reel = self.fails_and_is_tried_again(recording)
        self.is_looked_at(recording, clip, reel)
        self.is_reached()
        self.loses_one(another)
        self.is_held()

    # who they are and what they agree to

    def registers(self) -> None:
        team = [
            {"person_id": self.practitioner, "role": "practitioner"},
            {"person_id": self.colleague, "role": "practitioner"},
            {"person_id": self.lead, "role": "team_lead"},
        ]
        made = self.do(
            "consent POST /v1/families", {"people": [{"role": "parent"}, {"role": "baby"}], "care_team": team}
        )
        self.family, self.people = made["family_id"], [one["person_id"] for one in made["people"]]
        self.do("consent GET /v1/families")
        self.do("consent POST /v1/families/{family_id}/people", {"people": [{"role": "other"}]}, family_id=self.family)
        self.people = [one["person_id"] for one in self._shown()["people"]]
        now = {"members": team, "made_from": ABSENT}
        self.do("consent PUT /v1/families/{family_id}/care-team", now, family_id=self.family)

    def _shown(self) -> Any:
        return self.do("consent GET /v1/families/{family_id}", family_id=self.family)

    def agrees(self) -> None:
        own = {"family_id": self.family}
        points = self.do("consent GET /v1/rights-points")["points"]
        talked = [{"point": one["point"], "version": one["version"]} for one in points]
        self.do("consent POST /v1/families/{family_id}/rights-conversations", {**SPOKEN, "points": talked}, **own)
        canary = self.drive.book.new("a signed form")
        stored = self.ask(
            "consent POST /v1/families/{family_id}/evidence",
            ids=own,
            headers={"Content-Type": "application/pdf"},
            content=f"%PDF-1.7 {canary}".encode(),
        ).json()
        evidence = {**own, "evidence_id": stored["evidence_id"]}
        kept = self.ask("consent GET /v1/families/{family_id}/evidence/{evidence_id}", ids=evidence)
        assert canary in kept.text
        how: dict[str, Any] = {"method": "paper", "evidence_id": stored["evidence_id"], "witness": ABSENT}
        for person in self.people:
            self.consents(person, **how)
            how = {"method": "spoken", "evidence_id": ABSENT}
        self.do("consent GET /v1/families/{family_id}/consent-records", **own)
        self.do("consent GET /v1/episodes/{episode_id}", episode_id=self.episode)

    def consents(self, person: str, **how: Any) -> None:
        said = {
            "person_id": person,
            "given_by": self.people[0],
            "authority": "self" if person == self.people[0] else "parental_responsibility",
            "purposes": ["film", "review", "stills"],
        }
        made = self.do(
            "consent POST /v1/families/{family_id}/consent-records", {**SPOKEN, **said, **how}, family_id=self.family
        )
        self.episode = made["episode_id"]

    # films

    def is_filmed(self) -> tuple[str, str]:
        """Two recordings; the first is ready, the second has failed, since nobody may look at films any more."""
        self.ask("upload OPTIONS /v1/uploads")
        begun = self.begins()
        self.ask("upload DELETE /v1/uploads/{upload_id}", ids={"upload_id": begun}, headers=TUS)
        first = self.uploads()
        self.do("upload GET /v1/recordings")
        self.do("upload GET /v1/recordings/{recording_id}", recording_id=first)
        self.is_received(first)
        self.do("upload GET /v1/cards")
        self.do("upload POST /v1/recordings/{recording_id}/card-wiped", recording_id=first)
        self.becomes("recordings", first, "made")
        narrower = {"scope": {"purpose": "review", "person_id": ABSENT}, "by": self.people[0]}
        self.do("consent POST /v1/episodes/{episode_id}/withdrawals", narrower, episode_id=self.episode)
        second = self.uploads()
        self.is_received(second)
        self.becomes("recordings", second, "failed")
        return first, second

    def begins(self) -> str:
        """An upload's id; what is said of the film holds a file name, as browsers send it."""
        new = self.drive.book.new
        said = {
            "episode_id": self.episode,
            "people": ",".join(self.people),
            "filmed_on": TODAY,
            "happy_to_film": "true",
            "kind": "parent_baby",
            "filename": f"{new('Upload-Metadata: the name of a file')}.mp4",
            new("Upload-Metadata: a name of something unknown"): new("Upload-Metadata: something unknown"),
        }
        metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items())
        headers = {**TUS, "Upload-Length": str(len(self.film)), "Upload-Metadata": metadata}
        made = self.ask("upload POST /v1/uploads", headers=headers)
        return str(made.headers["Location"]).rsplit("/", 1)[-1]

    def uploads(self) -> str:
        begun, half = self.begins(), len(self.film) // 2
        for offset, piece in ((0, self.film[:half]), (half, self.film[half:])):
            at = {"Upload-Offset": str(offset)}
            self.ask("upload HEAD /v1/uploads/{upload_id}", ids={"upload_id": begun}, headers=TUS)
            self.ask(
                "upload PATCH /v1/uploads/{upload_id}",
                ids={"upload_id": begun},
                headers={**TUS, **BYTES, **at},
                content=piece,
            )
        return begun

    def is_received(self, recording: str) -> None:
        name = "upload GET /v1/recordings/{recording_id}"
        until(lambda: self.do(name, recording_id=recording)["state"] == "received" or None, "a film is not received")

    def becomes(self, what: str, id: str, state: str) -> None:
        """Until the work on it is in this state."""
        asked = {"ids": {"id": id}}

        def reached() -> bool | None:
            answer = self.drive.peek("transcoding", f"/v1/{what}/{id}/job", self.who)
            return (answer.status_code == 200 and answer.json()["state"] == state) or None

        until(reached, f"the job of {what} {id} does not become {state}")
        self.ask(f"transcoding GET /v1/{what}/{{id}}/job", **asked)

    def fails_and_is_tried_again(self, recording: str) -> tuple[str, str]:
        """A clip and a reel that could not be made; then everybody agrees again, and all is tried again."""
        film = self.do("curation GET /v1/recordings/{recording_id}/film", recording_id=recording)
        mark = {"watched": film["film_id"], "first": 5, "end": film["frames"] - 5}
        marked = self.do("curation POST /v1/recordings/{recording_id}/clips", mark, recording_id=recording)
        clip = marked["clip_id"]
        ordered = self.do("curation POST /v1/families/{family_id}/reels", {"clips": [clip]}, family_id=self.family)
        reel = ordered["reel_id"]
        failed = [("clips", clip), ("reels", reel)]
        for what, id in failed:
            self.becomes(what, id, "failed")
        for person in self.people:
            self.consents(person, method="spoken", evidence_id=ABSENT)
        for what, id in failed:
            self.ask(f"transcoding POST /v1/{what}/{{id}}/job/retry", ids={"id": id})
            self.becomes(what, id, "made")
        return clip, reel

    def is_looked_at(self, recording: str, clip: str, reel: str) -> None:
        own = {"family_id": self.family}
        self.do("curation GET /v1/principles")
        self.do("curation GET /v1/recordings/{recording_id}/clips", recording_id=recording)
        self.do("curation GET /v1/clips/{clip_id}", clip_id=clip)
        self.do("curation POST /v1/clips/{clip_id}/stills", {"frame": 6}, clip_id=clip)
        name = "curation GET /v1/recordings/{recording_id}/stills"
        until(lambda: self.do(name, recording_id=recording)["stills"][0]["artefact_id"], "a still is not made")
        self.do("curation GET /v1/families/{family_id}/reels", **own)
        self.do("curation GET /v1/families/{family_id}/clips", **own)
        name = "curation GET /v1/reels/{reel_id}"
        artefact = until(lambda: self.do(name, reel_id=reel)["artefact_id"], "a reel is not ready")
        for method, path in (("POST", "/session"), ("HEAD", ""), ("GET", "")):
            self.ask(f"curation {method} /v1/media/{{artefact_id}}{path}", ids={"artefact_id": artefact})
        self.do("curation GET /v1/families/{family_id}/views", **own)
        goal = self.do("curation POST /v1/families/{family_id}/goals", **own)["goal_id"]
        self.do("curation GET /v1/families/{family_id}/goals", **own)
        self.do("curation POST /v1/goals/{goal_id}/ratings", goal_id=goal)
        held = {"reel_id": reel, "clips": ABSENT}
        self.do("curation POST /v1/families/{family_id}/shared-reviews", held, **own)
        self.do("curation GET /v1/families/{family_id}/shared-reviews", **own)
        self.do("curation GET /v1/tasks")
        self.do("curation GET /v1/tasks/{recording_id}", recording_id=recording)
        self.do("curation POST /v1/tasks/{recording_id}/done", recording_id=recording)

    # messages

    def is_reached(self) -> None:
        person, own = {"person_id": self.people[0]}, {"family_id": self.family}
        points = {"points": [{"safe_from": ABSENT, "safe_until": ABSENT, "safe": True}], **own}
        self.do("notification PUT /v1/people/{person_id}/contact-points", points, **person)
        self.do("notification GET /v1/people/{person_id}/contact-points", **person)
        self.do("notification PUT /v1/people/{person_id}/needs", {"needs": ["easy_read"], **own}, **person)
        self.do("notification GET /v1/people/{person_id}/needs", **person)
        name = "notification GET /v1/families/{family_id}/deliveries"

        def to_tell() -> str | None:
            found = self.do(name, **own)["deliveries"]
            return next((one["delivery_id"] for one in found if one["state"] == "in_person"), None)

        # nobody knows an address of the practitioner's, so that a colleague has to tell them what is ready
        delivery = until(to_tell, "nobody has to be told in person")
        self.do("notification GET /v1/deliveries")
        self.do("notification POST /v1/deliveries/{delivery_id}/told", delivery_id=delivery)

    # the end

    def loses_one(self, recording: str) -> None:
        """The recording that failed: tried again, handed over, and discarded."""
        self.ask("transcoding POST /v1/recordings/{id}/job/retry", ids={"id": recording})
        to = {"person_id": self.colleague}
        self.do("curation POST /v1/tasks/{recording_id}/assignee", to, recording_id=recording)
        self.becomes("recordings", recording, "made")
        given = {"reason_code": "baby_distressed"}
        gone = self.do("consent POST /v1/recordings/{recording_id}/discards", given, recording_id=recording)
        asker = self._service("transcoding")
        self.drive.do("consent GET /v1/erasures/{erasure_id}/artefacts", asker, erasure_id=gone["erasure_id"])

    def is_held(self) -> None:
        """What is kept is looked at; a withdrawal that the family has not confirmed is held, and undone."""
        own, episode = {"family_id": self.family}, {"episode_id": self.episode}
        write = [
            {
                "artefact_id": str(uuid4()),
                "episode_id": self.episode,
                "kind": "recording",
                "made_from": ABSENT,
                "people": self.people,
                "happy_to_film": True,
            }
        ]
        asked = {"purpose": "film", "on_behalf_of": self.practitioner, "read": ABSENT, "write": write}
        self.drive.do("consent POST /v1/permits", self._service("upload"), asked)
        self.do("consent GET /v1/families/{family_id}/artefacts", **own)
        self.do("consent GET /v1/families/{family_id}/access-log", **own)
        self.do("consent POST /v1/families/{family_id}/involvement-end", **own)
        all_of_it: dict[str, Any] = {"by": self.people[0], "scope": "all"}
        self.do("consent POST /v1/episodes/{episode_id}/withdrawals", all_of_it, **episode)
        taken_back = {"asked_by": self.people[0], "route": "phone"}
        self.do("consent POST /v1/episodes/{episode_id}/reinstatements", taken_back, **episode)
        hold = self.do("consent POST /v1/episodes/{episode_id}/holds", **episode)["hold_id"]
        self.ask("consent DELETE /v1/episodes/{episode_id}/holds/{hold_id}", ids={**episode, "hold_id": hold})

    def withdraws(self) -> str:
        """The id of the erasure that begins."""
        episode = {"episode_id": self.episode}
        all_of_it = {"by": self.people[0], "scope": "all", "confirmed_by_family": True}
        ended = self.do("consent POST /v1/episodes/{episode_id}/withdrawals", all_of_it, **episode)
        erasure = {"erasure_id": str(ended["erasure_id"])}
        query = {"waiting_for": "transcoding"}
        self.drive.ask("consent GET /v1/erasures", self._service("transcoding"), query=query)
        self.do("consent GET /v1/erasures/{erasure_id}", **erasure)
        self.ask("consent GET /v1/certificate-key")
        return erasure["erasure_id"]

    def is_certified(self, erasure: str) -> None:
        path = f"/v1/erasures/{erasure}/certificate"
        until(lambda: self.drive.peek("consent", path, self.who).is_success or None, "an erasure is not certified")
        self.do("consent GET /v1/erasures/{erasure_id}/certificate", erasure_id=erasure)
