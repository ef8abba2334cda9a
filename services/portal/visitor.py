"""Who looks at the pages, and asks the services with their own token: what they may see, the services decide."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self
from uuid import UUID

import httpx
from starlette.datastructures import FormData

from shared.errors import AttuneError
from shared.http import client, lives
from shared.identity import Action, Allowed, Identity, Relation, decide
from shared.settings import PeerSettings

log = logging.getLogger(__name__)

Service = Literal["consent", "upload", "transcoding", "curation", "notification"]
SERVICES: tuple[Service, ...] = ("consent", "upload", "transcoding", "curation", "notification")
SECONDS = 20.0  # for a service to answer a person who waits for a page


@dataclass(eq=False)
class Refusal(AttuneError):
    """What a service, or a page, answers instead: in sentences for people."""

    status: int
    title: str
    detail: str
    code: str = ""
    reference: str = ""
    reason: str = ""
    errors: list[dict[str, Any]] = field(default_factory=list)
    form: FormData | None = field(default=None, repr=False)

    def of(self, form: FormData) -> Self:
        """The same, of what was filled in, which is shown again."""
        return replace(self, form=form)


def not_there(reference: str = "") -> Refusal:
    detail = "Check the address. What it named may have been erased, or it may not be yours to see."
    return Refusal(404, "We cannot find this page", detail, "not-found", reference)


def away(reference: str = "") -> Refusal:
    detail = "Nothing is lost. Wait a moment and load the page again."
    return Refusal(503, "Part of Attune cannot be reached", detail, "unavailable", reference)


def refusal_of(answer: httpx.Response) -> Refusal:
    """The problem that a service told."""
    try:
        said: Mapping[str, Any] = answer.json()
    except ValueError:
        return away()
    return Refusal(
        answer.status_code,
        str(said.get("title", "This did not work")),
        str(said.get("detail", "Try again in a moment.")),
        str(said.get("code", "")),
        str(said.get("reference", "")),
        str(said.get("reason", "")),
        list(said.get("errors") or []),
    )


class Peers:
    """The services, by name. A context manager."""

    def __init__(self, settings: PeerSettings) -> None:
        self._clients: dict[str, httpx.AsyncClient] = {
            name: client(getattr(settings, f"{name}_url"), seconds=SECONDS) for name in SERVICES
        }

    async def send(self, service: Service, method: str, path: str, **options: Any) -> httpx.Response:
        """Raises Refusal when nobody answers; a question is asked twice, a change never."""
        for last in (method != "GET", True):
            try:
                return await self._clients[service].request(method, path, **options)
            except httpx.TransportError as error:
                log.warning("%s did not answer %s (%s)", service, method, type(error).__name__)
                if last:
                    raise away() from error
        raise AssertionError

    async def is_live(self, service: Service) -> bool:
        return await lives(self._clients[service])

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.gather(*(one.aclose() for one in self._clients.values()))


@dataclass(frozen=True)
class Visitor:
    identity: Identity
    token: str = field(repr=False)
    peers: Peers = field(repr=False)

    @property
    def id(self) -> UUID:
        return self.identity.person_id

    def may(self, action: Action) -> bool:
        """Whether to offer it on a page of a family in whose care team they are; the services decide again."""
        return isinstance(decide(self.identity, action, Relation.CARE_TEAM), Allowed)

    async def call(self, service: Service, method: str, path: str, **options: Any) -> httpx.Response:
        """Raises Refusal."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        answer = await self.peers.send(service, method, f"/v1{path}", headers=headers, **options)
        if answer.is_error:
            raise refusal_of(answer)
        return answer

    async def get(self, service: Service, path: str, **parameters: Any) -> Any:
        """Raises Refusal."""
        return (await self.call(service, "GET", path, params=parameters or None)).json()

    async def listed(self, service: Service, path: str, key: str, **parameters: Any) -> list[Any]:
        """A list about a family of theirs: empty while that service has not yet heard that it is theirs.

        Only where consent, who knows it first, has been asked for the same page. Raises Refusal for every other no.
        """
        try:
            found: list[Any] = (await self.get(service, path, **parameters))[key]
            return found
        except Refusal as refusal:
            if refusal.status == 403:
                return []
            raise

    async def find(self, service: Service, path: str) -> Any | None:
        """None while there is no such thing, or not yet. Raises Refusal for every other no."""
        try:
            return await self.get(service, path)
        except Refusal as refusal:
            if refusal.status in (404, 409):
                return None
            raise

    async def post(self, service: Service, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Raises Refusal."""
        answer = await self.call(service, "POST", path, json=dict(body or {}))
        return answer.json() if answer.content else None

    async def put(self, service: Service, path: str, body: Mapping[str, Any]) -> Any:
        """Raises Refusal."""
        return (await self.call(service, "PUT", path, json=dict(body))).json()
