"""Room in the scratch is asked for ahead, and one slot's is not promised to another."""

import shutil
from pathlib import Path

import pytest

from services.transcoding import scratch

MIB = 1024 * 1024


@pytest.fixture
def slots(tmp_path: Path) -> tuple[Path, Path]:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        scratch.empty(folder)
    return one, two


def kept_from(folder: Path) -> int:
    """Of what is free, what others may yet come to take; beside us the disk is others' too."""
    return shutil.disk_usage(folder).free - scratch.room(folder)


def test_what_one_slot_has_reserved_is_not_the_others_until_it_is_emptied(slots: tuple[Path, Path]) -> None:
    one, two = slots
    free = scratch.room(one)
    assert free <= scratch.whole(one)
    assert not scratch.reserve(one, 2 * free)
    assert scratch.reserve(one, free // 2)
    assert scratch.reserve(one, free // 2)  # its own is not in its way
    assert not scratch.reserve(two, free * 3 // 4)
    assert scratch.reserve(two, free // 4)
    scratch.empty(one)
    assert scratch.reserve(two, free * 3 // 4)
    scratch.empty(two)


def test_what_is_reserved_and_then_taken_counts_once_and_a_hole_does_not_count(slots: tuple[Path, Path]) -> None:
    one, two = slots
    assert scratch.reserve(one, 64 * MIB)
    assert kept_from(two) > 48 * MIB
    with (one / "film.mp4").open("wb") as film:
        film.truncate(64 * MIB)
    assert kept_from(two) > 48 * MIB
    (one / ".making").mkdir()
    (one / ".making" / "look.mp4").write_bytes(b"x" * 64 * MIB)
    assert kept_from(two) < 16 * MIB
    scratch.empty(one)
    assert list(one.iterdir()) == []
