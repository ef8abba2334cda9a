"""What a file is by its first bytes."""

import pytest

from shared.containers import FOREIGN, HEAD, Container, container, foreign


def ts(size: int, offset: int, packets: int) -> bytes:
    packet = bytearray(size)
    packet[offset] = 0x47
    return bytes(packet) * packets


FILMS = {
    Container.MP4: [
        b"\0\0\0\x20ftypisom" + bytes(20),
        b"\0\0\0\x18ftypmp42" + bytes(20),
        b"\0\0\0\x18ftypXAVC" + bytes(20),
    ],
    Container.QUICKTIME: [
        b"\0\0\0\x14ftypqt  " + bytes(20),
        b"\0\0\0\x08wide" + bytes(20),
        b"\0\0\0\x08mdat" + bytes(20),
    ],
    Container.THREE_GP: [b"\0\0\0\x18ftyp3gp5" + bytes(20), b"\0\0\0\x18ftyp3g2a" + bytes(20)],
    Container.AVI: [b"RIFF\0\0\0\0AVI LIST"],
    Container.MPEG_TS: [ts(188, 0, 20)[:HEAD], ts(192, 4, 21)[:HEAD], ts(204, 0, 20)[:HEAD]],
    Container.MPEG_PS: [b"\x00\x00\x01\xba\x44"],
    Container.MATROSKA: [b"\x1aE\xdf\xa3\x93\x42\x82\x88matroska"],
    Container.WEBM: [b"\x1aE\xdf\xa3\x93\x42\x82\x84webm"],
    Container.ASF: [bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(20)],
}

NOT_FILMS = {
    "nothing": b"",
    "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "concat script": b"ffconcat version 1.0\nfile ../other/film.mp4\n",
    "DASH": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">',
    "SDP": b"v=0\no=- 0 0 IN IP4 127.0.0.1\n",
    "subtitles": b"1\n00:00:00,000 --> 00:00:01,000\nhello\n",
    "WebVTT": b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n",
    "script": b"#!/bin/sh\necho\n",
    "JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "GIF": b"GIF89a" + bytes(500),
    "HEIC": b"\0\0\0\x18ftypheic" + bytes(20),
    "sound alone": b"\0\0\0\x18ftypM4A " + bytes(20),
    "WAV": b"RIFF\0\0\0\0WAVEfmt ",
    "MP3": b"ID3\x04\0\0\0\0\0\0",
    "another EBML document": b"\x1aE\xdf\xa3\x93\x42\x82\x84kdbx",
    "text that begins with a sync byte": b"G" * 100,
    "sync bytes that stop": ts(188, 0, 10) + bytes(1880),
}


@pytest.mark.parametrize(("kind", "head"), [(kind, head) for kind, heads in FILMS.items() for head in heads])
def test_a_film_is_known_by_its_first_bytes(kind: Container, head: bytes) -> None:
    assert container(head) is kind


@pytest.mark.parametrize("what", NOT_FILMS)
def test_what_is_no_film_is_not_taken_for_one(what: str) -> None:
    assert container(NOT_FILMS[what]) is None


def test_every_container_has_a_test() -> None:
    assert set(FILMS) == set(Container)


@pytest.mark.parametrize("beginning", [*FOREIGN, b"\0\0\x01\0RED2"])
def test_a_film_of_a_format_that_we_do_not_open_is_called_by_its_name(beginning: bytes) -> None:
    assert container(beginning + bytes(HEAD)) is None
    assert foreign(beginning + bytes(HEAD))


def test_what_we_open_or_what_is_no_film_has_no_foreign_name() -> None:
    heads = [*NOT_FILMS.values(), *(head for heads in FILMS.values() for head in heads)]
    assert [foreign(head) for head in heads] == [None] * len(heads)
