"""The manifests, rendered by the real kustomize, are valid to the letter and what `deploy/system.py` says.

A long file on purpose: a third of it is the list of changes that must be found, beside what finds them.
"""

import copy
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch

import kubernetes_validate
import pytest
from kubernetes_validate import utils

from deploy.system import PROCESSES, PRODUCT, Kind, Process
from services.upload.tus import PATHS
from shared.settings import Environment, Settings, UploadSettings
from tests.contract.deployment.against import differences, scratch_needed, the_same_horizon, value_of
from tests.contract.deployment.deployed import Deployed, Document, by_kubernetes
from tests.contract.deployment.reachable import Labels, arrives, leaves, policies

VERSION = "1.37"
PORTS = {"postgres": 5432, "kafka": 9092, "s3": 7070, "mail": 587, "traces": 4318}  # of what is not ours, in base


@pytest.fixture(scope="module", autouse=True)
def _schemas_are_read_once() -> Iterator[None]:
    with patch.object(utils, "schema_contents", cache(utils.schema_contents)):
        yield


@pytest.fixture(params=["production", "dev"])
def documents(request: pytest.FixtureRequest) -> list[Document]:
    found: list[Document] = request.getfixturevalue(request.param)
    return found


def one(documents: list[Document], kind: str, name: str) -> Document:
    (found,) = [d for d in documents if (d["kind"], d["metadata"]["name"]) == (kind, name)]
    return found


def settings_map(documents: list[Document], name: str) -> Document:
    (found,) = [d for d in documents if d["kind"] == "ConfigMap" and d["metadata"]["name"].rpartition("-")[0] == name]
    return found


def container(documents: list[Document], name: str) -> Document:
    kind = "StatefulSet" if name == "transcoding-worker" else "Deployment"
    (found,) = one(documents, kind, name)["spec"]["template"]["spec"]["containers"]
    return found  # type: ignore[no-any-return]


def labels(documents: list[Document], name: str) -> Labels:
    (found,) = [
        d for d in documents if d["kind"] in ("Deployment", "StatefulSet", "Job") and d["metadata"]["name"] == name
    ]
    return found["spec"]["template"]["metadata"]["labels"]  # type: ignore[no-any-return]


