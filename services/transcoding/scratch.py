"""Where films lie in plain for as long as a job lasts."""

import shutil
from pathlib import Path


def empty(folder: Path) -> None:
    """Wipe it; it is there afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
