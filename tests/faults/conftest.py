"""One stack for all the fault tests, with all of Attune on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests import films
from tests.faults.house import House

LONGEST = ["test_redelivery.py", "test_outages.py", "test_any_moment.py"]


def _rank(item: pytest.Item) -> int:
    return LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of ours the longest first, so that workers end together; all is delivered again while the house is young."""
    ours = [place for place, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    longest = sorted((items[place] for place in ours), key=_rank)
    for place, item in zip(ours, longest, strict=True):
        items[place] = item


@pytest.fixture(scope="package")
def films_to_upload(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A short film, and one that takes a while to make ready."""
    folder = tmp_path_factory.mktemp("films")
    return films.make(folder / "film.mp4", 50, 25, "320x180"), films.make(folder / "long.mp4", 400, 25, "854x480")


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory, films_to_upload: tuple[Path, Path]) -> Iterator[House]:
    """All of Attune, on a stack of its own: its processes will be killed."""
    with Stack(tmp_path_factory.mktemp("house")) as stack:
        yield House(stack, *films_to_upload).open()
