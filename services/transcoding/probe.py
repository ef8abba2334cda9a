"""What a film holds, by ffprobe in the jail.

Every packet's time is listed and the first pictures are decoded, for containers often claim what is not so.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel

from services.transcoding import binaries
from services.transcoding.failures import Code, MediaFailed
from services.transcoding.formats import BESIDE, PICTURES, guards, named
from services.transcoding.jailed import FLOOR, Jail, Limits, ProgramFailed, run
from shared.containers import HEAD, Container, container, foreign

LIMITS = Limits(cpu=120, memory=4096, file=0, patience=30)
MOST_LINES = 5_000_000
FIRST = 24  # pictures decoded to see what they really are
BROKEN_OFF = ("partial file", "File ended prematurely")  # what the demuxers of mov and of matroska say
STANDARD_RATES = tuple(
    Fraction(*r)
    for r in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001), (60, 1))
)

PACKET = "packet=stream_index,pts,dts,flags,size:packet_side_data=side_data_type"
COLOUR = "color_range,color_space,color_transfer,color_primaries"
STREAM = (
    "stream=index,codec_type,codec_name,time_base,r_frame_rate,nb_frames,width,height,pix_fmt,"
    f"sample_aspect_ratio,channels,sample_rate,{COLOUR}:stream_disposition=attached_pic:stream_side_data=rotation"
)
FRAME = f"frame=best_effort_timestamp,interlaced_frame,{COLOUR}:frame_side_data=rotation"


class Picture(BaseModel, frozen=True):
    """A video stream. Times in seconds from the start of the film's earliest stream; `index` as in the container."""

    index: int
    codec: str
    width: int
    height: int
    pixel_aspect: Fraction = Fraction(1)
    pixel_format: str = ""
    rotation: int = 0  # degrees
    interlaced: bool = False
    primaries: str | None = None
    transfer: str | None = None
    matrix: str | None = None
    full_range: bool = False
    decodes: bool = True  # at least one picture came out
    start: Fraction = Fraction(0)  # of the first picture that comes out
    end: Fraction
    frames: int
    rate: Fraction | None  # at which each picture has a number of its own, without a gap; None: variable
    quick_rate: Fraction  # nine of ten pictures come no quicker


class Sound(BaseModel, frozen=True):
    """An audio stream."""

    index: int
    codec: str
    channels: int
    sample_rate: int
    packets: int
    bytes: int


class Probe(BaseModel, frozen=True):
    """A film, storable as JSON; no names, places or texts of it."""

    container: Container
    claimed: Fraction | None = None  # seconds that the container claims to hold
    breaks_off: bool = False  # and its demuxer missed something
    encrypted: bool = False
    pictures: tuple[Picture, ...]
    sounds: tuple[Sound, ...] = ()


Fields = dict[str, str]


