"""Colours come out as they were seen, from every way that cameras write them, in the film and in its poster.

Patches of known colour are written as the standard says, made into a review film, and measured in it. Apart by at most
BOUND in CIEDE2000, which an eye does not see in two pictures; HDR against the curve that brings it into a film's
range.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from services.transcoding.plan import Light
from tests.films import ffmpeg
from tests.integration.transcoding.media.colours import (
    Colours,
    apart,
    film_of,
    hlg,
    light_of,
    mobius,
    of_bt709,
    pq,
)
from tests.integration.transcoding.media.making import pictured, reviewed

BOUND = 2.0
# zscale takes the display's curve for HLG of each primary by itself, not of their brightness: a little too colourful.
# Its exact way costs 17 ms of CPU a picture, a quarter of the whole.
HLG_BOUND = 3.5
WIDE, HIGH, COLUMNS = 1280, 720, 6

# Skins light and dark, what surrounds them, greys, and what no lamp makes purer; in 8 bit as a film shows them.
SEEN: Colours = np.array(
    [
        *([241, 194, 167], [224, 172, 138], [198, 134, 100], [141, 85, 60], [92, 56, 42], [60, 36, 28]),
        *([235, 235, 235], [180, 180, 180], [118, 118, 118], [60, 60, 60], [24, 24, 24], [12, 12, 12]),
        *([200, 60, 40], [60, 160, 70], [40, 70, 180], [230, 200, 50], [170, 60, 150], [60, 170, 190]),
    ],
    dtype=np.float64,
)  # fmt: skip
SEEN = SEEN / 255

MATRICES = {  # red, green and blue to luma
    "bt709": (0.2126, 0.7152, 0.0722),
    "smpte170m": (0.299, 0.587, 0.114),
    "bt470bg": (0.299, 0.587, 0.114),
    "bt2020nc": (0.2627, 0.678, 0.0593),
}


class Written(NamedTuple):
    """How a camera tags what it writes."""

    primaries: str
    transfer: str
    matrix: str
    full: bool = False
    tagged: bool = True


SDR = {
    "BT.709": Written("bt709", "bt709", "bt709"),
    "BT.709, full range": Written("bt709", "bt709", "bt709", full=True),
    "BT.709, untagged": Written("bt709", "bt709", "bt709", tagged=False),
    "BT.601 of 525 lines": Written("smpte170m", "smpte170m", "smpte170m"),
    "BT.601 of 625 lines": Written("bt470bg", "smpte170m", "bt470bg"),
    "BT.601, full range": Written("bt709", "smpte170m", "bt470bg", full=True),
    "BT.2020": Written("bt2020", "bt2020-10", "bt2020nc"),
    "BT.2020, full range": Written("bt2020", "bt2020-10", "bt2020nc", full=True),
    "Display P3": Written("smpte432", "bt709", "bt709"),
}
HDR = {
    "HLG": Written("bt2020", "arib-std-b67", "bt2020nc"),
    "HLG, full range": Written("bt2020", "arib-std-b67", "bt2020nc", full=True),
    "PQ": Written("bt2020", "smpte2084", "bt2020nc"),
    "PQ, full range": Written("bt2020", "smpte2084", "bt2020nc", full=True),
}


def filmed(signal: Colours, written: Written, path: Path) -> None:
    """A film of patches; signal: RGB in 0..1 as the camera means it. HEVC with 10 bits where they matter."""
    red, _, blue = MATRICES[written.matrix]
    luma = signal @ np.array(MATRICES[written.matrix])
    cb, cr = (signal[:, 2] - luma) / (2 * (1 - blue)), (signal[:, 0] - luma) / (2 * (1 - red))
    deep = written.primaries == "bt2020"
    scale = 4 if deep else 1
    low, span, chroma = (0.0, 255.0, 255.0) if written.full else (16.0, 219.0, 224.0)
    top = 1023 if deep else 255
    if written.full and deep:
        span = chroma = 255.75
    planes = [scale * (low + span * luma), scale * (128 + chroma * cb), scale * (128 + chroma * cr)]
    rows = len(signal) // COLUMNS
    data = b""
    for n, plane in enumerate(planes):
        wide, high = (WIDE, HIGH) if n == 0 else (WIDE // 2, HIGH // 2)
        grid = np.clip(np.round(plane), 0, top).reshape(rows, COLUMNS)
        across = np.arange(wide) * COLUMNS // wide
        down = np.arange(high) * rows // high
        data += grid[down][:, across].astype("<u2" if deep else "u1").tobytes()
    pixels = "yuv420p10le" if deep else "yuv420p"
    tags = f"color_primaries={written.primaries}:color_trc={written.transfer}:colorspace={written.matrix}"
    tags = tags if written.tagged else "color_primaries=unknown:color_trc=unknown:colorspace=unknown"
    limits = f"range={'full' if written.full else 'limited'}"
    x265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", f"log-level=none:{limits}")
    encoder = x265 if deep else ("-c:v", "libx264", "-preset", "ultrafast")
    given = ("-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{WIDE}x{HIGH}", "-r", "25", "-i", "pipe:0")
    shown = f"setparams={tags}:range={'pc' if written.full else 'tv'}"
    # the same colour range before and after, or ffmpeg converts
    ffmpeg(*given, "-vf", shown, *encoder, "-crf", "2", "-pix_fmt", pixels, path, given=data * 3)


def measured(path: Path) -> Colours:
    """The patches' middles, as a player shows them: JPEG has BT.601 and the full range, a film of ours BT.709."""
    still = path.suffix == ".jpg"
    low, span, chroma = (0, 255, 255) if still else (16, 219, 224)
    red, green, blue = MATRICES["smpte170m" if still else "bt709"]
    read = ("-frames:v", "1", "-pix_fmt", "yuvj444p" if still else "yuv444p", "-f", "rawvideo", "-")
    planes = np.frombuffer(ffmpeg("-i", path, *read), np.uint8).reshape(3, HIGH, WIDE)
    rows = len(SEEN) // COLUMNS
    high, wide = HIGH // rows, WIDE // COLUMNS
    middles = [
        planes[:, r * high + high // 3 : r * high + 2 * high // 3, c * wide + wide // 3 : c * wide + 2 * wide // 3]
        for r in range(rows)
        for c in range(COLUMNS)
    ]
    means = np.array([middle.reshape(3, -1).mean(axis=1) for middle in middles])
    y, cb, cr = (means[:, 0] - low) / span, (means[:, 1] - 128) / chroma, (means[:, 2] - 128) / chroma
    r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
    return np.clip(np.stack([r, (y - red * r - blue * b) / green, b], axis=-1), 0, 1)


async def worst(path: Path, expected: Colours, folder: Path, light: Light) -> dict[str, float]:
    made, _ = await reviewed(path, folder / "film.mp4")
    assert made.colour.light is light
    poster, _, _ = await pictured(folder / "film.mp4", folder)
    made_of_it = (folder / "film.mp4", poster)
    return {one.name: float(apart(expected, measured(one)).max()) for one in made_of_it}


@pytest.mark.parametrize("written", SDR)
async def test_colours_come_out_as_they_were_seen(written: str, tmp_path: Path) -> None:
    how = SDR[written]
    signal = SEEN
    if how.primaries != "bt709":
        signal = film_of(of_bt709(light_of(SEEN), how.primaries))
    filmed(signal, how, tmp_path / "source.mp4")
    found = await worst(tmp_path / "source.mp4", SEEN, tmp_path, Light.SDR)
    assert max(found.values()) <= BOUND, found


@pytest.mark.parametrize("written", HDR)
async def test_hdr_comes_out_by_the_curve(written: str, tmp_path: Path) -> None:
    how = HDR[written]
    light = light_of(SEEN)
    light[6] = 4.0  # a lamp in the picture
    wide = of_bt709(light, "bt2020")
    signal, peak, kind = (hlg(wide), 10.0, Light.HLG) if "HLG" in written else (pq(wide), 100.0, Light.PQ)
    filmed(signal, how, tmp_path / "source.mp4")
    expected = film_of(mobius(light, peak))
    found = await worst(tmp_path / "source.mp4", expected, tmp_path, kind)
    assert max(found.values()) <= (HLG_BOUND if kind is Light.HLG else BOUND), found


def test_colours_that_are_apart_are_told_apart() -> None:
    """Pairs of the standard's own test data, here in sRGB: equal, just noticeable, and another matrix's."""
    grey = np.full((1, 3), 0.5)
    assert apart(grey, grey) == pytest.approx(0)
    assert apart(np.array([[200, 60, 40]]) / 255, np.array([[208, 60, 40]]) / 255) > 1
    assert apart(np.array([[200, 60, 40]]) / 255, np.array([[213, 44, 36]]) / 255) > BOUND
