"""The main job, told once from end to end: from consent to certificate, and what another family keeps meanwhile.

One long file on purpose: a story is read from its beginning to its end.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from deploy.demo import acts, upload
from deploy.demo.acts import TODAY, Family
from deploy.demo.events import Events, Told
from deploy.demo.report import Report, Step
from deploy.demo.watching import ON_THE_LINE, watching
from deploy.demo.world import Person, Unexpected, World

GOAL = "I want to get to know my baby more"


@dataclass
class Story:
    """What is known so far; each method is one step."""

    world: World
    events: Events
    report: Report
    film: Path
    short_film: Path
    mail: Path
    certificates: Path
    practitioner: Person = field(init=False)

    def __post_init__(self) -> None:
        self.practitioner = self.world.person("practitioner", uuid4())

    async def tell(self) -> None:
        """All of it, in order. Raises on the first step that does not go as it should."""
        family = await self.register()
        await self.talk_through_rights(family)
        await self.film_refused(family)
        await self.consent(family)
        await self.reachable(family)
        recording = await self.upload(family)
        await self.task_appears(recording)
        discarded = await self.discard(family)
        ready = await self.transcoded(recording)
        await self.mail_arrives(ready)
        goal = await self.goal(family)
        clips = await self.clips(recording, ready)
        reel = await self.reel(family, clips)
        await self.watch(ready, reel)
        await self.shared_review(family, reel, goal)
        await self.discarded_alone(discarded, recording)
        erasure, other = await self.withdraw_while_another_family_goes_on(family, ready)
        await self.certificate(erasure)
        await self.other_family_keeps_everything(other)
        self.report.sum_up()

    # before filming

    async def register(self) -> Family:
        with self.report.step("registered", "A family of two is registered, and its care team named") as step:
            family = await acts.register(self.practitioner)
            step.because(
                await self.events.one("family.registered", family_id=family.id),
                await self.events.one("care_team.changed", family_id=family.id),
            )
            step.outcome |= {"family_id": family.id, "people": len(family.people)}
        return family

    async def talk_through_rights(self, family: Family) -> None:
        with self.report.step("rights", "Rights and responsibilities are talked through, point by point") as step:
            points = await acts.talk_through_rights(self.practitioner, family)
            step.outcome["points"] = len(points)
            for point in points:
                self.report.show(f"[dim]{point['text']}[/]")

    async def film_refused(self, family: Family) -> None:
        with self.report.step("refused", "A film is refused, since nobody has consented yet") as step:
            answer = await upload.create(self.practitioner, 1000, family.film(), expect=403)
            step.outcome["reason"] = answer.json()["reason"]
            self.report.show(f"“{answer.json()['detail']}”")

    async def consent(self, family: Family) -> None:
        with self.report.step("consented", "Consent is recorded for each person filmed, purpose by purpose") as step:
            await acts.consent(self.practitioner, family)
            step.because(*await self.events.next("consent.given", count=2, family_id=family.id))
            step.outcome |= {"episode_id": family.episode, "people": len(family.people), "purposes": acts.PURPOSES}
            self.report.facts["episode_id"] = family.episode

    async def reachable(self, family: Family) -> None:
        sentence = "The practitioner and the parent say where they may safely be reached"
        with self.report.step("reachable", sentence) as step:
            step.outcome["addresses"] = [
                await acts.reachable(self.practitioner, str(self.practitioner.id), None),
                await acts.reachable(self.practitioner, family.parent, family.id),
            ]

    # the recording

    async def upload(self, family: Family) -> str:
        film = self.film
        sentence = "The film is uploaded in pieces over HTTP; the line breaks once, and it goes on at the byte"
        with self.report.step("received", sentence) as step:
            size, digest = film.stat().st_size, hashlib.sha256(film.read_bytes()).hexdigest()
            created = await upload.create(self.practitioner, size, family.film())
            recording = created.headers["Location"].rsplit("/", 1)[-1]
            try:
                await upload.send(self.practitioner, recording, film, cut_after=size // 3)
            except (upload.CutOff, httpx.HTTPError):
                self.report.show("the line broke")
            while not (at := await upload.offset(self.practitioner, recording)):
                await asyncio.sleep(0.2)  # what arrived before the break is still being stored
            self.report.show(f"goes on at byte {at:,} of {size:,}")
            await upload.send(self.practitioner, recording, film)
            received = await self.events.one("recording.received", recording_id=recording)
            kept = await self.practitioner.get("upload", f"/recordings/{recording}")
            if kept["sha256"] != digest:
                raise Unexpected("the film's SHA-256 is not that of the source file")
            step.because(received)
            step.outcome |= {"recording_id": recording, "bytes": size, "resumed_at": at, "sha256": digest}
        return recording

    async def task_appears(self, recording: str) -> None:
        with self.report.step("task", "The practitioner's review task appears") as step:
            created = await self.events.one("review.task_created", recording_id=recording)
            step.because(created)
            tasks = (await self.practitioner.get("curation", "/tasks"))["tasks"]
            mine = [task for task in tasks if task["recording_id"] == recording]
            if len(mine) != 1:
                raise Unexpected(f"{len(mine)} tasks for one recording")
            step.outcome |= {"recording_id": recording, "assignee_id": created.value["assignee_id"]}

    async def discard(self, family: Family) -> dict[str, str]:
        with self.report.step("discarded", "Another recording of theirs is discarded; its erasure begins") as step:
            recording = await acts.upload_film(self.practitioner, family, self.short_film)
            await self.events.one("recording.received", recording_id=recording)
            erasure = await acts.discard(self.practitioner, recording)
            step.outcome |= {"recording_id": recording, "erasure_id": erasure}
            step.because(
                await self.events.one("recording.discarded", recording_id=recording),
                await self.events.one("erasure.opened", erasure_id=erasure),
            )
        return step.outcome

    async def transcoded(self, recording: str) -> Told:
        with self.report.step("ready", "The review film and its poster are made") as step:
            seen = await self._progress(recording)
            ready = await self.events.one("recording.ready", recording_id=recording)
            step.because(ready, await self.events.one("review.task_ready", recording_id=recording))
            step.outcome |= {
                "frames": ready.value["frames"],
                "progress": seen,
                "artefacts": ready.value["artefacts"],
            }
        return ready

    async def _progress(self, recording: str) -> list[float]:
        """Show how far it is until it is ready. Returns the parts of the whole that were seen to be done, rising to 1.

        Of a film that is made between two questions only the end is seen."""
        seen: list[float] = []
        with self.report.console.status("transcoding") as status:
            ready = False
            while not ready:  # and once more when it is
                ready = bool(self.events.all("recording.ready", lambda event: event.value["recording_id"] == recording))
                if self.events.all(
                    "recording.preparation_failed", lambda event: event.value["recording_id"] == recording
                ):
                    job = await self.practitioner.get("transcoding", f"/recordings/{recording}/job")
                    raise Unexpected(job["failure"]["sentence"])
                asked = await self.practitioner.clients["transcoding"].get(f"/v1/recordings/{recording}/job")
                # it may not have heard of it yet
                progress = asked.json()["progress"] if asked.status_code == 200 else None
                if progress and progress["fraction"] not in seen[-1:]:
                    seen = [part for part in seen if part < progress["fraction"]]  # less, when it was begun anew
                    seen.append(progress["fraction"])
                    status.update(f"transcoding {progress['fraction']:.0%}")
                await asyncio.sleep(0 if ready else 0.5)
        if seen[-1:] != [1]:
            raise Unexpected(f"its progress was seen as {seen}")
        only = " (it was made between two questions)" if len(seen) == 1 else ""
        self.report.show(f"progress: {', '.join(f'{part:.0%}' for part in seen)}{only}")
        return seen

    async def mail_arrives(self, ready: Told) -> None:
        with self.report.step("mail", "A mail tells the practitioner, without a word about what it is") as step:
            sent = await self.events.one("notification.sent", cause=ready.id)
            step.because(sent)
            mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in self.mail.glob("*.eml")]
            mine = [mail for mail in mails if str(mail["Message-ID"]).startswith(f"<{sent.value['delivery_id']}.")]
            if len(mine) != 1 or str(self.practitioner.id) not in str(mine[0]["To"]):
                raise Unexpected(f"{len(mine)} mails have arrived")
            subject = str(mine[0]["Subject"])
            step.outcome |= {"mails": len(mine), "message_id": str(mine[0]["Message-ID"]), "subject": subject}
            self.report.show(f"“{subject}”")

    # the work with it

    async def goal(self, family: Family) -> str:
        with self.report.step("goal", "The goal is recorded in the parent's words, and rated") as step:
            answer = await self.practitioner.post(
                "curation",
                f"/families/{family.id}/goals",
                {"words": GOAL, "now": 4, "hoped": 8},
            )
            words = hashlib.sha256(GOAL.encode()).hexdigest()  # they themselves belong in one database and no file
            step.outcome |= {"goal_id": answer["goal_id"], "now": 4, "hoped": 8, "words_sha256": words}
        return str(answer["goal_id"])

    async def clips(self, recording: str, ready: Told) -> list[str]:
        with self.report.step("clips", "Two moments are marked by frame, and cut") as step:
            frames = ready.value["frames"]
            marked = [
                (frames // 10, frames // 10 + max(2, frames // 8)),
                (frames // 2, frames // 2 + max(2, frames // 6)),
            ]
            made = []
            for number, (first, end) in enumerate(marked, 1):
                made.append(await acts.mark(self.practitioner, recording, f"Moment {number}", first, end))
            told = step.outcome["clips"] = []
            for clip, (first, end) in zip(made, marked, strict=True):
                cut = await self._made("clip.cut", "clip.cut_failed", clip_id=clip)
                step.because(await self.events.one("clip.requested", clip_id=clip), cut)
                if cut.value["frames"] != end - first:
                    raise Unexpected(f"{cut.value['frames']} frames instead of {end - first}")
                told.append({"clip_id": clip, "first": first, "end": end, "artefact_id": cut.value["artefact_id"]})
        return made

    async def _made(self, good: str, bad: str, **which: str) -> Told:
        """The event that something was made. Raises Unexpected with the code when it was not."""
        made, failed = (asyncio.create_task(self.events.one(type, **which)) for type in (good, bad))
        try:
            await asyncio.wait([made, failed], return_when=asyncio.FIRST_COMPLETED)
            if failed.done() and not failed.exception():
                raise Unexpected(f"{bad}: {failed.result().value['code']}")
            return await made
        finally:
            failed.cancel()
            made.cancel()

    async def reel(self, family: Family, clips: list[str]) -> Told:
        with self.report.step("reel", "The clips are put in order and made into a reel") as step:
            answer = await self.practitioner.post("curation", f"/families/{family.id}/reels", {"clips": clips[::-1]})
            reel = await self._made("reel.ready", "reel.failed", reel_id=answer["reel_id"])
            step.because(await self.events.one("reel.requested", reel_id=answer["reel_id"]), reel)
            step.outcome |= {"reel_id": answer["reel_id"], "frames": reel.value["frames"]}
        return reel

    async def watch(self, ready: Told, reel: Told) -> None:
        with self.report.step(
            "watched", "The review film and the reel are watched through the playback gateway"
        ) as step:
            for name, artefact in (("film", _review_film(ready)), ("reel", reel.value["artefact_id"])):
                path = f"/media/{artefact}"
                part = await self.practitioner.call("curation", "GET", path, 206, headers={"Range": "bytes=0-65535"})
                last = await self.practitioner.call("curation", "GET", path, 206, headers={"Range": "bytes=-1024"})
                if part.content[4:8] != b"ftyp" or len(last.content) != 1024:
                    raise Unexpected(f"the {name} is no film")
                step.outcome[name] = {
                    "artefact_id": artefact,
                    "bytes": int(part.headers["Content-Range"].split("/")[1]),
                }

    async def shared_review(self, family: Family, reel: Told, goal: str) -> None:
        sentence = "In the shared review the parent says what they saw, felt and thought; the goal is rated again"
        with self.report.step("shared_review", sentence) as step:
            answer = await self.practitioner.post(
                "curation",
                f"/families/{family.id}/shared-reviews",
                {
                    "held_on": TODAY,
                    "cycle": 1,
                    "reel_id": reel.value["reel_id"],
                    "words": {"saw": "She looks at me", "felt": "Warm", "thought": "She knows me"},
                    "summary": "",
                },
            )
            await self.practitioner.post("curation", f"/goals/{goal}/ratings", {"now": 6, "hoped": 8})
            held = await self.events.one("shared_review.held", shared_review_id=answer["shared_review_id"])
            step.because(held)
            step.outcome |= {"shared_review_id": held.value["shared_review_id"], "cycle": 1, "now": 6, "hoped": 8}

    async def discarded_alone(self, discarded: dict[str, str], kept: str) -> None:
        with self.report.step(
            "discarded_alone", "It has gone, with a certificate; the other recording is still there"
        ) as step:
            step.because(await self.events.one("erasure.certified", erasure_id=discarded["erasure_id"]))
            recording = await self.practitioner.get("upload", f"/recordings/{kept}")
            if recording["state"] != "received":
                raise Unexpected(f"the other recording is {recording['state']}")
            step.outcome |= {"erased": discarded["recording_id"], "kept": kept}
            await self.practitioner.call("upload", "GET", f"/recordings/{discarded['recording_id']}", expect=404)

    # the end

    async def withdraw_while_another_family_goes_on(self, family: Family, ready: Told) -> tuple[Told, dict[str, Any]]:
        with self.report.step("prepared", "A second family, with the same practitioner, has consented too") as step:
            other = await acts.consenting_family(self.practitioner)
            step.because(*await self.events.next("consent.given", count=2, family_id=other.id))
            step.outcome |= {"family_id": other.id, "episode_id": other.episode}
        sentence = "Consent is withdrawn: the stream under way ends, and the next request is refused"
        with self.report.step("withdrawn", sentence) as step:
            opened, stream = await self._withdraw_while_it_is_watched(family, _review_film(ready), step)
            step.outcome |= {"erasure_id": opened.value["erasure_id"], **stream}
        sentence = "Meanwhile the second family's film is uploaded, prepared and cut"
        with self.report.step("meanwhile", sentence) as step:
            facts = await self._meanwhile(other, step)
        return opened, facts

    async def _withdraw(self, family: Family, step: Step) -> Told:
        erasure = await acts.withdraw(self.practitioner, family)
        opened = await self.events.one("erasure.opened", erasure_id=erasure)
        step.because(
            await self.events.one("consent.suspended", episode_id=family.episode),
            await self.events.one("consent.ended", episode_id=family.episode),
            opened,
        )
        return opened

    async def _withdraw_while_it_is_watched(
        self, family: Family, artefact: str, step: Step
    ) -> tuple[Told, dict[str, Any]]:
        """The erasure, what came of the one response that was open, and why the next request was refused."""
        async with watching(self.practitioner, artefact) as stream:
            watched = asyncio.create_task(stream.watch())
            try:
                opened = await self._withdraw(family, step)
                if stream.bytes > ON_THE_LINE:
                    await self._cut_off(family, artefact)
                stream.hurry.set()
                await asyncio.wait_for(watched, self.events.patience)
            finally:
                watched.cancel()
        cut_off = stream.received < stream.bytes
        if not cut_off and stream.bytes > ON_THE_LINE:
            raise Unexpected("the stream under way came to its end")
        how = "it was cut off" if cut_off else "it ended: it is so short that all of it was on the line"
        self.report.show(f"{how}, after {stream.received:,} of {stream.bytes:,} bytes")
        refused = await self.practitioner.call("curation", "GET", f"/media/{artefact}", expect=403)
        return opened, {
            "stream": {"artefact_id": artefact, "bytes": stream.bytes, "received": stream.received},
            "refused": refused.json()["reason"],
        }

    async def _cut_off(self, family: Family, artefact: str) -> None:
        """Until it is written down that whoever watched this may watch no more. Raises Unexpected."""
        try:
            async with asyncio.timeout(self.events.patience):
                while True:
                    views = (await self.practitioner.get("curation", f"/families/{family.id}/views"))["views"]
                    if any(view["refused"] for view in views if view["artefact_id"] == artefact):
                        return
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise Unexpected("nobody cut the stream off") from None

    async def _meanwhile(self, family: Family, step: Step) -> dict[str, Any]:
        recording = await acts.upload_film(self.practitioner, family, self.short_film)
        ready = await self._made("recording.ready", "recording.preparation_failed", recording_id=recording)
        await self.events.one("review.task_ready", recording_id=recording)
        clip = await acts.mark(self.practitioner, recording, "First", 0, min(30, ready.value["frames"]))
        cut = await self._made("clip.cut", "clip.cut_failed", clip_id=clip)
        step.because(await self.events.one("recording.received", recording_id=recording), ready, cut)
        step.outcome |= {"recording_id": recording, "clip_id": clip}
        made = [*ready.value["artefacts"], {"artefact_id": cut.value["artefact_id"], "kind": "clip"}]
        return {
            "recording_id": recording,
            "sha256": hashlib.sha256(self.short_film.read_bytes()).hexdigest(),
            "artefacts": [{**artefact, **await self._as_it_is(artefact["artefact_id"])} for artefact in made],
        }

    async def _as_it_is(self, artefact: str) -> dict[str, Any]:
        """What the gateway hands out of it, whole."""
        whole = (await self.practitioner.call("curation", "GET", f"/media/{artefact}")).content
        return {"bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}

    async def certificate(self, opened: Told) -> None:
        erasure = opened.value["erasure_id"]
        with self.report.step("certified", "The erasure runs to its certificate, which is verified offline") as step:
            acknowledged = await self.events.next(
                "erasure.acknowledged", count=8, once=["round", "participant"], erasure_id=erasure
            )
            step.because(*acknowledged, await self.events.one("erasure.certified", erasure_id=erasure))
            certificate = await self.practitioner.call("consent", "GET", f"/erasures/{erasure}/certificate")
            path = self.certificates / f"{erasure}.json"
            path.write_bytes(certificate.content)
            said = certificate.json()["certificate"]
            step.outcome |= {
                "erasure_id": erasure,
                "certificate": path.name,
                "registered": said["registered"],
                "horizon_seconds": said["horizon"]["seconds"],
                **{what: sum(told.value[what] for told in acknowledged) for what in ("objects", "bytes", "rows")},
            }

    async def other_family_keeps_everything(self, other: dict[str, Any]) -> None:
        with self.report.step("kept", "The second family still has everything, byte for byte") as step:
            recording = await self.practitioner.get("upload", f"/recordings/{other['recording_id']}")
            if recording["sha256"] != other["sha256"]:
                raise Unexpected("the second family's film is not what was uploaded")
            for artefact in other["artefacts"]:
                if not artefact.items() >= (await self._as_it_is(artefact["artefact_id"])).items():
                    raise Unexpected(f"the second family's {artefact['kind']} is not what it was")
            step.outcome |= other


def _review_film(ready: Told) -> str:
    return str(next(made["artefact_id"] for made in ready.value["artefacts"] if made["kind"] == "review_film"))
