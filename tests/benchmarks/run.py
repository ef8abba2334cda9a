"""What every benchmark works with: a stack of its own, a practitioner at it, and somebody who is told how it goes."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

from joserfc.jwk import OKPKey
from rich.console import Console
from rich.status import Status

from deploy.demo import acts
from deploy.demo.acts import Family
from deploy.demo.world import Person, World
from deploy.local.stack import Stack
from deploy.system import DEVELOPMENT_ISSUER
from shared.identity.tokens import Role, mint
from tests import films
from tests.stack import Databases

PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Film:
    """A film as it came off the camera, and what the running services have made of it."""

    family: Family
    recording: str
    review_film: str  # the artefact's id


@dataclass
class Stand:
    """A running stack, and a practitioner at it."""

    stack: Stack
    folder: Path
    world: World
    practitioner: Person

    @property
    def databases(self) -> Databases:
        return Databases(self.stack)

    async def upload(self, source: Path) -> tuple[Family, str]:
        """Of a new family; its recording, received and verified."""
        family = await acts.consenting_family(self.practitioner)
        recording = await acts.upload_film(self.practitioner, family, source)
        await self.until("upload", f"/recordings/{recording}", state="received")
        return family, recording

    async def film(self, source: Path) -> Film:
        """Uploaded and prepared."""
        return await self.prepared(*await self.upload(source))

    async def prepared(self, family: Family, recording: str) -> Film:
        """As soon as it is."""
        await self.until("curation", f"/tasks/{recording}", state="ready")
        kept = (await self.practitioner.get("consent", f"/families/{family.id}/artefacts"))["artefacts"]
        (review_film,) = [one["artefact_id"] for one in kept if one["kind"] == "review_film"]
        return Film(family, recording, review_film)

    async def until(self, service: str, path: str, every: float = 0.1, **fields: str) -> dict[str, Any]:
        """Ask until it is so. Raises TimeoutError, AssertionError for a state that cannot become the wanted one."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                answer = await self.practitioner.clients[service].get(f"/v1{path}")
                found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
                assert found.get("state") not in ("failed", "rejected", "blocked"), found
                if fields.items() <= found.items():
                    return found
                await asyncio.sleep(every)


@dataclass
class Run:
    """One run of the benchmarks."""

    quick: bool
    folder: Path
    console: Console
    status: Status
    prepared: Film | None = None
    _everything: Stand | None = None
    _standing: AsyncExitStack = field(default_factory=AsyncExitStack)

    def sized(self, whole: int, quick: int) -> int:
        return quick if self.quick else whole

    def say(self, what: str) -> None:
        self.status.update(what)

    @asynccontextmanager
    async def stand(
        self, *only: str, infrastructure: bool = False, env: Mapping[str, str] | None = None
    ) -> AsyncIterator[Stand]:
        """A stack for one benchmark alone: the infrastructure, or these processes and what they need, or everything."""
        self.say("starting a stack")
        with TemporaryDirectory(dir=self.folder) as folder:
            async with _standing(Path(folder), only, infrastructure=infrastructure, env=env) as stand:
                yield stand

    async def everything(self) -> Stand:
        """Everything at default settings, started once a run."""
        if self._everything is None:
            self._everything = await self._standing.enter_async_context(self.stand())
        return self._everything

    async def film(self) -> Film:
        """Of a minute (quick: ten seconds), prepared by `everything`, once a run."""
        if self.prepared is None:
            stand, source = await self.everything(), await self.source(self.sized(60, 10))
            self.say("uploading and preparing a film")
            self.prepared = await stand.film(source)
        return self.prepared

    async def close(self) -> None:
        await self._standing.aclose()

    async def source(self, seconds: int, rate: int = 25, bits: str = "12M") -> Path:
        """A film of this length, 1080p with sound, of so many pictures and bits a second, as a phone makes it."""
        path = self.folder / f"film-{seconds}-{rate}.mp4"
        if not path.is_file():
            self.say(f"making a film of {seconds} s")
            encoder = (*films.H264[:4], "-b:v", bits, *films.H264[6:])  # of a bit rate, where tests ask for a quality
            await asyncio.to_thread(
                films.make, path, seconds * rate, rate, "1920x1080", metadata=False, encoder=encoder
            )
        return path


@asynccontextmanager
async def _standing(
    folder: Path, only: Iterable[str], *, infrastructure: bool, env: Mapping[str, str] | None
) -> AsyncIterator[Stand]:
    with Stack(folder) as stack:
        await asyncio.to_thread(
            lambda: stack.start(
                infrastructure=infrastructure, without=["traces"] if infrastructure else [], only=only, env=env
            )
        )
        key = OKPKey.import_key(json.loads(stack.instance.key_file(DEVELOPMENT_ISSUER).read_text()))

        def token(role: str, person: UUID, family: UUID | None) -> str:
            return mint(key, str(person), Role(role), datetime.now(UTC), timedelta(hours=1), family)

        world = World(stack.url, token)
        try:
            yield Stand(stack, folder, world, world.person("practitioner", uuid4()))
        finally:
            await world.close()
