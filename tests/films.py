"""Test films: every picture carries its number, every second its beep, and the metadata what must never come out again.

A number is a strip of 34 cells at the top: white, black, 16 bits of Gray code (no bit alternates with each picture, or
deinterlacing would take it for still), the same 16 inverted. A blended, combed or unreadable picture reads as None.
The left channel beeps for 40 ms at each whole second, its pitch says which one; the right one has a steady tone.
"""

import subprocess
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np

from services.transcoding import binaries

CELLS = 34
GRAY_BITS = 16
SAMPLE_RATE = 48000
LOWEST, STEP = 400, 25  # Hz: of the beep at second 0, and how much higher each next one is

NAME, PLACE, CAMERA = "Quillfeather", "+51.5014-000.1419", "Zorbacam 7741"
PLANTED = (NAME, PLACE, "51.5014", CAMERA, "Zorbacam", "2019-03-04")
TOOLS = ("x264 - core", "Lavf6", "Lavc6")  # how the tools that made a film sign it

H264 = ("-c:v", "libx264", "-preset", "superfast", "-crf", "20", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "128k")
AVCHD = (
    *("-c:v", "libx264", "-preset", "superfast", "-b:v", "8M", "-flags", "+ilme+ildct", "-x264-params", "tff=1"),
    *("-pix_fmt", "yuv420p", "-c:a", "ac3", "-b:a", "256k", "-f", "mpegts", "-mpegts_m2ts_mode", "1"),
)

Sound: TypeAlias = "np.ndarray[Any, np.dtype[np.floating[Any]]]"

QUIETLY = ("-hide_banner", "-loglevel", "error", "-nostdin", "-y")


def ffmpeg(*words: object, given: bytes | None = None) -> bytes:
    """Run it plainly; what it writes to stdout."""
    command = [str(binaries.ffmpeg()), *QUIETLY, *map(str, words)]
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True).stdout


