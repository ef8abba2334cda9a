"""How a film becomes a review film: pure decisions."""

from fractions import Fraction
from typing import Any

import pytest

from services.transcoding.failures import Code, Failure
from services.transcoding.plan import Light, Plan, plan, unplayable
from services.transcoding.probe import Picture, Probe, Sound, constant_rate
from shared.containers import Container

NTSC, TICK = Fraction(30000, 1001), Fraction(1, 90000)


def picture(**changes: Any) -> Picture:
    given: dict[str, Any] = {"index": 0, "codec": "h264", "width": 1920, "height": 1080, "pixel_format": "yuv420p"}
    given |= {"end": Fraction(10), "frames": 250, "rate": Fraction(25), "quick_rate": Fraction(25)}
    return Picture(**given | changes)


def sound(index: int, codec: str = "aac", channels: int = 2, sample_rate: int = 48000) -> Sound:
    return Sound(index=index, codec=codec, channels=channels, sample_rate=sample_rate, packets=400, bytes=40000)


def probe(*pictures: Picture, sounds: tuple[Sound, ...] = (sound(1),), **changes: Any) -> Probe:
    return Probe(**{"container": Container.MP4, "pictures": pictures, "sounds": sounds} | changes)


def planned(given: Probe) -> Plan:
    made = plan(given)
    assert isinstance(made, Plan), made
    return made


def refused(given: Probe) -> Failure:
    made = plan(given)
    assert isinstance(made, Failure), made
    return made


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, (1280, 720)),
        ({"width": 1280, "height": 720}, (1280, 720)),
        ({"width": 640, "height": 480}, (640, 480)),  # never enlarged
        ({"width": 3840, "height": 2160, "rotation": -90}, (720, 1280)),
        ({"width": 1920, "height": 1080, "rotation": 180}, (1280, 720)),
        ({"width": 1440, "height": 1080}, (960, 720)),
        ({"width": 1440, "height": 1080, "pixel_aspect": Fraction(4, 3)}, (1280, 720)),  # HDV, AVCHD
        ({"width": 720, "height": 576, "pixel_aspect": Fraction(64, 45)}, (1024, 576)),  # DV, wide
        ({"width": 352, "height": 288, "pixel_aspect": Fraction(12, 11)}, (384, 288)),
        (
            {"width": 720, "height": 480, "pixel_aspect": Fraction(8, 9)},
            (720, 540),
        ),  # upright pixels: made taller, not narrower
        ({"width": 2560, "height": 1080}, (1280, 540)),
        ({"width": 1000, "height": 1000}, (720, 720)),
        ({"width": 321, "height": 181}, (320, 180)),  # even
        ({"width": 640, "height": 480, "pixel_aspect": Fraction(1000)}, (640, 480)),  # nonsense is not believed
    ],
)
def test_the_picture_fits_720p_upright_with_square_pixels(given: dict[str, Any], shown: tuple[int, int]) -> None:
    made = planned(probe(picture(**given)))
    assert (made.width, made.height) == shown


@pytest.mark.parametrize(
    ("given", "rate", "frames"),
    [
        ({}, Fraction(25), 250),
        ({"rate": Fraction(50), "quick_rate": Fraction(50), "frames": 500}, Fraction(50), 500),
        ({"rate": NTSC, "quick_rate": NTSC, "frames": 300}, NTSC, 300),
        ({"interlaced": True}, Fraction(50), 500),  # a picture for each field
        ({"rate": Fraction(120), "frames": 1200}, Fraction(60), 600),
        ({"rate": Fraction(240000, 1001), "frames": 2400}, Fraction(60000, 1001), 599),
        ({"rate": Fraction(10), "frames": 100}, Fraction(10), 100),
        ({"rate": None, "quick_rate": Fraction(30)}, Fraction(30), 300),
        ({"rate": None, "quick_rate": Fraction(3003, 100)}, Fraction(30), 300),
        ({"rate": None, "quick_rate": Fraction(125, 7)}, Fraction(20), 200),  # rather repeated than left out
        ({"rate": None, "quick_rate": Fraction(1000)}, Fraction(60), 600),
        ({"rate": None, "quick_rate": Fraction(25), "interlaced": True}, Fraction(50), 500),
    ],
)
def test_the_rate_is_constant_and_the_sources_own_where_it_can_be(
    given: dict[str, Any], rate: Fraction, frames: int
) -> None:
    made = planned(probe(picture(**given)))
    assert (made.rate, made.frames) == (rate, frames)


