"""A bug on file: which protection it takes out, and which test is to notice.

    tests/…/test_….py::test_…              the test that must fail, by an assertion
    A sentence: what is taken out, and which invariant (I1 to I10) breaks, or which hazard (H1 ...) comes about.
    Beside: tests/… tests/…                what is run with it and must pass
    Also: tests/… tests/…::test_…          what guards the same protection and must fail too, where it is run
    Perhaps: tests/… tests/…::test_…       what may fail: by a race, or because nobody has run it with this bug
    --- a/… and the rest of a unified diff

It is applied by its text and not by its line numbers, and by us: `make test` checks each patch where there is no git.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


class Stale(Exception):
    """The tree has moved on: the patch does not say any more which lines it changes."""


@dataclass(frozen=True)
class Hunk:
    """A stretch of a file as it stands, and as the bug leaves it."""

    file: str
    before: str
    after: str


@dataclass(frozen=True)
class Bug:
    name: str
    test: str
    sentence: str
    beside: tuple[str, ...]
    also: tuple[str, ...]
    perhaps: tuple[str, ...]
    hunks: tuple[Hunk, ...]

    def plant(self, tree: Path) -> None:
        """Take the protection out of this copy. Raises Stale, and then changes nothing."""
        for file, content in self.planted(tree).items():
            (tree / file).write_text(content)

    def planted(self, tree: Path) -> dict[str, str]:
        """The files it changes, changed. Raises Stale."""
        contents: dict[str, str] = {}
        for hunk in self.hunks:
            content = contents.get(hunk.file) or _read(tree / hunk.file)
            if (found := content.count(hunk.before)) != 1:
                raise Stale(f"{self.name}: what it changes stands {found} times in {hunk.file}")
            contents[hunk.file] = content.replace(hunk.before, hunk.after)
        return contents


def all_bugs(folder: Path = FOLDER) -> list[Bug]:
    """Every patch, by its number."""
    return [parsed(path.stem, path.read_text()) for path in sorted(folder.glob("*.patch"))]


def parsed(name: str, patch: str) -> Bug:
    """Raises ValueError for what is no such patch."""
    test, sentence, *rest = patch.splitlines()
    start = next((number for number, line in enumerate(rest) if line.startswith("--- a/")), None)
    if start is None or "::" not in test:
        raise ValueError(f"{name}: no test in its first line, or no change")
    said = {key: tuple(value.split()) for key, _, value in (line.partition(":") for line in rest[:start])}
    beside = said.pop("Beside", (test.partition("::")[0],))
    also, perhaps = said.pop("Also", ()), said.pop("Perhaps", ())
    if said:
        raise ValueError(f"{name}: its head says {', '.join(said)}, which means nothing")
    return Bug(name, test, sentence, beside, also, perhaps, tuple(_hunks(rest[start:])))


def _hunks(diff: Sequence[str]) -> Iterator[Hunk]:
    file, lines = "", list[str]()
    for line in [*diff, "@@"]:
        if not line.startswith(("--- a/", "+++ b/", "@@")):
            lines.append(line or " ")
            continue
        if lines:
            before, after = ("".join(one[1:] + "\n" for one in lines if one[0] in marks) for marks in (" -", " +"))
            yield Hunk(file, before, after)
        file, lines = line[6:] if line.startswith("+++") else file, []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        raise Stale(f"{path.name} is no more") from None
