"""One stack for all the fault tests, with all of Attune on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests import films
from tests.faults.house import House


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What delivers everything again comes first: as long as the house has lived little, that is soon done."""
    items.sort(key=lambda item: item.path.name != "test_redelivery.py")


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
