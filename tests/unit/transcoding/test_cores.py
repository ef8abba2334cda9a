"""A worker runs no more threads of ffmpeg than the cores it may use."""

import os
from fractions import Fraction
from pathlib import Path

import pytest

from services.transcoding import ffmpeg
from services.transcoding.cores import Share, cores


@pytest.fixture
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))


@pytest.mark.parametrize(
    ("quota", "share"), [("max 100000", 16), ("400000 100000", 4), ("50000 100000", 1), ("9900000 100000", 16)]
)
def test_the_share_is_what_the_control_group_leaves(sixteen: None, tmp_path: Path, quota: str, share: int) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert cores(tmp_path / "cpu.max") == share


def test_a_machine_without_a_quota_is_all_the_share(sixteen: None, tmp_path: Path) -> None:
    assert cores(tmp_path / "none") == 16


@pytest.mark.parametrize(("whole", "film", "beside"), [(1, 1, 1), (2, 2, 1), (4, 3, 1), (8, 6, 2), (16, 12, 4)])
def test_a_film_leaves_something_to_what_is_waited_for_which_has_all_where_it_is_alone(
    whole: int, film: int, beside: int
) -> None:
    share = Share(whole)
    with share.threads(film=True) as films:
        with share.threads(film=False) as looks, share.threads(film=False) as cuts:
            assert (films, looks, cuts) == (film, beside, 1)  # one more than there are is for who may not wait
        with share.threads(film=False) as cuts:
            assert cuts == beside
    with share.threads(film=False) as cuts, share.threads(film=False) as looks:
        assert (cuts, looks) == (whole, 1)


def test_decoders_filters_and_encoders_are_each_told_the_share() -> None:
    command = ffmpeg.joined([(Path("/film.mp4"), Fraction(25), 0, 5)], Fraction(25), 64, 36, Path("/out.mp4"), 3)
    told = [command[at + 1] for at, word in enumerate(command) if word == "-threads"]
    assert told == ["3", "3"]  # before the input, and before the output
    assert command.index("-threads") < command.index("-i")
    assert command[command.index("-filter_complex_threads") + 1] == "3"
    untold = ffmpeg.joined([(Path("/film.mp4"), Fraction(25), 0, 5)], Fraction(25), 64, 36, Path("/out.mp4"))
    assert not {"-threads", "-filter_complex_threads"} & set(untold)
