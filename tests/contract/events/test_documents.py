"""`docs/events` says what the code says."""

import json

from jsonschema import Draft202012Validator

from deploy.local.supervisor import CHECKOUT
from shared.contracts.documents import asyncapi, documents, schemas
from shared.contracts.event import REGISTRY, SERVICES, topic_of

FOLDER = CHECKOUT / "docs" / "events"


def test_the_committed_documents_are_the_contracts() -> None:
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert committed == documents(), "the contracts changed: run `make contracts` and commit docs/events"


def test_every_schema_is_one() -> None:
    for schema in schemas().values():
        Draft202012Validator.check_schema(schema)


def test_every_service_has_one_topic_and_every_type_stands_in_the_topics_of_its_services() -> None:
    document = json.loads(json.dumps(asyncapi()))
    assert {channel["address"] for channel in document["channels"].values()} == {topic_of(s) for s in SERVICES}
    for service, channel in document["channels"].items():
        assert set(channel["messages"]) == {m.__name__ for m in REGISTRY.values() if service in m.services}


def test_public_and_internal_types_are_told_apart() -> None:
    tags = {m["name"]: m["tags"][0]["name"] for m in asyncapi()["components"]["messages"].values()}
    assert {name for name, tag in tags.items() if tag == "internal"} == {
        "attune.erasure.purge_asked.v1",
        "attune.erasure.acknowledged.v1",
        "attune.clip.requested.v1",
        "attune.reel.requested.v1",
        "attune.still.requested.v1",
    }
