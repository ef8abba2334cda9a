"""A first look: every picture at the number it will have, the sound in step, and nothing else in the file."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from services.transcoding.jailed import Progress
from services.transcoding.look import Look, first_look, planned
from services.transcoding.probe import probe
from tests.films import AVCHD, H264, beeps, make, numbers, planted_in
from tests.integration.transcoding.media.making import boxes, left_over, reviewed, told

NTSC = Fraction(30000, 1001)
IN_TS = (*H264, "-f", "mpegts", "-mpegts_m2ts_mode", "1")
CAMERAS: dict[str, dict[str, Any]] = {
    "phone.mp4": {},
    "tablet.mov": {"rate": NTSC},
    "upright.mp4": {"size": "640x360", "rotated": True},
    "silent.mp4": {"sound": False},
    "late.mp4": {"late": 0.36},
    "progressive.mts": {"rate": 50, "encoder": IN_TS},
    "variable.mp4": {"keep": "not(eq(mod(n\\,5)\\,3))"},
    "open.mkv": {},
}


@pytest.mark.parametrize("name", CAMERAS)
async def test_a_first_look_shows_every_picture_where_the_review_film_will(name: str, tmp_path: Path) -> None:
    source, out = make(tmp_path / name, **{"frames": 50} | CAMERAS[name]), tmp_path / "look.mp4"
    found, look = await probe(source), await planned(source)
    assert isinstance(look, Look)
    assert look.copied
    heard: list[Progress] = []

    async def hear(progress: Progress) -> None:
        heard.append(progress)

    await first_look(source, look, out, hear)
    kept = [n for n in range(50) if name != "variable.mp4" or n % 5 != 3]
    assert numbers(out) == kept
    times = sorted(Fraction(one["pts_time"]) for one in told(out, "packet=stream_index,pts_time", edited=True)
                   if one["stream_index"] == "0")  # fmt: skip
    assert [int((time + Fraction(1, 10000)) * look.plan.rate) for time in times] == kept
    assert planted_in(out) == set()
    kinds = [one["codec_name"] for one in told(out, "stream=codec_name")]
    assert kinds == ["h264", "aac"] if found.sounds else ["h264"]
    for at, second in beeps(out) if CAMERAS[name].get("sound", True) else []:
        if second:
            assert at == pytest.approx(second - CAMERAS[name].get("late", 0), abs=0.02)
    assert (await probe(out)).pictures[0].rotation == found.pictures[0].rotation
    assert [box for box in boxes(out) if box != "free"] == ["ftyp", "moov", "mdat"]  # plays before it is there
    assert heard[-1].fraction == 1
    assert left_over(tmp_path) == []


HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-crf", "30", "-c:a", "aac")
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "phone.mp4": ({"encoder": HEVC}, "its picture is hevc yuv420p"),
    "camcorder.mts": ({"encoder": AVCHD, "rate": 50, "interlaced": True}, "its picture is interlaced"),
    "sound.mts": ({"encoder": (*H264[:8], *AVCHD[-8:])}, "its sound is ac3"),
}


@pytest.mark.parametrize("name", OTHERS)
async def test_of_what_browsers_do_not_play_the_opening_is_coded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.transcoding.look.OPENING", 1)
    given, why = OTHERS[name]
    source, out, film = make(tmp_path / name, **{"frames": 100} | given), tmp_path / "look.mp4", tmp_path / "film.mp4"
    look = await planned(source)
    assert isinstance(look, Look)
    assert not look.copied
    assert look.plan.reasons[-1] == f"the first look is coded: {why}"
    await first_look(source, look, out)
    of_film, _ = await reviewed(source, film)
    assert (look.plan.rate, look.plan.width) == (of_film.rate, of_film.width)
    assert numbers(out) == numbers(film)[: int(look.plan.rate)]
    assert float(told(out, "stream=duration")[1]["duration"]) == pytest.approx(1, abs=0.03)
    assert planted_in(out) == set()
    assert left_over(tmp_path) == []
