"""The packages of an image as Python finds them, without fetching them once more.

They are those of this environment that the lock selects, file by file, in a folder of their own.
"""

import sys
import tomllib
from collections import Counter
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement

from deploy.images.locked import blocks, normal, selected
from tests.contract.deployment.deployed import CHECKOUT

LOCK = (CHECKOUT / "requirements.lock").read_text()
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = {"service": [], "transcoding": PROJECT["optional-dependencies"]["transcoding"]}


def chosen(image: str) -> str:
    """The lines of the lock that the image's recipe installs."""
    return selected(LOCK, [*PROJECT["dependencies"], *EXTRAS[image]])


def installed(image: str) -> dict[str, Distribution]:
    """Those of them that this platform has, at the very version."""
    here = {normal(found.metadata["Name"]): found for found in distributions()}
    wanted: dict[str, Distribution] = {}
    for name, block in blocks(chosen(image)).items():
        line = Requirement(block.partition("\\")[0].partition("\n")[0])
        if line.marker is None or line.marker.evaluate():
            assert line.specifier.contains(here[name].version), (name, here[name].version)
            wanted[name] = here[name]
    return wanted


def link(image: str, folder: Path) -> Path:
    """A folder from which the image's packages can be imported, and no others."""
    owners = Counter(top for found in distributions() for top in {file.parts[0] for file in found.files or []})
    for found in installed(image).values():
        for file in found.files or []:
            # a name that several packages share is gone through file by file
            part = Path(file.parts[0]) if owners[file.parts[0]] == 1 else Path(file)
            place, compiled = folder / part, "__pycache__" in part.parts
            if part.parts[0] not in ("..", "bin") and not compiled and not place.is_symlink():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(Path(str(found.locate_file(part))))
    return folder


def command(given: list[str], packages: Path) -> tuple[list[str], dict[str, str]]:
    """How to start what an image starts by `python ...`, with its packages alone; and the variables for that."""
    assert given[0] == "python"
    return [sys.executable, "-S", *given[1:]], {"PYTHONPATH": str(packages)}