async def probe(path: Path, jail: Jail = FLOOR, decoded: int = FIRST, seconds: int | None = None) -> Probe:
    """As its packets tell, and so many of its pictures when they are decoded; `seconds`: of the film's beginning alone.

    Raises MediaFailed: EMPTY, NOT_A_FILM, FORMAT_UNSUPPORTED, PICTURE_TOO_LARGE, TOO_LONG, INCOMPLETE, DAMAGED.

    And what `jailed.run` raises.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise MediaFailed(Code.EMPTY, "no bytes")
    if (kind := container(head)) is None:
        if name := foreign(head):
            raise MediaFailed(Code.FORMAT_UNSUPPORTED, f"container {name}", name)
        raise MediaFailed(Code.NOT_A_FILM, f"begins with {head[:16].hex()}")

    try:
        of_it = ("-read_intervals", f"%+{seconds + 1}") if seconds else ()  # the last ones come in another order
        listed = await _ffprobe(
            path, kind, jail, *of_it, "-show_entries", f"{PACKET}:{STREAM}:format=start_time,duration"
        )
        videos = [s for s in listed.streams("video") if s.get("disposition:attached_pic") != "1" and listed.times(s)]
        film = listed.sections["format"][0]
        start = _fraction(film.get("start_time")) or Fraction(0)
        pictures = []
        for stream in videos[:2]:  # a second one is looked at for operators; more is no camera's work
            first = await _first_frames(path, kind, jail, stream, decoded) if stream["codec_name"] in PICTURES else []
            end = (start + seconds) / Fraction(stream["time_base"]) if seconds else None
            times = [at for at in listed.times(stream) if end is None or at < end]
            pictures.append(_picture(stream, times, first, start))
        return Probe(
            container=kind,
            claimed=_claimed(kind, film, videos),
            breaks_off=any(words in listed.said for words in BROKEN_OFF),
            encrypted=listed.encrypted,
            pictures=tuple(pictures),
            sounds=tuple(_sound(s, listed) for s in listed.streams("audio")),
        )
    except (ArithmeticError, LookupError, ValueError) as error:  # what ffprobe was made to say makes no sense
        raise MediaFailed(Code.DAMAGED, f"{type(error).__name__}: {error}") from None


@dataclass
class Listing:
    """What ffprobe printed; times are in ticks of their stream."""

    sections: defaultdict[str, list[Fields]] = field(default_factory=lambda: defaultdict(list))
    shown: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    decoded: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    bytes: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    encrypted: bool = False
    said: str = ""  # on stderr

    def take(self, line: str) -> int:
        """Answers the count of lines, which is progress."""
        self.lines += 1
        if self.lines > MOST_LINES:
            raise MediaFailed(Code.TOO_LONG, f"more than {MOST_LINES} packets", "too many pictures")
        section, *rest = line.split("|")
        fields = dict(pair.split("=", 1) for pair in rest if "=" in pair)
        if section != "packet":
            self.sections[section].append(fields)
        elif "D" not in fields["flags"]:  # D: discarded by an edit list
            self.encrypted |= "Encryption info" in line
            index = fields["stream_index"]
            self.bytes[index] += int(fields["size"])
            for times, key in ((self.shown, "pts"), (self.decoded, "dts")):
                if fields[key] != "N/A":
                    times[index].append(int(fields[key]))
        return self.lines

    def streams(self, kind: str) -> list[Fields]:
        return [stream for stream in self.sections["stream"] if stream.get("codec_type") == kind]

    def times(self, stream: Fields) -> list[int]:
        """Of its packets, in the order shown (an AVI knows only when to decode)."""
        return sorted(self.shown[stream["index"]] or self.decoded[stream["index"]])


async def _ffprobe(path: Path, kind: Container, jail: Jail, *asked: str) -> Listing:
    options = [word for name, value in (guards(kind) | BESIDE).items() for word in (f"-{name}", value)]
    quietly = ["-hide_banner", "-loglevel", "error", "-of", "compact"]
    command = [str(binaries.ffprobe()), *quietly, *options, *asked, f"file:{path.absolute()}"]  # noqa: ASYNC240
    listing = Listing()
    failed = None
    try:
        listing.said = await run(command, LIMITS, jail, reads=[path], on_line=listing.take)
    except ProgramFailed as failure:
        failed, listing.said = failure, failure.stderr
    if size := re.search(r"Picture size (\d+x\d+) exceeds specified max pixel count", listing.said):
        raise MediaFailed(Code.PICTURE_TOO_LARGE, size[0], size[1])
    if "exceeds max_streams" in listing.said:
        raise MediaFailed(Code.FORMAT_UNSUPPORTED, "too many streams", "more tracks than a camera writes")
    if failed:
        if codec := re.search(r"Codec \((\w+)\) not on whitelist", listing.said):
            raise MediaFailed(Code.FORMAT_UNSUPPORTED, codec[0], named(codec[1]))
        raise MediaFailed(Code.INCOMPLETE if "moov atom not found" in listing.said else Code.DAMAGED, str(failed))
    return listing


async def _first_frames(path: Path, kind: Container, jail: Jail, stream: Fields, count: int) -> list[Fields]:
    """What is told of the first pictures by decoding them; none where that fails."""
    asked = ("-select_streams", stream["index"], "-read_intervals", f"%+#{count}", "-show_entries", FRAME)
    try:
        return (await _ffprobe(path, kind, jail, *asked)).sections["frame"]
    except MediaFailed as failed:
        if failed.failure.code is not Code.DAMAGED:
            raise
        return []


def _sound(stream: Fields, listed: Listing) -> Sound:
    return Sound(
        index=int(stream["index"]),
        codec=stream["codec_name"],
        channels=_int(stream.get("channels")),
        sample_rate=_int(stream.get("sample_rate")),
        packets=len(listed.times(stream)),
        bytes=listed.bytes[stream["index"]],
    )


def _picture(stream: Fields, times: list[int], frames: Sequence[Fields], film_start: Fraction) -> Picture:
    tick = Fraction(stream["time_base"])
    first = frames[0] if frames else {}
    decoded = [int(at) for f in frames if (at := f.get("best_effort_timestamp", "N/A")) != "N/A"]
    interlaced = any(f.get("interlaced_frame") == "1" for f in frames)
    if interlaced and len(decoded) > 2 and _usual(decoded) > 1.5 * _usual(times):
        times = times[::2]  # a packet holds a field, not a frame
    declared = _fraction(stream.get("r_frame_rate")) or Fraction(25)
    distances = sorted(b - a for a, b in pairwise(times) if b > a)
    quick = 1 / (distances[len(distances) // 10] * tick) if distances else declared
    start = decoded[0] if decoded else times[0]
    times = [at for at in times if at >= start] or times  # what comes before cannot be decoded

    def told(name: str) -> str | None:
        said = first.get(name, "unknown") if first.get(name, "unknown") != "unknown" else stream.get(name, "unknown")
        return None if said in ("unknown", "N/A", "unspecified", "reserved") else said

    return Picture(
        index=int(stream["index"]),
        codec=stream["codec_name"],
        width=_int(stream.get("width")),
        height=_int(stream.get("height")),
        pixel_aspect=_fraction(stream.get("sample_aspect_ratio", "").replace(":", "/")) or Fraction(1),
        pixel_format=stream.get("pix_fmt", ""),
        rotation=_int(
            first.get("side_datum/display_matrix:rotation") or stream.get("side_datum/display_matrix:rotation")
        ),
        interlaced=interlaced,
        primaries=told("color_primaries"),
        transfer=told("color_transfer"),
        matrix=told("color_space"),
        full_range=told("color_range") == "pc",
        decodes=bool(frames),
        start=start * tick - film_start,
        end=times[-1] * tick - film_start + 1 / quick,
        frames=len(times),
        rate=constant_rate(times, tick, declared),
        quick_rate=quick,
    )


def constant_rate(times: Sequence[int], tick: Fraction, declared: Fraction) -> Fraction | None:
    """The rate at which the n-th picture, and no other, falls on n; of several a standard one near the measured."""
    if len(times) < 2 or times[-1] == times[0]:
        return declared
    measured = (len(times) - 1) / ((times[-1] - times[0]) * tick)
    rates = [*sorted(STANDARD_RATES, key=lambda rate: abs(rate - measured))[:2], declared]
    distances = [b - a for a, b in pairwise(times)]
    if max(distances) < 1.5 * min(distances):  # else it would be stretched over a gap
        rates.append(measured.limit_denominator(1001))
    for rate in rates:
        per_tick = rate * tick
        up, down = 2 * per_tick.numerator, 2 * per_tick.denominator
        if all(((at - times[0]) * up + per_tick.denominator) // down == n for n, at in enumerate(times)):
            return rate
    return None


def _claimed(kind: Container, film: Fields, videos: Sequence[Fields]) -> Fraction | None:
    """An AVI says how many pictures it should have; its duration is only what was found."""
    if kind is Container.AVI and videos and (rate := _fraction(videos[0].get("r_frame_rate"))):
        return _int(videos[0].get("nb_frames")) / rate or None
    return _fraction(film.get("duration"))


def _usual(times: Sequence[int]) -> int:
    distances = sorted(b - a for a, b in pairwise(times))
    return distances[len(distances) // 2]


def _fraction(text: str | None) -> Fraction | None:
    """None for what is absent, no number, or nothing."""
    try:
        return Fraction(text or "0") or None
    except (ValueError, ZeroDivisionError):
        return None


def _int(text: str | None) -> int:
    return int(_fraction(text) or 0)
