"""Processes start by their own manifest: its command, its variables, its probe, the packages of its image.

Only what a cluster would answer differently is put in: where PostgreSQL, Kafka, the store and the image's
own files are, and a free port.
"""

import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest

from deploy.images.make_secrets import make
from deploy.local.stack import Stack
from deploy.system import PROCESSES, Kind
from tests.contract.deployment.deployed import CHECKOUT, SECRETS, Deployed, Document, Probe, by_kubernetes
from tests.contract.deployment.packages import command

READY_SECONDS = 180.0
STARTED = [name for name, process in PROCESSES.items() if process.kind is Kind.SERVICE]


@dataclass
class Cluster:
    """What starts processes by the dev overlay, with what is not ours in a stack of its own."""

    stack: Stack
    deployed: Mapping[str, Deployed]
    secrets: Path
    packages: Mapping[str, Path]
    folder: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def environment(self, name: str) -> dict[str, str]:
        """The manifest's variables; of a file's content or a value that names another place, the local one."""
        local, process = self.stack.env_of(name), self.deployed[name]
        given = dict(process.environment)
        for variable, value in given.items():
            plain = variable.removesuffix("_FILE")
            if variable != plain and plain in local:  # a secret of the local stack's servers
                (self.secrets / name / Path(value).name).unlink()
                (self.secrets / name / Path(value).name).write_text(local[plain])
            elif re.search("_ENDPOINT|_SERVERS|_URL$|_ASSETS_FOLDER$", variable) and variable in local:
                given[variable] = local[variable]
        if "ATTUNE_HTTP_PORT" in given:
            given["ATTUNE_HTTP_PORT"] = str(free_port())
            given["OTEL_TRACES_EXPORTER"] = "none"
        given["POD_NAME"] = f"{name}-0"
        given = {n: v.replace("$(POD_NAME)", given["POD_NAME"]) for n, v in given.items() if n != "POD_NAME"}
        given = {n: re.sub("^/scratch/", f"{self.folder}/scratch/", v) for n, v in given.items()}
        return {n: v.replace(SECRETS, str(self.secrets / name), 1) for n, v in given.items()}

    def start(self, name: str) -> dict[str, str]:
        """Start it; the variables that it has got."""
        process, environment = self.deployed[name], self.environment(name)
        started, python = command(process.command, self.packages[process.image.removeprefix("attune-")])
        with self.log(name).open("wb") as log:
            self.running[name] = subprocess.Popen(
                started, cwd=CHECKOUT, env=environment | python, stdout=log, stderr=log
            )
        return environment

    def ended(self, name: str) -> int:
        return self.running[name].wait(READY_SECONDS)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def answers(self, name: str, probe: Probe | None, environment: Mapping[str, str]) -> bool:
        assert probe
        assert self.running[name].poll() is None, self.log(name).read_text()
        trusted = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
        url = f"{probe.scheme.lower()}://127.0.0.1:{environment['ATTUNE_HTTP_PORT']}{probe.path}"
        try:
            with httpx.Client(verify=trusted, timeout=30, trust_env=False) as client:
                return client.get(url).status_code == 200
        except httpx.TransportError:
            return False

    def until(self, condition: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.log(name).read_text()[-4000:]
            time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def cluster(
    dev: list[Document], packages: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    make(folder / "secrets")
    with Stack(folder / "stack") as stack:
        stack.start(infrastructure=True, without=["traces", "mail"])
        cluster = Cluster(stack, by_kubernetes(dev), folder / "secrets", packages, folder)
        yield cluster
        for process in cluster.running.values():
            if process.poll() is None:
                process.kill()
                process.wait()


def test_each_runs_by_its_manifest_and_answers_its_probes(cluster: Cluster) -> None:
    jobs = {name for name, process in PROCESSES.items() if process.kind is Kind.ONCE and name in cluster.deployed}
    assert {need for name in STARTED for need in PROCESSES[name].needs} & cluster.deployed.keys() <= jobs | set(STARTED)
    for job in jobs:
        cluster.start(job)
    for job in jobs:
        assert cluster.ended(job) == 0, cluster.log(job).read_text()
    given = {name: cluster.start(name) for name in STARTED}
    for name, environment in given.items():
        process = cluster.deployed[name]
        cluster.until(partial(cluster.answers, name, process.ready, environment), name)
        assert cluster.answers(name, process.live, environment)
    scratch = cluster.folder / "scratch" / "transcoding-worker-0"
    cluster.until(scratch.is_dir, "transcoding-worker")
    for name in STARTED:
        cluster.running[name].terminate()
    for name in STARTED:
        assert cluster.ended(name) == 0, cluster.log(name).read_text()
    assert [path for path in scratch.rglob("*") if path.is_file()] == []


def test_one_that_is_given_a_setting_less_does_not_start(cluster: Cluster) -> None:
    environment = cluster.deployed["consent-verifier"].environment
    endpoint = environment.pop("ATTUNE_S3_ENDPOINT")
    try:
        cluster.start("consent-verifier")
        assert cluster.ended("consent-verifier") != 0
        assert "ValidationError" in cluster.log("consent-verifier").read_text()
    finally:
        environment["ATTUNE_S3_ENDPOINT"] = endpoint
