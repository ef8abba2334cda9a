"""Additive inside v1: what could break a reader is found, what cannot is let through."""

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.contracts.cloudevents import decode, value_schema
from shared.contracts.compatibility import incompatibilities
from shared.contracts.documents import schemas
from shared.contracts.event import REGISTRY
from shared.contracts.transcoding import RecordingReady

Schema = dict[str, Any]
HERE = Path(__file__).parent
GOLDEN = sorted((HERE / "golden").glob("*.json"))
PUBLISHED = sorted((HERE / "published").glob("*.json"))
FROZEN = HERE / "golden.sha256"  # a line per golden event, as sha256sum writes it: lines are only ever added
ADD = f"(cd {HERE.relative_to(HERE.parents[2])} && sha256sum golden/NEW.json >> {FROZEN.name})"


def ready() -> Schema:
    return copy.deepcopy(value_schema(RecordingReady))


def remove_a_field(new: Schema) -> None:
    del new["properties"]["frames"]
    new["required"].remove("frames")


def make_a_field_optional(new: Schema) -> None:
    new["required"].remove("duration_ms")


def require_a_new_field(new: Schema) -> None:
    new["properties"]["width"] = {"type": "integer"}
    new["required"].append("width")


def require_an_optional_field(new: Schema) -> None:
    new["required"].append("episode_id")


def change_a_type(new: Schema) -> None:
    new["properties"]["frames"] = {"type": "string"}


def widen_a_type(new: Schema) -> None:
    new["properties"]["frames"] = {"type": "number"}


def let_a_field_be_null(new: Schema) -> None:
    new["properties"]["frames"] = {"anyOf": [{"type": "integer"}, {"type": "null"}]}


def change_a_format(new: Schema) -> None:
    new["properties"]["recording_id"]["format"] = "uri"


def drop_a_format(new: Schema) -> None:
    del new["properties"]["recording_id"]["format"]


def change_what_a_list_holds(new: Schema) -> None:
    new["properties"]["artefacts"]["items"] = {"type": "string", "format": "uuid"}


def make_a_list_single(new: Schema) -> None:
    new["properties"]["artefacts"] = new["properties"]["artefacts"]["items"]


def rename_inside_a_part(new: Schema) -> None:
    part = new["$defs"]["Rendition"]
    part["properties"]["id"] = part["properties"].pop("artefact_id")
    part["required"] = ["id", "kind"]


def loosen_a_code(new: Schema) -> None:
    del new["$defs"]["Rendition"]["properties"]["kind"]["pattern"]


def rename_a_field(new: Schema) -> None:
    new["properties"]["length_ms"] = new["properties"].pop("duration_ms")
    new["required"] = ["length_ms" if name == "duration_ms" else name for name in new["required"]]


def drop_the_episode(new: Schema) -> None:
    del new["properties"]["episode_id"]


def make_it_internal(new: Schema) -> None:
    new["x-public"] = False


BREAKING = [
    remove_a_field,
    make_a_field_optional,
    require_a_new_field,
    require_an_optional_field,
    change_a_type,
    widen_a_type,
    let_a_field_be_null,
    change_a_format,
    drop_a_format,
    change_what_a_list_holds,
    make_a_list_single,
    rename_inside_a_part,
    loosen_a_code,
    rename_a_field,
    drop_the_episode,
    make_it_internal,
]


def change_nothing(new: Schema) -> None:
    pass


def add_an_optional_field(new: Schema) -> None:
    new["properties"]["width"] = {"type": "integer", "default": 0}


def add_a_field_that_may_be_null(new: Schema) -> None:
    new["properties"]["width"] = {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}


def add_an_optional_field_to_a_part(new: Schema) -> None:
    new["$defs"]["Rendition"]["properties"]["bytes"] = {"type": "integer", "default": 0}


def say_it_better(new: Schema) -> None:
    new["description"] = new["properties"]["frames"]["title"] = "said better"


def name_a_part_otherwise(new: Schema) -> None:
    new["$defs"]["Made"] = new["$defs"].pop("Rendition")
    new["properties"]["artefacts"]["items"] = {"$ref": "#/$defs/Made"}


def say_the_fields_in_another_order(new: Schema) -> None:
    new["properties"] = dict(reversed(new["properties"].items()))
    new["required"] = new["required"][::-1]


COMPATIBLE = [
    change_nothing,
    add_an_optional_field,
    add_a_field_that_may_be_null,
    add_an_optional_field_to_a_part,
    say_it_better,
    name_a_part_otherwise,
    say_the_fields_in_another_order,
]


def changed(change: Callable[[Schema], None]) -> tuple[Schema, Schema]:
    old, new = {"x-public": True, **ready()}, {"x-public": True, **ready()}
    change(new)
    return old, new


@pytest.mark.parametrize("change", BREAKING)
def test_a_change_that_could_break_a_reader_is_found(change: Callable[[Schema], None]) -> None:
    assert incompatibilities(*changed(change))


@pytest.mark.parametrize("change", COMPATIBLE)
def test_a_change_that_cannot_is_let_through(change: Callable[[Schema], None]) -> None:
    assert incompatibilities(*changed(change)) == []


def test_what_was_published_still_holds() -> None:
    """`published/` holds the schemas as they were when they were first told to the world; nobody regenerates them."""
    assert PUBLISHED
    for path in PUBLISHED:
        assert path.stem in REGISTRY, f"{path.stem} was withdrawn: others read it"
        assert incompatibilities(json.loads(path.read_text()), schemas()[path.stem]) == [], path.stem


def test_every_type_has_a_golden_event_and_a_published_schema() -> None:
    assert {path.stem for path in PUBLISHED} == set(REGISTRY) == {path.stem for path in GOLDEN}


def test_golden_events_are_frozen() -> None:
    """An event of the past is what it was: who changes one, or takes it away, changes history and not a test."""
    frozen = {name: digest for digest, name in (line.split() for line in FROZEN.read_text().splitlines())}
    found = {f"golden/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in GOLDEN}
    changed = [name for name, digest in frozen.items() if found.get(name) != digest]
    assert changed == [], "they were told once, and are read for ever: put them back, and add a new one instead"
    assert found.keys() == frozen.keys(), f"a new golden event is frozen by: {ADD}"


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_an_event_of_the_past_is_read_by_the_model_of_today(path: Path) -> None:
    event, wire = decode(path.stem, path.read_bytes())
    written = json.loads(path.read_bytes())
    Draft202012Validator(schemas()[path.stem]).validate(written)
    read = {**wire.model_dump(mode="json"), **event.model_dump(mode="json")}
    assert {name: read[name] for name in written} == written
