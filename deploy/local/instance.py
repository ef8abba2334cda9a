"""What a stack made up at its first start and remembers in its folder: name, ports, passwords, keys. None is fixed."""

import fcntl
import json
import os
import random
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import OKPKey

from deploy.local.cache import cache_folder
from deploy.system import DEVELOPMENT_ISSUER, IDENTITIES

PORTS = range(20000, 32000)  # below those that the kernel gives to outgoing connections


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    part.rename(path)


class WrongNumberOfBrokers(Exception):
    """A cluster does not change its size here."""


@dataclass
class Instance:
    """One stack. `folder` holds all its state."""

    folder: Path
    name: str = field(default_factory=lambda: f"attune-{secrets.token_hex(3)}")
    brokers: int = 1
    ports: dict[str, int] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    claimed: bool = False  # by the one who starts its processes, and may make up what is missing
    _held: dict[int, IO[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Instance":
        """The stack of this folder as it is remembered. Raises: FileNotFoundError when it was never started."""
        folder = folder.absolute()
        return cls(folder, **json.loads((folder / "instance.json").read_text()))

    @classmethod
    def claim(cls, folder: Path) -> "Instance":
        """The stack of this folder, or a new one, for the one process that starts its processes.

        Remembered ports that a stranger has taken since are given up. Raises: WrongNumberOfBrokers."""
        wanted = os.environ.get("ATTUNE_BROKERS")
        try:
            instance = cls.read(folder)
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            instance = cls(folder.absolute(), brokers=int(wanted or 1))
        if wanted and int(wanted) != instance.brokers:
            raise WrongNumberOfBrokers(
                f"This stack has {instance.brokers} Kafka broker(s), and {wanted} are asked for: clean it first"
            )
        instance.claimed = True
        instance.ports = {of: port for of, port in instance.ports.items() if instance._hold(port)}
        return instance

    def save(self) -> None:
        known = {"name": self.name, "brokers": self.brokers, "ports": self.ports, "passwords": self.passwords}
        write_secret(self.folder / "instance.json", json.dumps(known, indent=1).encode())

    def password(self, of: str) -> str:
        """Made up at the first call by the one who starts the processes. Raises: KeyError for others."""
        if self.claimed and of not in self.passwords:
            self.passwords[of] = secrets.token_urlsafe(24)
            self.save()
        return self.passwords[of]

    def port(self, of: str) -> int:
        """A port of 127.0.0.1, free when chosen, made up like a password. Raises: KeyError."""
        if self.claimed and of not in self.ports:
            self.ports[of] = self._free_port()
            self.save()
        return self.ports[of]

    def _free_port(self) -> int:
        while True:
            port = random.choice(PORTS)  # noqa: S311
            if port not in self.ports.values() and self._hold(port):
                return port

    def _hold(self, port: int) -> bool:
        """Whether nobody listens there, and no other stack of this user has chosen it."""
        if port in self._held:
            return True
        reservation = cache_folder() / "ports" / str(port)
        reservation.parent.mkdir(exist_ok=True)
        file = reservation.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            file.close()
            return False
        self._held[port] = file
        return True

    # secrets in files, made at the first start and whenever one is missing

    @property
    def jwks_file(self) -> Path:
        return self.folder / "keys" / "jwks.json"

    @property
    def master_key_file(self) -> Path:
        return self.folder / "keys" / "master.key"

    @property
    def certificate_key_file(self) -> Path:
        return self.folder / "keys" / "certificates.pem"

    def key_file(self, kid: str) -> Path:
        return self.folder / "keys" / f"{kid}.jwk"

    def make_keys(self) -> None:
        """A signing key for each who issues tokens, the set of their public parts, and consent's own two keys."""
        public = []
        for kid in (*IDENTITIES, DEVELOPMENT_ISSUER):
            path = self.key_file(kid)
            if not path.is_file():
                key = OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig"}, private=True)
                write_secret(path, json.dumps(key.as_dict(private=True)).encode())
            public.append(OKPKey.import_key(json.loads(path.read_text())).as_dict(private=False))
        write_secret(self.jwks_file, json.dumps({"keys": public}, indent=1).encode())
        if not self.master_key_file.is_file():
            write_secret(self.master_key_file, secrets.token_bytes(32))
        if not self.certificate_key_file.is_file():
            pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            write_secret(self.certificate_key_file, pem)
