"""Where films lie in plain for as long as a job lasts: a folder for each slot of a worker, in one file system."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

FILM = 1.5  # of a film's length: the film itself, and all that is made of it

_reserved: dict[Path, int] = {}  # by folder: bytes that the job in it may come to take


def empty(folder: Path) -> None:
    """Wipe it; it is there afterwards, and nothing is reserved in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    _reserved.pop(folder, None)


def whole(folder: Path) -> int:
    """Bytes that there would be if nothing else were in the file system."""
    return shutil.disk_usage(folder).total


def room(folder: Path) -> int:
    """Bytes that a job may take in this folder: what is free, less what others of this process may yet come to take."""
    yet = (max(0, size - _taken(other)) for other, size in list(_reserved.items()) if other != folder)
    return shutil.disk_usage(folder).free - sum(yet)


def reserve(folder: Path, size: int) -> bool:
    """Have so many bytes kept for the job in this folder until that is emptied, if there is room for them now."""
    if size > room(folder):
        return False
    _reserved[folder] = size
    return True


def _taken(folder: Path) -> int:
    """What stands in it takes room by its blocks: a film of which only a part is staged is mostly a hole."""
    taken = 0
    for path in (Path(at, name) for at, _, names in os.walk(folder) for name in names):
        with suppress(FileNotFoundError):  # it has just been removed
            taken += path.lstat().st_blocks * 512
    return taken
