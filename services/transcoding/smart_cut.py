"""main(THREADS, OUT, FILM, FIRST, END[, FILM, FIRST, END ...]): frames [first, end) of our films, joined. Jailed.

Whole GOPs are copied; at the edges, pictures are coded anew under the very headers of the film (`stitchable=1` makes
them independent of the quality). So every frame is exact, nearly all are bit for bit the film's, and none outside the
ranges is in the file: a copy from key frame to key frame would hide footage there that no player shows. Sound is coded
once, with a short fade at each join, so that nothing clicks.

A film need not be there as a whole: before it reads a stretch, it prints "need=FILM FIRST END" (the films are numbered
as they come, bytes [FIRST, END) are meant) and waits for a line on stdin. So no byte is read that was not brought.

Prints "frame=N" as it goes, and in the end, having read the finished file as a player does, what it found in it:
"made=FRAMES PICTURES SECONDS WIDTH HEIGHT PACKETS BYTES" (so many PICTURES in so many SECONDS; the last two are of the
sound). Where it cannot, it says "bad_range: why" (a range does not fit its film) or "different: why" (the films are not
alike, or not of the encoder that is here) and exits 3.

In one file, for it is loaded by its path.
"""

from __future__ import annotations

import io
import math
import os
import sys
from array import array
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from heapq import merge
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, NoReturn, TypeAlias

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

BAD_RANGE, DIFFERENT = "bad_range", "different"

SAMPLE_RATE, BLOCK, FADE = 48000, 1024, 240  # samples a second, of an AAC packet, of a fade (5 ms)
PRE_ROLL = 4 * BLOCK  # samples decoded before the first one: AAC needs the packet before
STRETCH = 1 << 20  # bytes
REORDERED = 2  # frames by which decoding runs ahead of showing, with x264's B-pyramid
GLOBAL_HEADER, BITEXACT = 1 << 22, 1 << 23
SEI = 6
BT709 = "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv"
# For a dozen pictures that somebody waits for: bits are spent, not time. No header depends on these; no worse than with
# the preset's own and a crf of 17, which takes half as long again.
QUICKLY = "rc-lookahead=0:mbtree=0:b-adapt=0:subme=1:me=dia:partitions=none"
X264 = {
    "preset": "veryfast",
    "profile": "high",
    "crf": "21",
    "g": "600",
    "sc_threshold": "0",
    "x264-params": f"stitchable=1:annexb=0:sar=1/1:{BT709}:{QUICKLY}",  # annexb=0: headers and packets as in an MP4
}
MUX = {
    "movflags": "+faststart",
    "fflags": "+bitexact",
    "movie_timescale": "240000",
    "write_tmcd": "0",
    "empty_hdlr_name": "1",
}

Packet: TypeAlias = "av.Packet[Any]"
Samples: TypeAlias = "tuple[array[float], array[float]]"  # left and right; NumPy would take as long to start as PyAV


class Range(NamedTuple):
    """Frames [first, end) of a film, which is open twice: pictures and sound are read at their own pace."""

    film: InputContainer
    sound: InputContainer
    first: int
    end: int

    @property
    def stream(self) -> VideoStream:
        return self.film.streams.video[0]


def main(threads: str, out: str, *words: str) -> None:
    X264["threads"] = threads
    opened: dict[str, tuple[InputContainer, InputContainer]] = {}
    ranges = []
    for name, first, end in zip(words[::3], words[1::3], words[2::3], strict=True):
        if name not in opened:
            film = Film(len(opened), Path(name).stat().st_size, set())
            opened[name] = av.open(Reading(name, film), "r", "mov"), av.open(Reading(name, film), "r", "mov")
        ranges.append(Range(*opened[name], int(first), int(end)))
        if not 0 <= int(first) < int(end) <= ranges[-1].stream.frames:
            leave(BAD_RANGE, f"frames {first} to {end} of a film of {ranges[-1].stream.frames}")
    cut(ranges, out)
    check(out, ranges)


class Film(NamedTuple):
    number: int
    length: int
    there: set[int]  # stretches


