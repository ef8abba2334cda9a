"""A world for each test: a database of its own, an episode of its own in the store, a giver of permits."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.stack import Store as Server
from shared.database import Database
from shared.media_store import Store
from shared.settings import DatabaseSettings, HorizonSettings
from tests import films, stack
from tests.integration.transcoding.world import PermitGiver, World, store_settings


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds: made into a review film in little more."""
    return films.make(tmp_path_factory.mktemp("films") / "short.mp4", 50, 25)


@pytest.fixture
def giver() -> Iterator[PermitGiver]:
    with PermitGiver().serving() as giver:
        yield giver


@pytest.fixture
async def world(
    s3: Server, database: Callable[[str], stack.Database], giver: PermitGiver, tmp_path: Path
) -> AsyncIterator[World]:
    made = Database(DatabaseSettings(url=database("transcoding").url), "transcoding")
    async with (
        httpx.AsyncClient(base_url=giver.url) as consent,
        Store(store_settings(s3, "transcoding"), HorizonSettings()) as store,
    ):
        yield World(made, giver, s3, tmp_path, consent, store)
    await made.close()
