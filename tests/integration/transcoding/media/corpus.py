"""Films that mean harm, each made by hand, with the refusal that is due. Long because it is a list.

Some name a file of another family, or an address; some would take all memory or time; some are broken.
"""

import random
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from services.transcoding.failures import Code
from tests.films import ffmpeg, make
from tests.integration.transcoding.media.boxes import (
    box,
    changed,
    chunk,
    content_of,
    element,
    le32,
    sample_entry,
    u16,
    u32,
)


class Outside(NamedTuple):
    """What a film must not reach."""

    film: Path  # of another family
    text: Path  # with a secret in it
    port: int  # where somebody counts who comes

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


Write = Callable[[Outside], bytes]


class Hostile(NamedTuple):
    """A file, and what must come of it; None: a film, which may be prepared but must not get its way.

    opens: ffmpeg's options with which it does reach outside; None: it tries something else.
    """

    code: Code | None
    write: Write
    name: str = "film.mp4"
    opens: tuple[str, ...] | None = None


def text(words: str) -> Write:
    """`{film}`, `{text}`, `{http}` stand for what is outside."""
    return lambda outside: words.format(
        film=outside.film, text=outside.text, http=outside.address("film.mp4"), port=outside.port
    ).encode()


def plainly(data: bytes) -> Write:
    return lambda _: data


@cache
def encoded(name: str, *words: str) -> bytes:
    """What ffmpeg writes."""
    with TemporaryDirectory() as folder:
        ffmpeg(*words, Path(folder, name))
        return Path(folder, name).read_bytes()


def by_ffmpeg(name: str, *words: str) -> Write:
    return lambda _: encoded(name, *words)


PICTURES = ("-f", "lavfi", "-i", "testsrc2=d=0.4:s=64x64")
SOUND = ("-f", "lavfi", "-i", "sine=d=0.4")
H264 = ("-c:v", "libx264", "-preset", "ultrafast")


@cache
def good(frames: int = 10) -> bytes:
    """A small MP4 with sound, its index at the end."""
    with TemporaryDirectory() as folder:
        return make(Path(folder, "good.mp4"), frames, 25, "64x64", metadata=False).read_bytes()


def spoilt(path: str, change: Callable[[bytes], bytes]) -> Write:
    return lambda _: changed(good(), path, change)


STBL = "moov/trak:0/mdia/minf/stbl"


def without_edits(film: bytes) -> bytes:
    """An edit list would keep what is shown to what it was."""
    return changed(film, "moov", lambda moov: moov.replace(b"edts", b"free"))


def lasting(*stts: int) -> Write:
    """Its pictures last so long."""
    return lambda _: without_edits(changed(good(), f"{STBL}/stts", table(*stts)))


# References


def elsewhere(kind: str, where: Callable[[Outside], bytes]) -> Write:
    """A QuickTime film whose pictures lie in another file."""

    def write(outside: Outside) -> bytes:
        entry = box(kind, u32(0), where(outside))
        return changed(good(), "moov/trak:0/mdia/minf/dinf/dref", lambda _: u32(0, 1) + entry)

    return write


def address(outside: Outside) -> bytes:
    return outside.address("film.mp4").encode() + b"\0"


def path_url(outside: Outside) -> bytes:
    return f"file://{outside.film}".encode() + b"\0"


def alias(outside: Outside) -> bytes:
    """As the Macintosh names a file: by its volume, its name, and a path with colons."""
    volume = "V"
    path = (volume + str(outside.film).replace("/", ":")).encode()
    levels = u16(0, 0)  # none to go up and down: the path is absolute
    name = outside.film.name.encode()
    head = bytes(10) + bytes([1]) + volume.encode().ljust(27, b"\0") + bytes(12)
    head += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16) + levels + bytes(16)
    return head + u16(2, len(path)) + path + bytes(len(path) % 2) + u16(0xFFFF, 0)


def reference_film(outside: Outside) -> bytes:
    """A QuickTime film that is but the address of another."""
    url = address(outside)
    movie = box("rmda", box("rdrf", u32(0), b"url ", u32(len(url)), url))
    return box("ftyp", b"qt  ", u32(0), b"qt  ") + box("moov", box("rmra", movie))


def jpeg(size: str) -> bytes:
    return encoded("one.jpg", "-f", "lavfi", "-i", f"color=s={size}:d=0.04", "-frames:v", "1", "-update", "1")


