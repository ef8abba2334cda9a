"""Films of real cameras, where the environment variable FILMS names a folder of them, are prepared and cut."""

import os
from pathlib import Path

import pytest

from services.transcoding.cut import cut
from services.transcoding.failures import MediaFailed
from services.transcoding.film import film_of
from shared.containers import HEAD, container
from tests.films import samples
from tests.integration.transcoding.media.cameras import REAL
from tests.integration.transcoding.media.making import pictured, reviewed, told

FOLDER = os.environ.get("FILMS")


def films() -> list[Path]:
    """Everything in the folder that begins like a film."""
    files = sorted(path for path in Path(FOLDER or os.devnull).glob("*") if path.is_file())
    return [path for path in files if container(path.open("rb").read(HEAD))]


@pytest.mark.skipif(not FOLDER, reason="FILMS names no folder of real films")
@pytest.mark.parametrize("source", films(), ids=lambda path: path.name)
async def test_a_real_film_is_prepared_and_cut(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "film.mp4"
    try:
        plan, film = await reviewed(source, out)
    except MediaFailed as refused:
        pytest.fail(f"{source.name}: {refused}")
    assert abs(film.frames - plan.frames) <= 1
    assert (film.width, film.height, film.rate) == (plan.width, plan.height, plan.rate)
    assert film == await film_of(out)
    if known := next((real for real in REAL if real.file == source.name), None):  # as docs/formats.md says
        found = (film.width, film.height), film.rate, film.frames, film.has_sound
        assert found == (known.size, known.rate, known.frames, known.sound)
    assert samples(out).shape[1] == pytest.approx(plan.duration * 48000, abs=1)
    tags = {key for section in told(out, "format_tags:stream_tags") for key in section}
    assert {key.rsplit(":", 1)[-1] for key in tags} <= {
        "major_brand",
        "minor_version",
        "compatible_brands",
        "language",
        "vendor_id",
    }
    await pictured(out, tmp_path)
    third = film.frames // 3
    for first, end in {(0, 1), (third, max(third + 1, 2 * third)), (0, film.frames)}:
        clip = await cut([(out, first, end)], tmp_path / "clip.mp4")
        assert clip.frames == end - first
