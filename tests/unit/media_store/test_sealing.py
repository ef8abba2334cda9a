"""Sealed bytes open only as what was sealed, and no nonce serves twice under one key."""

import hashlib
import hmac
import pickle
import random
from collections import Counter
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.media_store import Key, Manifest, Tampered, sealing
from shared.media_store.sealing import (
    BLOCK,
    MAX_SEGMENT,
    SALT,
    TAG,
    Segment,
    seal,
    sealed_length,
    sealed_range,
    unseal,
    unseal_range,
)

KEY = Key(bytes(range(32)))
ARTEFACT, SEGMENT = UUID(int=1), UUID(int=2)
SEALED_BLOCK = BLOCK + TAG
plain_lengths = st.one_of(
    st.integers(0, 3 * BLOCK), st.sampled_from([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1])
)


def plain_of(length: int) -> bytes:
    return random.Random(length).randbytes(length)


def sealed_of(length: int, key: Key = KEY, artefact: UUID = ARTEFACT, segment: UUID = SEGMENT) -> bytes:
    return bytes(seal(key, artefact, segment, plain_of(length))[1])


@given(plain_lengths)
def test_what_was_sealed_opens_and_its_length_says_nothing_new(length: int) -> None:
    segment, sealed = seal(KEY, ARTEFACT, SEGMENT, plain_of(length))
    assert unseal(KEY, ARTEFACT, SEGMENT, sealed) == plain_of(length)
    assert len(sealed) == sealed_length(length)
    assert segment == Segment(SEGMENT, length, hashlib.sha256(plain_of(length)).digest())


def unsealed_by_the_book(key: bytes, artefact: UUID, segment: UUID, sealed: bytes) -> bytes:
    """The format as its description says it, from the standard library and one cipher."""

    def hkdf(salt: bytes, info: bytes) -> bytes:
        extracted = hmac.digest(salt or bytes(32), key, "sha256")
        return hmac.digest(extracted, info + b"\x01", "sha256")

    salt, rest = sealed[:32], sealed[32:]
    cipher = AESGCM(hkdf(salt, b"attune/1 key" + artefact.bytes + segment.bytes))
    blocks = [rest[start : start + 262160] for start in range(0, len(rest), 262160)]
    plain = b"".join(
        cipher.decrypt(
            number.to_bytes(12, "big"),
            block,
            b"attune/1"
            + artefact.bytes
            + segment.bytes
            + number.to_bytes(8, "big")
            + (b"\x01" if number == len(blocks) - 1 else b"\x00"),
        )
        for number, block in enumerate(blocks)
    )
    assert salt == hkdf(b"", b"attune/1 salt" + artefact.bytes + segment.bytes + hashlib.sha256(plain).digest())
    return plain


