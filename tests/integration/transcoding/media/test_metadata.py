"""Nothing of a source but its picture and sound is in anything made of it: by its raw bytes, and by ExifTool."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from deploy.local.cache import cache_folder, made_once
from deploy.local.npm import install
from services.transcoding.cut import cut
from services.transcoding.look import Look, first_look, planned
from services.transcoding.pictures import still
from tests.films import CAMERA, NAME, PLACE, PLANTED, TOOLS, ffmpeg, make, planted_in
from tests.integration.transcoding.media.boxes import box, changed
from tests.integration.transcoding.media.cameras import data_track
from tests.integration.transcoding.media.corpus import avi, jpeg
from tests.integration.transcoding.media.making import pictured, reviewed, told

SECRETS = f"{NAME} {PLACE} {CAMERA} 2019-03-04".encode()
NOTE = bytes.fromhex("086f3693b7b34f2c96532149 2feee5b8".replace(" ", "")) + SECRETS
MDPM = bytes.fromhex("17ee8c60f84d11d98cd60800200c9a66") + b"MDPM" + SECRETS  # as AVCHD camcorders write date and place
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:bframes=0", "-an", "-f", "hevc")
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "3", "-bf", "0", "-an", "-f", "mpeg2video")
TIMED = ("-fflags", "+genpts", "-r", "25")  # for a raw stream, which knows no time
BOTH = ("-map", "0:v", "-map", "1:a")
PICTURES = ("-f", "lavfi", "-i", "testsrc2=d=1:s=320x180:r=25", "-f", "lavfi", "-i", "sine=d=1")


def commented(picture: bytes) -> bytes:
    """A JPEG with a comment, and a camera's own block (Exif would be one)."""
    blocks = b"".join(b"\xff" + kind + struct.pack(">H", len(SECRETS) + 2) + SECRETS for kind in (b"\xfe", b"\xe1"))
    return picture[:2] + blocks + picture[2:]


def mp4(path: Path) -> None:
    """Names, places, chapters, timed text, timecode, user data in H.264, a track of places, a cover, a camera's box."""
    plain, cover = path.with_name("plain.mp4"), path.with_name("cover.jpg")
    make(plain, 50)
    cover.write_bytes(commented(jpeg("64x64")))
    kept = ("-map", "0:v:0", "-map", "0:a", "-map", "0:s", "-map", "1", "-c", "copy", "-map_metadata", "0")
    ffmpeg("-i", plain, "-i", cover, *kept, "-disposition:v:1", "attached_pic", path)
    own = box("udta", box(b"\xa9mod", struct.pack(">HH", len(SECRETS), 0) + SECRETS))
    own += box("uuid", bytes(16), SECRETS)
    path.write_bytes(changed(data_track(path.read_bytes()), "moov", lambda moov: moov + own))


def mov(path: Path) -> None:
    """HEVC with user data before each picture, and keys as iPhones write them."""
    stream, sei = path.with_name("s.hevc"), b"\0\0\1\x4e\x01\x05" + bytes([len(NOTE)]) + NOTE + b"\x80"
    ffmpeg(*PICTURES, *HEVC, stream)
    data = stream.read_bytes()
    for start in (b"\0\0\1\x26\x01", b"\0\0\1\x28\x01", b"\0\0\1\x02\x01"):  # the kinds of coded pictures
        data = data.replace(start, sei + start)
    stream.write_bytes(data)
    described = ("-metadata", f"com.apple.quicktime.location.ISO6709={PLACE}", "-metadata", f"artist={NAME}")
    kept = (*BOTH, "-c:v", "copy", "-tag:v", "hvc1", "-c:a", "aac")
    ffmpeg(*TIMED, "-i", stream, *PICTURES[4:], *kept, *described, "-movflags", "use_metadata_tags", path)


def threegp(path: Path) -> None:
    make(path, 50, size="176x144", encoder=("-c:v", "h263", "-q:v", "3", "-c:a", "aac"))


def mkv(path: Path) -> None:
    """Tags, chapters, subtitles, a cover and an attachment."""
    plain, cover, words = (path.with_name(name) for name in ("plain.mkv", "cover.jpg", "words.srt"))
    make(plain, 50)
    cover.write_bytes(commented(jpeg("64x64")))
    words.write_text(f"1\n00:00:00,000 --> 00:00:00,400\n{NAME} smiles at {PLACE}\n")
    attached = ("-attach", cover, "-metadata:s:t:0", "mimetype=image/jpeg", "-attach", words)
    more = ("-metadata:s:t:1", "mimetype=text/plain", "-metadata:s:s", f"title={NAME}", "-metadata:s:s", "language=eng")
    ffmpeg("-i", plain, "-i", words, "-map", "0", "-map", "1", "-c", "copy", "-c:s", "srt", *attached, *more, path)


