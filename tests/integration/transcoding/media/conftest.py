"""Films made once for all tests, and both jails."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from services.transcoding import binaries
from services.transcoding.jailed import Jail
from tests.films import make
from tests.integration.transcoding.media.making import reviewed

JAILS = {"floor": Jail(), "floor and namespaces": Jail(namespaces=True)}


@pytest.fixture(scope="session")
def namespaces() -> str | None:
    """Why this machine has none, if so."""
    trial = [str(binaries.bwrap()), "--unshare-all", "--ro-bind", "/", "/", "--", "/bin/true"]
    tried = subprocess.run(trial, capture_output=True, text=True, check=False)
    return tried.stderr or "no reason given" if tried.returncode else None


@pytest.fixture(params=list(JAILS.values()), ids=list(JAILS))
def jail(request: pytest.FixtureRequest, namespaces: str | None) -> Jail:
    """What must hold, holds with namespaces and without."""
    chosen: Jail = request.param
    if chosen.namespaces and namespaces:
        pytest.fail(f"this machine lets no one make namespaces, so nothing was shown with them: {namespaces}")
    return chosen


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="session")
def source(folder: Path) -> Path:
    """Six seconds at 50 pictures a second, with everything planted that must not come out."""
    return make(folder / "source.mp4", 300, 50)


@pytest.fixture(scope="session")
def film(folder: Path, source: Path) -> Path:
    """The review film of the source: 300 pictures, a key frame at every 25th."""
    out = folder / "film.mp4"
    asyncio.run(reviewed(source, out))
    return out
