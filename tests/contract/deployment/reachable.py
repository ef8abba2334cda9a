"""What a set of NetworkPolicies lets through, by the rules of networking.k8s.io/v1 as far as ours go."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.contract.deployment.deployed import Document

Labels = Mapping[str, str]


def policies(documents: Iterable[Document]) -> list[Document]:
    return [document for document in documents if document["kind"] == "NetworkPolicy"]


def leaves(found: Iterable[Document], pod: Labels, target: Labels | None, port: int) -> bool:
    """Whether a pod may begin to talk to one with these labels in its namespace; None: to an address outside."""
    return _passes(found, pod, "Egress", "egress", "to", target, port)


def arrives(found: Iterable[Document], pod: Labels, source: Labels, port: int) -> bool:
    """Whether a pod may be talked to by one with these labels in its namespace."""
    return _passes(found, pod, "Ingress", "ingress", "from", source, port)


def _passes(
    found: Iterable[Document], pod: Labels, kind: str, rules: str, side: str, other: Labels | None, port: int
) -> bool:
    about = [one for one in found if kind in one["spec"]["policyTypes"] and _selects(one["spec"]["podSelector"], pod)]
    if not about:
        return True  # nobody has said anything about this pod
    return any(
        any(_is(peer, other) for peer in rule[side]) and port in [allowed["port"] for allowed in rule["ports"]]
        for one in about
        for rule in one["spec"].get(rules, [])
    )


def _is(peer: Document, other: Labels | None) -> bool:
    if "ipBlock" in peer:
        return other is None
    if "namespaceSelector" in peer:
        return False  # of another namespace
    return other is not None and _selects(peer["podSelector"], other)


def _selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "Exists"
        if expression["key"] not in labels:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