def avi(picture: bytes, subtitles: bytes = b"", pictures: int = 10, claimed: tuple[int, int] = (64, 64)) -> bytes:
    """Pictures in JPEG, `claimed` is their size by the header, and a stream of "subtitles"."""
    wide, high = claimed
    main = le32(40000, 0, 0, 0x10, pictures, 0, 2, 0, wide, high, 0, 0, 0, 0)
    video = b"vidsMJPG" + le32(0, 0, 0, 1, 25, 0, pictures, 0, 0, 0, 0, 0)
    bitmap = (
        le32(40, wide, high) + (1).to_bytes(2, "little") + (24).to_bytes(2, "little") + b"MJPG" + le32(0, 0, 0, 0, 0)
    )
    words = b"txts" + bytes(4) + le32(0, 0, 0, 1, 25, 0, 1, 0, 0, 0, 0, 0)
    streams = chunk(b"LIST", b"strl", chunk(b"strh", video), chunk(b"strf", bitmap))
    streams += chunk(b"LIST", b"strl", chunk(b"strh", words), chunk(b"strf", b""))
    gab2 = b"GAB2\0\2\0" + le32(2) + b"\0\0" + b"\4\0" + le32(len(subtitles)) + subtitles
    movie = chunk(b"01tx", gab2) + chunk(b"00dc", picture) * pictures
    header = chunk(b"LIST", b"hdrl", chunk(b"avih", main), streams)
    return chunk(b"RIFF", b"AVI ", header, chunk(b"LIST", b"movi", movie))


def with_subtitles(words: str) -> Write:
    return lambda outside: avi(jpeg("64x64"), text(words)(outside))


def asf_that_calls(outside: Outside) -> bytes:
    """Windows Media that tells its player to go to an address."""
    film = encoded("film.wmv", *PICTURES, "-c:v", "wmv2")

    def word(said: str) -> bytes:
        return len(said).to_bytes(2, "little") + said.encode("utf-16-le")

    script = bytes(16) + b"\1\0\1\0" + word("URL") + le32(0) + b"\0\0" + word(outside.address("page"))
    guid = bytes.fromhex("301afb1e620bd011a39b00a0c90348f6")
    command = guid + (len(script) + 24).to_bytes(8, "little") + script
    size, count = int.from_bytes(film[16:24], "little"), int.from_bytes(film[24:28], "little")
    header = film[:16] + (size + len(command)).to_bytes(8, "little") + le32(count + 1) + film[28:30]
    return header + command + film[30:]


def with_attachment(outside: Outside) -> bytes:
    with TemporaryDirectory() as folder:
        playlist, film = Path(folder, "list.m3u8"), Path(folder, "film.mkv")
        playlist.write_bytes(text(HLS_ADDRESS)(outside))
        attached = ("-attach", playlist, "-metadata:s:t", "mimetype=application/x-mpegurl")
        ffmpeg(*PICTURES, *H264, *attached, film)
        return film.read_bytes()


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{where}\n#EXT-X-ENDLIST\n"
HLS_FILE, HLS_ADDRESS = HLS.replace("{where}", "file://{film}"), HLS.replace("{where}", "{http}")
HLS_KEY = HLS_FILE.replace("#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="{http}"\n#EXTINF', 1)
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="9" codecs="avc1.42001e">'
    "<BaseURL>{where}</BaseURL><SegmentBase/></Representation></AdaptationSet></Period></MPD>"
)
EVERYTHING = ("-protocol_whitelist", "file,http,tcp,crypto,data,concat,subfile")


# Bombs


def table(*numbers: int) -> Callable[[bytes], bytes]:
    """A table of a track, by its header and entries."""
    return lambda _: u32(0, *numbers)


def counted(samples: int) -> Write:
    """An index of so many pictures, in a few bytes: all alike."""

    def write(_: Outside) -> bytes:
        film = changed(without_edits(good()), f"{STBL}/stsz", table(1, samples))
        film = changed(film, f"{STBL}/stsc", table(1, 1, samples, 1))
        return changed(film, f"{STBL}/stts", table(1, samples, 512))

    return write


def one_picture(times: int) -> Write:
    """Each showing of it costs four bytes."""

    def write(_: Outside) -> bytes:
        film = without_edits(good(1))
        size = int.from_bytes(content_of(film, f"{STBL}/stsz")[4:8], "big")
        at = content_of(film, f"{STBL}/stco")[8:12]
        delta = int.from_bytes(content_of(film, f"{STBL}/stts")[12:16], "big")
        film = changed(film, f"{STBL}/stsz", table(size, times))
        film = changed(film, f"{STBL}/stsc", table(1, 1, 1, 1))
        film = changed(film, f"{STBL}/stts", table(1, times, delta))
        return changed(film, f"{STBL}/stco", lambda _: u32(0, times) + at * times)

    return write


