"""A consent service that fits in one hand: real HTTP, real tokens, real keys, and the rules that upload meets."""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shared.identity import Keys, verify
from tests.serving import serving


@dataclass
class Episode:
    """Who may be filmed, and who looks after them."""

    practitioner: UUID = field(default_factory=uuid4)
    id: UUID = field(default_factory=uuid4)
    family_id: UUID = field(default_factory=uuid4)
    people: set[UUID] = field(default_factory=lambda: {uuid4(), uuid4()})  # all of whom agreed
    agreed_from: date = date(2026, 1, 1)
    rights_conversation: bool = True
    refusing: str | None = None  # suspended, ended, ...


@dataclass
class Consent:
    """Answers `/v1/permits` as the service does; `away` makes it unavailable, `seconds` is a permit's life."""

    keys: Keys
    url: str = ""
    away: bool = False
    seconds: int = 30
    episodes: dict[UUID, Episode] = field(default_factory=dict)
    register: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[UUID, tuple[bytes, UUID]] = field(default_factory=dict)  # key and manifest id by artefact
    discarded: set[UUID] = field(default_factory=set)
    open_erasures: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def family(self, **about: Any) -> Episode:
        episode = Episode(**about)
        self.episodes[episode.id] = episode
        return episode

    def permit(self, question: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked.append(question)
        artefacts, families = {}, set()
        for new in question["write"]:
            known = self.register.get(UUID(new["artefact_id"]), new)
            episode = self.episodes.get(UUID(known["episode_id"]))
            reason = self._reason(question, known, episode)
            if reason or episode is None:
                return 403, {"reason": reason, "status": 403}
            families.add(episode.family_id)
            self.register[UUID(known["artefact_id"])] = known
            artefacts[known["artefact_id"]] = self._grant(UUID(known["artefact_id"]), episode)
        for artefact_id in question["read"]:
            if UUID(artefact_id) not in self.register:
                return 403, {"reason": "unknown_artefact"}
            episode = self.episodes[UUID(self.register[UUID(artefact_id)]["episode_id"])]
            families.add(episode.family_id)
            artefacts[artefact_id] = self._grant(UUID(artefact_id), episode)
        granted_at = datetime.now(UTC).isoformat()
        family = str(families.pop())
        return 200, {"granted_at": granted_at, "seconds": self.seconds, "family_id": family, "artefacts": artefacts}

    def _reason(self, question: dict[str, Any], new: dict[str, Any], episode: Episode | None) -> str | None:
        if new["kind"] != "recording" or question["purpose"] != "film":
            return "not_allowed"
        if episode is None:
            return "unknown_episode"
        if episode.refusing:
            return episode.refusing
        if UUID(question["on_behalf_of"]) != episode.practitioner:
            return "not_in_care_team"
        if UUID(new["artefact_id"]) in self.discarded:
            return "discarded"
        if not episode.rights_conversation:
            return "no_rights_conversation"
        if not new["happy_to_film"]:
            return "not_happy_to_film"
        if not new["people"] or not {UUID(one) for one in new["people"]} <= episode.people:
            return "unknown_person"
        return "no_consent" if date.fromisoformat(new["filmed_on"]) < episode.agreed_from else None

    def _grant(self, artefact_id: UUID, episode: Episode) -> dict[str, str]:
        key, manifest_id = self.secrets.setdefault(artefact_id, (os.urandom(32), uuid4()))
        return {
            "episode_id": str(episode.id),
            "key": base64.b64encode(key).decode(),
            "manifest_id": str(manifest_id),
        }

    @contextmanager
    def serving(self) -> Iterator["Consent"]:
        """On a port of its own, in a thread of its own."""
        app = FastAPI()

        @app.middleware("http")
        async def known(request: Request, call_next: Any) -> Any:
            if self.away:
                return JSONResponse({}, 503)
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if verify(token, self.keys, datetime.now(UTC)).subject != "upload":
                return JSONResponse({}, 401)
            return await call_next(request)

        @app.post("/v1/permits")
        async def permits(question: dict[str, Any]) -> JSONResponse:
            status, answer = self.permit(question)
            return JSONResponse(answer, status)

        @app.get("/v1/erasures")
        async def erasures(waiting_for: str) -> dict[str, Any]:
            return {"erasures": self.open_erasures}

        @app.get("/v1/erasures/{erasure_id}/artefacts")
        async def artefacts(erasure_id: UUID) -> JSONResponse:
            found = [one["recording_id"] for one in self.open_erasures if one["erasure_id"] == str(erasure_id)]
            return JSONResponse({"artefacts": found}, 200 if found else 404)

        with serving(app) as self.url:
            yield self
