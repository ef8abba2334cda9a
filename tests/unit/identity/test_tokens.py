"""A token is believed only when everything about it is as we make it ourselves."""

import base64
import hmac
import json
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import AttuneError
from shared.identity import (
    ExpiredToken,
    Identity,
    MalformedToken,
    Role,
    Service,
    ServiceToken,
    TokenRefused,
    UntrustedToken,
    load_keys,
    verify,
)
from shared.identity.tokens import DEVELOPMENT, PERSON_LIFE, SERVICE_LIFE, mint
from shared.settings import Environment
from tests.unit.identity.conftest import NOW, Issuers, new_key

PERSON, FAMILY = uuid4(), uuid4()
MOMENT = int(NOW.timestamp())


def claims(**changed: Any) -> dict[str, Any]:
    """A practitioner's, good for an hour; `None` takes one out."""
    good = {
        "iss": DEVELOPMENT,
        "aud": "attune",
        "sub": str(PERSON),
        "role": "practitioner",
        "iat": MOMENT,
        "nbf": MOMENT,
        "exp": MOMENT + 3600,
        "jti": str(uuid4()),
    }
    return {name: value for name, value in (good | changed).items() if value is not None}


def of_service(**changed: Any) -> dict[str, Any]:
    return claims(**{"iss": "upload", "sub": "upload", "role": "service", "exp": MOMENT + 120} | changed)


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def segment(content: Any) -> str:
    return encoded(json.dumps(content).encode())


def by_hand(issuers: Issuers, **member: Any) -> str:
    """Rightly signed, under a header that no library would write."""
    key = issuers.private[DEVELOPMENT].private_key
    assert isinstance(key, Ed25519PrivateKey)
    signed = f"{segment({'alg': 'Ed25519', 'kid': DEVELOPMENT, 'typ': 'JWT'} | member)}.{segment(claims())}"
    return f"{signed}.{encoded(key.sign(signed.encode()))}"


def test_a_good_token_says_who_asks(issuers: Issuers) -> None:
    assert verify(issuers.sign(claims()), issuers.public, NOW) == Identity(str(PERSON), Role.PRACTITIONER)
    parent = verify(issuers.sign(claims(role="family", family_id=str(FAMILY))), issuers.public, NOW)
    assert (parent.person_id, parent.family_id) == (PERSON, FAMILY)
    assert verify(issuers.sign(of_service(), "upload"), issuers.public, NOW) == Identity("upload", Role.SERVICE)


@pytest.mark.parametrize("role", [Role.PRACTITIONER, Role.SUPERVISOR, Role.OPERATOR])
def test_what_we_mint_we_believe(issuers: Issuers, role: Role) -> None:
    token = mint(issuers.private[DEVELOPMENT], str(PERSON), role, NOW, PERSON_LIFE)
    assert verify(token, issuers.public, NOW).role is role


# the signature and the header


def test_alg_none_is_nobody(issuers: Issuers) -> None:
    for alg in ("none", "None", "NONE", ""):
        for signature in ("", "x"):
            token = f"{segment({'alg': alg, 'kid': DEVELOPMENT, 'typ': 'JWT'})}.{segment(claims())}.{signature}"
            with pytest.raises(TokenRefused):
                verify(token, issuers.public, NOW)


def test_hs256_with_the_public_key_as_secret_is_nobody(issuers: Issuers) -> None:
    public = issuers.public[DEVELOPMENT]
    raw = public.public_key
    secrets = [
        raw.public_bytes(Encoding.Raw, PublicFormat.Raw),
        raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(public.as_dict()).encode(),
        b"",
    ]
    for secret in secrets:
        signed = f"{segment({'alg': 'HS256', 'kid': DEVELOPMENT, 'typ': 'JWT'})}.{segment(claims())}"
        mac = encoded(hmac.new(secret, signed.encode(), sha256).digest())
        with pytest.raises(UntrustedToken):
            verify(f"{signed}.{mac}", issuers.public, NOW)


def test_another_name_of_the_right_algorithm_is_not_the_right_algorithm(issuers: Issuers) -> None:
    with pytest.warns(UserWarning, match="deprecated"):
        token = issuers.sign(claims(), alg="EdDSA")
    with pytest.raises(UntrustedToken):
        verify(token, issuers.public, NOW)


def test_a_strangers_signature_under_a_trusted_name_is_nobody(issuers: Issuers) -> None:
    stranger = Issuers({DEVELOPMENT: new_key(DEVELOPMENT)})
    with pytest.raises(UntrustedToken):
        verify(stranger.sign(claims()), issuers.public, NOW)


