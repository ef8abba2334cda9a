"""What we open: containers by one demuxer each, codecs by the decoders named here. Rare decoders have the holes."""

from shared.containers import Container

MAX_PIXELS = 4096 * 2304
MAX_STREAMS = 64  # of a file: cameras write a handful

DEMUXERS = {
    Container.MP4: "mov",
    Container.QUICKTIME: "mov",
    Container.THREE_GP: "mov",
    Container.AVI: "avi",
    Container.MPEG_TS: "mpegts",
    Container.MPEG_PS: "mpeg",
    Container.MATROSKA: "matroska",
    Container.WEBM: "matroska",
    Container.ASF: "asf",
}

# codec: its decoders. AV1 is not here: the pinned ffprobe cannot decode it.
PICTURES = {
    **{
        c: c
        for c in (
            "h264",
            "hevc",
            "mpeg4",
            "h263",
            "mjpeg",
            "mpeg1video",
            "mpeg2video",
            "vp8",
            "vp9",
            "dvvideo",
            "prores",
        )
    },
    **{c: c for c in ("wmv1", "wmv2", "wmv3", "vc1")},
}
SOUNDS = {
    **{c: c for c in ("aac", "ac3", "eac3", "alac", "opus", "vorbis", "wmav1", "wmav2", "wmapro")},
    **{"mp3": "mp3float,mp3", "mp2": "mp2float,mp2", "amr_nb": "amrnb", "amr_wb": "amrwb"},
    **{
        c: c
        for c in (
            "adpcm_ima_wav",
            "adpcm_ima_qt",
            "adpcm_ms",
            "pcm_alaw",
            "pcm_mulaw",
            "pcm_u8",
            "pcm_bluray",
            "pcm_dvd",
        )
    },
    **{
        c: c
        for c in (
            "pcm_s16le",
            "pcm_s16be",
            "pcm_s24le",
            "pcm_s24be",
            "pcm_s32le",
            "pcm_s32be",
            "pcm_f32le",
            "pcm_f32be",
        )
    },
}


# What may stand beside picture and sound: ffprobe starts a decoder for every stream, though it gives these nothing.
BESIDE = {
    "codec_whitelist:s": "mov_text,srt,subrip,ass,ssa,webvtt,pgssub,dvbsub,dvdsub,cc_dec",
    "codec_whitelist:v": ",".join([*PICTURES.values(), "png", "bmp", "gif"]),  # a cover
}


# What people call the codecs that cameras and programmes write and that we do not open.
NAMES = {
    "av1": "AV1", "vvc": "H.266 (VVC)", "cfhd": "CineForm", "dnxhd": "DNxHD", "jpeg2000": "JPEG 2000",
    "prores_raw": "ProRes RAW", "theora": "Theora", "ffv1": "FFV1", "magicyuv": "MagicYUV", "huffyuv": "Huffyuv",
    "svq1": "Sorenson", "svq3": "Sorenson", "cinepak": "Cinepak", "qtrle": "QuickTime Animation",
    "rawvideo": "uncompressed", "flv1": "Flash video", "msmpeg4v2": "MPEG-4 of Microsoft", "msmpeg4v3": "DivX 3",
    "apac": "Apple spatial audio", "dts": "DTS", "dca": "DTS", "flac": "FLAC", "truehd": "Dolby TrueHD",
    "qcelp": "PureVoice", "qdm2": "QDesign",
}  # fmt: skip


def named(codec: str) -> str:
    """For people."""
    return NAMES.get(codec, codec)


def guards(container: Container) -> dict[str, str]:
    """Options that must stand before every `-i`, of ffmpeg and of ffprobe."""
    return {
        "f": DEMUXERS[container],
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(sorted(set(DEMUXERS.values()))),
        "codec_whitelist": ",".join([*PICTURES.values(), *SOUNDS.values()]),
        "max_pixels": str(MAX_PIXELS),
        "max_streams": str(MAX_STREAMS),
    }
