"""`python -m shared.identity token`: for development, and never in production."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from shared.identity import Role, verify
from shared.identity.tokens import DEVELOPMENT
from tests.patience import PATIENCE_SECONDS
from tests.unit.identity.conftest import Issuers


@pytest.fixture
def key_file(issuers: Issuers, tmp_path: Path) -> Path:
    path = tmp_path / "development.jwk"
    path.write_text(json.dumps(issuers.private[DEVELOPMENT].as_dict(private=True)))
    return path


def token(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shared.identity", "token", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def test_it_prints_a_token_that_is_believed(issuers: Issuers, key_file: Path) -> None:
    subject, family = uuid4(), uuid4()
    settings = {"ATTUNE_ENVIRONMENT": "development", "ATTUNE_DEVELOPMENT_KEY_FILE": str(key_file)}
    printed = token("--role", "family", "--subject", str(subject), "--family-id", str(family), **settings)
    assert printed.returncode == 0, printed.stderr
    identity = verify(printed.stdout.strip(), issuers.public, datetime.now(UTC))
    assert (identity.person_id, identity.role, identity.family_id) == (subject, Role.FAMILY, family)


@pytest.mark.parametrize("environment", [{}, {"ATTUNE_ENVIRONMENT": "production"}])
def test_in_production_and_unless_told_otherwise_there_is_none(key_file: Path, environment: dict[str, str]) -> None:
    settings = environment | {"ATTUNE_DEVELOPMENT_KEY_FILE": str(key_file)}
    refused = token("--role", "practitioner", "--subject", str(uuid4()), **settings)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "production" in refused.stderr


@pytest.mark.parametrize(
    "arguments", [["--role", "service"], ["--role", "family"], ["--role", "operator", "--family-id", str(uuid4())]]
)
def test_it_makes_people_and_only_whole_ones(key_file: Path, arguments: list[str]) -> None:
    settings = {"ATTUNE_ENVIRONMENT": "development", "ATTUNE_DEVELOPMENT_KEY_FILE": str(key_file)}
    refused = token("--subject", str(uuid4()), *arguments, **settings)
    assert refused.returncode != 0
    assert refused.stdout == ""