def test_every_manifest_is_valid_strictly(documents: list[Document]) -> None:
    for document in documents:
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_the_ingress_leads_where_browsers_are_told_to_go(production: list[Document]) -> None:
    told = set(settings_map(production, "public")["data"].values())
    (rule,) = one(production, "Ingress", "browsers")["spec"]["rules"]
    leads = {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
    assert {path["pathType"] for path in rule["http"]["paths"]} == {"Prefix"}
    inside = {"/metrics": "nowhere", "/health": "nowhere"}
    assert leads == {"/": "portal", PATHS: "upload", "/v1/media": "curation", **inside}
    assert set(leads.values()) == {process.name for process in PRODUCT if process.public} | {"nowhere"}
    assert "selector" not in one(production, "Service", "nowhere")["spec"]
    assert told == {f"https://{rule['host']}"}


def test_a_field_that_kubernetes_does_not_know_is_found(production: list[Document]) -> None:
    changed = copy.deepcopy(container(production, "upload"))
    pod = copy.deepcopy(one(production, "Deployment", "upload"))
    changed["readinesProbe"] = changed.pop("readinessProbe")
    pod["spec"]["template"]["spec"]["containers"] = [changed]
    with pytest.raises(kubernetes_validate.ValidationError, match="readinesProbe"):
        kubernetes_validate.validate(pod, VERSION, strict=True)


def test_production_starts_what_the_table_says_as_the_table_says(production: list[Document], made: Path) -> None:
    found = by_kubernetes(production)
    assert list(differences(found, made, replicas=True)) == []
    assert the_same_horizon(found.values())
    for process in PRODUCT:
        if Settings in process.settings:
            settings = value_of(Settings, found[process.name].environment, made / process.name)
            assert isinstance(settings, Settings)
            assert settings.environment is Environment.PRODUCTION


def test_dev_starts_one_of_each_with_less(dev: list[Document], made: Path) -> None:
    found = by_kubernetes(dev)
    assert list(differences(found, made, replicas=False, resources=False)) == []
    for process in PRODUCT:
        assert found[process.name].memory[1] <= process.resources.memory
    assert [d for d in dev if d["kind"] == "PodDisruptionBudget"] == []


def test_everything_is_in_the_one_namespace_that_lets_in_restricted_pods_alone(documents: list[Document]) -> None:
    (namespace,) = [d for d in documents if d["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    elsewhere = {
        d["metadata"]["name"] for d in documents if d["metadata"].get("namespace") != namespace["metadata"]["name"]
    }
    assert elsewhere == {namespace["metadata"]["name"]}


def test_no_secret_is_in_a_manifest(documents: list[Document]) -> None:
    assert [d["metadata"]["name"] for d in documents if d["kind"] == "Secret"] == []


def test_who_is_called_has_a_service_that_finds_it(documents: list[Document]) -> None:
    for process in PRODUCT:
        if not process.http:
            continue
        service = one(documents, "Service", process.name)["spec"]
        ports = {port["name"]: port["containerPort"] for port in container(documents, process.name)["ports"]}
        assert labels(documents, process.name).items() >= service["selector"].items()
        assert [(port["port"], ports[port["targetPort"]]) for port in service["ports"]] == [(8080, 8080)]


def test_it_goes_gently(documents: list[Document], made: Path) -> None:
    """A stopping pod gets as long as it needs: nobody sends to it, what is under way ends, its background closes."""
    for process in PRODUCT:
        if process.kind is not Kind.SERVICE:
            continue
        kind = "StatefulSet" if process.resources.scratch else "Deployment"
        pod = one(documents, kind, process.name)["spec"]["template"]["spec"]
        unsent = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain = int(by_kubernetes(documents)[process.name].environment["ATTUNE_HTTP_DRAIN_SECONDS"])
        assert pod["terminationGracePeriodSeconds"] >= unsent + drain + 15
        startup = pod["containers"][0]["startupProbe"]
        assert startup["httpGet"]["path"] == "/health/live"
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 120
        assert {spread["topologyKey"] for spread in pod["topologySpreadConstraints"]} == {
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        }


def test_a_drain_of_a_node_leaves_one_of_each_that_has_two(production: list[Document]) -> None:
    budgets = {d["metadata"]["name"]: d["spec"] for d in production if d["kind"] == "PodDisruptionBudget"}
    assert budgets.keys() == {process.name for process in PRODUCT if process.replicas > 1}
    for name, budget in budgets.items():
        assert budget["maxUnavailable"] == 1
        assert labels(production, name).items() >= budget["selector"]["matchLabels"].items()


def test_a_workers_scratch_is_named_for_a_pod_that_comes_back(documents: list[Document], made: Path) -> None:
    """Else the jobs of one that died would hold scratch for ever, and no erasure of theirs would end."""
    for process in PRODUCT:
        if not process.resources.scratch:
            continue
        assert one(documents, "StatefulSet", process.name)["spec"]["podManagementPolicy"] == "Parallel"
        given = container(documents, process.name)["env"]
        assert given[0] == {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        assert given[1] == {"name": "ATTUNE_SCRATCH_FOLDER", "value": "/scratch/$(POD_NAME)"}
        found = by_kubernetes(documents)
        limits = value_of(UploadSettings, found["upload"].environment, made / "upload")
        assert isinstance(limits, UploadSettings)
        assert scratch_needed(limits.max_bytes) <= found[process.name].scratch


def test_a_pod_may_talk_to_what_it_needs_and_to_nobody_else(dev: list[Document]) -> None:
    rules, ports = policies(dev), PORTS | {"mail": 1025}
    for process in PRODUCT:
        own = labels(dev, process.name)
        needed = {need for need in process.needs if need in PORTS} | ({"traces"} if process.http else set())
        reached = {n for n, p in ports.items() if leaves(rules, own, {"app.kubernetes.io/name": n}, p)}
        assert reached == needed, process.name
        assert {n for n, p in ports.items() if arrives(rules, {"app.kubernetes.io/name": n}, own, p)} == needed
        assert not leaves(rules, own, {"app.kubernetes.io/name": "somebody"}, 443)


def test_in_production_what_a_pod_needs_is_an_address_outside(production: list[Document]) -> None:
    rules, ports = policies(production), PORTS | {"s3": 443}
    for process in PRODUCT:
        needed = {need for need in process.needs if need in PORTS} | ({"traces"} if process.http else set())
        reached = {n for n, p in ports.items() if leaves(rules, labels(production, process.name), None, p)}
        assert reached == needed, process.name


def test_ours_may_call_whom_the_table_says_and_nobody_else(documents: list[Document]) -> None:
    rules = policies(documents)

    def may_call(caller: Process, called: Process) -> bool:
        own, its = labels(documents, caller.name), labels(documents, called.name)
        return leaves(rules, own, its, 8080) and arrives(rules, its, own, 8080)

    allowed = {(a.name, b.name) for a in PRODUCT for b in PRODUCT if may_call(a, b)}
    assert allowed == {(process.name, called) for process in PRODUCT for called in process.calls}


def test_a_pod_that_nobody_has_thought_of_talks_to_nobody(documents: list[Document]) -> None:
    rules, stranger, own = policies(documents), {"app": "stranger"}, labels(documents, "consent")
    assert not leaves(rules, stranger, own, 8080)
    assert not arrives(rules, stranger, own, 8080)
    assert not arrives(rules, own, stranger, 8080)


def _pod(name: str, kind: str = "Deployment") -> Callable[[list[Document]], Document]:
    return lambda documents: one(documents, kind, name)["spec"]["template"]["spec"]


def _without(kind: str, name: str) -> Callable[[list[Document]], object]:
    return lambda documents: documents.remove(one(documents, kind, name))


def _as_well(documents: list[Document]) -> None:
    another = copy.deepcopy(one(documents, "Deployment", "upload"))
    another["metadata"]["name"] = "gateway"
    documents.append(another)


CHANGES: dict[str, tuple[Callable[[list[Document]], object], str]] = {
    "a process missing": (_without("Deployment", "curation"), "curation is not deployed"),
    "a migration missing": (_without("Job", "migrate-upload"), "migrate-upload is not deployed"),
    "a process too many": (_as_well, "gateway is nothing that deploy/system.py knows"),
    "a wrong command": (
        lambda d: container(d, "upload").update(command=["python", "-m", "services.upload"]),
        "upload: starts",
    ),
    "a wrong image": (lambda d: container(d, "upload").update(image="attune-transcoding:1"), "upload: is in the image"),
    "a variable that nobody reads": (
        lambda d: container(d, "upload").update(env=[{"name": "ATTUNE_UPLOAD_MAX", "value": "1"}]),
        "upload: is given ATTUNE_UPLOAD_MAX,",
    ),
    "a field that no class has": (
        lambda d: settings_map(d, "horizon")["data"].update(ATTUNE_GRACE_SECONDS="1"),
        "upload: is given ATTUNE_GRACE_SECONDS,",
    ),
    "a class of another process": (
        lambda d: container(d, "portal")["envFrom"].append(
            {"configMapRef": {"name": settings_map(d, "database")["metadata"]["name"]}}
        ),
        "portal: is given ATTUNE_DATABASE_URL_FILE,",
    ),
    "a class forgotten": (lambda d: container(d, "consent").update(envFrom=[]), "consent: does not start"),
    "a value that is none": (
        lambda d: settings_map(d, "horizon")["data"].update(ATTUNE_PUT_SECONDS="thirty"),
        "consent-verifier: does not start",
    ),
    "a secret in the open": (
        lambda d: settings_map(d, "store")["data"].update(ATTUNE_S3_SECRET_KEY="x"),
        "upload: has ATTUNE_S3_SECRET_KEY in the open",
    ),
    "a secret that nobody makes": (
        lambda d: settings_map(d, "database")["data"].update(ATTUNE_DATABASE_URL_FILE="/etc/attune/dsn"),
        "upload: is given /etc/attune/dsn, which is not among its secrets",
    ),
    "another's secrets": (
        lambda d: _pod("upload")(d)["volumes"][0]["secret"].update(secretName="consent"),
        "upload: has the secrets of consent",
    ),
    "a wrong port": (
        lambda d: container(d, "upload")["ports"][0].update(containerPort=8081),
        "upload: opens port 8080, and is asked at 8081",
    ),
    "a wrong probe": (
        lambda d: container(d, "upload")["readinessProbe"]["httpGet"].update(path="/health/live"),
        "upload: is probed by Probe(path='/health/live'",
    ),
    "a probe in the clear": (
        lambda d: container(d, "upload")["livenessProbe"]["httpGet"].update(scheme="HTTP"),
        "upload: is probed by",
    ),
    "a need forgotten": (
        lambda d: labels(d, "upload").pop("needs.attune/s3"),  # type: ignore[attr-defined]
        "upload: needs ['kafka', 'migrate-upload', 'postgres', 'topics', 'traces']",
    ),
    "a call too many": (
        lambda d: labels(d, "upload").update({"calls.attune/curation": "true"}),  # type: ignore[attr-defined]
        "upload: may call ['consent', 'curation']",
    ),
    "keys in the clear": (
        lambda d: settings_map(d, "peers")["data"].update(ATTUNE_CONSENT_URL="http://consent:8080"),
        "transcoding-worker: would carry keys in the clear",
    ),
    "a second verifier": (
        lambda d: one(d, "Deployment", "consent-verifier")["spec"].update(replicas=2),
        "consent-verifier: runs 2 times",
    ),
    "more memory": (
        lambda d: container(d, "upload")["resources"]["limits"].update(memory="2Gi"),
        "upload: is given (1024, 2048) MiB",
    ),
    "scratch on a disk": (
        lambda d: _pod("transcoding-worker", "StatefulSet")(d)["volumes"][1]["emptyDir"].update(medium=""),
        "transcoding-worker: keeps something at /scratch",
    ),
    "a disk to write on": (
        lambda d: container(d, "upload")["securityContext"].update(readOnlyRootFilesystem=False),
        "upload: may gain privileges, or write",
    ),
    "root": (lambda d: _pod("upload")(d)["securityContext"].update(runAsUser=0), "upload: runs as somebody else"),
    "a host beside the portal's": (
        lambda d: settings_map(d, "public")["data"].update(
            ATTUNE_PUBLIC_UPLOAD_URL="https://upload.attune.example.org"
        ),
        "portal: sends browsers to 2 hosts",
    ),
    "a token of the cluster": (
        lambda d: _pod("upload")(d).update(automountServiceAccountToken=True),
        "upload: is told of the cluster",
    ),
    "an account of somebody else": (
        lambda d: _pod("upload")(d).update(serviceAccountName="consent"),
        "upload: has no account of its own",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_that_the_table_does_not_know_is_found(what: str, production: list[Document], made: Path) -> None:
    change, difference = CHANGES[what]
    changed = copy.deepcopy(production)
    change(changed)
    found = list(differences(by_kubernetes(changed), made, replicas=True))
    assert [line for line in found if difference in line], found


def test_a_process_that_the_table_alone_knows_is_found(production: list[Document], made: Path) -> None:
    found: dict[str, Deployed] = by_kubernetes(production)
    with patch(
        "tests.contract.deployment.against.PRODUCT",
        (*PRODUCT, Process("auditor", Kind.SERVICE, PROCESSES["upload"].ready)),
    ):
        assert "auditor is not deployed" in differences(found, made, replicas=True)
