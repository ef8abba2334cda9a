"""A family's way through every page of the portal."""

from typing import Any

from tests.end_to_end.canaries.forms import Reader
from tests.end_to_end.canaries.life import Life, Token, until


class Pages:
    """Like the life over the services' HTTP, by forms; the film itself goes past the portal."""

    def __init__(self, reader: Reader, family_reader: Reader, life: Life, token: Token) -> None:
        self.reader, self.own, self.life, self.token = reader, family_reader, life, token

    def live(self) -> None:
        """All of it but its end."""
        self.signs_in()
        self.registers()
        self.agrees()
        first, second = self.is_filmed()
        self.is_looked_at(first)
        self.is_handed_on(first, second)

    def signs_in(self) -> None:
        reader = self.reader
        canary = reader.book.new("portal: the token")
        reader.ask("POST", "/sign-in", 422, data={"token": canary})
        reader.ask("GET", "/", 303)
        reader.ask("GET", "/", 303, headers={"Cookie": f"{canary}-portal={canary}"})
        assert reader.http.get("/sign-in").status_code == 200
        reader.ask("POST", "/sign-in", 303, data={"token": self.life.who})
        for path in ("/sign-in", "/", "/families"):
            reader.ask("GET", path)
        self.own.ask("GET", "/family")
        self.own.ask("POST", "/family/enter", 422, data={"token": canary})

    def registers(self) -> None:
        reader, life = self.reader, self.life
        canary = reader.book.new("portal: a name on a form that grows")
        reader.ask("POST", "/families/new", data={"rows": "2", "add": "yes", "name-0": canary})
        roles = {"role-0": "parent", "role-1": "baby"}
        made = reader.send("/families/new", given=roles)
        life.family = made.headers["Location"].rsplit("/", 1)[-1]
        own = f"/families/{life.family}"
        reader.send(own, f"{own}/people", {"role-0": "other"})
        reader.send(own, f"{own}/care-team", {"person_id": life.colleague, "role": "practitioner"})
        self._people()

    def _people(self) -> None:
        shown = self.life.drive.peek("consent", f"/v1/families/{self.life.family}", self.life.who).json()
        self.life.people = [one["person_id"] for one in shown["people"]]
        if shown["episode"]:
            self.life.episode = shown["episode"]["episode_id"]

    def agrees(self) -> None:
        reader, life = self.reader, self.life
        own = f"/families/{life.family}"
        points = life.drive.peek("consent", "/v1/rights-points", life.who).json()["points"]
        reader.send(f"{own}/rights", given={"point": [one["point"] for one in points]})
        canary = reader.book.new("portal: a signed form")
        content = f"%PDF-1.7 {canary}".encode()
        headers = {"Content-Type": "application/pdf"}
        stored = reader.ask("POST", f"{own}/evidence", 201, content=content, headers=headers).json()
        how: dict[str, Any] = {"method": "paper", "evidence_id": stored["evidence_id"]}
        for person in life.people:
            authority = "self" if person == life.people[0] else "parental_responsibility"
            said: dict[str, Any] = {"given_by": life.people[0], "authority": authority, "disputed": []}
            said["purpose"] = ["film", "review", "stills"]
            reader.send(f"{own}/people/{person}/consent", given={**said, **how})
            how = {"method": "spoken"}
        reader.send(own, f"{own}/people/{life.people[0]}/link", expect=200)
        reader.send(f"{own}/people/{life.people[0]}/contact", given={"safe": "yes", "safe_from": "", "safe_until": ""})
        reader.send(f"{own}/people/{life.people[0]}/needs", given={"needs": ["large_print"], "interpreter": "no"})
        self._people()

    def is_filmed(self) -> tuple[str, str]:
        """The first is ready; the second comes when nobody may look at films any more."""
        reader, life = self.reader, self.life
        own = f"/families/{life.family}"
        reader.ask("GET", f"{own}/upload")
        reader.ask("POST", "/upload-session", 204)
        first = life.uploads()
        life.becomes("recordings", first, "made")
        narrower = {"scope": "review", "by": life.people[0], "route": "phone", "confirmed": []}
        reader.send(f"{own}/withdraw", given=narrower)
        second = life.uploads()
        life.becomes("recordings", second, "failed")
        return first, second

    def is_looked_at(self, recording: str) -> None:
        reader, life = self.reader, self.life
        page, own = f"/recordings/{recording}", f"/families/{life.family}"
        film = life.drive.peek("curation", f"/v1{page}/film", life.who).json()["film_id"]
        reader.ask("POST", f"/media/{film}/session", 204)
        reader.send(page, f"{page}/clips", {"first": "2", "last": "20"})
        [clip] = life.drive.peek("curation", f"/v1{page}/clips", life.who).json()["clips"]
        taken = {"still": clip["clip_id"], "frame": "3", reader.book.new("portal: unknown"): "a"}
        reader.ask("POST", f"{page}/stills", 303, data=taken)
        reader.send(page, f"{page}/reels")
        reel = life.drive.peek("curation", f"/v1{own}/reels", life.who).json()["reels"][0]["reel_id"]
        reader.ask("GET", f"/reels/{reel}")
        reader.send(page, f"{page}/card-wiped")
        reader.send(f"{own}/goals", given={"now": "4", "hoped": "8"})
        goal = life.drive.peek("curation", f"/v1{own}/goals", life.who).json()["goals"][0]["goal_id"]
        reader.send(f"{own}/goals", f"{own}/goals/{goal}/ratings", {"now": "5", "hoped": "8"})
        reader.send(f"{own}/shared-reviews/new", given={"cycle": "1", "reel_id": reel})
        reader.ask("GET", own)

    def is_handed_on(self, first: str, second: str) -> None:
        reader, life = self.reader, self.life
        reader.ask("POST", f"/recordings/{second}/retry", 303, data={reader.book.new("portal: unknown"): "a"})
        page = f"/recordings/{first}"
        reader.send(page, f"/tasks/{first}/assignee", {"person_id": life.colleague})
        reader.send(page, f"/tasks/{first}/done")
        asked = f"/v1/families/{life.family}/deliveries?state=in_person"

        def to_tell() -> str | None:
            found = life.drive.peek("notification", asked, life.who).json()["deliveries"]
            return found[0]["delivery_id"] if found else None

        delivery = until(to_tell, "nobody has to be told in person")
        reader.ask("POST", f"/deliveries/{delivery}/told", 303, data={reader.book.new("portal: unknown"): "a"})
        reader.send(f"/cards/{second}")
        gone = reader.send(f"/recordings/{second}/discard", given={"reason": "wrong_film"})
        reader.ask("GET", gone.headers["Location"])
        erasures = life.drive.peek("consent", f"/v1/episodes/{life.episode}", life.who).json()["erasures"]
        life.is_certified(next(one["erasure_id"] for one in erasures if one["recording_id"] == second))

    def withdraws(self) -> str:
        """The id of the erasure that begins."""
        reader, life, own = self.reader, self.life, f"/families/{self.life.family}"
        reader.send(own, f"{own}/involvement-end")
        all_of_it: dict[str, Any] = {"scope": "all", "by": life.people[0], "route": "phone", "confirmed": []}
        reader.send(f"{own}/withdraw", given=all_of_it)
        token = self.token("family", life.people[0], life.family)
        self.own.ask("POST", "/family/enter", 303, data={"token": token})
        self.own.send("/family", "/family/keep")
        reader.send(f"{own}/withdraw", given=all_of_it)
        reader.send(f"{own}/reinstate", given={"asked_by": life.people[0], "route": "phone"})
        self.own.ask("GET", "/family")
        self.own.send("/family/withdraw")
        shown = life.drive.peek("consent", f"/v1/episodes/{life.episode}", life.who).json()
        return next(str(one["erasure_id"]) for one in shown["erasures"] if one["recording_id"] is None)

    def leave(self, erasure: str) -> None:
        """When it is certified."""
        for reader, path in ((self.reader, ""), (self.own, "/family")):
            reader.ask("GET", f"{path}/erasures/{erasure}/certificate")
        self.own.ask("POST", "/family/leave", 303)
        self.reader.ask("POST", "/sign-out", 303)
