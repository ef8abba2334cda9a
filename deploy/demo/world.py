"""How the demo acts: as people with tokens, over the services' public HTTP, knowing nothing that a client would not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

SERVICES = ("consent", "upload", "transcoding", "curation", "notification")


class Unexpected(Exception):
    """A service answered otherwise than the story expects."""


@dataclass
class Person:
    """Somebody who uses Attune: the calls they make carry their token."""

    id: UUID
    clients: dict[str, httpx.AsyncClient]

    async def call(self, service: str, method: str, path: str, expect: int = 200, **options: Any) -> httpx.Response:
        """One request to one service. Raises Unexpected when it is answered with another status."""
        answer = await self.clients[service].request(method, f"/v1{path}", **options)
        if answer.status_code != expect:
            said = answer.text[:400] if "json" in answer.headers.get("content-type", "") else ""
            raise Unexpected(f"{method} {service} {path} answered {answer.status_code}, not {expect}: {said}")
        return answer

    async def get(self, service: str, path: str, **options: Any) -> Any:
        return (await self.call(service, "GET", path, **options)).json()

    async def post(self, service: str, path: str, body: Any = None, expect: int = 201) -> Any:
        answer = await self.call(service, "POST", path, expect, json=body if body is not None else {})
        return answer.json() if answer.content else None


class World:
    """The running services, and people made as the story needs them."""

    def __init__(self, url: Callable[[str], str], token: Callable[[str, UUID, UUID | None], str]) -> None:
        self._url, self._token = url, token
        self._open: list[httpx.AsyncClient] = []

    def person(self, role: str, id: UUID, family_id: UUID | None = None) -> Person:
        headers = {"Authorization": f"Bearer {self._token(role, id, family_id)}"}
        clients = {
            service: httpx.AsyncClient(base_url=self._url(service), headers=headers, timeout=60.0)
            for service in SERVICES
        }
        self._open += clients.values()
        return Person(id, clients)

    async def close(self) -> None:
        for client in self._open:
            await client.aclose()
