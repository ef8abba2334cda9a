"""Sealing: plain bytes to the bytes the store sees, and back. Pure.

A sealed segment is `salt, block, block ...`; a block is 256 KiB of plain bytes (the last one: what is left) under
AES-256-GCM, its 16-byte tag behind it.

    salt        = HKDF-SHA256(artefact key, info = "attune/1 salt" + artefact id + segment id + SHA-256 of the plain)
    segment key = HKDF-SHA256(artefact key, salt = salt, info = "attune/1 key" + artefact id + segment id)
    nonce       = block number, 12 bytes
    bound       = "attune/1" + artefact id + segment id + block number, 8 bytes + 1 for the last block, else 0, 1 byte

Salt and keys have 32 bytes, ids are the 16 bytes of the UUID, numbers big-endian; an empty segment is one empty block.
The same plain bytes always give the same sealed bytes, so a write may be repeated; other plain bytes give another key,
so no mistake of a caller can use a nonce twice under one key.
"""

import hashlib
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.media_store.errors import Tampered

FORMAT = b"attune/1"
BLOCK = 256 * 1024  # measured as quick as larger ones, and the least to fetch for a short range
SALT = 32
TAG = 16
MAX_SEGMENT = 8 * 1024 * 1024  # plain bytes: a PUT has a deadline, and a segment is held in memory

Bytes: TypeAlias = bytes | bytearray | memoryview


class Key:
    """An artefact's key, 32 random bytes; shows itself to nobody."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32:
            raise ValueError("a key has 32 bytes")
        self._secret = secret

    def __repr__(self) -> str:
        return "Key(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never written down")

    def derive(self, info: bytes, salt: bytes | None = None) -> bytes:
        return HKDF(SHA256(), 32, salt, info).derive(self._secret)


@dataclass(frozen=True)
class Segment:
    """A sealed stretch of an artefact: one object in the store. `length` and `sha256` are of its plain bytes."""

    id: UUID
    length: int
    sha256: bytes = field(repr=False)


def sealed_length(length: int) -> int:
    """How many bytes a segment of this plain length takes in the store."""
    return SALT + length + TAG * _blocks(length)


def seal(key: Key, artefact_id: UUID, segment_id: UUID, plain: Bytes) -> tuple[Segment, bytearray]:
    """The segment that these bytes make (at most MAX_SEGMENT of them), and what the store is given."""
    if len(plain) > MAX_SEGMENT:
        raise ValueError("longer than a segment may be")
    segment = Segment(segment_id, len(plain), hashlib.sha256(plain).digest())
    salt = _salt(key, artefact_id, segment)
    cipher, last = _cipher(key, artefact_id, segment_id, salt), _blocks(segment.length) - 1
    sealed = bytearray(sealed_length(segment.length))
    sealed[:SALT] = salt
    with memoryview(plain) as source, memoryview(sealed) as target:
        for number in range(last + 1):
            block = source[number * BLOCK : (number + 1) * BLOCK]
            start = SALT + number * (BLOCK + TAG)
            bound = _bound(artefact_id, segment_id, number, last)
            cipher.encrypt_into(_nonce(number), block, bound, target[start : start + len(block) + TAG])
    return segment, sealed


def unseal(key: Key, artefact_id: UUID, segment_id: UUID, sealed: Bytes) -> bytearray:
    """The plain bytes of a whole segment. Raises Tampered."""
    blocks = -(-(len(sealed) - SALT) // (BLOCK + TAG))
    length = len(sealed) - SALT - TAG * blocks
    if length < 0 or sealed_length(length) != len(sealed):
        raise Tampered("no segment has this length")
    with memoryview(sealed) as source:
        cipher = _cipher(key, artefact_id, segment_id, bytes(source[:SALT]))
        return _open(cipher, artefact_id, segment_id, length, 0, source[SALT:])


def sealed_range(segment: Segment, first: int, last: int) -> tuple[int, int]:
    """Which bytes of the sealed segment to fetch (first and last, both included) for these of its plain bytes."""
    if not 0 <= first <= last < segment.length:
        raise ValueError("outside the segment")
    start = SALT + (first // BLOCK) * (BLOCK + TAG)
    end = SALT + (last // BLOCK + 1) * (BLOCK + TAG)
    return start, min(end, sealed_length(segment.length)) - 1


def unseal_range(key: Key, artefact_id: UUID, segment: Segment, first: int, last: int, sealed: Bytes) -> memoryview:
    """A segment's plain bytes first to last (both included), from what `sealed_range` named. Raises Tampered."""
    start, end = sealed_range(segment, first, last)
    if len(sealed) != end - start + 1:
        raise Tampered("the segment is shorter than it was")
    number = first // BLOCK
    with memoryview(sealed) as source:
        cipher = _cipher(key, artefact_id, segment.id, _salt(key, artefact_id, segment))
        plain = _open(cipher, artefact_id, segment.id, segment.length, number, source)
    return memoryview(plain)[first - number * BLOCK : last - number * BLOCK + 1]


def _open(
    cipher: AESGCM, artefact_id: UUID, segment_id: UUID, length: int, number: int, sealed: memoryview
) -> bytearray:
    """Open the blocks from this number on, of a segment of this plain length."""
    last, written = _blocks(length) - 1, 0
    plain = bytearray(len(sealed) - TAG * _blocks(len(sealed), BLOCK + TAG))
    with memoryview(plain) as target:
        for start in range(0, len(sealed), BLOCK + TAG):
            block = sealed[start : start + BLOCK + TAG]
            size = len(block) - TAG
            bound = _bound(artefact_id, segment_id, number, last)
            try:
                cipher.decrypt_into(_nonce(number), block, bound, target[written : written + size])
            except InvalidTag:
                raise Tampered(f"block {number} is not what was sealed") from None
            number, written = number + 1, written + size
    return plain


def _blocks(length: int, size: int = BLOCK) -> int:
    return max(1, -(-length // size))


def _salt(key: Key, artefact_id: UUID, segment: Segment) -> bytes:
    return key.derive(FORMAT + b" salt" + artefact_id.bytes + segment.id.bytes + segment.sha256)


def _cipher(key: Key, artefact_id: UUID, segment_id: UUID, salt: bytes) -> AESGCM:
    return AESGCM(key.derive(FORMAT + b" key" + artefact_id.bytes + segment_id.bytes, salt))


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _bound(artefact_id: UUID, segment_id: UUID, number: int, last: int) -> bytes:
    return FORMAT + artefact_id.bytes + segment_id.bytes + number.to_bytes(8, "big") + bytes([number == last])
