"""`docker-compose.yml` is what `deploy/system.py` says. compose-spec.json is the specification's own schema."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from deploy.system import DATABASES, INFRASTRUCTURE, PRODUCT, STORE_USERS
from shared.settings import UploadSettings
from tests.contract.deployment.against import differences, scratch_needed, the_same_horizon, value_of
from tests.contract.deployment.deployed import CHECKOUT, Document, by_compose


def valid(document: Document) -> None:
    """Raises: jsonschema.ValidationError."""
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(document)


def test_it_is_a_compose_file(composed: Document) -> None:
    valid(composed)


def test_a_word_that_compose_does_not_know_is_found(composed: Document) -> None:
    changed = copy.deepcopy(composed)
    changed["services"]["upload"]["readonly"] = True
    with pytest.raises(jsonschema.ValidationError, match="readonly"):
        valid(changed)


def test_it_starts_what_the_table_says_as_the_table_says(composed: Document, made: Path) -> None:
    assert list(differences(by_compose(composed), made, replicas=False)) == []
    assert the_same_horizon(by_compose(composed).values())


def test_all_that_is_not_ours_is_there_and_shows_when_it_is_ready(composed: Document) -> None:
    services = composed["services"]
    assert services.keys() == {p.name for p in (*INFRASTRUCTURE, *PRODUCT)} | {"buckets"}
    needed = {need for process in PRODUCT for need in process.needs} & {p.name for p in INFRASTRUCTURE}
    assert {name for name in needed if "healthcheck" not in services[name]} == set()
    for name in (p.name for p in INFRASTRUCTURE):
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
        assert all(port.startswith("127.0.0.1:") for port in services[name].get("ports", [])), name


def test_what_holds_data_is_not_on_a_network_that_leads_out(composed: Document) -> None:
    assert composed["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "kafka", "s3", "consent", "transcoding-worker"):
        assert composed["services"][name]["networks"] == ["inside"]


def test_no_password_stands_in_it(composed: Document) -> None:
    assert re.findall(r"://[^/\s]*:[^/\s]*@", (CHECKOUT / "docker-compose.yml").read_text()) == []
    named = {
        (name, value)
        for service in composed["services"].values()
        for name, value in service.get("environment", {}).items()
        if re.search("PASSWORD|SECRET|KEY|URL_FILE", name)
    }
    assert len(named) > 5
    assert {(name, value) for name, value in named if not value.startswith("/etc/attune/")} == set()


def test_what_prepares_the_database_and_the_store_knows_every_user(composed: Document, made: Path) -> None:
    roles = (made / "infrastructure" / "roles.sql").read_text()
    assert {name for name in DATABASES if f"CREATE DATABASE {name} OWNER {name}" in roles} == set(DATABASES)
    users = json.loads((made / "infrastructure" / "users.json").read_text())["accessAccounts"]
    assert users.keys() == set(STORE_USERS)
    for user in STORE_USERS:
        (holder, *_) = [p.name for p in PRODUCT if p.store_user == user]
        assert (made / holder / "s3-secret-key").read_text() == users[user]["secret"]
    mounts = [mount for name in ("postgres", "s3", "buckets") for mount in composed["services"][name]["volumes"]]
    files = [re.search(r"/infrastructure/([a-z0-9.-]+):", mount) for mount in mounts]
    assert {file[1] for file in files if file} == {path.name for path in (made / "infrastructure").iterdir()}


def test_the_largest_film_and_what_is_made_of_it_fit_a_workers_scratch(composed: Document, made: Path) -> None:
    found = by_compose(composed)
    limits = value_of(UploadSettings, found["upload"].environment, made / "upload")
    assert isinstance(limits, UploadSettings)
    assert scratch_needed(limits.max_bytes) <= found["transcoding-worker"].scratch


def _env(name: str, **changed: str | None) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        environment = document["services"][name]["environment"]
        environment.update({key: value for key, value in changed.items() if value is not None})
        for key in [key for key, value in changed.items() if value is None]:
            del environment[key]

    return change


def _set(name: str, key: str, value: object) -> Callable[[Document], None]:
    return lambda document: document["services"][name].__setitem__(key, value)


CHANGES: dict[str, tuple[Callable[[Document], object], str]] = {
    "a process missing": (lambda d: d["services"].pop("curation"), "curation is not deployed"),
    "a process too many": (
        lambda d: d["services"].update(gateway=d["services"]["curation"]),
        "gateway is nothing that deploy/system.py knows",
    ),
    "a wrong command": (_set("upload", "command", ["python", "-m", "services.upload"]), "upload: starts"),
    "a wrong image": (_set("transcoding-worker", "image", "attune-service"), "transcoding-worker: is in the image"),
    "a setting that nobody reads": (_env("upload", ATTUNE_UPLOAD_MAX_BYTE="1"), "is given ATTUNE_UPLOAD_MAX_BYTE,"),
    "a setting of another process": (
        _env("upload", ATTUNE_MASTER_KEY_FILE="/etc/attune/master.key"),
        "upload: is given ATTUNE_MASTER_KEY_FILE,",
    ),
    "a setting missing": (_env("consent", ATTUNE_KAFKA_SERVERS=None), "consent: does not start"),
    "a value that is none": (_env("consent", ATTUNE_PERMIT_SECONDS="thirty"), "consent: does not start"),
    "a secret in the open": (_env("upload", ATTUNE_S3_SECRET_KEY="x"), "upload: has ATTUNE_S3_SECRET_KEY in the open"),
    "a secret that nobody makes": (
        _env("upload", ATTUNE_S3_SECRET_KEY_FILE="/etc/attune/s3"),
        "upload: is given /etc/attune/s3, which is not among its secrets",
    ),
    "another's secrets": (
        _set("upload", "volumes", ["${ATTUNE_SECRETS:-./.local/compose}/consent:/etc/attune:ro"]),
        "upload: has the secrets of consent",
    ),
    "a wrong port": (_env("portal", ATTUNE_HTTP_PORT="8081"), "portal: is probed by"),
    "a wrong probe": (
        lambda d: d["services"]["portal"]["healthcheck"].update(test="urlopen('http://127.0.0.1:8080/health/live'"),
        "portal: is probed by Probe(path='/health/live'",
    ),
    "no probe": (lambda d: d["services"]["portal"].pop("healthcheck"), "portal: is probed by None"),
    "a need forgotten": (
        lambda d: d["services"]["upload"]["depends_on"].pop("migrate-upload"),
        "upload: needs ['kafka', 'postgres', 's3', 'topics']",
    ),
    "a need not waited for": (
        lambda d: d["services"]["upload"]["depends_on"].update(kafka={"condition": "service_started"}),
        "upload: does not wait until kafka is ready",
    ),
    "keys in the clear": (
        _env("curation", ATTUNE_CONSENT_URL="http://consent:8080"),
        "curation: would carry keys in the clear",
    ),
    "a peer that is not there": (
        _env("curation", ATTUNE_CONSENT_URL="https://consent:8443"),
        "curation: does not find consent",
    ),
    "a disk to write on": (_set("consent", "read_only", False), "consent: read_only"),
    "open to the network": (_set("upload", "ports", ["0.0.0.0:8081:8080"]), "upload: 0.0.0.0:8081:8080 is open"),
    "scratch on a disk": (_set("transcoding-worker", "tmpfs", []), "transcoding-worker: has 0 MiB of scratch"),
    "no limit": (_set("upload", "deploy", {}), "upload: is given (0, 0) MiB of memory"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_that_the_table_does_not_know_is_found(what: str, composed: Document, made: Path) -> None:
    change, difference = CHANGES[what]
    changed = copy.deepcopy(composed)
    change(changed)
    found = list(differences(by_compose(changed), made, replicas=False))
    assert [line for line in found if difference in line], found


def test_a_process_that_counts_h_otherwise_is_found(composed: Document) -> None:
    changed = copy.deepcopy(composed)
    _env("transcoding-worker", ATTUNE_PUT_SECONDS="20")(changed)
    assert not the_same_horizon(by_compose(changed).values())