def edited(times: int) -> Write:
    """An edit list that shows the whole film again and again."""
    entry = u32(400, 0, 1 << 16)
    return spoilt("moov/trak:0/edts/elst", lambda _: u32(0, times) + entry * times)


def nested(kind: str, depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = box(kind, inner)
    return inner


def packed_index(size: int) -> bytes:
    """An index that is small only while it is packed."""
    packed = zlib.compress(bytes(size), 9)
    return box("cmov", box("dcom", b"zlib"), box("cmvd", u32(size), packed))


def with_tracks(count: int, which: int) -> Write:
    def write(_: Outside) -> bytes:
        film = good()
        track = box("trak", content_of(film, f"moov/trak:{which}"))
        return changed(film, "moov", lambda moov: moov + track * count)

    return write


def fragment(samples: int) -> Write:
    """One fragment that claims so many pictures, and has none."""

    def write(_: Outside) -> bytes:
        film = encoded("f.mp4", *PICTURES, *H264, "-movflags", "+frag_keyframe+empty_moov+default_base_moof")
        run = box("trun", u32(0, samples))
        track = box("traf", box("tfhd", u32(0x020038, 1, 512, 100, 0)), box("tfdt", u32(0, 0)), run)
        return film + box("moof", box("mfhd", u32(0, 99)), track) + box("mdat", bytes(100))

    return write


def packed_pictures(size: int) -> bytes:
    """Matroska whose pictures unpack to a thousand times their size."""
    packing = element(0x6D80, element(0x6240, element(0x5034, element(0x4254, b"\0"))))
    video = element(0xE0, element(0xB0, b"\0\x40"), element(0xBA, b"\0\x40"))
    track = element(0xAE, element(0xD7, b"\1"), element(0x73C5, b"\1"), element(0x83, b"\1"))
    track = element(0xAE, track[9:], element(0x86, b"V_MJPEG"), video, packing)
    packed = zlib.compress(jpeg("64x64") + bytes(size), 9)
    blocks = b"".join(element(0xA3, b"\x81", u16(40 * n), b"\x80", packed) for n in range(3))
    head = element(0x1A45DFA3, element(0x4282, b"matroska"))
    return head + element(0x18538067, element(0x1654AE6B, track), element(0x1F43B675, element(0xE7, b"\0"), blocks))


def grows(outside: Outside) -> bytes:
    """A transport stream whose pictures become huge when the film has begun."""
    small = encoded("small.ts", "-f", "lavfi", "-i", "testsrc2=d=2:s=64x64", *H264, "-g", "10")
    huge = ("-f", "lavfi", "-i", "color=s=4096x2400:r=25:d=0.08")
    return small + encoded("huge.ts", *huge, *H264, "-output_ts_offset", "2")


def track_of_size(wide: int, high: int) -> Write:
    change = sample_entry(0, lambda entry: entry[:32] + u16(wide, high) + entry[36:])
    return lambda _: change(good())


def of_sound(rate: int, channels: int) -> Write:
    """Its sound claims so many samples a second, and channels."""
    film = (*PICTURES, *SOUND, *H264, "-c:a", "pcm_s16le")
    change = sample_entry(1, lambda entry: entry[:24] + u16(channels) + entry[26:32] + u16(rate) + entry[34:])
    return lambda _: change(encoded("pcm.mov", *film))


PACKED = ("-f", "lavfi", "-i", "color=s=20000x20000:d=0.04", "-frames:v", "1", "-update", "1")


def with_cover(outside: Outside) -> bytes:
    """A small film with a cover that unpacks to gigabytes."""
    with TemporaryDirectory() as folder:
        small, film = Path(folder, "small.png"), Path(folder, "film.mkv")
        small.write_bytes(encoded("small.png", *PICTURES, "-frames:v", "1", "-update", "1"))
        cover = ("-attach", small, "-metadata:s:t", "mimetype=image/png", "-metadata:s:t", "filename=cover.png")
        ffmpeg(*PICTURES, *H264, *cover, film)
        size = u32(60000, 60000)
        header = b"IHDR" + size + small.read_bytes()[24:29]
        old = small.read_bytes()[12:33]
        new = header + u32(zlib.crc32(header))
        data = film.read_bytes()
        assert data.count(old) == 1
        return data.replace(old, new)


# Broken


def flipped(seed: int, flips: int) -> Write:
    def write(_: Outside) -> bytes:
        chance, data = random.Random(seed), bytearray(good(50))
        for _flip in range(flips):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return bytes(data)

    return write


@cache
def whole(faststart: bool) -> bytes:
    with TemporaryDirectory() as folder:
        film, moved = make(Path(folder, "film.mp4"), 50, metadata=False), Path(folder, "moved.mp4")
        ffmpeg("-i", film, "-map", "0", "-c", "copy", *(("-movflags", "+faststart") if faststart else ()), moved)
        return moved.read_bytes()


def part(share: float, *, faststart: bool) -> Write:
    return lambda _: whole(faststart)[: int(len(whole(faststart)) * share)]


def headed(rest: bytes) -> bytes:
    return box("ftyp", b"isom", u32(512), b"isomiso2avc1mp41") + rest


HUGE = ("-f", "lavfi", "-i", "color=s=4096x2400:r=25:d=0.08")
NOTHING = ("-f", "lavfi", "-i", "testsrc2=d=0.4:s=8x8")
HOURS = ("-f", "lavfi", "-i", "color=s=64x64:r=1/600:d=10800")
PROTECTED = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "7" * 32, "-encryption_kid", "a" * 32)
ANY_HLS = ("-allowed_extensions", "ALL", "-extension_picky", "0", "-f", "hls")
ANY_CONCAT = ("-safe", "0", "-f", "concat")
ANY_ALIAS = ("-enable_drefs", "1", "-use_absolute_path", "1", "-f", "mov")
TWO_PICTURES = ("-map", "0:v", "-map", "0:v", "-c:v:0", "libx264", "-c:v:1", "magicyuv")
A_DAY_LATER = "setts=ts=if(gt(N\\,5)\\,TS+86400/TB\\,TS)"
RTP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
CONCAT = "ffconcat version 1.0\nfile {where}\n"


