"""The table of processes holds together, and the local stack gives each process exactly what it names."""

import json
import os
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from deploy.local.child import State
from deploy.local.environment import environment
from deploy.local.instance import Instance
from deploy.local.s3 import bucket_policy
from deploy.local.supervisor import Supervisor
from deploy.system import BUCKETS, DATABASES, DELETE, GET, LIST, PROCESSES, PRODUCT, PUT, STORE_USERS, Kind, Process


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    instance = Instance.claim(tmp_path_factory.mktemp("instance"))
    assert {child.state for child in Supervisor(instance, {}).children.values()} <= {State.STOPPED}
    return Instance.read(instance.folder)


def test_every_need_is_a_process_and_none_needs_itself() -> None:
    order = list(TopologicalSorter({name: process.needs for name, process in PROCESSES.items()}).static_order())
    assert set(order) == set(PROCESSES)


def test_what_runs_for_ever_says_whether_it_is_alive_and_ready() -> None:
    for process in PRODUCT:
        assert (process.live is not None) == process.http == (process.kind is Kind.SERVICE), process.name
        assert (process.ready.kind == "exit") == (process.kind is Kind.ONCE), process.name


def test_who_has_a_database_migrates_it_first() -> None:
    for process in PRODUCT:
        if process.kind is Kind.SERVICE and process.service in DATABASES:
            assert f"migrate-{process.service}" in process.needs


@pytest.mark.parametrize("process", PRODUCT, ids=lambda process: process.name)
def test_a_process_finds_every_setting_it_names_and_no_other(
    process: Process, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = environment(instance, process, process.name)
    for name in [name for name in os.environ if name.startswith("ATTUNE_")]:
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for settings in process.settings:
        settings()
    known = {
        f"{settings.model_config.get('env_prefix', '')}{field}".upper()
        for settings in process.settings
        for field in settings.model_fields
    }
    assert {name for name in given if name.startswith("ATTUNE_")} <= known


def test_no_two_services_share_a_database_password_or_a_store_key(instance: Instance) -> None:
    owners: dict[str, str] = {}
    for process in PRODUCT:
        given = environment(instance, process, process.name)
        for name, owner in (
            ("ATTUNE_DATABASE_URL", process.service),
            ("ATTUNE_S3_SECRET_KEY", process.store_user),
            ("ATTUNE_SERVICE_KEY_FILE", process.identity),
        ):
            if name in given:
                assert owners.setdefault(given[name], owner) == owner
    assert len(owners) == len(DATABASES) + len(STORE_USERS) + len({p.identity for p in PRODUCT if p.identity})


def test_a_bucket_policy_grants_what_the_table_says() -> None:
    granted = {
        (bucket.name, user, action)
        for bucket in BUCKETS
        for statement in json.loads(json.dumps(bucket_policy(bucket.name)))["Statement"]
        for user in statement["Principal"]["AWS"]
        for action in statement["Action"]
    }
    expected = {
        (bucket.name, user, action)
        for bucket in BUCKETS
        for user, actions in [
            *((reader, GET) for reader in bucket.readers),
            *((lister, LIST) for lister in bucket.listers),
            (bucket.owner, GET | PUT | DELETE),
        ]
        for action in actions
    }
    assert granted == expected


def test_secrets_are_their_owners_alone(instance: Instance) -> None:
    secrets = [path for path in instance.folder.rglob("*") if path.is_file() and path.name != "lock"]
    assert {path.name for path in secrets} >= {"instance.json", "master.key", "certificates.pem", "consent.jwk"}
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in secrets} == dict.fromkeys(
        (path.name for path in secrets), "0o600"
    )
    assert len(instance.master_key_file.read_bytes()) == 32


def test_the_key_set_holds_public_parts_alone(instance: Instance) -> None:
    keys = json.loads(instance.jwks_file.read_text())["keys"]
    assert {key["kid"] for key in keys} == {*(p.identity for p in PRODUCT if p.identity), "development"}
    assert all("d" not in key for key in keys)


def test_locks_name_no_address() -> None:
    checkout = Path(__file__).parents[3]
    locks = [checkout / "requirements.lock", *(checkout / "deploy" / "local").glob("*.lock")]
    assert len(locks) == 3
    for lock in [*locks, checkout / "deploy" / "local" / "uv.txt"]:
        assert "://" not in lock.read_text()
