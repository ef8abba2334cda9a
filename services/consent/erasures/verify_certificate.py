"""Is this certificate of erasure genuine and unchanged?

    python verify_certificate.py certificate.json public-key.pem

Needs Python 3.11 and the `cryptography` package, and nothing of Attune. Prints what the certificate says.
Exit code: 0 genuine and unchanged; 1 not genuine, or changed; 2 a file cannot be read, or wrong arguments.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

FORMAT = "attune certificate of erasure"
SCHEMA_VERSION = 1


class NotGenuine(Exception):
    """Not a certificate, not signed by this key, or changed since."""


def canonical(content: object) -> bytes:
    """The one way to write this content down: sorted names, no spaces, UTF-8, no fractions."""
    _no_fractions(content)
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _no_fractions(content: object) -> None:
    if isinstance(content, float):
        raise ValueError(
            "a certificate holds whole numbers only: fractions are written differently by different programs"
        )
    for inner in (
        content.values() if isinstance(content, dict) else content if isinstance(content, list | tuple) else ()
    ):
        _no_fractions(inner)


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the public key, by which people compare it."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def verify(file: bytes, key: Ed25519PublicKey) -> dict[str, Any]:
    """What the certificate says. Raises NotGenuine; also when a single byte of the file is not as it was signed."""
    try:
        envelope = json.loads(file)
        certificate, signature = envelope["certificate"], bytes.fromhex(envelope["signature"])
        whole = {"certificate": certificate, "signature": signature.hex()}
        unchanged = canonical(whole) == file
        signed = canonical(certificate)
        genuine = certificate["format"] == FORMAT
        version, fingerprinted = certificate["schema_version"], certificate["public_key_fingerprint"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise NotGenuine("this is not a certificate of erasure") from None
    if not genuine:
        raise NotGenuine("this is not a certificate of erasure")
    if version != SCHEMA_VERSION:
        raise NotGenuine(f"this program reads version {SCHEMA_VERSION} and the certificate is of version {version}")
    if not unchanged:
        raise NotGenuine("the file has been changed since it was signed")
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        raise NotGenuine(
            "the signature is not right: the certificate was changed, or signed with another key"
        ) from None
    if fingerprinted != fingerprint(key):
        raise NotGenuine("the certificate names another key than the one it is checked with")
    return certificate  # type: ignore[no-any-return]


def summary(certificate: dict[str, Any]) -> str:
    """In a few lines, for people."""
    decision = certificate["decision"]
    scope = f"recording {certificate['recording_id']}" if certificate["recording_id"] else "everything"
    lines = [
        f"Certificate {certificate['certificate_id']} of {certificate['organisation']['name']}",
        f"Erased: {scope} of consent episode {certificate['episode_id']}",
        f"Decided by {decision['decided_by']}: {decision['cause']} ({decision['route']})",
        f"Opened {certificate['opened_at']}, key destroyed {certificate['key_destroyed_at']}",
        f"Purged in {len(certificate['rounds'])} rounds; listed {certificate['verified']['begun_at']}, nothing found",
        f"Issued {certificate['issued_at']}",
    ]
    if certificate["supersedes"]:
        lines.append(f"Takes the place of certificate {certificate['supersedes']['certificate_id']}")
    lines += ["What this certificate cannot know:", *(f"- {one['sentence']}" for one in certificate["cannot_know"])]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        file = Path(arguments[0]).read_bytes()
        key = load_pem_public_key(Path(arguments[1]).read_bytes())
    except (OSError, ValueError) as error:
        print(f"Cannot be read: {error}", file=sys.stderr)
        return 2
    if not isinstance(key, Ed25519PublicKey):
        print("Cannot be read: the key is not an Ed25519 public key", file=sys.stderr)
        return 2
    try:
        certificate = verify(file, key)
    except NotGenuine as reason:
        print(f"NOT GENUINE: {reason}", file=sys.stderr)
        return 1
    print("GENUINE AND UNCHANGED")
    print(summary(certificate))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
