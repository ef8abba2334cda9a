"""Every setting of every process, read from the environment: `ATTUNE_*`. (`OTEL_*` is read by OpenTelemetry itself.)

The same names hold in the local stack, in compose and in Kubernetes. What is secret may be given as a file:
`ATTUNE_X_FILE` is a path.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, PostgresDsn, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings as _BaseSettings
from pydantic_settings import PydanticBaseSettingsSource, SettingsConfigDict


class _Files(PydanticBaseSettingsSource):
    """What variables of the form `ATTUNE_X_FILE` name: the content of the file is the value of X."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{self.config.get('env_prefix', '')}{field_name}_FILE".upper())
        return Path(path).read_text().strip() if path else None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class BaseSettings(_BaseSettings):
    """Settings of one prefix. Raises: ValidationError; OSError for a file that cannot be read."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[_BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _Files(settings_cls)


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Organisation(BaseSettings):
    """Printed on every message, page and certificate."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_ORGANISATION_")

    name: str
    team: str
    site: str
    phone: str
    mail: str
    complaints: str = Field(description="How to reach the complaints team and PALS: a phone number, an address")


class Settings(BaseSettings):
    """What every process needs."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_")

    environment: Environment = Environment.PRODUCTION
    instance: str = Field("attune", description="Names cookies, so that two instances on one host do not share them")
    jwks_file: Path = Field(
        description="Public keys (JWK Set) of those whose tokens are believed; `kid` names the issuer's key"
    )


class HttpSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ATTUNE_HTTP_")

    host: str = "127.0.0.1"
    port: int = 8080
    drain_seconds: int = Field(30, description="How long a stopping process waits for requests under way")
    certificate_file: Path | None = Field(None, description="PEM; with it, and its key, the process speaks TLS alone")
    certificate_key_file: Path | None = None


class DatabaseSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ATTUNE_DATABASE_")

    url: PostgresDsn = Field(description="postgresql://user:password@host:port/database")
    pool: int = 10


class KafkaSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ATTUNE_KAFKA_")

    servers: str = Field(description="host:port, comma-separated")
    replication: int = Field(3, description="Replicas of each topic; with one broker, 1")


class ServiceIdentity(BaseSettings):
    """With what a service signs its own short-lived tokens."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_SERVICE_")

    key_file: Path = Field(description="Private key (JWK, Ed25519); its `kid` is the service's name")


class DevelopmentSettings(BaseSettings):
    """With what a person's token is made while sign-in does not exist: `python -m shared.identity`, a family's link."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_")

    environment: Environment = Environment.PRODUCTION
    development_key_file: Path | None = Field(
        None, description="Private key (JWK, Ed25519) whose `kid` is `development`"
    )


class StoreSettings(BaseSettings):
    """An S3 server; each service has a user of its own with rights to no more than it needs."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_S3_")

    endpoint: str = Field(description="host:port")
    secure: bool = True
    region: str = "us-east-1"
    access_key: str
    secret_key: SecretStr
    ca_file: Path | None = None


class BucketSettings(BaseSettings):
    """The buckets by their owners: upload, transcoding, consent."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_BUCKET_")

    recordings: str = "recordings"
    renditions: str = "renditions"
    evidence: str = "evidence"


class ConsentKeys(BaseSettings):
    """What only the consent service holds."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_")

    master_key_file: Path = Field(description="32 random bytes that wrap every episode's key")
    certificate_key_file: Path = Field(description="Private key (PEM, Ed25519) that signs certificates of erasure")


class ConsentSettings(BaseSettings):
    """What the organisation decides about consent and about erasures."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_CONSENT_")

    purposes: tuple[str, ...] = Field(
        ("film", "review", "supervision", "stills", "training"), description="What a person may agree to"
    )
    discard_reasons: tuple[str, ...] = Field(
        ("baby_distressed", "parent_asked", "wrong_film", "somebody_else_in_it"),
        description="Why one recording may be discarded: words that are told to everybody",
    )
    cooling_off_confirmed_seconds: int = Field(0, description="From a withdrawal that the family confirmed to the end")
    cooling_off_reported_seconds: int = Field(
        24 * 60 * 60, description="From a withdrawal that staff report and the family has not confirmed to the end"
    )
    stalled_seconds: int = Field(60, description="How long an erasure may wait for somebody before a person is told")
    backup_days: int = Field(35, description="How long the oldest backup of any store is kept; printed on certificates")
    reconcile_seconds: int = Field(300, description="How often the stores are compared with the register")


class UploadSettings(BaseSettings):
    """How films are taken in."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_UPLOAD_")

    max_bytes: int = Field(32 * 1024**3, description="The largest film that is taken")
    segment_bytes: int = Field(
        4 * 1024**2, ge=4096, le=8 * 1024**2, description="At how many bytes a segment is sealed"
    )
    abandoned_after_seconds: int = Field(
        7 * 24 * 60 * 60, description="How long nothing may be added before it is given up"
    )


class HorizonSettings(BaseSettings):
    """From these, and only these, H is computed: how long after the end a write may still land."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_")

    permit_seconds: int = 30
    put_seconds: int = 30
    clock_skew_seconds: int = 5

    @property
    def horizon(self) -> int:
        """H, in seconds."""
        return self.permit_seconds + self.put_seconds + self.clock_skew_seconds


class PeerSettings(BaseSettings):
    """Where the other services are; each process sets what it needs."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_")

    consent_url: str = ""
    upload_url: str = ""
    transcoding_url: str = ""
    curation_url: str = ""
    notification_url: str = ""


class PublicSettings(BaseSettings):
    """Addresses as a browser sees them; the portal's is the one origin that CORS allows."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_PUBLIC_")

    portal_url: str = ""
    upload_url: str = ""
    playback_url: str = ""


class PortalSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ATTUNE_PORTAL_")

    assets_folder: Path = Field(
        description="The pages' style sheet, scripts and pictures: `python -m deploy.local.npm`"
    )


class SmtpSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ATTUNE_SMTP_")

    host: str
    port: int = 587
    starttls: bool = True
    username: str | None = None
    password: SecretStr | None = None
    sender: str = Field(description="The address that messages come from")
    timeout_seconds: float = Field(30.0, description="For each answer of the server")
    retry_seconds: float = Field(30.0, description="Until the second attempt; twice as long each time, at most 1 h")
    attempts: int = Field(12, description="After so many, somebody must tell them in person")


class ScratchSettings(BaseSettings):
    """Where a worker keeps plain bytes for as long as a job lasts; each process has a folder of its own."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_")

    scratch_folder: Path
