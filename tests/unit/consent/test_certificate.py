"""The certificate: genuine, or not a byte of it."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from services.consent.erasures import verify_certificate
from services.consent.erasures.certificate import Signer
from services.consent.erasures.verify_certificate import NotGenuine, canonical, verify
from shared.errors import AttuneError
from shared.settings import Organisation

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ORGANISATION = Organisation(
    name="Example NHS Foundation Trust",
    team="Parent-Infant Team",
    site="Children's Centre Süd",
    phone="01632 960100",
    mail="team@example.org",
    complaints="PALS, 01632 960101",
)
SIGNER = Signer(ORGANISATION, 35, Ed25519PrivateKey.generate())
FACTS: dict[str, Any] = {
    "erasure_id": "019a0000-0000-7000-8000-000000000001",
    "episode_id": "019a0000-0000-7000-8000-000000000002",
    "recording_id": None,
    "decision": {
        "cause": "withdrawal_confirmed",
        "decided_by": "019a0000-0000-7000-8000-000000000003",
        "route": "phone",
    },
    "opened_at": "2026-11-24T11:00:00.000000+00:00",
    "key_destroyed_at": "2026-11-24T11:00:00.000000+00:00",
    "registered": {"recording": 1},
    "rounds": [{"round": 1, "acknowledgements": []}, {"round": 2, "acknowledgements": []}],
    "cards_not_wiped": 2,
    "cards": [
        {"recording_id": "019a0000-0000-7000-8000-000000000004", "filmed_on": "2026-11-20"},
        {"recording_id": "019a0000-0000-7000-8000-000000000005", "filmed_on": None},
    ],
    "verified": {"begun_at": "2026-11-24T11:02:00.000000+00:00"},
    "supersedes": None,
}


@pytest.fixture(scope="module")
def file() -> bytes:
    return SIGNER.sign(FACTS, NOW)[1]


def test_it_is_genuine(file: bytes) -> None:
    certificate = verify(file, SIGNER.key.public_key())
    assert certificate["organisation"]["name"] == "Example NHS Foundation Trust"
    assert certificate["registered"] == {"recording": 1}


def test_any_byte_changed_and_it_is_not(file: bytes) -> None:
    key = SIGNER.key.public_key()
    for at in range(len(file)):
        for other in (file[at] ^ 1, file[at] ^ 0x20):
            with pytest.raises(NotGenuine):
                verify(file[:at] + bytes([other]) + file[at + 1 :], key)


def test_any_byte_taken_away_or_put_in_and_it_is_not(file: bytes) -> None:
    key = SIGNER.key.public_key()
    for at in range(len(file) + 1):
        with pytest.raises(NotGenuine):
            verify(file[:at] + b" " + file[at:], key)
        if at < len(file):
            with pytest.raises(NotGenuine):
                verify(file[:at] + file[at + 1 :], key)


def test_another_key_did_not_sign_it(file: bytes) -> None:
    with pytest.raises(NotGenuine):
        verify(file, Ed25519PrivateKey.generate().public_key())


def test_a_name_said_twice_is_a_change(file: bytes) -> None:
    twice = file.replace(b'{"certificate":', b'{"certificate":{},"certificate":', 1)
    with pytest.raises(NotGenuine):
        verify(twice, SIGNER.key.public_key())


@pytest.mark.parametrize(
    "other", [b"", b"null", b"[]", b"{}", b'{"certificate":1,"signature":""}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_certificate(other: bytes) -> None:
    with pytest.raises(NotGenuine):
        verify(other, SIGNER.key.public_key())


@pytest.mark.parametrize("change", [{"format": "another"}, {"schema_version": 2}, {"public_key_fingerprint": "00"}])
def test_signed_by_us_and_still_not_what_it_claims(change: dict[str, Any]) -> None:
    certificate = json.loads(SIGNER.sign(FACTS, NOW)[1])["certificate"] | change
    signature = SIGNER.key.sign(canonical(certificate)).hex()
    with pytest.raises(NotGenuine):
        verify(canonical({"certificate": certificate, "signature": signature}), SIGNER.key.public_key())


def test_it_says_what_it_cannot_know(file: bytes) -> None:
    cannot = {one["code"]: one for one in verify(file, SIGNER.key.public_key())["cannot_know"]}
    assert cannot.keys() == {"copies_handed_out", "camera_cards", "backups", "blocks"}
    assert cannot["camera_cards"]["count"] == 2
    assert cannot["camera_cards"]["recordings"] == FACTS["cards"]
    assert cannot["backups"]["until"] == "2026-12-29"


@pytest.mark.parametrize("content", [1.5, [1.5], {"a": {"b": (1, 2.0)}}])
def test_fractions_have_no_one_way_to_be_written(content: object) -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        canonical(content)


def by_hand(folder: Path, certificate: bytes, pem: bytes) -> subprocess.CompletedProcess[str]:
    """As a stranger would: the one file, copied away, in a Python that finds nothing of ours."""
    (folder / "certificate.json").write_bytes(certificate)
    (folder / "key.pem").write_bytes(pem)
    program = folder / "verify_certificate.py"
    program.write_bytes(Path(verify_certificate.__file__).read_bytes())
    return subprocess.run(
        [sys.executable, "-I", str(program), "certificate.json", "key.pem"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_program_stands_alone(tmp_path: Path, file: bytes) -> None:
    genuine = by_hand(tmp_path, file, SIGNER.public_pem)
    assert genuine.returncode == 0, genuine.stderr
    assert "GENUINE" in genuine.stdout
    assert "Camera cards not confirmed as wiped: 2, with films of 2026-11-20." in genuine.stdout
    changed = by_hand(tmp_path, file.replace(b'"recording":1', b'"recording":0'), SIGNER.public_pem)
    assert (changed.returncode, changed.stdout) == (1, "")
    assert changed.stderr.startswith("NOT GENUINE")


@pytest.mark.parametrize(
    "pem",
    [b"no key", X25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)],
)
def test_the_program_says_when_it_cannot_read(tmp_path: Path, file: bytes, pem: bytes) -> None:
    assert by_hand(tmp_path, file, pem).returncode == 2


def test_a_signer_needs_an_ed25519_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(SIGNER.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert Signer.from_file(path, ORGANISATION, 35).public_pem == SIGNER.public_pem
    for other in (
        b"no key",
        X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ):
        path.write_bytes(other)
        with pytest.raises(AttuneError):
            Signer.from_file(path, ORGANISATION, 35)