def concat(where: str) -> str:
    return CONCAT.replace("{where}", where)


def script(words: str, *opens: str, name: str = "film.mp4") -> Hostile:
    return Hostile(Code.NOT_A_FILM, text(words), name, opens or None)


def unlisted(codec: str, name: str, *more: str) -> Hostile:
    """Its pictures need a decoder outside the list."""
    return Hostile(Code.FORMAT_UNSUPPORTED, by_ffmpeg(name, *PICTURES, "-c:v", codec, *more), name)


def unheard(codec: str) -> Hostile:
    """Its sound does."""
    film = by_ffmpeg("film.mkv", *PICTURES, *SOUND, *H264, "-c:a", codec, "-strict", "-2")
    return Hostile(Code.FORMAT_UNSUPPORTED, film, "film.mkv")


def anything(name: str, write: Write = lambda _: good()) -> Hostile:
    """A film all the same."""
    return Hostile(None, write, name)


def clock(ticks: int) -> Write:
    """Of the pictures, so many a second."""
    return spoilt("moov/trak:0/mdia/mdhd", lambda mdhd: mdhd[:12] + u32(ticks) + mdhd[16:])


SCRIPTS = {
    "HLS that names a file": script(HLS_FILE, *ANY_HLS),
    "HLS that names an address": script(HLS_ADDRESS, "-f", "hls"),
    "HLS that fetches its key": script(HLS_KEY, *ANY_HLS),
    "HLS that calls itself a transport stream": script(HLS_ADDRESS, "-f", "hls", name="film.mts"),
    "a concat script with a relative path": script(concat("../other/film.mp4"), *ANY_CONCAT),
    "a concat script with an absolute path": script(concat("{film}"), *ANY_CONCAT),
    "a concat script with an address": script(concat("{http}"), *ANY_CONCAT),
    "DASH that names a file": script(DASH.replace("{where}", "file://{film}")),
    "DASH that names an address": script(DASH.replace("{where}", "{http}"), "-f", "dash"),
    "a session description": script(RTP),
    "a list of films for a player": script("[playlist]\nFile1={http}\nNumberOfEntries=1\n"),
    "a redirection of Windows Media": script("[Reference]\nRef1={http}\n", name="film.wmv"),
    "subtitles": script("1\n00:00:00,000 --> 00:00:01,000\n<img src={http}>\n"),
    "styled subtitles": script("[Script Info]\nScriptType: v4.00+\nVideo File: {film}\n\n[Events]\n"),
    "web subtitles": script("WEBVTT\nSTYLE ::cue {{ background: url({http}) }}\n\n00:00.000 --> 00:01.000\nhello\n"),
    "an index of subtitles": script("# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n"),
    "a script for AviSynth": script('DirectShowSource("{film}")\n', name="film.avi"),
    "a shell script": script("#!/bin/sh\ncat {text}\n"),
    "a page": script('<!DOCTYPE html><video src="{http}"></video>'),
    "a drawing with a picture from elsewhere": script('<svg><image href="{http}"/></svg>'),
    "a composition playlist": script('<?xml version="1.0"?><CompositionPlaylist/>'),
    "a program": script("\x7fELF\2\1\1" + "\0" * 500),
    "an archive": script("PK\3\4" + "\0" * 500),
    "a photograph": Hostile(Code.NOT_A_FILM, lambda _: jpeg("64x64")),
    "noise": Hostile(Code.NOT_A_FILM, plainly(random.Random(1).randbytes(50_000))),
    "nothing at all": Hostile(Code.EMPTY, plainly(b"")),
}

