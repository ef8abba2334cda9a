"""What films are made of, written and changed by hand: boxes of MP4, chunks of AVI, elements of Matroska."""

from collections.abc import Callable, Iterator

Change = Callable[[bytes], bytes]


def u16(*numbers: int) -> bytes:
    return b"".join(n.to_bytes(2, "big") for n in numbers)


def u32(*numbers: int) -> bytes:
    return b"".join((n % (1 << 32)).to_bytes(4, "big") for n in numbers)


def le32(*numbers: int) -> bytes:
    return b"".join(n.to_bytes(4, "little") for n in numbers)


def box(kind: str | bytes, *content: bytes) -> bytes:
    """Of MP4 and QuickTime."""
    whole = b"".join(content)
    return u32(len(whole) + 8) + (kind.encode("latin-1") if isinstance(kind, str) else kind) + whole


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) of each, side by side."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big") or len(data) - at
        assert 8 <= size <= len(data) - at, "no box"
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def changed(data: bytes, path: str, change: Change) -> bytes:
    """Boxes with the content of those at `path` changed: "moov/trak:1/mdia" is in the second track alone.

    For a film whose index stands at its end: nothing else has to move.
    """
    first, _, rest = path.partition("/")
    kind, _, which = first.partition(":")
    out, seen = b"", 0
    for found, content in boxes(data):
        if found == kind.encode():
            if not which or int(which) == seen:
                content = changed(content, rest, change) if rest else change(content)
            seen += 1
        out += box(found, content)
    assert seen, f"no {first}"
    return out


def content_of(data: bytes, path: str) -> bytes:
    found: list[bytes] = []

    def keep(content: bytes) -> bytes:
        found.append(content)
        return content

    changed(data, path, keep)
    return found[0]


def sample_entry(track: int, change: Change) -> Callable[[bytes], bytes]:
    """Changes a film by changing the (first) description of a track's samples: its box, with its kind."""
    return lambda film: changed(
        film, f"moov/trak:{track}/mdia/minf/stbl/stsd", lambda stsd: stsd[:8] + change(stsd[8:])
    )


def chunk(kind: bytes, *content: bytes) -> bytes:
    """Of AVI."""
    whole = b"".join(content)
    return kind + le32(len(whole)) + whole + bytes(len(whole) % 2)


def element(id: int, *content: bytes) -> bytes:
    """Of Matroska."""
    whole = b"".join(content)
    return id.to_bytes((id.bit_length() + 7) // 8, "big") + (len(whole) | 1 << 56).to_bytes(8, "big") + whole