@pytest.mark.parametrize("kid", ["stranger", "../development", "", "DEVELOPMENT", 7, ["development"], {"a": 1}, None])
def test_an_unknown_kid_is_nobody(issuers: Issuers, kid: Any) -> None:
    signature = issuers.sign(claims()).rpartition(".")[2]
    token = f"{segment({'alg': 'Ed25519', 'kid': kid, 'typ': 'JWT'})}.{segment(claims())}.{signature}"
    with pytest.raises(TokenRefused):
        verify(token, issuers.public, NOW)


@pytest.mark.parametrize(
    "member",
    [
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["abc"]},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"typ": "at+jwt"},
        {"typ": "jwt"},
        {"nested": {"a": 1}},
    ],
)
def test_a_header_with_anything_else_is_refused_even_if_rightly_signed(
    issuers: Issuers, member: dict[str, Any]
) -> None:
    with pytest.raises(TokenRefused):
        verify(by_hand(issuers, **member), issuers.public, NOW)


def test_signed_by_hand_and_without_the_member_it_is_believed(issuers: Issuers) -> None:
    assert verify(by_hand(issuers), issuers.public, NOW).role is Role.PRACTITIONER


def test_a_key_that_comes_with_the_token_is_not_used(issuers: Issuers) -> None:
    evil = new_key(DEVELOPMENT)
    token = Issuers({DEVELOPMENT: evil}).sign(claims(), jwk=evil.as_dict(private=False))
    with pytest.raises(TokenRefused):
        verify(token, issuers.public, NOW)


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b", "a.b.c", "é.é.é", "a.b.c.d", "a.b.c.d.e", "." * 9, "[" * 5000, "A" * 200_000]
)
def test_what_is_no_token_is_refused(issuers: Issuers, token: str) -> None:
    with pytest.raises(TokenRefused):
        verify(token, issuers.public, NOW)


@given(st.text())
def test_any_text_at_all_is_refused_and_never_breaks(text: str) -> None:
    with pytest.raises(TokenRefused):
        verify(text, {}, NOW)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_token_with_one_byte_changed_is_refused(issuers: Issuers, place: int, change: int) -> None:
    token = bytearray(issuers.sign(claims()).encode())
    place %= len(token) - 1  # the last character of a signature has bits that nobody reads
    if token[place] != change:
        token[place] = change
        with pytest.raises(TokenRefused):
            verify(token.decode("latin-1"), issuers.public, NOW)


# the claims


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "role", "iat", "nbf", "exp", "jti"])
def test_no_claim_may_be_missing(issuers: Issuers, missing: str) -> None:
    with pytest.raises(MalformedToken):
        verify(issuers.sign(claims(**{missing: None})), issuers.public, NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"exp": str(MOMENT + 3600)},
        {"exp": float(MOMENT + 3600)},
        {"exp": True},
        {"nbf": "now"},
        {"aud": ["attune"]},
        {"sub": 7},
        {"sub": ""},
        {"sub": "jane"},
        {"role": "admin"},
        {"role": ["practitioner"]},
        {"jti": "7"},
        {"family_id": "jane"},
        {"family_id": str(FAMILY)},
        {"role": "family"},
    ],
)
def test_a_claim_of_the_wrong_form_is_refused_and_not_repeated(issuers: Issuers, wrong: dict[str, Any]) -> None:
    with pytest.raises(MalformedToken) as refused:
        verify(issuers.sign(claims(**wrong)), issuers.public, NOW)
    assert "jane" not in str(refused.value)


@pytest.mark.parametrize("wrong", [{"aud": "other"}, {"aud": ""}, {"iss": "upload"}, {"iss": "stranger"}])
def test_a_token_for_or_from_somebody_else_is_refused(issuers: Issuers, wrong: dict[str, Any]) -> None:
    with pytest.raises(UntrustedToken):
        verify(issuers.sign(claims(**wrong)), issuers.public, NOW)


@pytest.mark.parametrize("service", list(Service))
@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SERVICE])
def test_a_service_cannot_mint_a_person(issuers: Issuers, service: Service, role: Role) -> None:
    family_id = str(FAMILY) if role is Role.FAMILY else None
    token = issuers.sign(of_service(iss=service, sub=str(PERSON), role=role, family_id=family_id), service)
    with pytest.raises(UntrustedToken):
        verify(token, issuers.public, NOW)