REFERENCES = {
    # what stands elsewhere is not fetched: its pictures are sought in the film itself
    "pictures at an address": Hostile(None, elsewhere("url ", address), "film.mov"),
    "pictures in a file": Hostile(None, elsewhere("url ", path_url), "film.mov"),
    "pictures behind an alias": Hostile(Code.NO_PICTURE, elsewhere("alis", alias), "film.mov", ANY_ALIAS),
    "a film that is but an address": Hostile(Code.NO_PICTURE, reference_film, "film.mov"),
    "an AVI with a playlist for subtitles": anything("film.avi", with_subtitles(HLS_FILE)),
    "an AVI with a script for subtitles": anything("film.avi", with_subtitles(concat("{film}"))),
    "an AVI with subtitles that name an address": anything("film.avi", with_subtitles("{http}")),
    "Windows Media that calls an address": anything("film.wmv", asf_that_calls),
    "a film with a playlist attached": anything("film.mkv", with_attachment),
    "a header and a playlist": Hostile(Code.INCOMPLETE, lambda outside: headed(text(HLS_FILE)(outside))),
    "a header and noise": Hostile(Code.INCOMPLETE, plainly(headed(random.Random(2).randbytes(50_000)))),
}

DECODERS = {
    "MagicYUV": unlisted("magicyuv", "film.mov"),
    "MagicYUV in an AVI": unlisted("magicyuv", "film.avi"),
    "FFV1": unlisted("ffv1", "film.mkv"),
    "Huffyuv": unlisted("huffyuv", "film.avi"),
    "Ut Video": unlisted("utvideo", "film.avi"),
    "Cinepak": unlisted("cinepak", "film.avi"),
    "Sorenson": unlisted("svq1", "film.mov"),
    "QuickTime Animation": unlisted("qtrle", "film.mov"),
    "JPEG 2000": unlisted("jpeg2000", "film.mov"),
    "Theora": unlisted("libtheora", "film.mkv"),
    "uncompressed pictures": unlisted("rawvideo", "film.avi"),
    "H.264 with MagicYUV beside it": unlisted("libx264", "film.mkv", *TWO_PICTURES),
    "DTS": unheard("dca"),
    "TTA": unheard("tta"),
    "TrueHD": unheard("truehd"),
}

