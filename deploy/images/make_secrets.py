"""Make up every secret of a deployment, once: a folder for each process, with exactly what that process may know.

`python -m deploy.images.make_secrets FOLDER [--production]`. compose mounts these folders; for Kubernetes each becomes
a Secret (`docs/operating.md`). A file that is there is kept, but certificates are made anew. `infrastructure/` makes
the same passwords known to PostgreSQL and to versitygw; where others look after those, replace `database-url`,
`s3-access-key` and `s3-secret-key` by what they give you, and add their authority to `ca.pem`.
"""

import argparse
import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from deploy.local.instance import Instance, write_secret
from deploy.local.s3 import ROOT_USER
from deploy.system import DATABASES, DEVELOPMENT_ISSUER, PRODUCT, STORE_USERS, Process
from shared import settings as s

AUTHORITY_LIFE, CERTIFICATE_LIFE = timedelta(days=3650), timedelta(days=397)
RENEWED = ("tls.crt", "tls.key")


def make(folder: Path, *, production: bool = False, postgres: str = "postgres:5432", namespace: str = "attune") -> None:
    """Fill `folder`. In production nobody knows the key that signs development tokens."""
    instance = Instance.claim(folder / "made-up")
    instance.make_keys()
    authority = Authority(folder / "made-up")
    trusted = json.loads(instance.jwks_file.read_text())
    if production:
        trusted["keys"] = [key for key in trusted["keys"] if key["kid"] != DEVELOPMENT_ISSUER]
    for process in PRODUCT:
        held = _held(instance, process, postgres)
        if s.Settings in process.settings:
            held["jwks.json"] = json.dumps(trusted, indent=1).encode()
        held["ca.pem"] = authority.certificate.public_bytes(Encoding.PEM)
        if process.http:
            held["tls.crt"], held["tls.key"] = authority.certify(process.name, namespace)
        for name, content in held.items():
            _write(folder / process.name / name, content)
    for name, content in _infrastructure(instance).items():
        _write(folder / "infrastructure" / name, content)


def _held(instance: Instance, process: Process, postgres: str) -> dict[str, bytes]:
    """What this process alone may know, by file name."""
    held: dict[str, bytes] = {}
    for settings in process.settings:
        match settings:
            case s.DatabaseSettings:
                user, password = process.service, instance.password(f"database/{process.service}")
                held["database-url"] = f"postgresql://{user}:{password}@{postgres}/{user}".encode()
            case s.StoreSettings:
                held["s3-access-key"] = process.store_user.encode()
                held["s3-secret-key"] = instance.password(f"s3/{process.store_user}").encode()
            case s.ServiceIdentity:
                held["service.jwk"] = instance.key_file(process.identity).read_bytes()
            case s.ConsentKeys:
                held["master.key"] = instance.master_key_file.read_bytes()
                held["certificates.pem"] = instance.certificate_key_file.read_bytes()
    return held


def _infrastructure(instance: Instance) -> dict[str, bytes]:
    """Roles and databases as SQL for the superuser, the store's users as versitygw keeps them, and who may do all."""
    sql = "".join(
        f"CREATE ROLE {name} LOGIN PASSWORD '{instance.password(f'database/{name}')}';\n"
        f"CREATE DATABASE {name} OWNER {name};\nREVOKE ALL ON DATABASE {name} FROM PUBLIC;\n"
        for name in DATABASES
    )
    users = {
        user: {"access": user, "secret": instance.password(f"s3/{user}"), "role": "user"}
        | {"userID": 0, "groupID": 0, "projectID": 0}
        for user in STORE_USERS
    }
    return {
        "roles.sql": sql.encode(),
        "postgres-password": instance.password("database/postgres").encode(),
        "users.json": json.dumps({"accessAccounts": users}).encode(),
        "s3-access-key": ROOT_USER.encode(),
        "s3-secret-key": instance.password("s3/root").encode(),
    }


def _write(path: Path, content: bytes) -> None:
    """Readable by a container's user, whoever that is: the folder above all of them lets in its owner alone."""
    if path.name in RENEWED or not path.exists():
        write_secret(path, content)
        path.chmod(0o444)
        path.parent.chmod(0o755)


class Authority:
    """Signs the certificates with which our processes speak TLS to each other; nobody else need trust it."""

    def __init__(self, folder: Path) -> None:
        key_file, certificate_file = folder / "keys" / "authority.key", folder / "keys" / "authority.pem"
        if not certificate_file.is_file():
            key = generate_private_key(SECP256R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Attune, between its processes")])
            made = _certificate(key, name, name, key, AUTHORITY_LIFE, authority=True)
            write_secret(key_file, _pem(key))
            write_secret(certificate_file, made.public_bytes(Encoding.PEM))
        loaded = load_pem_private_key(key_file.read_bytes(), None)
        assert isinstance(loaded, EllipticCurvePrivateKey)
        self.key, self.certificate = loaded, x509.load_pem_x509_certificate(certificate_file.read_bytes())

    def certify(self, process: str, namespace: str) -> tuple[bytes, bytes]:
        """A certificate for a process by the names that others call it, and its key."""
        key = generate_private_key(SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, process)])
        names = [process, f"{process}.{namespace}", f"{process}.{namespace}.svc", "localhost"]
        made = _certificate(self.key, self.certificate.subject, subject, key, CERTIFICATE_LIFE, names=names)
        return made.public_bytes(Encoding.PEM), _pem(key)


def _certificate(
    signer: EllipticCurvePrivateKey,
    issuer: x509.Name,
    subject: x509.Name,
    key: EllipticCurvePrivateKey,
    life: timedelta,
    *,
    authority: bool = False,
    names: list[str] | None = None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    usage = x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        **dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        ),
    )
    made = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(authority, 0 if authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(identifier, critical=False)
    )
    if names:
        known = [*map(x509.DNSName, names), x509.IPAddress(ip_address("127.0.0.1"))]
        made = made.add_extension(x509.SubjectAlternativeName(known), critical=False)
    return made.sign(signer, SHA256())


def _pem(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.images.make_secrets", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--production", action="store_true", help="nobody may make up tokens to try the API with")
    parser.add_argument("--postgres", default="postgres:5432", help="host:port, as the processes see it")
    parser.add_argument("--namespace", default="attune", help="where in Kubernetes the processes call each other")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    given.folder.chmod(0o700)
    make(given.folder, production=given.production, postgres=given.postgres, namespace=given.namespace)


if __name__ == "__main__":
    main()
