"""Command lines for ffmpeg: the one module that knows ffmpeg-python.

Only its builder is used: its runner can deadlock, and its probe knows no jail.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import ffmpeg

from services.transcoding import binaries
from services.transcoding.formats import guards
from services.transcoding.plan import Light, Plan
from shared.containers import Container

Stream = Any  # ffmpeg-python has no types

SAMPLE_RATE = 48000
FADE = 0.005  # seconds, where sounds are joined
SDR_WHITE = 203  # cd/m², what HDR calls white (BT.2408)
TRANSFERS = {Light.SDR: "bt709", Light.HLG: "arib-std-b67", Light.PQ: "smpte2084"}
GOP = 0.5  # seconds: a seek decodes at most this much, a cut codes at most this much anew
TILES = 10  # to a side of the sprite: a hundred moments of the film, evenly spread
TILE = 160  # pixels of a tile's longer side
WAVEFORM = (1200, 80)  # pixels
LOUDNESS_RATE = 8000  # samples a second: enough for the outline of a voice, and ffmpeg holds them all until the end

# Nothing of the source but picture and sound, and nothing of the tools that made the file.
NOTHING_ELSE = {
    "dn": None,
    "sn": None,
    "map_metadata": "-1",
    "map_metadata:s": "-1",
    "metadata:s": "encoder=",
    "map_chapters": "-1",
    "fflags": "+bitexact",
    "flags:v": "+bitexact",
    "flags:a": "+bitexact",
}
MP4 = {
    "f": "mp4",
    "movflags": "+faststart",
    "movie_timescale": "240000",  # in which a frame at 30000/1001 and a sample at 48000 are whole
    "write_tmcd": "0",
    "empty_hdlr_name": "1",
}
JPEG = {"vcodec": "mjpeg", "f": "image2", "update": 1, "vframes": 1, "q:v": 3}


def review_film(source: Path, plan: Plan, out: Path, threads: int = 0, *, opening: bool = False) -> list[str]:
    """H.264 High 4:2:0, closed GOPs of GOP seconds, constant rate; AAC stereo exactly as long; faststart.

    opening: the plan is of the beginning alone, and what comes after it is not read.
    """
    film = _input(source, plan.container, threads)
    picture = film[str(plan.picture)].setpts("PTS-STARTPTS")
    if plan.deinterlace:
        picture = picture.filter("bwdif", mode="send_field", parity="auto", deint="interlaced")
    picture = picture.filter("fps", fps=str(plan.rate), start_time=0, round="near")
    # Of a whole film there may be more than planned, but not without end: the last one may claim to last for hours.
    picture = picture.filter("trim", end_frame=plan.frames if opening else 2 * plan.frames + round(plan.rate))
    return _film(_shown(picture, plan), _sound(film, plan), plan.rate, out, threads)


def first_look(source: Path, plan: Plan, out: Path, *, opening: bool = False) -> list[str]:
    """What the camera coded, copied and no more: the picture's slices and parameters, the sound; the first at 0 s.

    opening: the plan is of the beginning alone; of what comes after it, no more than the last pictures need.
    """
    film = _input(source, plan.container)
    streams = [film[str(index)] for index in (plan.picture, plan.sound) if index is not None]
    copied = {
        "c": "copy",
        "bsf:v": "filter_units=pass_types=1-5|7-9",  # of H.264: no SEI, and nothing that nobody knows
        "output_ts_offset": f"{-float(plan.start):.6f}",  # what is heard before is hidden
        **({"t": f"{float(plan.start + plan.duration):.6f}"} if opening else {}),
    }
    return _command(ffmpeg.output(*streams, _file(out), **copied, **NOTHING_ELSE, **MP4))


def joined(
    ranges: Sequence[tuple[Path, Fraction, int, int]],
    rate: Fraction,
    width: int,
    height: int,
    out: Path,
    threads: int = 0,
) -> list[str]:
    """Frames [first, end) of each (film of ours, its rate, first, end), coded anew, with bars where shapes differ."""
    parts = []
    for film, film_rate, first, end in ranges:
        early = Fraction(1, 2) if first else Fraction(0)  # of a frame: the seek then cannot miss the first one
        begin, length = (first - early) / film_rate, float((end - first) / film_rate)
        opened = _input(film, Container.MP4, threads, **({"ss": f"{float(begin):.6f}"} if first else {}))
        picture = opened["v:0"].filter("trim", end_frame=end - first).setpts("PTS-STARTPTS")
        picture = picture.filter("fps", fps=str(rate), start_time=0)
        picture = picture.filter("scale", width, height, force_original_aspect_ratio="decrease")
        parts.append(picture.filter("pad", width, height, -1, -1).filter("setsar", "1"))
        sound = opened["a:0"].filter("atrim", start=float(early / film_rate), duration=length)
        sound = sound.filter("asetpts", "PTS-STARTPTS")
        parts.append(sound.filter("afade", d=FADE).filter("afade", t="out", st=length - FADE, d=FADE))
    whole = ffmpeg.concat(*parts, v=1, a=1).node
    return _film(whole[0], whole[1], rate, out, threads)


def _film(picture: Stream, sound: Stream, rate: Fraction, out: Path, threads: int) -> list[str]:
    gop = max(2, round(rate * GOP))
    output = ffmpeg.output(
        picture,
        sound,
        _file(out),
        vcodec="libx264",
        preset="veryfast",
        crf=23,
        g=gop,
        keyint_min=gop,
        sc_threshold=0,
        pix_fmt="yuv420p",
        acodec="aac",
        ar=SAMPLE_RATE,
        ac=2,
        fps_mode="passthrough",  # the filter has settled it
        **{
            "profile:v": "high",
            "b:a": "128k",
            "aac_coder": "fast",  # the default one spoils the first 20 ms of a film
            "x264-params": "stitchable=1",  # headers for any quality: a cut mixes old and new pictures
            "bsf:v": "filter_units=remove_types=6",  # no SEI: neither the camera's nor x264's own
            **({"threads": threads} if threads else {}),
        },
        **NOTHING_ELSE | {"flags:v": "+bitexact+cgop"},
        **MP4,
    )
    return _command(output, threads)


def pictures(film: Path, duration: Fraction, outs: Mapping[str, Path], threads: int = 0) -> list[str]:
    """In one run over a film of ours, of which only key frames are decoded.

    poster: of the first ten seconds' key frames the one most like the others. sprite: TILES x TILES tiles, row by row;
    of so many equal parts of the film, the last key frame before the middle of each. waveform: the sound's outline on
    nothing, from the film's beginning at the left edge to its end at the right one.
    """
    opened = _input(film, Container.MP4, threads, skip_frame="nokey")
    telling, moments = (opened["v:0"].filter_multi_output("split")[number] for number in range(2))
    moments = moments.filter("tpad", stop_duration=2 * GOP, stop_mode="clone")  # the last key frame stays to the end
    moments = moments.filter("fps", fps=str(TILES**2 / duration), start_time=0, round="near")
    moments = moments.filter("trim", end_frame=TILES**2)
    tiles = _for_jpeg(moments, w=TILE, h=TILE, force_original_aspect_ratio="decrease", force_divisible_by=2)
    wide, high = WAVEFORM
    enough = max(LOUDNESS_RATE, ceil(2 * wide / duration))  # the shortest film fills the picture too
    sound = opened["a:0"].filter("aresample", enough, out_chlayout="mono")
    outline = sound.filter("showwavespic", s=f"{wide}x{high}", colors="0x005eb8", filter="peak", scale="sqrt")
    return _command(
        ffmpeg.merge_outputs(
            ffmpeg.output(_for_jpeg(telling.filter("thumbnail", n=20)), _file(outs["poster"]), **JPEG, **NOTHING_ELSE),
            ffmpeg.output(
                tiles.filter("tile", f"{TILES}x{TILES}"), _file(outs["sprite"]), **JPEG | {"q:v": 5}, **NOTHING_ELSE
            ),
            ffmpeg.output(outline, _file(outs["waveform"]), **JPEG | {"vcodec": "png"}, **NOTHING_ELSE),
        ),
        threads,
    )


def still(film: Path, rate: Fraction, frame: int, out: Path, threads: int = 0) -> list[str]:
    """A JPEG of exactly this frame of a film of ours, in its size."""
    early = {"ss": f"{float((frame - Fraction(1, 2)) / rate):.6f}"} if frame else {}  # cannot miss it, as in `joined`
    picture = _for_jpeg(_input(film, Container.MP4, threads, **early)["v:0"])
    return _command(ffmpeg.output(picture, _file(out), **JPEG | {"q:v": 2}, **NOTHING_ELSE))


def _for_jpeg(picture: Stream, **scaled: Any) -> Stream:
    """In BT.601 with full range, which is what a JPEG means."""
    jfif = {"in_color_matrix": "bt709", "in_range": "tv", "out_color_matrix": "bt601", "out_range": "pc"}
    exactly = {"flags": "bicubic+accurate_rnd"}  # else greys have a tinge of green
    return picture.filter("scale", **scaled, **jfif, **exactly).filter("format", "yuvj420p")


def _input(path: Path, container: Container, threads: int = 0, **options: str) -> Stream:
    share = {"threads": threads} if threads else {}
    return ffmpeg.input(_file(path), **guards(container), **share, **options)


def _command(output: Stream, threads: int = 0) -> list[str]:
    share = ("-filter_complex_threads", str(threads)) if threads else ()
    quietly = output.global_args(
        "-hide_banner",
        "-nostdin",
        "-nostats",
        "-loglevel",
        "error",
        "-progress",
        "pipe:1",
        "-stats_period",
        "0.5",
        *share,
    )
    command: list[str] = quietly.compile(cmd=str(binaries.ffmpeg()), overwrite_output=True)
    return command


def _shown(picture: Stream, plan: Plan) -> Stream:
    """Scaled, in BT.709 with limited range; scaled first, for all else costs by the pixel."""
    colour, bt709 = plan.colour, {"matrix": "709", "primaries": "709", "transfer": "709", "range": "limited"}
    tags = {"colorspace": colour.matrix, "color_primaries": colour.primaries, "color_trc": TRANSFERS[colour.light]}
    picture = picture.filter("setparams", range="pc" if colour.full_range else "tv", **tags)
    plain = colour.light is Light.SDR and colour.primaries == "bt709"
    to = {"out_color_matrix": "bt709", "out_range": "tv"} if plain else {}
    picture = picture.filter("scale", plan.width, plan.height, **to)
    if colour.light is not Light.SDR:
        picture = picture.filter("zscale", transfer="linear", npl=SDR_WHITE).filter("format", "gbrpf32le")
        picture = picture.filter("zscale", primaries="709").filter("tonemap", tonemap="mobius", desat=0)
    if not plain:
        picture = picture.filter("zscale", **bt709)
    picture = picture.filter("format", "yuv420p").filter("setsar", "1")
    tags = {"colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709"}
    # equal in all our films, so that they can be cut together
    return picture.filter("setparams", range="tv", field_mode="prog", chroma_location="left", **tags)


def _sound(film: Stream, plan: Plan) -> Stream:
    """From the first picture on, in step (gaps become silence, drift is stretched away), as long as the pictures."""
    length = float(plan.duration)
    if plan.sound is None:
        return ffmpeg.input(f"anullsrc=r={SAMPLE_RATE}:cl=stereo:d={length}", f="lavfi").audio
    sound = film[str(plan.sound)].filter("asetpts", f"PTS-({plan.start})/TB")
    stretched = {"first_pts": 0, "min_comp": "0.01", "async": 1000}
    sound = sound.filter("aresample", SAMPLE_RATE, out_chlayout="stereo", **stretched)
    return sound.filter("apad", whole_dur=length).filter("atrim", end=length)


def _file(path: Path) -> str:
    """Never taken for an option or another protocol."""
    return f"file:{path.absolute()}"
