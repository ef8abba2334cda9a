import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from shared.identity import Keys
from shared.identity.tokens import DEVELOPMENT, Service

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def new_key(kid: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid}, private=True)


@dataclass
class Issuers:
    """The private keys of all who may sign, and what the world is given of them."""

    private: dict[str, OKPKey]

    @property
    def public(self) -> Keys:
        return {kid: OKPKey.import_key(key.as_dict(private=False)) for kid, key in self.private.items()}

    def write(self, folder: Path, *kids: str, **more: Any) -> Path:
        path = folder / "jwks.json"
        entries = [self.private[kid].as_dict(private=False) | more for kid in kids]
        path.write_text(json.dumps({"keys": entries}))
        return path

    def sign(self, claims: dict[str, Any], kid: str = DEVELOPMENT, **header: Any) -> str:
        """Whatever is asked for, under whatever header: what an attacker with a key could make."""
        alg = header.pop("alg", "Ed25519")
        registry = JWSRegistry(algorithms=[alg], strict_check_header=False)
        wanted = {"alg": alg, "kid": kid, "typ": "JWT"} | header
        return jwt.encode(wanted, claims, self.private[kid], algorithms=[alg], registry=registry)


@pytest.fixture(scope="session")
def issuers() -> Issuers:
    return Issuers({kid: new_key(kid) for kid in [DEVELOPMENT, *Service]})
