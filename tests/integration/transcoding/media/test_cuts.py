"""A clip holds exactly the marked frames, and not one byte of another: every packet in the file is decoded."""

import asyncio
import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from services.transcoding import spare
from services.transcoding.cut import cut
from services.transcoding.failures import Code, MediaFailed
from services.transcoding.film import Film
from services.transcoding.jailed import Jail, Progress
from services.transcoding.spare import Spare
from tests.films import PLANTED, TOOLS, beeps, ffmpeg, make, numbers, planted_in, samples
from tests.integration.transcoding.media.making import boxes, left_over, reviewed, told

RATE, FRAMES, GOP = Fraction(50), 300, 25

chance = random.Random(20261124)
AT_RANDOM = [(min(two), max(two)) for two in (chance.sample(range(FRAMES + 1), 2) for _ in range(20))]
AT_EDGES = [
    *((0, 1), (150, 151), (299, 300)),  # one frame
    (0, FRAMES),  # all
    *((25, 50), (24, 26), (25, 26), (24, 25), (49, 75), (26, 50)),  # GOPs and their neighbours
    *((30, 40), (274, 300), (275, 300), (276, 300), (1, 299)),
]


def nothing_hidden(path: Path) -> bool:
    """Whether the file has no byte of media but what its tables list."""
    return boxes(path)["mdat"] - 8 == sum(int(p["size"]) for p in told(path, "packet=size"))


@pytest.mark.parametrize(("first", "end"), AT_EDGES + AT_RANDOM)
async def test_a_clip_holds_exactly_its_frames(film: Path, tmp_path: Path, first: int, end: int) -> None:
    clip = tmp_path / "clip.mp4"
    made = await cut([(film, first, end)], clip)
    assert numbers(clip) == list(range(first, end))
    assert made == Film(frames=end - first, rate=RATE, width=320, height=180, has_sound=made.has_sound)
    assert nothing_hidden(clip)
    decoded = [int(p["dts"]) for p in told(clip, "packet=stream_index,dts") if p["stream_index"] == "0"]
    assert decoded == sorted(set(decoded))
    assert [box for box in boxes(clip) if box != "free"] == ["ftyp", "moov", "mdat"]
    assert samples(clip).shape[1] == pytest.approx((end - first) / RATE * 48000, abs=1)
    for at, second in beeps(clip):
        if at > 0.05:  # one that is cut into begins where the clip does
            assert at == pytest.approx(second - first / RATE, abs=0.002)


async def test_a_reel_holds_its_clips_in_order(film: Path, tmp_path: Path, jail: Jail) -> None:
    clips = [(90, 175), (0, 60), (299, 300), (25, 50), (24, 26), (140, 290), (7, 8)]
    reel = tmp_path / "reel.mp4"
    made = await cut([(film, first, end) for first, end in clips], reel, jail=jail)
    assert numbers(reel) == [n for first, end in clips for n in range(first, end)]
    assert made.frames == sum(end - first for first, end in clips)
    assert nothing_hidden(reel)
    begins, expected = 0, []
    for first, end in clips:
        expected += [
            ((begins + second * RATE - first) / RATE, second)
            for second in range(7)
            if first + 3 < second * RATE < end - 3
        ]
        begins += end - first
    heard = [(at, second) for at, second in beeps(reel) if any(abs(at - e) < 0.03 for e, _ in expected)]
    assert [second for _, second in heard] == [second for _, second in expected]
    assert [at for at, _ in heard] == pytest.approx([at for at, _ in expected], abs=0.002)  # no drift


async def test_a_join_does_not_click(film: Path, tmp_path: Path) -> None:
    """The steady tone on the right, cut at any phase: a jump would be a thousand times its slope."""
    reel = tmp_path / "reel.mp4"
    await cut([(film, first, first + 20) for first in (3, 111, 57, 204)], reel)
    tone = samples(reel)[1]
    assert np.abs(tone).max() > 0.2
    assert np.abs(np.diff(tone)).max() < 0.02