@pytest.mark.parametrize(
    ("given", "light", "matrix", "primaries", "full"),
    [
        ({}, Light.SDR, "bt709", "bt709", False),
        ({"width": 720, "height": 576}, Light.SDR, "smpte170m", "bt709", False),  # untagged: as players guess
        ({"matrix": "bt470bg", "primaries": "bt470bg", "full_range": True}, Light.SDR, "bt470bg", "bt470bg", True),
        ({"pixel_format": "yuvj420p"}, Light.SDR, "bt709", "bt709", True),
        ({"transfer": "arib-std-b67"}, Light.HLG, "bt2020nc", "bt2020", False),
        ({"transfer": "smpte2084", "matrix": "bt2020nc", "primaries": "bt2020"}, Light.PQ, "bt2020nc", "bt2020", False),
        ({"matrix": "ictcp", "primaries": "film"}, Light.SDR, "bt709", "bt709", False),
    ],
)
def test_colours_are_as_tagged_else_guessed(
    given: dict[str, Any], light: Light, matrix: str, primaries: str, full: bool
) -> None:
    colour = planned(probe(picture(**given))).colour
    assert (colour.light, colour.matrix, colour.primaries, colour.full_range) == (light, matrix, primaries, full)


def test_the_first_readable_sound_is_taken() -> None:
    assert planned(probe(picture(), sounds=(sound(1), sound(2)))).sound == 1
    assert planned(probe(picture(), sounds=(sound(1, "apac", 0), sound(2)))).sound == 2
    assert planned(probe(picture(), sounds=())).sound is None


@pytest.mark.parametrize(
    ("given", "code", "subject"),
    [
        (probe(), Code.NO_PICTURE, "unknown"),
        (probe(picture(codec="magicyuv")), Code.FORMAT_UNSUPPORTED, "MagicYUV"),
        (probe(picture(codec="hnm4")), Code.FORMAT_UNSUPPORTED, "hnm4"),
        (probe(picture(), sounds=(sound(1, "apac"),)), Code.FORMAT_UNSUPPORTED, "Apple spatial audio"),
        (probe(picture(), sounds=(sound(1, channels=64),)), Code.FORMAT_UNSUPPORTED, "sound: aac"),
        (probe(picture(), sounds=(sound(1, sample_rate=1),)), Code.FORMAT_UNSUPPORTED, "sound: aac"),
        (probe(picture(rate=Fraction(10**9))), Code.DAMAGED, "unknown"),
        (probe(picture(width=8192, height=4320)), Code.PICTURE_TOO_LARGE, "8192 x 4320"),
        (probe(picture(width=8, height=8)), Code.NOT_A_FILM, "unknown"),
        (probe(picture(end=Fraction(7201))), Code.TOO_LONG, "121 minutes"),
        (probe(picture(decodes=False)), Code.DAMAGED, "unknown"),
        (probe(picture(), encrypted=True), Code.PROTECTED, "unknown"),
        (probe(picture(), breaks_off=True, claimed=Fraction(20)), Code.INCOMPLETE, "unknown"),
        (probe(picture(), container=Container.AVI, claimed=Fraction(20)), Code.INCOMPLETE, "unknown"),
    ],
)
def test_what_cannot_be_prepared_is_refused_with_what_to_do(given: Probe, code: Code, subject: str) -> None:
    failure = refused(given)
    assert failure.code is code
    assert subject in failure.subject
    assert not failure.retry


