"""The command lines that open what strangers send."""

from fractions import Fraction
from pathlib import Path

import pytest

from services.transcoding import ffmpeg
from services.transcoding.formats import DEMUXERS, PICTURES, SOUNDS, guards
from services.transcoding.plan import Colour, Light, Plan
from shared.containers import Container

NASTY = Path("/films/-y concat:a|b.mp4")


def plan(container: Container = Container.MP4, light: Light = Light.SDR, sound: int | None = 1) -> Plan:
    return Plan(
        container=container,
        picture=0,
        sound=sound,
        start=Fraction(0),
        width=1280,
        height=720,
        rate=Fraction(30000, 1001),
        frames=300,
        deinterlace=True,
        colour=Colour(light=light),
        reasons=(),
    )


@pytest.mark.parametrize("container", Container)
def test_every_guard_stands_before_the_film(container: Container) -> None:
    for makes in (ffmpeg.review_film, ffmpeg.first_look):
        command = makes(NASTY, plan(container), Path("/out/film.mp4"))
        before = command[: command.index("-i")]
        for name, value in guards(container).items():
            assert before[before.index(f"-{name}") + 1] == value
        assert before[before.index("-f") + 1] == DEMUXERS[container]
        assert before[before.index("-protocol_whitelist") + 1] == "file"


def test_no_name_is_taken_for_an_option_or_a_protocol() -> None:
    commands = [
        (ffmpeg.review_film(NASTY, plan(), NASTY), 2),
        (ffmpeg.first_look(NASTY, plan(), NASTY), 2),
        (ffmpeg.pictures(NASTY, Fraction(9), dict.fromkeys(("poster", "sprite", "waveform"), NASTY)), 4),
        (ffmpeg.joined([(NASTY, Fraction(25), 0, 9)], Fraction(25), 640, 360, NASTY), 2),
    ]
    for command, times in commands:
        assert [word for word in command if NASTY.name in word] == [f"file:{NASTY}"] * times


@pytest.mark.parametrize("name", ["hls", "concat", "dash", "sdp", "image2", "imf", "lavfi"])
def test_no_demuxer_that_opens_other_files_is_allowed(name: str) -> None:
    assert all(name not in guards(container)["format_whitelist"].split(",") for container in Container)


@pytest.mark.parametrize("name", ["magicyuv", "png", "gif", "ffv1", "mov_text", "pgssub", "xbin"])
def test_no_decoder_but_those_named_is_allowed(name: str) -> None:
    assert name not in guards(Container.MP4)["codec_whitelist"].split(",")
    assert name not in PICTURES
    assert name not in SOUNDS
