"""A still is exactly the frame that was asked for, in the film's size and colours, and nothing else is in the file."""

from fractions import Fraction
from pathlib import Path

import pytest

from services.transcoding.failures import Code, MediaFailed
from services.transcoding.jailed import Jail
from services.transcoding.pictures import still
from tests.films import PLANTED, make, numbers, planted_in
from tests.integration.transcoding.media.making import left_over, reviewed, told


@pytest.mark.parametrize("frame", [0, 1, 24, 25, 26, 163, 298, 299])
async def test_a_still_is_exactly_that_frame(film: Path, tmp_path: Path, frame: int) -> None:
    assert await still(film, frame, tmp_path / "still.jpg") == 1
    assert numbers(tmp_path / "still.jpg") == [frame]


async def test_a_still_is_a_picture_of_the_films_size_from_either_jail(film: Path, tmp_path: Path, jail: Jail) -> None:
    await still(film, 77, tmp_path / "still.jpg", jail)
    described = told(tmp_path / "still.jpg", "stream=codec_name,width,height")
    assert described == [{"codec_name": "mjpeg", "width": "320", "height": "180"}]
    assert planted_in(tmp_path / "still.jpg", [*PLANTED, "Lavf", "Lavc"]) == set()


async def test_a_still_of_a_rate_that_is_no_whole_number(tmp_path: Path) -> None:
    make(tmp_path / "source.mp4", 90, Fraction(30000, 1001))
    await reviewed(tmp_path / "source.mp4", tmp_path / "film.mp4")
    for frame in (44, 45, 89):
        await still(tmp_path / "film.mp4", frame, tmp_path / "still.jpg")
        assert numbers(tmp_path / "still.jpg") == [frame]


@pytest.mark.parametrize("frame", [-1, 300])
async def test_a_frame_that_the_film_does_not_have(film: Path, tmp_path: Path, frame: int) -> None:
    with pytest.raises(MediaFailed) as failed:
        await still(film, frame, tmp_path / "still.jpg")
    assert failed.value.failure.code is Code.BAD_RANGE
    assert not (tmp_path / "still.jpg").exists() and left_over(tmp_path) == []