@pytest.mark.parametrize("length", [0, 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_the_format_is_the_one_described(length: int) -> None:
    sealed = sealed_of(length)
    assert unsealed_by_the_book(bytes(range(32)), ARTEFACT, SEGMENT, sealed) == plain_of(length)


def test_the_format_has_not_changed_since_media_were_first_sealed() -> None:
    sealed = seal(KEY, ARTEFACT, SEGMENT, b"a parent and a baby")[1]
    assert sealed.hex() == GOLDEN


@given(plain_lengths.filter(bool), st.data())
def test_a_range_opens_to_the_same_bytes_from_no_more_than_its_blocks(length: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, length - 1))
    last = data.draw(st.integers(first, length - 1))
    segment, sealed = seal(KEY, ARTEFACT, SEGMENT, plain_of(length))
    start, end = sealed_range(segment, first, last)
    assert end - start + 1 <= (last // BLOCK - first // BLOCK + 1) * SEALED_BLOCK
    assert (
        unseal_range(KEY, ARTEFACT, segment, first, last, sealed[start : end + 1]) == plain_of(length)[first : last + 1]
    )


@pytest.mark.parametrize(("first", "last"), [(-1, 0), (0, 10), (10, 10), (5, 4)])
def test_a_range_outside_the_segment_is_no_range(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        sealed_range(Segment(SEGMENT, 10, bytes(32)), first, last)


@settings(max_examples=200)
@given(st.integers(0, sealed_length(BLOCK + 40) - 1), st.integers(0, 7))
@example(0, 0)
@example(SALT, 0)
@example(sealed_length(BLOCK + 40) - 1, 7)
def test_no_bit_can_be_changed(position: int, bit: int) -> None:
    sealed = bytearray(sealed_of(BLOCK + 40))
    sealed[position] ^= 1 << bit
    with pytest.raises(Tampered):
        unseal(KEY, ARTEFACT, SEGMENT, sealed)


def test_no_byte_of_a_small_segment_can_be_changed() -> None:
    sealed = sealed_of(20)
    for position in range(len(sealed)):
        changed = sealed[:position] + bytes([sealed[position] ^ 0x80]) + sealed[position + 1 :]
        with pytest.raises(Tampered):
            unseal(KEY, ARTEFACT, SEGMENT, changed)


def blocks_of(sealed: bytes) -> list[bytes]:
    return [sealed[start : start + SEALED_BLOCK] for start in range(SALT, len(sealed), SEALED_BLOCK)]


@pytest.mark.parametrize("length", [3 * BLOCK, 3 * BLOCK - 7])
def test_blocks_cannot_be_dropped_moved_repeated_or_added(length: int) -> None:
    sealed = sealed_of(length)
    salt, (a, b, c) = sealed[:SALT], blocks_of(sealed)
    other = sealed_of(length, segment=uuid4())
    for forged in (
        salt + a + b,  # cut at a block
        salt + a,
        salt,
        b"",
        salt + b + c,  # the beginning gone
        salt + b + a + c,  # two changed places
        salt + a + b + b,
        salt + a + b + c + c,  # longer
        salt + a + b + c + bytes(TAG),
        sealed + b"\0",
        sealed[:-1],  # cut within a block
        salt + a + blocks_of(other)[1] + c,  # one of another segment
        other[:SALT] + a + b + c,
    ):
        with pytest.raises(Tampered):
            unseal(KEY, ARTEFACT, SEGMENT, forged)


@given(st.integers(0, sealed_length(2 * BLOCK)))
def test_a_segment_cut_anywhere_does_not_open(length: int) -> None:
    sealed = sealed_of(2 * BLOCK)
    if length < len(sealed):
        with pytest.raises(Tampered):
            unseal(KEY, ARTEFACT, SEGMENT, sealed[:length])


def test_a_segment_opens_in_its_place_alone() -> None:
    sealed = sealed_of(1000)
    for key, artefact, segment in (
        (Key(bytes(32)), ARTEFACT, SEGMENT),
        (KEY, uuid4(), SEGMENT),
        (KEY, ARTEFACT, uuid4()),
        (KEY, SEGMENT, ARTEFACT),
    ):
        with pytest.raises(Tampered):
            unseal(key, artefact, segment, sealed)


def test_a_range_of_other_bytes_does_not_open() -> None:
    segment, sealed = seal(KEY, ARTEFACT, SEGMENT, plain_of(3 * BLOCK))
    start, end = sealed_range(segment, BLOCK, 2 * BLOCK - 1)
    blocks = bytes(sealed[start : end + 1])
    _, resealed = seal(KEY, ARTEFACT, SEGMENT, plain_of(3 * BLOCK - 1))
    for forged in (
        blocks[:-1],
        blocks + b"\0",
        b"",
        bytes(sealed[start - SEALED_BLOCK : end + 1 - SEALED_BLOCK]),  # its neighbour
        bytes(resealed[start : end + 1]),  # honestly sealed, but other than what the manifest says
        bytes([blocks[0] ^ 1]) + blocks[1:],
    ):
        with pytest.raises(Tampered):
            unseal_range(KEY, ARTEFACT, segment, BLOCK, 2 * BLOCK - 1, forged)


def test_a_segment_is_at_most_8_mib() -> None:
    with pytest.raises(ValueError, match="longer"):
        seal(KEY, ARTEFACT, SEGMENT, bytes(MAX_SEGMENT + 1))


def test_no_nonce_serves_twice_under_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    used: Counter[tuple[bytes, bytes]] = Counter()

    class Watched:
        def __init__(self, key: bytes) -> None:
            self.key, self.cipher = key, AESGCM(key)

        def encrypt_into(self, nonce: bytes, data: memoryview, bound: bytes, into: memoryview) -> int:
            used[self.key, nonce] += 1
            return self.cipher.encrypt_into(nonce, data, bound, into)

    monkeypatch.setattr(sealing, "AESGCM", Watched)
    manifest_id, segments = uuid4(), []
    for number in range(300):
        segments.append(seal(KEY, ARTEFACT, uuid4(), plain_of(number * 2000))[0])
    for count in range(1, 300):  # one id for ever other bytes: what a careless finish could do
        seal(KEY, ARTEFACT, manifest_id, Manifest("video/mp4", tuple(segments[:count]), bytes(32)).to_bytes())
    other_film, the_same_again = uuid4(), bytes(100)
    for key in (KEY, Key(bytes(32))):
        for artefact in (ARTEFACT, other_film):
            seal(key, artefact, SEGMENT, the_same_again)
    assert len(used) > 800
    assert set(used.values()) == {1}


def test_sealing_again_gives_the_same_bytes_so_a_write_may_be_repeated() -> None:
    assert sealed_of(BLOCK + 1) == sealed_of(BLOCK + 1)


def test_a_key_shows_itself_to_nobody() -> None:
    secret = bytes(range(100, 132))
    key = Key(secret)
    for shown in (repr(key), str(key), f"{key}", repr({"key": key})):
        assert "***" in shown
        assert secret.hex() not in shown
        assert str(secret) not in shown

    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(ValueError, match="32"):
        Key(bytes(31))


GOLDEN = (
    "7d82d096ff40346af647baf7d36059f4af65adc769dd619e49224862ea5634ec"
    "cf6364f298dbffd056b1f3f8e84d65784f1b826e591f67bf16c8a7ed37e43e25092f45"
)