def make(
    path: Path,
    frames: int,
    rate: Fraction | int = 25,
    size: str = "320x180",
    *,
    interlaced: bool = False,
    bottom_first: bool = False,
    sound: bool = True,
    metadata: bool = True,
    rotated: bool = False,
    keep: str = "1",
    late: float = 0,
    encoder: Sequence[str] = H264,
) -> Path:
    """A film of `frames` pictures, `rate` a second; the container is by the name, or by `encoder`.

    interlaced: the pictures are fields, two to a frame, the top one first unless bottom_first.
    metadata: plants PLANTED wherever the container has room.
    rotated: lying in the file, with a flag that turns it upright.
    keep: ffmpeg's expression for the pictures `n` that are kept, at their times: a variable rate.
    late: seconds by which the pictures begin after the sound.
    """
    wide, high = map(int, size.split("x"))
    strip = max(4, high * 2 // 45 // 4 * 4)
    colours = "yuv444" if wide % 2 or high % 2 else "yuv420"
    first = "bottom" if bottom_first else "top"
    fields = f",format=yuv420p,tinterlace=interleave_{first},setfield={first[0]}ff"
    picture = (
        f"testsrc2=s={size}:r={rate},format={colours}p,noise=alls=4:allf=t[p];"
        f"[0:v]scale={wide}:{strip}:flags=neighbor,format={colours}p[s];[p][s]overlay=0:0:shortest=1:format={colours}"
        + (f",select='{keep}'" if keep != "1" else "")
        + (fields if interlaced else "")
        + (",transpose=cclock" if rotated else "")
        + (f",setpts=PTS+{late}/TB" if late else "")
        + "[v]"
    )
    left = f"sin(2*PI*({LOWEST}+{STEP}*mod(floor(t),60))*mod(t,1))*lt(mod(t,1),.04)*.5"
    tone = f"aevalsrc='{left}|sin(2*PI*220*t)*.25':s={SAMPLE_RATE}:c=stereo:d={float(frames / Fraction(rate)) + late}"
    command: list[object] = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{CELLS}x2", "-r", rate, "-i", "pipe:0"]
    command += ["-f", "lavfi", "-i", tone, "-filter_complex", picture, "-map", "[v]"]
    command += [*(("-map", "1:a") if sound else ()), "-fps_mode", "passthrough", *encoder]
    with TemporaryDirectory() as folder:
        plain = Path(folder, "plain").with_suffix(path.suffix)
        ffmpeg(*command, plain, given=b"".join(_cells(n) * 2 for n in range(frames)))
        _finish(plain, path, metadata=metadata, rotated=rotated, h264="libx264" in encoder)
    return path


def _finish(plain: Path, path: Path, *, metadata: bool, rotated: bool, h264: bool) -> None:
    """Copy the streams and add what a camera and its owner would add."""
    inputs: list[object] = [*(("-display_rotation", "-90") if rotated else ()), "-i", plain]
    outputs: list[object] = ["-map", "0", "-c", "copy"]
    if metadata:
        described = plain.with_name("described.txt")
        described.write_text(
            f";FFMETADATA1\ntitle={NAME} at home\nartist={NAME}\ncomment={NAME} {PLACE}\nlocation={PLACE}\n"
            f"make={CAMERA}\ncreation_time=2019-03-04T05:06:07Z\n"
            f"[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle={NAME} wakes\n"
        )
        inputs += ["-f", "ffmetadata", "-i", described]
        outputs += ["-map_metadata", "1", "-map_chapters", "1"]
        outputs += ["-metadata:s:v", f"handler_name={NAME}", "-metadata:s:v", f"title={NAME}"]
        if path.suffix in (".mp4", ".mov", ".3gp"):
            subtitles = plain.with_name("subtitles.srt")
            subtitles.write_text(f"1\n00:00:00,000 --> 00:00:00,400\n{NAME} smiles at {PLACE}\n")
            inputs += ["-i", subtitles]
            outputs += ["-map", "2", "-c:s", "mov_text", "-timecode", "01:02:03:04"]
            outputs += ["-movflags", "use_metadata_tags"] if path.suffix == ".mov" else []
        if h264:
            note = f"086f3693-b7b3-4f2c-9653-21492feee5b8+{NAME} {PLACE} {CAMERA}"
            outputs += ["-bsf:v", f"h264_metadata=sei_user_data={note}"]
    if path.suffix == ".mts":
        outputs += ["-f", "mpegts", "-mpegts_m2ts_mode", "1"]
    ffmpeg(*inputs, *outputs, path)


def _cells(number: int) -> bytes:
    gray = number ^ number >> 1
    bits = [gray >> i & 1 for i in range(GRAY_BITS - 1, -1, -1)]
    return bytes(255 * cell for cell in [1, 0, *bits, *(1 - bit for bit in bits)])


def number_in(cells: Sequence[int]) -> int | None:
    """The number in 34 grey bytes; None where it cannot be told."""
    white, black = cells[:2]
    if white - black < 60:
        return None
    values = [(cell - black) / (white - black) for cell in cells[2:]]
    bits, inverted = values[:GRAY_BITS], values[GRAY_BITS:]
    if any(0.3 < v < 0.7 for v in values) or any((a > 0.5) == (b > 0.5) for a, b in zip(bits, inverted, strict=True)):
        return None
    number = sum((v > 0.5) << GRAY_BITS - 1 - i for i, v in enumerate(bits))
    for shift in (8, 4, 2, 1):
        number ^= number >> shift
    return number


def numbers(path: Path) -> list[int | None]:
    """Of every packet in the file, in the order shown; what an edit list hides is not hidden here."""
    everything = ("-flags", "+output_corrupt", "-flags2", "+showall")
    listed = ("-ignore_editlist", "1") if path.suffix in (".mp4", ".mov") else ()
    strip = f"crop=iw:max(ih/90\\,2):0:ih/90,scale={CELLS}:1:flags=area,format=gray"
    read = ("-map", "0:v:0", "-vf", strip, "-fps_mode", "passthrough", "-f", "rawvideo", "-")
    out = ffmpeg(*everything, *listed, "-i", path, *read)
    return [number_in(out[i : i + CELLS]) for i in range(0, len(out), CELLS)]


def samples(path: Path) -> Sound:
    """(2, n) samples at 48 kHz, as a player would time them."""
    timed = ("-af", "aresample=48000:async=1:first_pts=0", "-f", "f32le", "-ac", "2", "-")
    out = ffmpeg("-i", path, "-map", "0:a:0", *timed)
    return np.frombuffer(out, np.float32).reshape(-1, 2).T


def beeps(path: Path) -> list[tuple[float, int]]:
    """(when it begins, in seconds; the second that its pitch names) of each beep."""
    left = samples(path)[0]
    loud = np.convolve(np.abs(left), np.ones(48) / 48, "same") > 0.1
    starts = np.flatnonzero(loud[1:] & ~loud[:-1]) + 1
    heard: list[tuple[float, int]] = []
    for start in starts:
        if heard and start / SAMPLE_RATE - heard[-1][0] < 0.1:
            continue
        beep = left[start : start + 1800] * np.hanning(len(left[start : start + 1800]))
        pitch = np.argmax(np.abs(np.fft.rfft(beep, 1 << 16))) * SAMPLE_RATE / (1 << 16)
        heard.append((float(start / SAMPLE_RATE), round((pitch - LOWEST) / STEP)))
    return heard


def planted_in(path: Path, words: Iterable[str] = PLANTED) -> set[str]:
    """Which of the words stand in the raw bytes, in any of the encodings that containers use."""
    data = path.read_bytes().lower()
    return {w for w in words if any(w.lower().encode(e) in data for e in ("utf-8", "utf-16-le", "utf-16-be"))}