class Reading(io.FileIO):
    """A film as it is read: each stretch is brought first. PyAV asks for pictures and sound in threads of their own."""

    asking = Lock()

    def __init__(self, path: str, film: Film) -> None:
        super().__init__(path)
        self.film = film

    def read(self, size: int | None = -1) -> bytes:
        first = self.tell()
        end = min(self.film.length, first + size if size and size > 0 else self.film.length)
        for stretch in range(first // STRETCH, -(-end // STRETCH)):
            if stretch not in self.film.there:
                self.bring(stretch)
        return super().read(max(0, end - first)) or b""

    def bring(self, stretch: int) -> None:
        with self.asking:
            if stretch not in self.film.there:
                end = min(self.film.length, (stretch + 1) * STRETCH)
                say(f"need={self.film.number} {stretch * STRETCH} {end}")
                if not sys.stdin.buffer.readline():
                    raise EOFError("nobody brings it")
                self.film.there.add(stretch)


def say(line: str) -> None:
    """Whole, whichever thread says it."""
    os.write(1, f"{line}\n".encode())


def leave(word: str, why: str) -> NoReturn:
    print(f"{word}: {why}", file=sys.stderr)
    sys.exit(3)


def cut(ranges: list[Range], path: str) -> None:
    film = ranges[0].stream
    for stream in (r.stream for r in ranges):
        if rate_of(stream) != rate_of(film) or headers_of(stream) != headers_of(film):
            leave(DIFFERENT, "the films differ")
    if headers_of(encoder_for(film)) != headers_of(film):
        leave(DIFFERENT, "another encoder made them")
    with av.open(path, "w", format="mp4", options=MUX) as out:
        pictures = out.add_stream_from_template(film)
        sound = out.add_stream("aac", rate=SAMPLE_RATE, layout="stereo", options={"aac_coder": "fast"})
        sound.bit_rate = 128000
        sound.codec_context.flags |= BITEXACT
        out.start_encoding()  # opens what both threads use
        for packet in merge(pictures_of(ranges, pictures), ahead(sound_of(ranges, sound)), key=decoded_at):
            out.mux(packet)


def check(path: str, ranges: list[Range]) -> None:
    """What a player finds in the finished file is what was cut, and nothing else. Raises ValueError."""
    frames, rate = sum(r.end - r.first for r in ranges), rate_of(ranges[0].stream)
    with av.open(path, format="mov") as made:
        (pictures,), (sound,) = made.streams.video, made.streams.audio
        ticks = 1 / rate / Fraction(str(pictures.time_base))  # of a frame
        decoder = av.CodecContext.create("h264", "r")
        decoder.extradata, decoder.thread_count = headers_of(pictures), 1
        seen: list[Any] = []
        shown, decoded, ends, packets, size = list[int](), list[int](), Fraction(0), 0, 0
        for packet in made.demux():
            if packet.pts is None or packet.dts is None:  # the last, empty one of each
                continue
            if packet.stream.index == sound.index:
                ends = (packet.pts + (packet.duration or 0)) * Fraction(str(packet.time_base))
                packets, size = packets + 1, size + packet.size
                continue
            if not decoded:
                seen = [*decoder.decode(packet), *decoder.decode(None)]
            shown += [] if packet.is_discard or packet.is_corrupt else [packet.pts]
            decoded.append(packet.dts)
        if len(made.streams) > 2 or sorted(shown) != [n * ticks for n in range(frames)]:
            raise ValueError(f"{len(made.streams)} streams, {len(shown)} pictures for {frames}, or not in step")
        if decoded != sorted(set(decoded)) or not seen:
            raise ValueError("pictures that cannot be decoded")
        if abs(ends - frames / rate) * SAMPLE_RATE > 1:
            raise ValueError(f"{float(ends)} s of sound for {float(frames / rate)}")
        said = frames, rate.numerator, rate.denominator, pictures.width, pictures.height, packets, size
        say("made=" + " ".join(map(str, said)))


def decoded_at(packet: Packet) -> Fraction:
    return (packet.dts or 0) * Fraction(str(packet.time_base))


def rate_of(stream: VideoStream) -> Fraction:
    return Fraction(str(stream.average_rate))


def headers_of(video: VideoStream | VideoCodecContext) -> bytes:
    """SPS and PPS."""
    return bytes((video.codec_context if isinstance(video, VideoStream) else video).extradata or b"")


def pictures_of(ranges: list[Range], to: VideoStream) -> Iterator[Packet]:
    """In decode order, numbered and dated anew."""
    numbers, before = count(), 0
    for r in ranges:
        for packet in frames_of(r.film, r.first, r.end):
            number = next(numbers)
            fresh = av.Packet(bytes(packet))  # without the old one's side data
            fresh.is_keyframe, fresh.stream = packet.is_keyframe, to
            fresh.time_base, fresh.duration = 1 / rate_of(r.stream), 1
            fresh.pts, fresh.dts = (packet.pts or 0) - r.first + before, number - REORDERED
            yield fresh
            if number % 25 == 0:
                say(f"frame={number}")
        before += r.end - r.first
        if (number := next(numbers)) != before:
            raise ValueError(f"{number} pictures for {before}")
        numbers = count(number)


def frames_of(film: InputContainer, first: int, end: int) -> Iterator[Packet]:
    """Packets that hold frames [first, end) and no other, in decode order; pts is the frame's number in the film."""
    # A lone last frame goes along with the next GOP: two IDR pictures in a row might share their idr_pic_id.
    held: list[Packet] = []
    held_from = 0
    for start, gop in gops(film, first, end):
        low, high, kept = max(first, start), min(end, start + len(gop)), 0
        if held:
            gop, low, held = held + gop, held_from, []
        elif high - low == 1 and high < end:
            held, held_from = gop, low
            continue
        if low == start:  # what is a beginning both in decode order and as shown can be taken as it is
            last = -1
            for taken, packet in enumerate(gop, 1):
                last = max(last, packet.pts or 0)
                if last == start + taken - 1 and start + taken <= high and high - start - taken != 1:
                    kept = taken
            yield from gop[:kept]
            low += kept
        if low < high:
            yield from coded_anew(film.streams.video[0], gop, low, high)


def gops(film: InputContainer, first: int, end: int) -> Iterator[tuple[int, list[Packet]]]:
    """The closed GOPs that touch [first, end): first frame, packets in decode order, whose pts become frame numbers."""
    stream = film.streams.video[0]
    ticks = 1 / rate_of(stream) / Fraction(str(stream.time_base))  # of a frame
    film.seek(int(first * ticks), stream=stream)
    start = 0
    gop: list[Packet] = []
    for packet in film.demux(stream):
        if packet.pts is None:  # the last, empty one
            continue
        number = packet.pts / ticks
        if number.denominator != 1:
            leave(DIFFERENT, "not of constant rate")
        packet.pts, packet.time_base = int(number), 1 / rate_of(stream)
        if packet.is_keyframe:
            if gop:
                yield start, gop
            if packet.pts >= end:
                return
            start, gop = packet.pts, []
        gop.append(packet)
    if gop:
        yield start, gop


def coded_anew(stream: VideoStream, gop: list[Packet], low: int, high: int) -> Iterator[Packet]:
    """Frames [low, high) of one GOP as a closed GOP of their own, under the film's headers."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata, decoder.thread_count = headers_of(stream), 1
    encoder = encoder_for(stream)
    left = high - low
    for packet in [*gop, None]:
        for frame in decoder.decode(packet):
            if low <= (frame.pts or 0) < high:
                frame.pict_type, frame.time_base = 0, encoder.time_base
                yield from map(without_sei, encoder.encode(frame))
                left -= 1
        if not left:
            break
    yield from map(without_sei, encoder.encode(None))


def encoder_for(stream: VideoStream) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = stream.width, stream.height, "yuv420p"
    encoder.framerate, encoder.time_base = rate_of(stream), 1 / rate_of(stream)
    encoder.options = X264
    encoder.flags |= GLOBAL_HEADER
    encoder.open()
    return encoder


def without_sei(packet: Packet) -> Packet:
    """x264 signs its first picture with its settings."""
    data, kept, at = bytes(packet), b"", 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4] & 31 != SEI:
            kept += data[at:end]
        at = end
    clean = av.Packet(kept)
    clean.pts, clean.is_keyframe = packet.pts, packet.is_keyframe
    return clean


def sound_of(ranges: list[Range], to: AudioStream) -> Iterator[Packet]:
    """Coded, exactly as long as the pictures: each range ends at the sample where its last frame ends."""
    rate = rate_of(ranges[0].stream)
    waiting, sample, before = silence(0), 0, 0

    def coded(size: int) -> Iterator[Packet]:
        nonlocal sample
        frame = av.AudioFrame("fltp", "stereo", size)
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, sample, Fraction(1, SAMPLE_RATE)
        for plane, channel in zip(frame.planes, waiting, strict=True):
            plane.update(channel[:size].tobytes())
            del channel[:size]
        sample += size
        yield from to.encode(frame)

    for r in ranges:
        length = round((before + r.end - r.first) * SAMPLE_RATE / rate) - round(before * SAMPLE_RATE / rate)
        for some in samples_of(r.sound, round(r.first * SAMPLE_RATE / rate), length):
            for channel, more in zip(waiting, some, strict=True):
                channel.extend(more)
            while len(waiting[0]) >= BLOCK:
                yield from coded(BLOCK)
        before += r.end - r.first
    if rest := len(waiting[0]):
        yield from coded(rest)
    yield from to.encode(None)


def samples_of(film: InputContainer, start: int, length: int) -> Iterator[Samples]:
    """Exactly `length` samples from sample `start`, as they are decoded; faded in and out, silent where none are."""
    stream = film.streams.audio[0]
    film.seek(max(0, start - PRE_ROLL), stream=stream)
    given = 0

    def faded(samples: Samples) -> Samples:
        nonlocal given
        size = len(samples[0])
        for n in (*range(min(size, FADE - given)), *range(max(0, FADE - given, length - FADE - given), size)):
            loudness = math.sin(min(given + n, length - 1 - given - n) / FADE * math.pi / 2) ** 2
            for channel in samples:
                channel[n] *= loudness
        given += size
        return samples

    for frame in film.decode(stream):
        at = int((frame.pts or 0) * Fraction(str(frame.time_base)) * SAMPLE_RATE) - start
        first, end = max(0, given - at), min(frame.samples, length - at)
        if first < end:
            yield faded(silence(at - given))
            left, right = (memoryview(plane).cast("B")[4 * first : 4 * end].tobytes() for plane in frame.planes)
            yield faded((array("f", left), array("f", right)))
        if given >= length:
            return
    yield silence(length - given)


def silence(size: int) -> Samples:
    nothing = array("f", bytes(4 * max(0, size)))
    return nothing, nothing[:]


def ahead(packets: Iterator[Packet]) -> Iterator[Packet]:
    """The same packets, made in a thread of its own: the codecs let go of the interpreter while they work."""
    with ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(next, packets, None) for _ in range(64))
        while packet := coming.popleft().result():
            coming.append(thread.submit(next, packets, None))
            yield packet