def webm(path: Path) -> None:
    make(path, 50, encoder=("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"))


def avi_of_jpegs(path: Path) -> None:
    """A comment and a block of the camera's in each picture, and a stream of words."""
    path.write_bytes(avi(commented(jpeg("320x180")), SECRETS, claimed=(320, 180)))


def avi_with_names(path: Path) -> None:
    make(path, 50, encoder=("-c:v", "mjpeg", "-q:v", "3", "-c:a", "pcm_s16le"))


def mts(path: Path) -> None:
    """Date and place in H.264, as AVCHD has them; a service's name."""
    stream, sei = path.with_name("s.h264"), b"\0\0\1\x06\x05" + bytes([len(MDPM)]) + MDPM + b"\x80"
    ffmpeg(*PICTURES, "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-pix_fmt", "yuv420p", "-an", stream)
    data = stream.read_bytes()
    for start in (b"\0\0\1\x65", b"\0\0\1\x41"):
        data = data.replace(start, sei + start)
    stream.write_bytes(data)
    service = ("-metadata", f"service_name={NAME}", "-f", "mpegts", "-mpegts_m2ts_mode", "1")
    ffmpeg(*TIMED, "-i", stream, *PICTURES[4:], *BOTH, "-c:v", "copy", "-c:a", "aac", *service, path)


def mpg(path: Path) -> None:
    """User data in each picture of MPEG-2."""
    stream = path.with_name("s.m2v")
    ffmpeg(*PICTURES, *MPEG2, stream)
    user = b"\0\0\1\xb2" + SECRETS
    stream.write_bytes(stream.read_bytes().replace(b"\0\0\1\x01", user + b"\0\0\1\x01"))  # before its first slice
    ffmpeg(*TIMED, "-i", stream, *PICTURES[4:], *BOTH, "-c:v", "copy", "-c:a", "mp2", "-f", "mpeg", path)


def wmv(path: Path) -> None:
    make(path, 50, encoder=("-c:v", "wmv2", "-q:v", "3", "-c:a", "wmav2"))


SOURCES: dict[str, Callable[[Path], None]] = {
    "film.mp4": mp4, "film.mov": mov, "film.3gp": threegp, "film.mkv": mkv, "film.webm": webm,
    "jpegs.avi": avi_of_jpegs, "film.avi": avi_with_names, "film.mts": mts, "film.mpg": mpg, "film.wmv": wmv,
}  # fmt: skip


UNSEEN = ("film.mts", "film.mpg")  # ExifTool reads no user data of theirs; the scan of bytes does
# All that ExifTool may find: what a player needs to know.
STRUCTURE = {
    "AVCConfiguration", "AudioBitsPerSample", "AudioChannels", "AudioFormat", "AudioSampleRate", "AverageBitrate",
    "AvgBitrate", "Balance", "BitDepth", "BitsPerSample", "BufferSize", "ChunkOffset", "ColorComponents",
    "ColorPrimaries", "ColorProfiles", "ColorType", "CompatibleBrands", "Compression", "CompositionTimeToSample",
    "CompressorID", "CreateDate", "CurrentTime", "Duration", "EncodingProcess", "FileType", "FileTypeExtension",
    "Filter", "Free", "GraphicsMode", "HandlerType", "HandlerVendorID", "ImageHeight", "ImageSize", "ImageWidth",
    "Interlace", "JFIFVersion", "MIMEType", "MajorBrand", "MatrixCoefficients", "MatrixStructure", "MaxBitrate",
    "MediaCreateDate", "MediaData", "MediaDataOffset", "MediaDataSize", "MediaDuration", "MediaHeaderVersion",
    "MediaLanguageCode", "MediaModifyDate", "MediaTimeScale", "Megapixels", "MinorVersion", "ModifyDate",
    "MovieHeaderVersion", "NextTrackID", "OpColor", "PixelAspectRatio", "PixelUnits", "PixelsPerUnitX",
    "PixelsPerUnitY", "PosterTime", "PreferredRate", "PreferredVolume", "PreviewDuration", "PreviewTime",
    "ResolutionUnit", "Rotation", "SampleGroupDescription", "SampleSizes", "SampleToChunk", "SampleToGroup",
    "SelectionDuration", "SelectionTime", "SourceImageHeight", "SourceImageWidth", "SyncSampleTable", "TimeScale",
    "TimeToSampleTable", "TrackCreateDate", "TrackDuration", "TrackHeaderVersion", "TrackID", "TrackLayer",
    "TrackModifyDate", "TrackVolume", "TransferCharacteristics", "Unknown_edts", "Unknown_esds", "VideoFrameRate",
    "VideoFullRangeFlag", "XResolution", "YCbCrSubSampling", "YResolution",
}  # fmt: skip


