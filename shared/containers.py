"""What a file is by its first bytes: the containers that a camera writes, and nothing else."""

from enum import StrEnum

HEAD = 4096
"""How many bytes `container` wants to see; fewer only if the file is shorter."""


class Container(StrEnum):
    MP4 = "mp4"
    QUICKTIME = "mov"
    THREE_GP = "threegp"
    AVI = "avi"
    MPEG_TS = "mpegts"
    MPEG_PS = "mpegps"
    MATROSKA = "matroska"
    WEBM = "webm"
    ASF = "asf"


QUICKTIME_ATOMS = {
    b"moov",
    b"mdat",
    b"wide",
    b"free",
    b"skip",
    b"pnot",
}  # with what a film from before `ftyp` may begin
STILLS = {
    b"heic",
    b"heix",
    b"heim",
    b"heis",
    b"hevc",
    b"hevx",
    b"mif1",
    b"msf1",
    b"avif",
    b"avis",
    b"crx ",
    b"jxl ",
}  # brands of pictures
SOUNDS = {b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "}
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
SYNC = 0x47  # of each MPEG-TS packet

# How films begin that we do not open, and what people call them.
FOREIGN = {
    b"FLV\x01": "Flash video (FLV)",
    b"OggS": "Ogg",
    bytes.fromhex("060e2b34020501010d0102"): "MXF",
    b".RMF": "RealMedia",
    b"\x1f\x07\x00": "raw DV",
    b"\x00\x00\x01\xb3": "raw MPEG video",
    b"\x00\x00\x00\x01\x67": "raw H.264 video",
    b"\x00\x00\x00\x01\x40": "raw HEVC video",
}


def container(head: bytes) -> Container | None:
    """None: not a film (a playlist, script, subtitle, picture, sound, text, anything else)."""
    kind = head[4:8]
    if kind == b"ftyp":
        return _by_brand(head[8:12])
    if kind in QUICKTIME_ATOMS:
        return Container.QUICKTIME
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return Container.AVI
    if head[:4] == b"\x1aE\xdf\xa3":  # EBML; the document's type stands in its header
        return Container.WEBM if b"webm" in head[:64] else Container.MATROSKA if b"matroska" in head[:64] else None
    if head[:16] == ASF_HEADER:
        return Container.ASF
    if head[:4] == b"\x00\x00\x01\xba":
        return Container.MPEG_PS
    if _is_transport_stream(head):
        return Container.MPEG_TS
    return None


def foreign(head: bytes) -> str | None:
    """The name of the format, for people, of a film that we do not open. None: no film, or one that we do."""
    if head[4:7] == b"RED":
        return "REDCODE (R3D)"
    return next((name for beginning, name in FOREIGN.items() if head.startswith(beginning)), None)


def _by_brand(brand: bytes) -> Container | None:
    if brand in STILLS | SOUNDS:
        return None
    if brand == b"qt  ":
        return Container.QUICKTIME
    return Container.THREE_GP if brand[:2] == b"3g" else Container.MP4


def _is_transport_stream(head: bytes) -> bool:
    """Sync bytes all along, a packet apart: plain (188), with a clock before each (192), with parity (204)."""
    for size, offset in ((188, 0), (192, 4), (204, 0)):
        syncs = head[offset::size]
        if len(syncs) >= 3 and all(byte == SYNC for byte in syncs):
            return True
    return False
