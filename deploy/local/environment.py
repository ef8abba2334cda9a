"""What each process finds in its environment here: a value for every settings class that `deploy/system.py` names."""

from pathlib import Path

from pydantic_settings import BaseSettings

from deploy.local.instance import Instance
from deploy.local.npm import assets_folder
from deploy.system import BUCKETS, DEVELOPMENT_ISSUER, Process
from shared import settings as s

ORGANISATION = {
    "ATTUNE_ORGANISATION_NAME": "Example NHS Foundation Trust",
    "ATTUNE_ORGANISATION_TEAM": "Parent-Infant Team",
    "ATTUNE_ORGANISATION_SITE": "Example Children's Centre",
    "ATTUNE_ORGANISATION_PHONE": "01632 960100",
    "ATTUNE_ORGANISATION_MAIL": "team@example.org",
    "ATTUNE_ORGANISATION_COMPLAINTS": "PALS, 01632 960101, pals@example.org",
}
HOST = "127.0.0.1"


def brokers(instance: Instance) -> list[str]:
    """Names of the Kafka brokers' processes."""
    return ["kafka", *(f"kafka-{number}" for number in range(2, instance.brokers + 1))]


def kafka_servers(instance: Instance) -> str:
    return ",".join(f"{HOST}:{instance.port(broker)}" for broker in brokers(instance))


def database_url(instance: Instance, role: str, database: str | None = None) -> str:
    password = instance.password(f"database/{role}")
    return f"postgresql://{role}:{password}@{HOST}:{instance.port('postgres')}/{database or role}"


def url(instance: Instance, name: str) -> str:
    return f"http://{HOST}:{instance.port(name)}"


def environment(instance: Instance, process: Process, name: str) -> dict[str, str]:
    """The variables of one process; `name` is the process's, or that of a replica of it."""
    found = {
        "OTEL_SERVICE_NAME": process.name,
        "OTEL_TRACES_EXPORTER": "zipkin",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"{url(instance, 'traces')}/api/v2/spans",
        "PYTHONUNBUFFERED": "1",
    }
    for settings in process.settings:
        found |= _values(instance, process, name, settings)
    return found


def _values(instance: Instance, process: Process, name: str, settings: type[BaseSettings]) -> dict[str, str]:
    match settings:
        case s.Settings:
            return {
                "ATTUNE_ENVIRONMENT": s.Environment.DEVELOPMENT.value,
                "ATTUNE_INSTANCE": instance.name,
                "ATTUNE_JWKS_FILE": str(instance.jwks_file),
            }
        case s.HttpSettings:
            return {"ATTUNE_HTTP_HOST": HOST, "ATTUNE_HTTP_PORT": str(instance.port(name))}
        case s.DatabaseSettings:
            return {"ATTUNE_DATABASE_URL": database_url(instance, process.service)}
        case s.KafkaSettings:
            return {
                "ATTUNE_KAFKA_SERVERS": kafka_servers(instance),
                "ATTUNE_KAFKA_REPLICATION": str(min(3, instance.brokers)),
            }
        case s.ServiceIdentity:
            return {"ATTUNE_SERVICE_KEY_FILE": str(instance.key_file(process.identity))}
        case s.DevelopmentSettings:
            return {"ATTUNE_DEVELOPMENT_KEY_FILE": str(instance.key_file(DEVELOPMENT_ISSUER))}
        case s.StoreSettings:
            return {
                "ATTUNE_S3_ENDPOINT": f"{HOST}:{instance.port('s3')}",
                "ATTUNE_S3_SECURE": "false",
                "ATTUNE_S3_ACCESS_KEY": process.store_user,
                "ATTUNE_S3_SECRET_KEY": instance.password(f"s3/{process.store_user}"),
            }
        case s.BucketSettings:
            return {f"ATTUNE_BUCKET_{bucket.name.upper()}": bucket.name for bucket in BUCKETS}
        case s.ConsentKeys:
            return {
                "ATTUNE_MASTER_KEY_FILE": str(instance.master_key_file),
                "ATTUNE_CERTIFICATE_KEY_FILE": str(instance.certificate_key_file),
            }
        case s.PeerSettings:
            return {
                f"ATTUNE_{peer.upper()}_URL": url(instance, peer)
                for peer in ("consent", "upload", "transcoding", "curation", "notification")
            }
        case s.PublicSettings:
            return {
                "ATTUNE_PUBLIC_PORTAL_URL": url(instance, "portal"),
                "ATTUNE_PUBLIC_UPLOAD_URL": url(instance, "upload"),
                "ATTUNE_PUBLIC_PLAYBACK_URL": url(instance, "curation"),
            }
        case s.PortalSettings:
            return {"ATTUNE_PORTAL_ASSETS_FOLDER": str(assets_folder())}
        case s.SmtpSettings:
            return {
                "ATTUNE_SMTP_HOST": HOST,
                "ATTUNE_SMTP_PORT": str(instance.port("mail")),
                "ATTUNE_SMTP_STARTTLS": "false",
                "ATTUNE_SMTP_SENDER": ORGANISATION["ATTUNE_ORGANISATION_MAIL"],
            }
        case s.ScratchSettings:
            return {"ATTUNE_SCRATCH_FOLDER": str(scratch_folder(instance, name))}
        case s.Organisation:
            return ORGANISATION
    if not any(field.is_required() for field in settings.model_fields.values()):
        return {}  # the defaults; a test or a demo sets them for all processes at once
    raise LookupError(f"{process.name}: nothing here gives {settings.__name__}")


def scratch_folders(instance: Instance) -> Path:
    """Where each process, and each replica, has one."""
    return instance.folder / "scratch"


def scratch_folder(instance: Instance, name: str) -> Path:
    return scratch_folders(instance) / name
