"""What the camera coded, copied: every picture at its number, the sound in step, and nothing else in the file."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from services.transcoding.jailed import Progress
from services.transcoding.look import first_look
from services.transcoding.plan import Plan, no_first_look, plan
from services.transcoding.probe import probe
from tests.films import H264, beeps, make, numbers, planted_in
from tests.integration.transcoding.media.making import boxes, left_over, told

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
    found = await probe(source)
    planned = plan(found)
    assert isinstance(planned, Plan)
    assert no_first_look(found, planned) is None
    heard: list[Progress] = []

    async def hear(progress: Progress) -> None:
        heard.append(progress)

    await first_look(source, planned, out, hear)
    kept = [n for n in range(50) if name != "variable.mp4" or n % 5 != 3]
    assert numbers(out) == kept
    times = sorted(Fraction(one["pts_time"]) for one in told(out, "packet=stream_index,pts_time", edited=True)
                   if one["stream_index"] == "0")  # fmt: skip
    assert [int((time + Fraction(1, 10000)) * planned.rate) for time in times] == kept
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
