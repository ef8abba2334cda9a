"""Any camera in: what docs/formats.md says comes out, comes out."""

from pathlib import Path

import pytest

from services.transcoding.failures import Code, MediaFailed
from tests.films import AVCHD, beeps, make, numbers, planted_in, samples
from tests.integration.transcoding.media.cameras import CAMERAS, PAGE, Camera, written
from tests.integration.transcoding.media.making import reviewed

SUPPORTED = [camera for camera in CAMERAS if not camera.refused]


@pytest.mark.parametrize("camera", SUPPORTED, ids=[camera.file for camera in SUPPORTED])
async def test_what_comes_out(camera: Camera, tmp_path: Path) -> None:
    source, out = camera.film(tmp_path), tmp_path / "film.mp4"
    made, film = await reviewed(source, out)
    assert numbers(out) == camera.shown
    assert (film.width, film.height, film.rate) == (*camera.size, camera.rate)
    assert film.frames == made.frames == len(camera.shown)
    assert film.has_sound is camera.sound
    assert samples(out).shape[1] == pytest.approx(film.duration * 48000, abs=1)
    if camera.sound:
        late = camera.given.get("late", 0)
        heard = [(at, second) for at, second in beeps(out) if second]  # the first one's beginning may be cut by a codec
        assert [second for _, second in heard] == list(range(1, int(film.duration + late - 0.1) + 1))
        assert all(at == pytest.approx(second - late, abs=0.02) for at, second in heard)
    assert planted_in(out) == set()


@pytest.mark.parametrize("camera", [c for c in CAMERAS if c.refused], ids=[c.file for c in CAMERAS if c.refused])
async def test_what_is_not_supported_is_named(camera: Camera, tmp_path: Path) -> None:
    with pytest.raises(MediaFailed) as failed:
        await reviewed(camera.film(tmp_path), tmp_path / "film.mp4")
    assert failed.value.failure.code is Code.FORMAT_UNSUPPORTED
    assert camera.refused is not None
    assert camera.refused in failed.value.failure.sentence
    assert "MP4 (H.264)" in failed.value.failure.sentence


async def test_a_film_that_the_card_split_is_two_films_that_meet_within_a_second(tmp_path: Path) -> None:
    """Cut where a card's block ends, in the midst of a picture; the second part's clock goes on."""
    whole = make(tmp_path / "whole.mts", 250, 50, "640x360", interlaced=True, encoder=(*AVCHD, "-g", "12"))
    data = whole.read_bytes()
    cut = len(data) // 2 // 6144 * 6144
    seen = []
    for name, part in (("00000.mts", data[:cut]), ("00001.mts", data[cut:])):
        (tmp_path / name).write_bytes(part)
        made, film = await reviewed(tmp_path / name, tmp_path / f"{name}.mp4")
        assert film.frames == made.frames
        seen.append(numbers(tmp_path / f"{name}.mp4"))
    first, second = seen
    good = len(first) - 12  # the last quarter of a second lacks what it was coded by
    assert first[:good] == list(range(good))
    begins = second[0]
    assert begins is not None
    assert second == list(range(begins, 250))
    assert good < begins < good + 50


def test_the_page_is_the_table() -> None:
    """Else: `python -m tests.integration.transcoding.media.cameras`."""
    assert len(SUPPORTED) >= 24
    assert PAGE.read_text() == written(PAGE.read_text())
