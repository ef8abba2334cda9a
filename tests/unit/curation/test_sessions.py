"""Laws of a player's session."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from services.curation.playback.sessions import ALGORITHM, LIFE, TYPE, Sessions
from shared.identity import Identity, Role, Service, TokenRefused, verify
from shared.identity.tokens import mint

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ARTEFACT, FAMILY = uuid4(), uuid4()
PARENT = Identity(str(uuid4()), Role.FAMILY, FAMILY)


@pytest.fixture
def key(tmp_path: Path) -> OKPKey:
    key = OKPKey.generate_key("Ed25519", {"kid": "curation"}, private=True)
    (tmp_path / "key.jwk").write_text(json.dumps(key.as_dict(private=True)))
    return key


@pytest.fixture
def sessions(key: OKPKey, tmp_path: Path) -> Sessions:
    return Sessions(tmp_path / "key.jwk", "one", "https://films.example")


@pytest.mark.parametrize("viewer", [PARENT, Identity(str(uuid4()), Role.PRACTITIONER)])
def test_a_session_is_of_who_began_it(sessions: Sessions, viewer: Identity) -> None:
    assert sessions.viewer(sessions.begin(viewer, ARTEFACT, NOW), ARTEFACT, NOW) == viewer


def test_a_session_ends_with_its_life(sessions: Sessions) -> None:
    value = sessions.begin(PARENT, ARTEFACT, NOW)
    assert sessions.viewer(value, ARTEFACT, NOW + LIFE - timedelta(seconds=1)) == PARENT
    assert sessions.viewer(value, ARTEFACT, NOW + LIFE) is None


def test_a_session_is_for_one_artefact(sessions: Sessions) -> None:
    assert sessions.viewer(sessions.begin(PARENT, ARTEFACT, NOW), uuid4(), NOW) is None


def test_a_session_that_somebody_changed_is_nobodys(sessions: Sessions) -> None:
    head, body, signature = sessions.begin(PARENT, ARTEFACT, NOW).split(".")
    _, other, _ = sessions.begin(Identity(str(uuid4()), Role.SUPERVISOR), ARTEFACT, NOW).split(".")
    for changed in (f"{head}.{other}.{signature}", f"{head}.{body}.", f"{head}.{body}", "", "a.b.c", "…"):
        assert sessions.viewer(changed, ARTEFACT, NOW) is None


def test_a_session_of_another_key_or_without_one_is_nobodys(sessions: Sessions, key: OKPKey) -> None:
    other = OKPKey.generate_key("Ed25519", {"kid": "curation"}, private=True)
    _, body, _ = sessions.begin(PARENT, ARTEFACT, NOW).split(".")
    claims = {
        "typ": TYPE,
        "artefact": str(ARTEFACT),
        "sub": PARENT.subject,
        "role": "family",
        "family_id": str(FAMILY),
        "exp": int(NOW.timestamp()) + 60,
    }
    signed, forged = (jwt.encode({"alg": ALGORITHM}, claims, by, algorithms=[ALGORITHM]) for by in (key, other))
    assert sessions.viewer(signed, ARTEFACT, NOW) == PARENT
    assert sessions.viewer(forged, ARTEFACT, NOW) is None
    assert sessions.viewer(f"eyJhbGciOiJub25lIn0.{body}.", ARTEFACT, NOW) is None


def test_a_session_is_no_token_and_a_token_no_session(sessions: Sessions, key: OKPKey) -> None:
    public = OKPKey.import_key(key.as_dict(private=False))
    with pytest.raises(TokenRefused):
        verify(sessions.begin(PARENT, ARTEFACT, NOW), {"curation": public}, NOW)
    token = mint(key, Service.CURATION, Role.SERVICE, NOW, timedelta(minutes=1))
    assert sessions.viewer(token, ARTEFACT, NOW) is None


def test_the_cookie_is_this_instances_own(tmp_path: Path, key: OKPKey) -> None:
    names = {Sessions(tmp_path / "key.jwk", instance, "https://films.example").cookie for instance in ("one", "two")}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("url", "secure", "path"),
    [
        ("https://films.example", True, ""),
        ("http://127.0.0.1:1", False, ""),
        ("https://a.example/play/", True, "/play"),
    ],
)
def test_the_cookie_goes_where_browsers_see_the_gateway(
    tmp_path: Path, key: OKPKey, url: str, secure: bool, path: str
) -> None:
    sessions = Sessions(tmp_path / "key.jwk", "one", url)
    assert (sessions.secure, sessions.path) == (secure, path)