BOMBS = {
    # of pixels
    "huge pictures": Hostile(Code.PICTURE_TOO_LARGE, by_ffmpeg("film.mp4", *HUGE, *H264)),
    "huge Motion JPEG": Hostile(Code.PICTURE_TOO_LARGE, by_ffmpeg("film.avi", *HUGE, "-c:v", "mjpeg"), "film.avi"),
    "huge pictures behind a small claim": Hostile(Code.PICTURE_TOO_LARGE, lambda _: avi(jpeg("8192x8192")), "film.avi"),
    "a huge claim for small pictures": anything("film.mp4", track_of_size(65535, 65535)),
    "pictures that become huge": anything("film.mts", grows),  # which are left out
    "a cover of gigabytes": anything("film.mkv", with_cover),  # which is never opened
    "pictures of nothing": Hostile(Code.NOT_A_FILM, by_ffmpeg("film.mp4", *NOTHING, *H264)),
    # of time
    "a film of three hours": Hostile(Code.TOO_LONG, by_ffmpeg("film.mp4", *HOURS, *H264)),
    "a film of a year": Hostile(Code.TOO_LONG, lasting(1, 10, 0x7FFFFFF)),
    "all pictures at once": Hostile(Code.DAMAGED, clock(0x7FFFFFFF)),
    "a clock without ticks": Hostile(Code.NO_PICTURE, clock(0)),
    "all pictures at the same time": Hostile(Code.DAMAGED, lasting(1, 10, 0)),
    "one picture again and again": Hostile(Code.TOO_LONG, one_picture(200_000)),
    "sound that begins again after a day": anything(
        "film.mkv", by_ffmpeg("film.mkv", *PICTURES, *SOUND, *H264, "-c:a", "aac", "-bsf:a", A_DAY_LATER)
    ),
    # of memory
    "an index of 170 million pictures": Hostile(Code.NO_PICTURE, counted(170_000_000)),
    "an index of ten million pictures": Hostile(Code.DAMAGED, counted(10_000_000)),
    "a table that claims more than there is": Hostile(Code.DAMAGED, spoilt(f"{STBL}/stts", table(0x0FFFFFFF, 10, 512))),
    "a table of four thousand million": Hostile(Code.DAMAGED, spoilt(f"{STBL}/stsz", table(0, 0xFFFFFFFF))),
    "an edit list that shows all again and again": Hostile(Code.NO_PICTURE, edited(20_000)),
    "a fragment of 150 million pictures": Hostile(Code.DAMAGED, fragment(150_000_000)),
    "an index that unpacks to gigabytes": Hostile(Code.DAMAGED, lambda _: headed(box("moov", packed_index(1 << 28)))),
    "pictures that unpack to gigabytes": Hostile(Code.DAMAGED, lambda _: packed_pictures(1 << 26), "film.mkv"),
    "boxes in boxes": Hostile(Code.DAMAGED, lambda _: headed(nested("moov", 20_000))),
    "tracks in tracks": Hostile(Code.NO_PICTURE, lambda _: headed(box("moov", nested("trak", 20_000)))),
    # of streams
    "900 sounds": Hostile(Code.FORMAT_UNSUPPORTED, with_tracks(900, 1)),
    "5000 sounds": Hostile(Code.FORMAT_UNSUPPORTED, with_tracks(5000, 1)),
    "900 pictures": Hostile(Code.FORMAT_UNSUPPORTED, with_tracks(900, 0)),
    "a sound of 65535 channels": Hostile(Code.DAMAGED, of_sound(48000, 65535), "film.mov"),
    "a sound of 64 channels": Hostile(Code.FORMAT_UNSUPPORTED, of_sound(48000, 64), "film.mov"),
    "a sound of one sample a second": Hostile(Code.FORMAT_UNSUPPORTED, of_sound(1, 1), "film.mov"),
    "a sound without samples": anything("film.mov", of_sound(0, 1)),
}

BROKEN = {
    "half a film, its index lost": Hostile(Code.INCOMPLETE, part(0.5, faststart=False)),
    "half a film, its index kept": Hostile(Code.INCOMPLETE, part(0.5, faststart=True)),
    "its first bytes": Hostile(Code.INCOMPLETE, lambda _: good()[:40]),
    "one flipped bit": anything("film.mp4", flipped(3, 1)),
    "twenty flipped bits": anything("film.mp4", flipped(4, 20)),
    "four hundred flipped bits": Hostile(Code.INCOMPLETE, flipped(5, 400)),
    "sound alone": Hostile(Code.NO_PICTURE, by_ffmpeg("film.mp4", *SOUND, "-c:a", "aac")),
    "a protected film": Hostile(Code.PROTECTED, by_ffmpeg("film.mp4", *PICTURES, *H264, *PROTECTED)),
}

NAMES = {
    "Windows Media called MP4": anything("film.mp4", by_ffmpeg("film.wmv", *PICTURES, "-c:v", "wmv2")),
    "an MP4 called a text": anything("film.txt"),
    "a name like an option": anything("-i.mp4"),
    "a name like a protocol": anything("concat:a|b.mp4"),
    "a name like a pattern": anything("%03d.mp4"),
    "a name like a shell's": anything("$(id)`id`;' \".mp4"),
    "a name in no one's alphabet": anything("ünïcode:\u202e4pm.mp4"),
}

HOSTILE: dict[str, Hostile] = SCRIPTS | REFERENCES | DECODERS | BOMBS | BROKEN | NAMES
