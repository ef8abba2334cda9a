"""The part of requirements.lock that an image needs, with its hashes; the standard library is enough.

`python deploy/images/locked.py` prints what the product stands on, `... transcoding` with that extra,
`... --only PACKAGE` one package and what it needs.
"""

import argparse
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^([a-z0-9][a-z0-9.-]*)==\S.*\n(?:^[ #].*\n)*", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def normal(requirement: str) -> str:
    """The name of a requirement, as a lock writes it. Raises: ValueError."""
    name = _NAME.match(requirement)
    if name is None:
        raise ValueError(f"{requirement!r} names no package")
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def blocks(lock: str) -> dict[str, str]:
    """Each package's lines in a lock, by its name."""
    return {found[1]: found[0] for found in _BLOCK.finditer(lock)}


def wanted_by(block: str) -> set[str]:
    """Whose needs brought a package into the lock: uv writes them beside it, after `via`."""
    said = block.partition("    # via")[2].replace("#", " ").split("\n")
    return {normal(line.strip()) for line in said if line.strip()}


def selected(lock: str, roots: Iterable[str]) -> str:
    """The lock's lines of these packages and of all that they need. Raises: LookupError for one that is not there."""
    packages = blocks(lock)
    needed: set[str] = set()
    new = {normal(root) for root in roots}
    if missing := new - packages.keys():
        raise LookupError(f"not in the lock: {', '.join(sorted(missing))}")
    while new:
        needed |= new
        new = {name for name, block in packages.items() if wanted_by(block) & new} - needed
    return "".join(packages[name] for name in sorted(needed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("extra", nargs="*", help="of the project, beside what it always needs")
    parser.add_argument("--only", metavar="PACKAGE", action="append", help="this, and nothing of the project's own")
    given = parser.parse_args()
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    extras = [name for extra in given.extra for name in project["optional-dependencies"][extra]]
    print(selected((CHECKOUT / "requirements.lock").read_text(), given.only or [*project["dependencies"], *extras]))


if __name__ == "__main__":
    main()
