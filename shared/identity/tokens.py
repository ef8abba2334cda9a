"""Bearer tokens: JWTs signed with Ed25519 and nothing else. The key's `kid` says what it may claim."""

import json
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from uuid import UUID, uuid4

import httpx
from joserfc import jwt
from joserfc.errors import DecodeError, JoseError
from joserfc.jwk import GuestProtocol, OKPKey
from pydantic import BaseModel, ConfigDict, Field

from shared.errors import AttuneError
from shared.settings import Environment

ALGORITHM = "Ed25519"  # RFC 9864; plain "EdDSA" would leave the curve open
AUDIENCE = "attune"
DEVELOPMENT = "development"  # the issuer of people's tokens until sign-in exists; never in production
SKEW = timedelta(seconds=30)
PERSON_LIFE = timedelta(hours=12)
SERVICE_LIFE = timedelta(minutes=2)


class Role(StrEnum):
    PRACTITIONER = "practitioner"
    SUPERVISOR = "supervisor"
    FAMILY = "family"
    OPERATOR = "operator"
    SERVICE = "service"


class Service(StrEnum):
    """Whose key may sign a token of role `service`: a process that speaks for itself."""

    CONSENT = "consent"
    CONSENT_VERIFIER = "consent-verifier"
    UPLOAD = "upload"
    TRANSCODING = "transcoding"
    CURATION = "curation"
    NOTIFICATION = "notification"
    PORTAL = "portal"


@dataclass(frozen=True)
class Identity:
    """Who is asking: a person by id, or a service by name."""

    subject: str
    role: Role
    family_id: UUID | None = None

    @property
    def person_id(self) -> UUID:
        """Of a person; ValueError for a service."""
        return UUID(self.subject)


class TokenRefused(AttuneError):
    """Why the bearer is nobody to us; never says what the token held."""


class MalformedToken(TokenRefused):
    """Not a token of our form: unreadable, a header we do not use, a claim missing or of the wrong type."""


class UntrustedToken(TokenRefused):
    """Not signed by a key we believe, or for somebody else, or claiming what its signer may not."""


class ExpiredToken(TokenRefused):
    """Not yet, no longer, or for longer than we allow."""


Keys = Mapping[str, OKPKey]
"""Public keys by `kid`, that is by issuer."""


class _Claims(BaseModel):
    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    iss: str
    aud: str
    sub: str = Field(min_length=1)
    role: Role = Field(strict=False)
    exp: int
    nbf: int
    iat: int
    jti: UUID = Field(strict=False)
    family_id: UUID | None = Field(None, strict=False)


def load_keys(jwks_file: Path, environment: Environment) -> Keys:
    """Whose tokens are believed. Raises AttuneError for a file that must not be used."""
    keys: dict[str, OKPKey] = {}
    for entry in json.loads(jwks_file.read_text())["keys"]:
        kid = entry.get("kid")
        if kid not in [DEVELOPMENT, *Service] or kid in keys:
            raise AttuneError(f"{jwks_file}: each key needs a `kid` of its own, a service's name or {DEVELOPMENT!r}")
        if kid == DEVELOPMENT and environment is Environment.PRODUCTION:
            raise AttuneError(f"{jwks_file}: production must not trust the development issuer; take its key out")
        if entry.get("kty") != "OKP" or entry.get("crv") != "Ed25519" or "d" in entry:
            raise AttuneError(f"{jwks_file}: {kid!r} must be a public Ed25519 key")
        keys[kid] = OKPKey.import_key(entry)
    return keys


def verify(token: str, keys: Keys, now: datetime) -> Identity:
    """Whose token this is. Raises TokenRefused, as one of its three kinds."""
    signers: list[str] = []

    def signer(signature: GuestProtocol) -> OKPKey:
        header = signature.headers()
        # no jwk, jku, x5u, crit, b64, whatever they say
        if header.keys() != {"alg", "kid", "typ"} or header["typ"] != "JWT":
            raise MalformedToken("The token's header has other members than alg, kid and typ")
        if header["alg"] != ALGORITHM or header["kid"] not in keys:
            raise UntrustedToken("The token is not signed by anybody we trust")
        signers.append(header["kid"])
        return keys[header["kid"]]

    try:
        claims = _Claims.model_validate(jwt.decode(token, signer, algorithms=[ALGORITHM]).claims)
    except (DecodeError, ValueError, TypeError, RecursionError) as error:  # pydantic's ValidationError is a ValueError
        raise MalformedToken("The token is not of our form") from error
    except JoseError as error:
        raise UntrustedToken("The token is not signed by anybody we trust") from error
    _believable(claims, signers[0])
    _timely(claims, now)
    return Identity(claims.sub, claims.role, claims.family_id)


def _believable(claims: _Claims, signer: str) -> None:
    if claims.iss != signer or claims.aud != AUDIENCE:
        raise UntrustedToken("The token's issuer or audience is not right")
    if (signer == DEVELOPMENT) == (claims.role is Role.SERVICE):
        raise UntrustedToken("The token's issuer may not give this role")
    if claims.role is Role.SERVICE:
        if claims.sub != signer:
            raise UntrustedToken("A service speaks only for itself")
    else:
        try:
            UUID(claims.sub)
        except ValueError:
            raise MalformedToken("A person is named by a UUID") from None
    if (claims.role is Role.FAMILY) != (claims.family_id is not None):
        raise MalformedToken("The token of a family, and only that, names the family")


def _timely(claims: _Claims, now: datetime) -> None:
    moment, skew = now.timestamp(), SKEW.total_seconds()
    life = SERVICE_LIFE if claims.role is Role.SERVICE else PERSON_LIFE
    if claims.exp - min(claims.iat, claims.nbf) > life.total_seconds():
        raise ExpiredToken("The token is made for longer than is allowed")
    if max(claims.nbf, claims.iat) > moment + skew or claims.exp + skew <= moment:
        raise ExpiredToken("The token is not valid now")


def mint(key: OKPKey, subject: str, role: Role, now: datetime, life: timedelta, family_id: UUID | None = None) -> str:
    """A token signed with a private key whose `kid` is the issuer's name."""
    moment = int(now.timestamp())
    claims = {
        "iss": key.kid,
        "aud": AUDIENCE,
        "sub": subject,
        "role": role.value,
        "iat": moment,
        "nbf": moment,
        "exp": moment + int(life.total_seconds()),
        "jti": str(uuid4()),
    }
    if family_id:
        claims["family_id"] = str(family_id)
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid, "typ": "JWT"}, claims, key, algorithms=[ALGORITHM])


class ServiceToken(httpx.Auth):
    """Signs a service's requests with a token of its own, made anew when half of its life is over."""

    def __init__(self, key_file: Path, clock: Callable[[], float] = time.time) -> None:
        self._key = OKPKey.import_key(json.loads(key_file.read_text()))
        self._clock = clock
        self._token, self._made = "", float("-inf")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        now = self._clock()
        if now - self._made > SERVICE_LIFE.total_seconds() / 2:
            moment = datetime.fromtimestamp(now, UTC)
            self._token = mint(self._key, str(self._key.kid), Role.SERVICE, moment, SERVICE_LIFE)
            self._made = now
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request
