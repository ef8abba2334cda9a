"""Holds a deployment against `deploy/system.py`: every difference, in both directions, as a sentence."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from deploy.system import PRODUCT, Kind, Process
from services.transcoding import look, scratch
from shared import settings as s
from tests.contract.deployment.deployed import SECRETS, Deployed, Probe

# what is read by somebody else than shared/settings.py
OF_OTHERS = {
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "SSL_CERT_FILE",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "POD_NAME",
}
BY_HAND = {
    ("notification-sender", "smtp-username"),
    ("notification-sender", "smtp-password"),
}  # production's mail server
CUTS = 256  # MiB of scratch that are left to them
SECRET = {(s.DatabaseSettings, "url")}  # beside those that are of type SecretStr


def differences(found: Mapping[str, Deployed], made: Path, *, replicas: bool, resources: bool = True) -> Iterator[str]:
    """made: what `make_secrets` has made. replicas, resources: whether they are to be those of the table."""
    table = {process.name: process for process in PRODUCT}
    for name in table.keys() - found.keys():
        yield f"{name} is not deployed"
    for name in found.keys() - table.keys():
        yield f"{name} is nothing that deploy/system.py knows"
    for name in table.keys() & found.keys():
        process, deployed = table[name], found[name]
        for what in (
            *_started(process, deployed),
            *_told(process, deployed, made),
            *_asked(process, deployed),
            *_peers(process, deployed, found),
            *_public(process, deployed),
            *_placed(process, deployed, replicas, resources),
            *deployed.loose,
        ):
            yield f"{name}: {what}"


def _started(process: Process, deployed: Deployed) -> Iterator[str]:
    if tuple(deployed.command) != process.command:
        yield f"starts {deployed.command}"
    if deployed.image != f"attune-{process.image}":
        yield f"is in the image {deployed.image}"
    if deployed.runs_once != (process.kind is Kind.ONCE):
        yield "runs once, or for ever, and should not"
    if deployed.needs - {"traces"} != set(process.needs):
        yield f"needs {sorted(deployed.needs)}"
    if deployed.public != process.public:
        yield "browsers reach it, or do not, and should not"


def names_of(settings: type[BaseSettings]) -> dict[str, str]:
    """The variables of a class and their fields."""
    prefix = settings.model_config.get("env_prefix", "")
    return {f"{prefix}{field}".upper(): field for field in settings.model_fields}


def _told(process: Process, deployed: Deployed, made: Path) -> Iterator[str]:
    known = {name for settings in process.settings for name in names_of(settings)}
    for name in deployed.environment:
        if name not in OF_OTHERS and name not in known and name.removesuffix("_FILE") not in known:
            yield f"is given {name}, which it does not read"
    for settings in process.settings:
        for name, field in names_of(settings).items():
            secret = settings.model_fields[field].annotation in (SecretStr, SecretStr | None)
            if name in deployed.environment and (secret or (settings, field) in SECRET):
                yield f"has {name} in the open"
    files = [value for value in deployed.environment.values() if value.startswith(f"{SECRETS}/")]
    for file in files:
        own = made / process.name / Path(file).name
        if not own.is_file() and (process.name, own.name) not in BY_HAND:
            yield f"is given {file}, which is not among its secrets"
    if files and deployed.secrets != process.name:
        yield f"has the secrets of {deployed.secrets}"
    for settings in process.settings:
        try:
            value_of(settings, deployed.environment, made / process.name)
        except (ValidationError, OSError) as error:
            yield f"does not start: {error}"


def value_of(settings: type[BaseSettings], environment: Mapping[str, str], secrets: Path) -> BaseSettings:
    """The settings as the process would read them. Raises: ValidationError, OSError."""
    here = {name: value.replace(SECRETS, str(secrets), 1) for name, value in environment.items()}
    for name, value in environment.items():
        if value in (f"{SECRETS}/{by_hand}" for _, by_hand in BY_HAND):
            here[name.removesuffix("_FILE")] = "by hand"
            del here[name]
    with patch.dict(os.environ, here, clear=True):
        return settings()


def _asked(process: Process, deployed: Deployed) -> Iterator[str]:
    if process.kind is Kind.ONCE:
        return
    port = int(deployed.environment.get("ATTUNE_HTTP_PORT", "0"))
    if deployed.port != port:
        yield f"opens port {port}, and is asked at {deployed.port}"
    scheme = "HTTPS" if "ATTUNE_HTTP_CERTIFICATE_FILE" in deployed.environment else "HTTP"
    for probe, path in (
        (deployed.ready, process.ready.path),
        (deployed.live, process.live.path if process.live else ""),
    ):
        if probe != Probe(path, port, scheme):
            yield f"is probed by {probe}"


def _peers(process: Process, deployed: Deployed, found: Mapping[str, Deployed]) -> Iterator[str]:
    if deployed.calls is not None and deployed.calls != set(process.calls):
        yield f"may call {sorted(deployed.calls)}"
    for peer in process.calls:
        asked = urlsplit(deployed.environment.get(f"ATTUNE_{peer.upper()}_URL", ""))
        other = found.get(peer)
        if other is None or asked.hostname != peer or asked.port != other.port:
            yield f"does not find {peer} at {asked.geturl()!r}"
        elif (asked.scheme == "https") != ("ATTUNE_HTTP_CERTIFICATE_FILE" in other.environment):
            yield f"speaks {asked.scheme} to {peer}, which does not"
        if peer == "consent" and asked.scheme != "https":
            yield "would carry keys in the clear"


def _public(process: Process, deployed: Deployed) -> Iterator[str]:
    """Cookies go to one host: the portal, which hands them out, does not start with two."""
    if s.PublicSettings in process.settings:
        hosts = {urlsplit(deployed.environment.get(name, "")).hostname for name in names_of(s.PublicSettings)}
        if len(hosts) != 1 or None in hosts:
            yield f"sends browsers to {len(hosts)} hosts"


def _placed(process: Process, deployed: Deployed, replicas: bool, resources: bool) -> Iterator[str]:
    wanted = process.resources
    if deployed.replicas != (process.replicas if replicas else 1):
        yield f"runs {deployed.replicas} times"
    if bool(deployed.scratch) != bool(wanted.scratch) or (
        deployed.scratch and deployed.scratch + 2048 > deployed.memory[1]
    ):
        yield f"has {deployed.scratch} MiB of scratch in {deployed.memory[1]} MiB"
    if not resources:
        return
    if deployed.memory != (wanted.memory, wanted.memory) or deployed.scratch != wanted.scratch:
        yield f"is given {deployed.memory} MiB of memory, {deployed.scratch} of it for scratch"
    if deployed.most_cores != wanted.most_cores or deployed.cores not in (None, wanted.cores):
        yield f"is given {deployed.cores} to {deployed.most_cores} cores"


def scratch_needed(longest: int) -> float:
    """MiB that a worker's slots take together at most, where films of so many bytes are taken in.

    The largest film with what is made of it, the opening of another, and what cuts have read and made.
    """
    return (longest * scratch.FILM + look.ROOM) / 1024**2 + CUTS


def the_same_horizon(found: Iterable[Deployed]) -> bool:
    """Whether all who count H count alike."""
    names = names_of(s.HorizonSettings)
    return (
        len({tuple(one.environment[n] for n in names) for one in found if names.keys() <= one.environment.keys()}) == 1
    )
