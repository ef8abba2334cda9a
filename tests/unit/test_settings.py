"""Settings come from the environment, and what is secret may come from a file that it names."""

from pathlib import Path

import pytest

from shared.database import connection
from shared.messaging import events, progress
from shared.settings import DatabaseSettings, HttpSettings, StoreSettings


def test_a_secret_may_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "database-url"
    secret.write_text("postgresql://upload:pass@db:5432/upload\n")
    monkeypatch.setenv("ATTUNE_DATABASE_URL_FILE", str(secret))
    assert str(DatabaseSettings().url) == "postgresql://upload:pass@db:5432/upload"


def test_a_file_that_is_not_there_is_an_error_and_no_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_DATABASE_POOL_FILE", str(tmp_path / "nothing"))
    monkeypatch.setenv("ATTUNE_DATABASE_URL", "postgresql://db/upload")
    with pytest.raises(FileNotFoundError):
        DatabaseSettings()


def test_the_value_itself_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from the file")
    for name, value in {"ENDPOINT": "s3:7070", "ACCESS_KEY": "upload", "SECRET_KEY": "itself"}.items():
        monkeypatch.setenv(f"ATTUNE_S3_{name}", value)
    monkeypatch.setenv("ATTUNE_S3_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert StoreSettings().secret_key.get_secret_value() == "itself"


def test_what_is_a_path_by_itself_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_HTTP_CERTIFICATE_FILE", str(tmp_path / "tls.crt"))
    assert HttpSettings().certificate_file == tmp_path / "tls.crt"


def test_what_is_slow_fails_as_itself() -> None:
    """Each time limit lies below the next; PostgreSQL's own would look like a lost connection, tried again for ever."""
    postgres = min(connection.TRANSACTION_SECONDS, connection.IDLE_IN_TRANSACTION_SECONDS)
    assert connection.LOCK_SECONDS < connection.ATTEMPT_SECONDS < connection.COMMAND_SECONDS < postgres
    assert connection.ATTEMPT_SECONDS + 10 < events.REBALANCE_SECONDS < progress.STALLED_SECONDS
