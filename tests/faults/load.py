"""Families under way: registered, filmed, cut, shared, discarded, held, withdrawn, over and over, by practitioners who
try again: so every act may be done twice, and none may fail for having been done already."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import httpx

from deploy.demo import acts, upload
from deploy.demo.acts import Family
from deploy.demo.world import Person, Unexpected, World

T = TypeVar("T")
PATIENCE_SECONDS = 600.0  # longer than any outage, and what has to be caught up after it
# a service that is away or not ready, or has not heard yet who is in the care team
EXCUSES = (
    *(" answered 5", "You are not in this family's care team"),
    "Choose somebody in the family's care team",
)
DONE = (" answered 404", " answered 409", " answered 410")  # what was done before, though no answer came


async def insist(act: Callable[[], Awaitable[T]]) -> T:
    """Do it again and again while a service is away or not ready, as a person would. Raises what is no such excuse."""
    pause = 0.3
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await act()
            except httpx.TransportError:
                pass
            except Unexpected as unexpected:
                if not any(excuse in str(unexpected) for excuse in EXCUSES):
                    raise
            await asyncio.sleep(pause)
            pause = min(3.0, 1.5 * pause)


async def insist_once(act: Callable[[], Awaitable[object]]) -> None:
    """The same, of what cannot be done a second time: that it was done already is as good."""
    tried = 0

    async def again() -> None:
        nonlocal tried
        tried += 1
        try:
            await act()
        except Unexpected as unexpected:
            if tried == 1 or not any(answer in str(unexpected) for answer in DONE):
                raise

    await insist(again)


@dataclass
class Load:
    """What was done so far; `run` goes on until it is stopped."""

    world: World
    film: Path
    failed_before: frozenset[str] = frozenset()  # what the house had failed at when this began
    cares_for: dict[str, Person] = field(default_factory=dict)  # by family
    families: int = 0  # that are through
    enough: int | None = None  # after so many nobody begins another
    kept: list[str] = field(default_factory=list)  # recordings of families who stay
    clips: list[str] = field(default_factory=list)
    reels: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)  # episodes
    discarded: list[str] = field(default_factory=list)  # recordings
    erasures: list[str] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    failures: list[str] = field(default_factory=list)

    async def run(self, practitioners: int = 2) -> None:
        await asyncio.gather(*(self._practice(first_turn) for first_turn in range(practitioners)))

    async def goes_on(self, families: int, *, last: bool = False) -> None:
        """Until so many more families are through; when they are the `last`, nobody begins another after them."""
        until = self.families + families
        if last:
            self.enough = until
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.families < until:
                assert self.failures == []
                await asyncio.sleep(0.1)

    async def practitioner(self) -> Person:
        """Somebody who can be told something."""
        practitioner = self.world.person("practitioner", uuid4())
        await insist(lambda: acts.reachable(practitioner, str(practitioner.id), None))
        return practitioner

    async def family(self, practitioner: Person) -> Family:
        """A family that agrees to be filmed, and can be told something."""
        family = await insist(lambda: acts.consenting_family(practitioner))
        await insist(lambda: acts.reachable(practitioner, family.parent, family.id))
        self.cares_for[family.id] = practitioner
        return family

    async def withdraw(self, practitioner: Person, family: Family) -> str:
        erasure = await insist(lambda: acts.withdraw(practitioner, family))
        self.erasures.append(erasure)
        self.withdrawn.append(family.episode)
        return erasure

    async def discard(self, practitioner: Person, recording: str) -> str:
        erasure = await insist(lambda: acts.discard(practitioner, recording))
        self.erasures.append(erasure)
        self.discarded.append(recording)
        return erasure

    async def _practice(self, first_turn: int) -> None:
        practitioner, colleague = await self.practitioner(), await self.practitioner()
        for turn in itertools.count(first_turn):
            if self.stopping.is_set():
                return
            try:
                await self._family(practitioner, colleague, turn)
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                return
            self.families += 1
            if self.families == self.enough:
                self.stopping.set()

    async def _family(self, practitioner: Person, colleague: Person, turn: int) -> None:
        family = await self.family(practitioner)
        recording = await self.upload(practitioner, family)
        match turn % 3:
            case 0:
                self.kept.append(recording)
                if await insist(lambda: self._ready(practitioner, recording)):
                    clip = await insist(lambda: acts.mark(practitioner, recording, "A moment", 2, 20))
                    self.clips.append(clip)
                    if turn % 2 == 0:
                        await self._share(practitioner, family, recording, clip)
                        await self._hand_over(practitioner, colleague, family, recording)
            case 1:
                if turn % 2:  # else the withdrawal meets the transcoding
                    await insist(lambda: self._ready(practitioner, recording))
                    await self.withdraw(practitioner, family)
                else:
                    await self._withdraw_in_spite_of_a_hold(practitioner, family)
            case 2:
                self.kept.append(recording)
                await self.discard(practitioner, await self.upload(practitioner, family))
                await self._begin_and_cancel(practitioner, family)
                await self._think_better_of_it(practitioner, family)  # last: no film of such a day is taken

    async def _share(self, practitioner: Person, family: Family, recording: str, clip: str) -> None:
        """Make a reel, take a still, watch, and hold the shared review."""
        reels = f"/families/{family.id}/reels"
        self.reels.append((await insist(lambda: practitioner.post("curation", reels, {"clips": [clip]})))["reel_id"])
        for person in family.people:
            await self._agree_also(practitioner, family, person, "stills")
        await insist(lambda: practitioner.post("curation", f"/clips/{clip}/stills", {"frame": 7}))
        film = await insist(lambda: practitioner.get("curation", f"/recordings/{recording}/film"))
        some = {"Range": "bytes=0-9999"}
        await insist(
            lambda: practitioner.call("curation", "GET", f"/media/{film['film_id']}", expect=206, headers=some)
        )
        held = {"held_on": acts.TODAY, "cycle": 1, "clips": [clip], "words": {"saw": "He turned to me"}}
        reviews = f"/families/{family.id}/shared-reviews"
        await insist_once(lambda: practitioner.post("curation", reviews, held))

    async def _hand_over(self, practitioner: Person, colleague: Person, family: Family, recording: str) -> None:
        """The card is wiped, a colleague has the task and does it; of a purpose that is over less is agreed to."""
        card = {"device_label": "Camera 1", "wiped_on": acts.TODAY}
        wiped = f"/recordings/{recording}/card-wiped"
        await insist(lambda: practitioner.call("upload", "POST", wiped, json=card))
        team = {"members": [{"person_id": str(one.id), "role": "practitioner"} for one in (practitioner, colleague)]}
        of_family = f"/families/{family.id}"
        await insist(lambda: practitioner.call("consent", "PUT", f"{of_family}/care-team", json=team))
        task, to = f"/tasks/{recording}", {"person_id": str(colleague.id)}
        await insist(lambda: practitioner.call("curation", "POST", f"{task}/assignee", json=to))
        await insist(lambda: colleague.call("curation", "POST", f"{task}/done"))
        ended = {"ended_on": acts.TODAY}
        await insist(lambda: practitioner.call("consent", "POST", f"{of_family}/involvement-end", json=ended))

    async def _withdraw_in_spite_of_a_hold(self, practitioner: Person, family: Family) -> None:
        """The episode ends when the last hold is lifted: one that was placed, unanswered, and placed again, too."""
        episode = f"/episodes/{family.episode}"
        hold = {"kind": "legal", "reason": "A court asks", "review_on": acts.TODAY}
        await insist(lambda: practitioner.post("consent", f"{episode}/holds", hold))
        await insist(lambda: self._say(practitioner, family, confirmed=True))
        self.withdrawn.append(family.episode)
        while holds := (shown := await insist(lambda: practitioner.get("consent", episode)))["holds"]:
            lifted = f"{episode}/holds/{holds[0]['hold_id']}"
            await insist_once(lambda: practitioner.call("consent", "DELETE", lifted, expect=204))  # noqa: B023
        self.erasures += [erasure["erasure_id"] for erasure in shown["erasures"]]

    async def _think_better_of_it(self, practitioner: Person, family: Family) -> None:
        """A withdrawal that is taken back; and one of a purpose alone, which was agreed to a moment before."""
        await insist(lambda: self._say(practitioner, family, confirmed=False))
        back, asked = f"/episodes/{family.episode}/reinstatements", {"asked_by": family.parent, "route": "in_person"}
        await insist_once(lambda: practitioner.call("consent", "POST", back, json=asked))
        await self._agree_also(practitioner, family, family.parent, "supervision")
        await insist(lambda: self._say(practitioner, family, confirmed=True, scope={"purpose": "supervision"}))

    async def _agree_also(self, practitioner: Person, family: Family, person: str, purpose: str) -> None:
        """One of them agrees to one purpose more."""
        record = {
            **{"person_id": person, "given_by": family.parent, "disputed": False, "notice_version": "1"},
            "authority": "self" if person == family.parent else "parental_responsibility",
            **{"purposes": [*acts.PURPOSES, purpose], "method": "spoken", "witness": str(practitioner.id)},
            **{"language": "en", "format": "spoken", "interpreter": False, "given_on": acts.TODAY},
        }
        await insist(lambda: practitioner.post("consent", f"/families/{family.id}/consent-records", record))

    async def _say(self, practitioner: Person, family: Family, *, confirmed: bool, scope: object = "all") -> None:
        """That the family withdraws."""
        body = {"by": family.parent, "route": "in_person", "confirmed_by_family": confirmed, "scope": scope}
        await practitioner.post("consent", f"/episodes/{family.episode}/withdrawals", body, expect=202)

    async def _begin_and_cancel(self, practitioner: Person, family: Family) -> None:
        """An upload that is not wanted after all."""
        unwanted = await self.expected(practitioner, family, self.film)
        away = f"/uploads/{unwanted}"
        await insist_once(lambda: practitioner.call("upload", "DELETE", away, expect=204, headers=upload.TUS))

    async def upload(self, practitioner: Person, family: Family, film: Path | None = None) -> str:
        """An upload that goes on where it stands, however often the service dies under it."""
        film = film or self.film
        recording = await self.expected(practitioner, family, film)
        await self.sent(practitioner, recording, film)
        return recording

    async def expected(self, practitioner: Person, family: Family, film: Path) -> str:
        """The id of an upload of which no byte has been sent."""
        created = await insist(lambda: upload.create(practitioner, film.stat().st_size, family.film()))
        return created.headers["Location"].rsplit("/", 1)[-1]

    async def sent(self, practitioner: Person, recording: str, film: Path) -> None:
        """Send what is missing, until it is received."""

        async def send() -> None:
            if await upload.offset(practitioner, recording) < film.stat().st_size:
                await upload.send(practitioner, recording, film)

        await insist(send)
        await insist(lambda: self._received(practitioner, recording))

    async def _received(self, practitioner: Person, recording: str) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await practitioner.get("upload", f"/recordings/{recording}"))["state"] != "received":
                await asyncio.sleep(0.5)

    async def _ready(self, practitioner: Person, recording: str) -> bool:
        """Whether it could be made ready, once that is known."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                task = await practitioner.clients["curation"].get(f"/v1/tasks/{recording}")
                if task.status_code == 200 and task.json()["state"] in ("ready", "blocked"):
                    return bool(task.json()["state"] == "ready")
                await asyncio.sleep(1.0)
