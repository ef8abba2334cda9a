"""Any camera in, one kind of film out: every picture once, sound in step, nothing else in the file."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from services.transcoding.film import Film, film_of, review_film
from services.transcoding.jailed import Jail, Progress
from services.transcoding.plan import Plan, plan
from services.transcoding.probe import probe
from tests.films import H264, beeps, ffmpeg, make, numbers
from tests.integration.transcoding.media.cameras import PHONE, filled, kept_by_phone
from tests.integration.transcoding.media.making import boxes, left_over, pictured, reviewed, told

H264_HIGH = {
    "codec_name": "h264",
    "profile": "High",
    "codec_type": "video",
    "sample_aspect_ratio": "1:1",
    "pix_fmt": "yuv420p",
    "color_range": "tv",
    "color_space": "bt709",
    "color_transfer": "bt709",
    "color_primaries": "bt709",
    "field_order": "progressive",
}


async def test_the_review_film_is_what_browsers_and_cuts_need(film: Path) -> None:
    picture = told(film, f"stream={','.join(H264_HIGH)}")[0]
    assert picture == H264_HIGH
    packets = told(film, "packet=pts,flags,stream_index")
    shown = sorted((int(p["pts"]), p["flags"][0]) for p in packets if p["stream_index"] == "0")
    assert [n for n, (_, flag) in enumerate(shown) if flag == "K"] == list(range(0, 300, 25))
    assert len({after - before for (before, _), (after, _) in pairwise(shown)}) == 1
    assert [box for box in boxes(film) if box != "free"] == ["ftyp", "moov", "mdat"]  # plays before it is there


async def test_a_variable_rate_becomes_constant_with_nothing_left_out(tmp_path: Path) -> None:
    source = make(tmp_path / "phone.mp4", 300, 30, keep=PHONE)
    out = tmp_path / "film.mp4"
    made, film = await reviewed(source, out)
    assert film.rate == 30
    assert numbers(out) == filled(300)[: film.frames]
    assert film.frames == made.frames
    assert set(numbers(out)) == {n for n in range(300) if kept_by_phone(n)}
    heard = beeps(out)
    assert [second for _, second in heard][-1] == 9
    assert all(at == pytest.approx(second, abs=0.02) for at, second in heard if second)


async def test_a_last_picture_that_claims_to_last_for_hours_is_not_shown_so_long(tmp_path: Path) -> None:
    """As of a phone whose clock jumped: filled up, it would take more memory than a node has."""
    source = make(tmp_path / "phone.mp4", 12, 25, encoder=(*H264, "-bf", "0"))
    jumped = ("-bsf:v", "setts=duration=if(eq(N\\,11)\\,3600/TB\\,DURATION)")
    ffmpeg("-i", source, "-c", "copy", *jumped, tmp_path / "long.mp4")
    assert float(told(tmp_path / "long.mp4", "format=duration")[0]["duration"]) > 3600
    made, film = await reviewed(tmp_path / "long.mp4", tmp_path / "film.mp4")
    assert numbers(tmp_path / "film.mp4") == [*range(12), *[11] * (film.frames - 12)]
    assert (made.frames, film.frames) == (12, 12 + 12 + 25)


async def test_poster_sprite_and_waveform_are_of_the_film(film: Path, tmp_path: Path, jail: Jail) -> None:
    poster, sprite, waveform = await pictured(film, tmp_path, jail)
    assert [told(one, "stream=codec_name,width,height")[0] for one in (poster, sprite)] == [
        {"codec_name": "mjpeg", "width": "320", "height": "180"},
        {"codec_name": "mjpeg", "width": "1600", "height": "900"},
    ]
    (number,) = numbers(poster)
    assert number is not None and number % 25 == 0  # a key frame
    ffmpeg("-i", sprite, "-vf", "untile=10x10,setpts=N/TB", "-c:v", "ffv1", tmp_path / "tiles.mkv")
    # three pictures to a tile, which shows the last key frame before its middle
    assert numbers(tmp_path / "tiles.mkv") == [(3 * tile + 1) // 25 * 25 for tile in range(100)]
    heights = outline(waveform)
    loud = [min(heights[200 * second + 2 : 200 * second + 7]) for second in range(1, 6)]
    between = [max(heights[200 * second + 50 : 200 * second + 150]) for second in range(6)]
    assert min(loud) > max(between) > 0
    assert left_over(tmp_path) == []


def outline(waveform: Path) -> list[int]:
    """How high it is drawn, from its left edge to its right one."""
    drawn = ffmpeg("-i", waveform, "-vf", "alphaextract,format=gray", "-f", "rawvideo", "-")
    return [int(height) for height in (np.frombuffer(drawn, np.uint8).reshape(80, 1200) > 0).sum(axis=0)]


async def test_the_shortest_film_and_an_upright_one_have_all_their_pictures(tmp_path: Path) -> None:
    make(tmp_path / "source.mp4", 1, size="360x640", sound=False)
    await reviewed(tmp_path / "source.mp4", tmp_path / "film.mp4")
    _, sprite, waveform = await pictured(tmp_path / "film.mp4", tmp_path)
    assert told(sprite, "stream=width,height") == [{"width": "900", "height": "1600"}]
    ffmpeg("-i", sprite, "-vf", "untile=10x10,setpts=N/TB", "-c:v", "ffv1", tmp_path / "tiles.mkv")
    assert numbers(tmp_path / "tiles.mkv") == [0] * 100
    assert set(outline(waveform)) <= {0, 1, 2}  # silence


async def test_progress_rises_and_ends_at_one(source: Path, tmp_path: Path) -> None:
    heard: list[Progress] = []

    async def hear(progress: Progress) -> None:
        heard.append(progress)

    made = plan(await probe(source))
    assert isinstance(made, Plan)
    await review_film(source, made, tmp_path / "film.mp4", hear)
    assert [p.frames for p in heard] == sorted({p.frames for p in heard})
    assert [p.fraction for p in heard] == sorted(p.fraction for p in heard)
    assert heard[-1] == Progress(300, 300)
    assert all(p.fraction < 1 for p in heard[:-1])


async def test_what_is_told_of_progress_may_end_the_work(source: Path, tmp_path: Path) -> None:
    """A worker that has lost its job says so there."""

    async def lost(_: Progress) -> None:
        raise KeyError("job")

    made = plan(await probe(source))
    assert isinstance(made, Plan)
    with pytest.raises(KeyError):
        await review_film(source, made, tmp_path / "film.mp4", lost)
    assert left_over(tmp_path) == []


async def test_the_same_film_comes_out_of_both_jails(source: Path, film: Path, jail: Jail, tmp_path: Path) -> None:
    _, made = await reviewed(source, tmp_path / "film.mp4", jail)
    assert made == await film_of(film)
    assert numbers(tmp_path / "film.mp4") == numbers(film)


async def test_a_film_of_ours_is_known_by_what_is_in_it(film: Path) -> None:
    made = await film_of(film)
    assert made == Film(frames=300, rate=Fraction(50), width=320, height=180, has_sound=True)
    assert made.duration == 6


async def test_gaps_in_the_sound_become_silence(tmp_path: Path) -> None:
    source = make(tmp_path / "source.mkv", 250, metadata=False)
    holes = tmp_path / "holes.mkv"  # one and a half seconds of sound are lost
    ffmpeg("-i", source, "-c", "copy", "-bsf:a", "noise=drop='between(pts*tb,2.5,4)'", holes)
    await reviewed(holes, tmp_path / "film.mp4")
    heard = {second: at for at, second in beeps(tmp_path / "film.mp4") if second}
    assert 3 not in heard
    assert heard[9] == pytest.approx(9, abs=0.02)


async def test_a_sound_that_drifts_is_kept_in_step(tmp_path: Path) -> None:
    """A phone's two clocks are never alike; this one's sound is late by a hundredth."""
    source = make(tmp_path / "source.mkv", 250, metadata=False)
    drifting = tmp_path / "drifting.mkv"
    ffmpeg("-i", source, "-c", "copy", "-bsf:a", "setts=ts=TS*1.01", drifting)
    await reviewed(drifting, tmp_path / "film.mp4")
    heard = [(at, second) for at, second in beeps(tmp_path / "film.mp4") if second]
    assert len(heard) == 9
    assert [at for at, _ in heard] == pytest.approx([second * 1.01 for _, second in heard], abs=0.02)