@pytest.mark.parametrize("service", list(Service))
def test_a_service_speaks_only_for_itself(issuers: Issuers, service: Service) -> None:
    other = next(one for one in Service if one is not service)
    with pytest.raises(UntrustedToken):
        verify(issuers.sign(of_service(iss=service, sub=other), service), issuers.public, NOW)
    with pytest.raises(UntrustedToken):
        verify(issuers.sign(of_service(iss=other, sub=other), service), issuers.public, NOW)


def test_the_development_issuer_cannot_mint_a_service(issuers: Issuers) -> None:
    with pytest.raises(UntrustedToken):
        verify(issuers.sign(of_service(iss=DEVELOPMENT)), issuers.public, NOW)


# the time


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "good"), [(-31, False), (-30, True), (0, True), (3629, True), (3630, False), (1e6, False)]
)
def test_a_token_is_good_from_nbf_to_exp_and_half_a_minute_round_it(
    issuers: Issuers, seconds: float, good: bool
) -> None:
    token = issuers.sign(claims())
    if good:
        assert verify(token, issuers.public, at(seconds))
    else:
        with pytest.raises(ExpiredToken):
            verify(token, issuers.public, at(seconds))


@pytest.mark.parametrize(
    "times",
    [
        {"exp": MOMENT + 12 * 3600 + 1},
        {"exp": 2**62},
        {"iat": MOMENT - 12 * 3600},
        {"nbf": MOMENT - 12 * 3600},
        {"nbf": MOMENT + 31},
        {"iat": MOMENT + 31},
        {"exp": 0},
        {"exp": -(2**62)},
    ],
)
def test_too_long_too_early_or_over_is_refused(issuers: Issuers, times: dict[str, int]) -> None:
    with pytest.raises(ExpiredToken):
        verify(issuers.sign(claims(**times)), issuers.public, NOW)


def test_a_services_token_lives_two_minutes_at_most(issuers: Issuers) -> None:
    with pytest.raises(ExpiredToken):
        verify(issuers.sign(of_service(exp=MOMENT + 121), "upload"), issuers.public, NOW)


# the keys


def test_keys_are_read_by_their_issuers_name(issuers: Issuers, tmp_path: Path) -> None:
    keys = load_keys(issuers.write(tmp_path, "upload", DEVELOPMENT), Environment.DEVELOPMENT)
    assert set(keys) == {"upload", DEVELOPMENT}
    assert verify(issuers.sign(claims()), keys, NOW)


def test_production_does_not_know_the_development_issuer(issuers: Issuers, tmp_path: Path) -> None:
    assert load_keys(issuers.write(tmp_path, "upload"), Environment.PRODUCTION)
    with pytest.raises(AttuneError, match="production"):
        load_keys(issuers.write(tmp_path, "upload", DEVELOPMENT), Environment.PRODUCTION)


@pytest.mark.parametrize(
    "more", [{"kid": "stranger"}, {"kid": None}, {"crv": "X25519"}, {"kty": "oct", "k": "AAAA"}, {"d": "AAAA"}]
)
def test_a_key_that_is_nobodys_or_not_a_public_ed25519_key_is_refused(
    issuers: Issuers, tmp_path: Path, more: dict[str, Any]
) -> None:
    with pytest.raises(AttuneError):
        load_keys(issuers.write(tmp_path, "upload", **more), Environment.DEVELOPMENT)


def test_two_keys_of_one_name_are_refused(issuers: Issuers, tmp_path: Path) -> None:
    with pytest.raises(AttuneError):
        load_keys(issuers.write(tmp_path, "upload", "upload"), Environment.DEVELOPMENT)


# a service's own tokens


async def test_a_service_signs_its_requests_and_makes_a_new_token_in_time(issuers: Issuers, tmp_path: Path) -> None:
    key_file = tmp_path / "upload.jwk"
    key_file.write_text(json.dumps(issuers.private["upload"].as_dict(private=True)))
    now, seen = NOW.timestamp(), []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"].removeprefix("Bearer "))
        return httpx.Response(200)

    auth = ServiceToken(key_file, clock=lambda: now)
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), auth=auth, base_url="http://consent") as client:
        for _ in range(2 * int(SERVICE_LIFE.total_seconds())):
            await client.get("/")
            identity = verify(seen[-1], issuers.public, datetime.fromtimestamp(now, NOW.tzinfo))
            assert identity == Identity("upload", Role.SERVICE)
            now += 1
    assert len(set(seen)) == 4  # one a minute: each is used for half of its life


def test_a_persons_id_is_not_asked_of_a_service() -> None:
    assert Identity(str(PERSON), Role.OPERATOR).person_id == UUID(str(PERSON))
    with pytest.raises(ValueError, match="UUID"):
        _ = Identity("upload", Role.SERVICE).person_id
