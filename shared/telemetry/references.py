"""The short form of a long id, for people to read out: eight characters, none of which looks like another."""

from uuid import UUID

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32


def reference(identity: UUID | int) -> str:
    """Of a trace id or of any random UUID: its last 40 bits. `make trace REF=` takes it."""
    number = int(identity)
    return "".join(ALPHABET[number >> shift & 31] for shift in range(35, -5, -5))
