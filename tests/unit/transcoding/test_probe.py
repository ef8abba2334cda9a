"""What ffprobe says is made by whoever made the film."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.transcoding.failures import Code, MediaFailed
from services.transcoding.plan import Plan, plan
from services.transcoding.probe import Probe, probe

PACKETS = [f"packet|stream_index=0|pts={n * 3600}|dts={n * 3600}|size=100|flags=K__" for n in range(50)]
STREAM = "stream|index=0|codec_name=h264|codec_type=video|width=640|height=360|r_frame_rate=25/1|time_base=1/90000"
FRAMES = [f"frame|best_effort_timestamp={n * 3600}|interlaced_frame=0" for n in range(3)]
FORMAT = "format|start_time=0.000000|duration=2.000000"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """A film of which ffprobe says just that."""
    film = tmp_path / "film.mp4"
    film.write_bytes(b"\0\0\0\x20ftypisom")

    async def look(*lines: str, stderr: str = "") -> Probe:
        async def run(command: list[str], *_: object, on_line: Callable[[str], int], **__: object) -> str:
            for line in lines:
                if line.startswith("frame") == ("-select_streams" in command):
                    on_line(line)
            return stderr

        monkeypatch.setattr("services.transcoding.probe.run", run)
        return await probe(film)

    return look


async def test_what_makes_sense_is_understood(said: Callable[..., Any]) -> None:
    made = plan(await said(*PACKETS, STREAM, FORMAT, *FRAMES))
    assert isinstance(made, Plan)
    assert (made.frames, made.width) == (50, 640)
    assert made.rate == 25


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [STREAM],
        [*PACKETS, STREAM],
        [*PACKETS, STREAM.replace("1/90000", "1/0"), FORMAT, *FRAMES],
        [*PACKETS, STREAM.replace("time_base", "time"), FORMAT, *FRAMES],
        [*PACKETS, "stream|index=0|codec_type=video", FORMAT],
        ["packet|stream_index=0", STREAM, FORMAT],
        ["packet|stream_index=0|pts=soon|dts=later|size=0|flags=K__", STREAM, FORMAT],
        [*PACKETS, STREAM, FORMAT, "frame|best_effort_timestamp=never"],
    ],
)
async def test_what_makes_none_is_a_damaged_film_and_no_crash(said: Callable[..., Any], lines: list[str]) -> None:
    with pytest.raises(MediaFailed) as failed:
        await said(*lines)
    assert failed.value.failure.code is Code.DAMAGED


async def test_two_fields_in_two_packets_are_one_picture(said: Callable[..., Any]) -> None:
    """Camcorders code each field by itself."""
    fields = [f"packet|stream_index=0|pts={n * 1800}|dts={n * 1800}|size=100|flags=K__" for n in range(100)]
    frames = [f"frame|best_effort_timestamp={n * 3600}|interlaced_frame=1" for n in range(12)]
    (picture,) = (await said(*fields, STREAM, FORMAT, *frames)).pictures
    assert (picture.frames, picture.rate, picture.interlaced) == (50, 25, True)


async def test_pictures_before_the_first_that_can_be_decoded_do_not_count(said: Callable[..., Any]) -> None:
    frames = [f"frame|best_effort_timestamp={n * 3600}|interlaced_frame=0" for n in range(10, 20)]
    (picture,) = (await said(*PACKETS, STREAM, FORMAT, *frames)).pictures
    assert picture.frames == 40
    assert picture.start * 25 == 10


async def test_times_without_end_are_not_listed_without_end(
    said: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.transcoding.probe.MOST_LINES", 40)
    with pytest.raises(MediaFailed) as failed:
        await said(*PACKETS, STREAM, FORMAT)
    assert failed.value.failure.code is Code.TOO_LONG