def test_a_film_that_lacks_but_its_last_moment_is_kept() -> None:
    made = planned(probe(picture(), breaks_off=True, claimed=Fraction("10.1")))
    assert any("breaks off" in reason for reason in made.reasons)


def test_a_claim_without_a_complaint_is_no_reason_to_refuse() -> None:
    """Fragmented films claim absurd durations."""
    planned(probe(picture(), claimed=Fraction(100000)))


def test_plan_and_probe_are_kept_as_json() -> None:
    given = probe(picture(rate=NTSC, start=Fraction(783, 31250)))
    made = planned(given)
    assert Probe.model_validate_json(given.model_dump_json()) == given
    assert Plan.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), NTSC, Fraction(50), Fraction(60000, 1001)])
@pytest.mark.parametrize("tick", [TICK, Fraction(1, 1000), Fraction(1, 600)])
def test_a_constant_rate_is_found_through_the_rounding_of_any_clock(rate: Fraction, tick: Fraction) -> None:
    times = [round(n / rate / tick) + 12345 for n in range(1000)]
    assert constant_rate(times, tick, Fraction(90000)) == rate


def test_a_gap_or_a_change_of_pace_is_no_constant_rate() -> None:
    times = [n * 3600 for n in range(100)]
    assert constant_rate(times, TICK, Fraction(25)) == 25
    assert constant_rate(times[:50] + times[51:], TICK, Fraction(25)) is None
    assert constant_rate([*times, times[-1] + 900], TICK, Fraction(25)) is None
    assert constant_rate([*times[:50], *(t + 3600 for t in times[50:])], TICK, Fraction(25)) is None


def test_an_odd_but_constant_rate_is_kept() -> None:
    assert constant_rate([n * 6000 for n in range(100)], TICK, Fraction(90000)) == 15
    assert constant_rate([n * 6750 for n in range(100)], TICK, Fraction(25)) == Fraction(40, 3)


def test_a_single_picture_has_the_rate_it_was_told() -> None:
    assert constant_rate([0], TICK, Fraction(24)) == 24


@pytest.mark.parametrize(
    ("given", "sounds", "container"),
    [
        ({}, (sound(1),), Container.MP4),
        ({"pixel_format": "yuvj420p", "rotation": -90}, (), Container.QUICKTIME),
        ({"rate": None, "quick_rate": Fraction(29)}, (sound(1), sound(2, "apac")), Container.MP4),  # a phone's
        ({}, (sound(1),), Container.MPEG_TS),
    ],
)
def test_what_browsers_play_can_be_looked_at_as_it_is(
    given: dict[str, Any], sounds: tuple[Sound, ...], container: Container
) -> None:
    found = probe(picture(**given), sounds=sounds, container=container)
    assert unplayable(found, planned(found)) is None


@pytest.mark.parametrize(
    ("given", "sounds", "container", "why"),
    [
        ({"codec": "hevc"}, (sound(1),), Container.MP4, "its picture is hevc yuv420p"),
        ({"pixel_format": "yuv420p10le"}, (sound(1),), Container.MP4, "its picture is h264 yuv420p10le"),
        ({"pixel_format": "yuv422p"}, (sound(1),), Container.MP4, "its picture is h264 yuv422p"),
        ({"interlaced": True}, (sound(1),), Container.MPEG_TS, "its picture is interlaced"),
        ({}, (sound(1, "ac3"),), Container.MPEG_TS, "its sound is ac3"),
        ({}, (sound(1),), Container.AVI, "it comes in avi"),
    ],
)
def test_what_they_do_not_play_is_not(
    given: dict[str, Any], sounds: tuple[Sound, ...], container: Container, why: str
) -> None:
    found = probe(picture(**given), sounds=sounds, container=container)
    assert unplayable(found, planned(found)) == why