async def everything(source: Path, folder: Path) -> list[Path]:
    """All that is made: review film, poster, sprite, waveform, clip, reel, still, first look."""
    film, clip, reel, frame, look = (
        folder / name for name in ("film.mp4", "clip.mp4", "reel.mp4", "still.jpg", "look.mp4")
    )
    _, made = await reviewed(source, film)
    middle = made.frames // 2
    await cut([(film, middle - 2, made.frames)], clip)
    await cut([(film, 0, 3), (film, middle, made.frames)], reel)
    await still(film, middle, frame)
    how = await planned(source)
    assert isinstance(how, Look)
    await first_look(source, how, look)
    return [film, clip, reel, *await pictured(film, folder), frame, look]


@pytest.fixture(scope="session")
def exiftool() -> list[str]:
    """The command line of the pinned ExifTool, in the machine's Perl."""
    lock = Path(__file__).with_name("exiftool")
    digest = hashlib.sha256((lock / "package-lock.json").read_bytes()).hexdigest()
    with made_once(cache_folder() / f"exiftool-{digest[:12]}") as folder:
        if folder:
            install(lock, folder / "npm")
    program = cache_folder() / f"exiftool-{digest[:12]}" / "npm/node_modules/exiftool-vendored.pl/bin/exiftool"
    perl = shutil.which("perl", path=os.pathsep.join([os.environ.get("PATH", ""), os.defpath]))
    if not perl:
        pytest.fail("ExifTool needs Perl, which this machine has not: install it, else nothing is shown by this test")
    return [perl, str(program), "-json", "-G1", "-a", "-u", "-U", "-ee3"]


def told_by(exiftool: list[str], paths: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """Every tag that ExifTool finds, known and unknown; but what the file system says."""
    out = subprocess.run([*exiftool, *map(str, paths)], capture_output=True, text=True, check=False).stdout
    outside = ("SourceFile", "System:", "ExifTool:")
    return {
        Path(tags["SourceFile"]): {tag: value for tag, value in tags.items() if not tag.startswith(outside)}
        for tags in json.loads(out)
    }


@pytest.mark.parametrize("name", SOURCES)
async def test_nothing_planted_is_in_anything_made(name: str, exiftool: list[str], tmp_path: Path) -> None:
    source = tmp_path / "source" / name
    source.parent.mkdir()
    SOURCES[name](source)
    assert planted_in(source) >= {NAME, PLACE}
    made = await everything(source, tmp_path)
    found = told_by(exiftool, [source, *made])
    assert (NAME in str(found[source])) is (name not in UNSEEN)
    for path in made:
        signed = TOOLS if path.stem != "look" else ()  # a camera's sound, copied, may say who coded it
        assert planted_in(path, [*PLANTED, *signed]) == set(), path.name
        tags = {tag.partition(":")[2]: value for tag, value in found[path].items()}
        assert set(tags) <= STRUCTURE, path.name
        assert {value for tag, value in tags.items() if "Date" in tag} <= {"0000:00:00 00:00:00"}
        if path.suffix == ".mp4":
            assert {s["codec_type"] for s in told(path, "stream=codec_type")} <= {"video", "audio"}
            assert told(path, "chapter=start") == []


def test_what_is_planted_would_be_found(exiftool: list[str], tmp_path: Path) -> None:
    """Copied plainly, it all stays."""
    mp4(tmp_path / "film.mp4")
    ffmpeg("-i", tmp_path / "film.mp4", "-c", "copy", "-map", "0:v:0", "-map", "0:a", tmp_path / "copy.mp4")
    (tags,) = told_by(exiftool, [tmp_path / "copy.mp4"]).values()
    assert NAME in str(tags)
    assert not {tag.partition(":")[2] for tag in tags} <= STRUCTURE
    assert planted_in(tmp_path / "copy.mp4") >= {NAME, PLACE, CAMERA}
