"""How a film becomes a review film: decided stream by stream from its probe, pure, and stored with the job."""

from enum import StrEnum
from fractions import Fraction
from math import ceil

from pydantic import BaseModel

from services.transcoding.failures import Code, Failure
from services.transcoding.formats import MAX_PIXELS, PICTURES, SOUNDS, named
from services.transcoding.probe import STANDARD_RATES, Picture, Probe, Sound
from shared.containers import Container

LONG_SIDE, SHORT_SIDE = 1280, 720  # the review film fits into this, upright or lying
SMALLEST = 16  # H.264 codes squares of this size
LONGEST = 2 * 60 * 60  # seconds
QUICKEST = 60  # pictures a second
FASTEST_CAMERA = 1000  # pictures a second: beyond, its clock is nonsense
MOST_CHANNELS, SAMPLE_RATES = 8, range(4000, 384_001)  # of a sound that is one
MISSING = Fraction(2, 100)  # of a film that breaks off, what may be missing for it still to be of use

SLOW_RATES = (Fraction(10), Fraction(12), Fraction(15), Fraction(20))  # of old phones and webcams


class Light(StrEnum):
    """How the source codes brightness; what is not SDR is tone-mapped."""

    SDR = "sdr"
    HLG = "hlg"
    PQ = "pq"


class Colour(BaseModel, frozen=True):
    """What the source's numbers mean, in ffmpeg's words."""

    light: Light = Light.SDR
    matrix: str = "bt709"
    primaries: str = "bt709"
    full_range: bool = False


class Plan(BaseModel, frozen=True):
    """Storable as JSON. `reasons` says in words what was decided and why, for operators."""

    container: Container
    picture: int  # which stream
    sound: int | None
    start: Fraction  # of the first picture, in seconds: sound before it is left out
    width: int
    height: int
    rate: Fraction
    frames: int  # expected; exact for a constant rate
    deinterlace: bool
    colour: Colour
    reasons: tuple[str, ...]

    @property
    def duration(self) -> Fraction:
        """In seconds, as expected."""
        return self.frames / self.rate


def plan(probe: Probe) -> Plan | Failure:
    """The plan, or why there can be none: trying again would not help."""
    if refusal := _refused(probe):
        return refusal
    picture = probe.pictures[0]
    sound = _best(probe.sounds)
    width, height, of_size = _size(picture)
    rate, of_rate = _rate(picture)
    frames = max(1, round((picture.end - picture.start) * rate))
    if picture.rate and rate == picture.rate * (2 if picture.interlaced else 1):
        frames = picture.frames * (2 if picture.interlaced else 1)
    reasons = [of_size, of_rate]
    if len(probe.pictures) > 1:
        reasons.append(f"stream {picture.index} of {len(probe.pictures)} with pictures, the first")
    if sound is None:
        reasons.append("no sound: a silent track, so that every film of ours has one")
    elif len(probe.sounds) > 1:
        reasons.append(f"sound from stream {sound.index}, the first of {len(probe.sounds)} that we can read")
    colour = _colour(picture)
    if colour.light is not Light.SDR:
        reasons.append(f"{colour.light} is tone-mapped, after scaling")
    if probe.breaks_off:
        reasons.append("the film breaks off near its end; what is there is kept")
    return Plan(
        container=probe.container,
        picture=picture.index,
        sound=sound.index if sound else None,
        start=picture.start,
        width=width,
        height=height,
        rate=rate,
        frames=frames,
        deinterlace=picture.interlaced,
        colour=colour,
        reasons=tuple(reasons),
    )


IN_BROWSERS = (Container.MP4, Container.QUICKTIME, Container.THREE_GP, Container.MPEG_TS, Container.MATROSKA)


def unplayable(probe: Probe, plan: Plan) -> str | None:
    """Why browsers would not play what the camera coded; None: a copy of it can be looked at as it is."""
    picture = next(one for one in probe.pictures if one.index == plan.picture)
    sound = next((one for one in probe.sounds if one.index == plan.sound), None)
    if probe.container not in IN_BROWSERS:  # the others do not say when a picture is shown
        return f"it comes in {probe.container}"
    if picture.codec != "h264" or picture.pixel_format not in ("yuv420p", "yuvj420p"):
        return f"its picture is {picture.codec} {picture.pixel_format}"
    if picture.interlaced:
        return "its picture is interlaced"
    if sound and sound.codec != "aac":
        return f"its sound is {sound.codec}"
    return None


