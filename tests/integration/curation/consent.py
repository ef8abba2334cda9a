"""A consent service of a few lines, over real HTTP, with real keys: grants what it registered until told otherwise."""

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4


@dataclass(frozen=True)
class Registered:
    episode_id: UUID
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    manifest_id: UUID = field(default_factory=uuid4)


class Consent:
    """What a test says to it, and `asked`: the permits it was asked for, each as it came, with `granted` added."""

    def __init__(self) -> None:
        self.registered: dict[UUID, Registered] = {}
        self.refusing: dict[UUID, str] = {}  # reason by episode
        self.erasures: dict[UUID, dict[str, Any]] = {}  # open ones, as consent lists them
        self.made_from: dict[UUID, list[UUID]] = {}  # artefacts by erasure
        self.asked: list[dict[str, Any]] = []
        self.away = False
        self.seconds = 30
        self.url = ""

    def register(self, episode_id: UUID) -> UUID:
        """A new artefact of the episode, with a key of its own."""
        artefact_id = uuid4()
        self.registered[artefact_id] = Registered(episode_id)
        return artefact_id

    def questions_about(self, artefact_id: UUID) -> list[dict[str, Any]]:
        return [one for one in self.asked if str(artefact_id) in one["read"]]

    def permit(self, question: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        wanted = [UUID(one) for one in question["read"]] + [UUID(one["artefact_id"]) for one in question["write"]]
        reason = self._reason(wanted)
        self.asked.append(question | {"granted": reason is None})
        if reason:
            return 403, {"type": "about:blank", "title": "No", "status": 403, "reason": reason}
        granted = {str(id): self.registered[id] for id in wanted}
        return 200, {
            "granted_at": datetime.now(UTC).isoformat(),
            "seconds": self.seconds,
            "family_id": str(uuid4()),
            "artefacts": {
                id: {
                    "episode_id": str(one.episode_id),
                    "key": base64.b64encode(one.key).decode(),
                    "manifest_id": str(one.manifest_id),
                }
                for id, one in granted.items()
            },
        }

    def _reason(self, wanted: list[UUID]) -> str | None:
        for id in wanted:
            if id not in self.registered:
                return "unknown_artefact"
            if reason := self.refusing.get(self.registered[id].episode_id):
                return reason
        return None

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        asked = urlsplit(path)
        if self.away:
            return 503, {}
        if (method, asked.path) == ("POST", "/v1/permits"):
            return self.permit(json.loads(body))
        if (method, asked.path) == ("GET", "/v1/erasures"):
            assert parse_qs(asked.query) == {"waiting_for": ["curation"]}
            return 200, {"erasures": list(self.erasures.values())}
        if method == "GET" and asked.path.endswith("/artefacts"):
            erasure_id = UUID(asked.path.split("/")[3])
            return 200, {"artefacts": [str(id) for id in self.made_from.get(erasure_id, [])]}
        return 404, {}


@contextmanager
def serving(consent: Consent) -> Iterator[Consent]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            status, content = consent.answer(self.command, self.path, self.rfile.read(length))
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/problem+json" if status >= 400 else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    consent.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield consent
    finally:
        server.shutdown()
        server.server_close()
