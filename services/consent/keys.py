"""Keys wrapped by keys: the master key wraps each episode's and each evidence's, an episode's key wraps its artefacts'.

AES-256-GCM under a random nonce, bound to the id of what the key is for; the nonce stands before the sealed key.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import AttuneError

KEY_BYTES, NONCE_BYTES = 32, 12


class KeyUnusable(AttuneError):
    """A wrapped key does not open: it was wrapped by another key, for something else, or was changed."""


@dataclass(frozen=True)
class Wrapping:
    """A key that wraps other keys."""

    key: bytes = field(repr=False)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Raises AttuneError for a file that does not hold 32 bytes."""
        key = path.read_bytes()
        if len(key) != KEY_BYTES:
            raise AttuneError(f"{path} must hold {KEY_BYTES} bytes and nothing else")
        return cls(key)

    def wrap(self, key: bytes, of: UUID) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(nonce, key, of.bytes)

    def unwrap(self, wrapped: bytes, of: UUID) -> bytes:
        """Raises KeyUnusable."""
        try:
            return AESGCM(self.key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], of.bytes)
        except InvalidTag:
            raise KeyUnusable(f"the wrapped key of {of} does not open") from None


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)