def _refused(probe: Probe) -> Failure | None:
    def refuse(code: Code, detail: str, subject: str = "unknown") -> Failure:
        return Failure(code=code, detail=detail, subject=subject)

    if probe.encrypted:
        return refuse(Code.PROTECTED, "a stream is encrypted")
    if not probe.pictures:
        return refuse(Code.NO_PICTURE, f"no video stream with packets, {len(probe.sounds)} with sound")
    picture = probe.pictures[0]
    if picture.codec not in PICTURES:
        return refuse(Code.FORMAT_UNSUPPORTED, f"video codec {picture.codec}", f"picture: {named(picture.codec)}")
    if probe.sounds and _best(probe.sounds) is None:
        first = probe.sounds[0]
        detail = f"audio codec {first.codec}, {first.channels} channels, {first.sample_rate} samples a second"
        return refuse(Code.FORMAT_UNSUPPORTED, detail, f"sound: {named(first.codec)}")
    if picture.width * picture.height > MAX_PIXELS:
        return refuse(
            Code.PICTURE_TOO_LARGE, f"{picture.width}x{picture.height}", f"{picture.width} x {picture.height}"
        )
    if not picture.decodes:
        return refuse(Code.DAMAGED, f"no picture of {picture.codec} could be decoded")
    if picture.rate and picture.rate > FASTEST_CAMERA:
        return refuse(Code.DAMAGED, f"{float(picture.rate):.0f} pictures a second")
    if min(_size(picture)[:2]) < SMALLEST:
        return refuse(Code.NOT_A_FILM, f"a picture of {picture.width}x{picture.height}")
    if (length := picture.end - picture.start) > LONGEST:
        return refuse(Code.TOO_LONG, f"{float(length):.0f} s", f"{ceil(length / 60)} minutes")
    if (missing := _missing(probe, picture)) > MISSING:
        return refuse(Code.INCOMPLETE, f"{float(missing):.1%} is missing")
    return None


def _missing(probe: Probe, picture: Picture) -> Fraction:
    """The share of the film that is not there, where the container tells."""
    if probe.claimed and (probe.breaks_off or probe.container is Container.AVI):
        return 1 - picture.end / probe.claimed
    return Fraction(0)


def _best(sounds: tuple[Sound, ...]) -> Sound | None:
    """The first that we can read: phones put the plain one before the spatial one."""
    return next((sound for sound in sounds if _readable(sound)), None)


def _readable(sound: Sound) -> bool:
    known = sound.codec in SOUNDS and sound.sample_rate in SAMPLE_RATES
    return known and 0 < sound.channels <= MOST_CHANNELS


def _size(picture: Picture) -> tuple[int, int, str]:
    """Square pixels, upright, within 720p, never enlarged, even (4:2:0 needs it)."""
    aspect = picture.pixel_aspect if Fraction(1, 8) < picture.pixel_aspect < 8 else Fraction(1)
    wide, high = picture.width * max(aspect, Fraction(1)), picture.height / min(aspect, Fraction(1))
    if round(picture.rotation / 90) % 2:
        wide, high = high, wide
    shrink = min(Fraction(1), LONG_SIDE / max(wide, high), SHORT_SIDE / min(wide, high))
    width, height = (int(side * shrink + Fraction(1, 1000)) // 2 * 2 for side in (wide, high))
    turned = f", turned by {picture.rotation} degrees" if picture.rotation else ""
    return width, height, f"{picture.width}x{picture.height}, pixels {aspect}{turned}: shown as {width}x{height}"


def _rate(picture: Picture) -> tuple[Fraction, str]:
    fields = 2 if picture.interlaced else 1
    if picture.rate:
        rate = picture.rate * fields
        said = f"constant {picture.rate} a second" + (
            ", interlaced: one picture for each field" if picture.interlaced else ""
        )
    else:
        quick = picture.quick_rate * fields
        rates = sorted((*SLOW_RATES, *STANDARD_RATES))
        near = min(rates, key=lambda r: abs(r - quick))
        rate = near if abs(near / quick - 1) < 0.01 else next((r for r in rates if r > quick), Fraction(QUICKEST))
        said = f"variable, usually up to {float(quick):.2f} a second"
    halved = rate / ceil(rate / QUICKEST)
    return halved, f"{said}: shown at {halved}"


MATRICES = ("bt709", "bt470bg", "smpte170m", "smpte240m", "bt2020nc")
PRIMARIES = ("bt709", "bt470bg", "smpte170m", "smpte240m", "bt2020", "smpte432")


def _colour(picture: Picture) -> Colour:
    """As tagged; where it is not, as players guess: by the size."""
    light = {"arib-std-b67": Light.HLG, "smpte2084": Light.PQ}.get(picture.transfer or "", Light.SDR)
    small = picture.height < 720 and picture.width < 1280
    matrix, primaries = ("smpte170m" if small else "bt709", "bt709") if light is Light.SDR else ("bt2020nc", "bt2020")
    return Colour(
        light=light,
        matrix=picture.matrix if picture.matrix in MATRICES else matrix,
        primaries=picture.primaries if picture.primaries in PRIMARIES else primaries,
        full_range=picture.full_range or picture.pixel_format.startswith("yuvj"),
    )
