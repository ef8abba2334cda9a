"""Where downloads and builds are kept: one folder per user, shared by all checkouts."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """`ATTUNE_CACHE`, or `attune` in the user's cache folder; made if missing."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("ATTUNE_CACHE") or home / "attune").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` alone among all processes of this machine; wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def made_once(folder: Path) -> Iterator[Path | None]:
    """Yield an empty folder to fill, which becomes `folder` when the block ends well; None if that is there already."""
    with locked(folder.with_name(f".{folder.name}.lock")):
        if folder.is_dir():
            yield None
            return
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            yield part
            part.chmod(0o755)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


class WrongHash(Exception):
    """What was downloaded or built is not what the lock names."""


def check_hash(path: Path, sha256: str) -> None:
    """Raise WrongHash unless the file has this SHA-256."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise WrongHash(f"{path.name}: expected sha256 {sha256}, found {found}")