async def test_the_sound_of_a_clip_is_the_films_from_its_first_sample_on(film: Path, tmp_path: Path) -> None:
    """Each packet of AAC is only half without the one before."""
    await cut([(film, 77, 97)], tmp_path / "clip.mp4")
    begin, fade, length = round(77 * 48000 / 50), 240, 4000
    clip, whole = samples(tmp_path / "clip.mp4")[1], samples(film)[1]
    wrong = clip[fade:length] - whole[begin + fade : begin + length]
    assert np.abs(whole).max() > 0.2
    assert np.abs(wrong).max() < 0.02


async def test_pictures_between_the_edges_are_bit_for_bit_the_films(film: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    await cut([(film, 40, 260)], clip)

    def pictures(path: Path) -> list[bytes]:
        hashes = ffmpeg("-i", path, "-map", "0:v", "-f", "framehash", "-").splitlines()
        return [line.rsplit(b",", 1)[1] for line in hashes if not line.startswith(b"#")]

    same = [a == b for a, b in zip(pictures(clip), pictures(film)[40:260], strict=True)]
    assert all(same[10:210])  # from the first whole GOP (50) to the last (250)
    assert same.count(False) <= 2 * GOP


async def test_ntsc_rates_are_exact(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    source = make(tmp_path / "source.mov", 120, rate, metadata=False)
    await reviewed(source, tmp_path / "film.mp4")
    clips = [(11, 77), (100, 101), (0, 40)]
    made = await cut([(tmp_path / "film.mp4", *clip) for clip in clips], tmp_path / "reel.mp4")
    assert made.rate == rate
    assert numbers(tmp_path / "reel.mp4") == [n for first, end in clips for n in range(first, end)]
    shown = sorted(
        int(p["pts"]) for p in told(tmp_path / "reel.mp4", "packet=stream_index,pts") if p["stream_index"] == "0"
    )
    assert len({b - a for a, b in pairwise(shown)}) == 1


async def test_a_spare_cuts_the_very_same(film: Path, tmp_path: Path, jail: Jail) -> None:
    (tmp_path / "film.mp4").write_bytes(film.read_bytes())  # a worker has its films where it works
    async with Spare(jail, tmp_path) as one:
        for clips in ([(24, 26)], [(30, 111)], [(0, 60), (299, 300), (140, 290)]):
            by = {name: tmp_path / f"{name}.mp4" for name in ("spare", "new")}
            told = await cut([(tmp_path / "film.mp4", *c) for c in clips], by["spare"], jail=jail, spare=one)
            assert told == await cut([(film, *c) for c in clips], by["new"], jail=jail)
            assert by["spare"].read_bytes() == by["new"].read_bytes()
            assert numbers(by["spare"]) == [n for first, end in clips for n in range(first, end)]


async def test_no_byte_of_a_film_is_read_that_was_not_brought(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jail: Jail
) -> None:
    """What was not is noise here, and the clip is the very same."""
    source = spare.PROGRAM.read_text()
    assert source.count("STRETCH = 1 << 20") == 1
    (tmp_path / "program.py").write_text(source.replace("STRETCH = 1 << 20", "STRETCH = 1 << 12"))
    monkeypatch.setattr(spare, "PROGRAM", tmp_path / "program.py")
    plain, staged, brought = film.read_bytes(), tmp_path / "staged.mp4", list[tuple[int, int]]()

    async def bring(path: Path, first: int, end: int) -> None:
        assert path == staged
        brought.append((first, end))
        with path.open("r+b") as file:
            file.seek(first)
            file.write(plain[first:end])

    for clips in ([(40, 60)], [(290, 300)], [(7, 12), (200, 230), (9, 30)]):
        staged.write_bytes(chance.randbytes(len(plain)))
        brought.clear()
        async with Spare(jail, tmp_path) as one:
            ranges = [(staged, *clip) for clip in clips]
            told = await cut(ranges, tmp_path / "clip.mp4", jail=jail, spare=one, bring=bring)
        assert told == await cut([(film, *clip) for clip in clips], tmp_path / "same.mp4", jail=jail)
        assert (tmp_path / "clip.mp4").read_bytes() == (tmp_path / "same.mp4").read_bytes()
        assert len(brought) == len(set(brought))
        assert sum(end - first for first, end in brought) < len(plain) * 2 / 3


async def test_films_that_are_not_alike_are_brought_as_a_whole(film: Path, tmp_path: Path) -> None:
    await reviewed(make(tmp_path / "source.mp4", 60, 25, metadata=False), other := tmp_path / "other.mp4")
    films = {tmp_path / "a.mp4": film.read_bytes(), tmp_path / "b.mp4": other.read_bytes()}
    for path, plain in films.items():
        path.write_bytes(bytes(len(plain)))

    async def bring(path: Path, first: int, end: int) -> None:
        with path.open("r+b") as file:
            file.seek(first)
            file.write(films[path][first:end])

    one, two = films
    await cut([(one, 33, 91), (two, 7, 47)], tmp_path / "reel.mp4", bring=bring)
    assert numbers(tmp_path / "reel.mp4")[:58] == list(range(33, 91))
    assert [path.read_bytes() for path in films] == list(films.values())


async def test_what_cannot_be_brought_ends_the_cut(film: Path, tmp_path: Path, jail: Jail) -> None:
    async def bring(path: Path, first: int, end: int) -> None:
        raise ConnectionError("the store is away")

    with pytest.raises(ConnectionError):
        await cut([(film, 40, 60)], tmp_path / "clip.mp4", jail=jail, bring=bring)
    assert list(tmp_path.iterdir()) == []


WRONG = {  # what is changed in the program, into what, and what is said of it
    "a picture is missing": (
        "            yield fresh\n",
        "            if number != 7:\n                yield fresh\n",
        "70 pictures for 71",
    ),
    "a picture is there twice": (
        "            yield fresh\n",
        "            yield fresh\n            if number == 30:\n"
        "                more = av.Packet(bytes(fresh))\n"
        "                more.stream, more.time_base, more.pts, more.dts = to, fresh.time_base, 31, 31\n"
        "                yield more\n",
        "Invalid argument",  # as the muxer says
    ),
    "a picture is late": (
        "            yield fresh\n",
        "            fresh.pts += 100 * (number == 9)\n            yield fresh\n",
        "not in step",
    ),
    "the first is none": (
        "fresh = av.Packet(bytes(packet))",
        "fresh = av.Packet(bytes(packet) if number else bytes(99))",
        "Invalid data",  # as the decoder says
    ),
    "the sound ends early": (
        "    if rest := len(waiting[0]):\n        yield from coded(rest)\n    yield from to",
        "    yield from to",
        "s of sound for",
    ),
    "there is no sound": (
        "merge(pictures_of(ranges, pictures), ahead(sound_of(ranges, sound)), key=decoded_at)",
        "pictures_of(ranges, pictures)",
        "expected 1, got 0",
    ),
    "the file breaks off": (
        "    check(out, ranges)",
        "    with open(out, 'r+b') as file:\n        file.truncate(file.seek(0, 2) * 2 // 3)\n    check(out, ranges)",
        "pictures for 71",
    ),
    "it needs another film": (
        'say(f"need={self.film.number} ',
        'say(f"need={self.film.number + 1} ',
        "needs what there is none of",
    ),
    "it needs nonsense": ('say(f"need={self.film.number} ', 'say(f"need=a film ', "needs what there is none of"),
    "it is not looked at": ("    check(out, ranges)", "    pass", "tells of no film"),
    "it is another's": ("said = frames, rate", "said = frames + 1, rate", "72 frames instead of 71"),
}


@pytest.mark.parametrize("how", WRONG)
async def test_a_cut_that_went_wrong_is_found(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Whoever cuts reads the finished file; played by a program that errs."""
    source, (right, wrong, found) = spare.PROGRAM.read_text(), WRONG[how]
    assert source.count(right) == 1
    (tmp_path / "program.py").write_text(source.replace(right, wrong))
    monkeypatch.setattr(spare, "PROGRAM", tmp_path / "program.py")
    with pytest.raises(MediaFailed) as failed:
        await cut([(film, 30, 101)], tmp_path / "clip.mp4")
    assert failed.value.failure.code is Code.TOOL_FAILED
    assert found in failed.value.failure.detail
    assert not (tmp_path / "clip.mp4").exists() and left_over(tmp_path) == []


async def test_films_without_sound_are_cut_and_joined_like_any(film: Path, tmp_path: Path) -> None:
    source = make(tmp_path / "source.mp4", 100, RATE, sound=False)
    _, silent = await reviewed(source, tmp_path / "silent.mp4")
    assert not silent.has_sound
    clip = await cut([(tmp_path / "silent.mp4", 10, 60)], tmp_path / "clip.mp4")
    assert not clip.has_sound
    reel = await cut([(tmp_path / "silent.mp4", 10, 60), (film, 40, 110)], tmp_path / "reel.mp4")
    assert reel.has_sound
    assert numbers(tmp_path / "reel.mp4") == [*range(10, 60), *range(40, 110)]
    at, second = beeps(tmp_path / "reel.mp4")[0]
    assert second == 1
    assert at == pytest.approx(1.2, abs=0.002)


@pytest.mark.parametrize(("size", "rate"), [("640x360", 50), ("320x180", 25), ("360x640", 30)])
async def test_films_that_are_not_alike_are_joined_all_the_same(
    film: Path, tmp_path: Path, size: str, rate: int
) -> None:
    """Coded anew, in the first one's size and rate; those of its rate stay exact."""
    await reviewed(make(tmp_path / "source.mp4", 60, rate, size, metadata=False), tmp_path / "other.mp4")
    reel = tmp_path / "reel.mp4"
    made = await cut([(film, 33, 91), (tmp_path / "other.mp4", 7, 47), (film, 200, 203)], reel)
    assert made == Film(frames=made.frames, rate=RATE, width=320, height=180, has_sound=True)
    seen = numbers(reel)
    assert seen[:58] == list(range(33, 91))
    assert seen[-3:] == list(range(200, 203))
    assert len(seen) == pytest.approx(58 + 40 * RATE / rate + 3, abs=1)
    if rate == RATE:
        assert seen[58:-3] == list(range(7, 47))
    assert await cut([(reel, 0, 10)], tmp_path / "clip.mp4") == Film(**made.model_dump() | {"frames": 10})


@pytest.mark.parametrize(
    "ranges", [[], [(0, 0)], [(5, 5)], [(7, 3)], [(-1, 10)], [(0, 301)], [(300, 301)], [(0, 10), (295, 305)]]
)
async def test_a_range_that_does_not_fit_says_so(film: Path, tmp_path: Path, ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(MediaFailed) as failed:
        await cut([(film, first, end) for first, end in ranges], tmp_path / "clip.mp4")
    assert failed.value.failure.code is Code.BAD_RANGE
    assert list(tmp_path.iterdir()) == []


async def test_nothing_planted_survives_in_a_clip_or_reel(film: Path, tmp_path: Path) -> None:
    await cut([(film, 3, 33), (film, 100, 130)], tmp_path / "reel.mp4")
    assert planted_in(tmp_path / "reel.mp4", [*PLANTED, *TOOLS]) == set()
    assert [s["codec_type"] for s in told(tmp_path / "reel.mp4", "stream=codec_type")] == ["video", "audio"]


async def test_progress_of_a_reel_rises_and_ends_at_one(film: Path, tmp_path: Path) -> None:
    heard: list[Progress] = []

    async def hear(progress: Progress) -> None:
        heard.append(progress)

    await cut([(film, 0, 300)] * 4, tmp_path / "reel.mp4", hear)
    assert [p.fraction for p in heard] == sorted(p.fraction for p in heard)
    assert heard[-1] == Progress(1200, 1200)
    assert [p.fraction for p in heard].count(1) == 1


async def test_a_cut_that_is_cancelled_leaves_nothing(film: Path, tmp_path: Path, jail: Jail) -> None:
    work = asyncio.create_task(cut([(film, 0, 300)] * 20, tmp_path / "reel.mp4", jail=jail))
    await asyncio.sleep(0.3)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert left_over(tmp_path) == []
    assert not (tmp_path / "reel.mp4").exists()
