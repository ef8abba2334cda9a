"""The manifest: what an artefact is made of; one more segment, under an id that consent chose at registration."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from shared.media_store.sealing import Segment


@dataclass(frozen=True)
class Manifest:
    """An artefact's type (such as `video/mp4`), its segments in order, and the SHA-256 of all its plain bytes."""

    media_type: str
    segments: tuple[Segment, ...]
    sha256: bytes = field(repr=False)

    @property
    def length(self) -> int:
        """Plain bytes in all."""
        return sum(segment.length for segment in self.segments)

    def to_bytes(self) -> bytes:
        """Always the same bytes for the same manifest, so that finishing may be repeated by another process."""
        content = {
            "format": 1,
            "media_type": self.media_type,
            "length": self.length,
            "sha256": self.sha256.hex(),
            "segments": [[str(segment.id), segment.length, segment.sha256.hex()] for segment in self.segments],
        }
        return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, plain: bytes | bytearray) -> Self:
        content = json.loads(plain)
        segments = tuple(Segment(UUID(id), length, bytes.fromhex(sha256)) for id, length, sha256 in content["segments"])
        return cls(content["media_type"], segments, bytes.fromhex(content["sha256"]))

    def stretches(self, first: int, last: int) -> Iterator[tuple[Segment, int, int]]:
        """The segments that hold the plain bytes first to last (both included), each with the first and last it has."""
        start = 0
        for segment in self.segments:
            end = start + segment.length
            if first < end and last >= start:
                yield segment, max(first - start, 0), min(last, end - 1) - start
            start = end
