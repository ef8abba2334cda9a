"""What may change inside v1: nothing that a reader of yesterday's schema, or of yesterday's records, could trip over.

Writers are closed (they write what their schema says), readers are open (they pass over what they do not know): a new
optional field is fine, and everything else that touches a field is not.
"""

from typing import Any

Schema = dict[str, Any]


def incompatibilities(old: Schema, new: Schema, at: str = "") -> list[str]:
    """Why `new` may not replace `old` under the same event type: one sentence each, empty when it may."""
    return _compare(_resolved(old, old), _resolved(new, new), at or "value")


def _compare(old: Schema, new: Schema, at: str) -> list[str]:
    found = []
    if (old_choice := old.get("anyOf")) or new.get("anyOf"):
        return _compare_choices(old_choice or [old], new.get("anyOf") or [new], at)
    for word in ("type", "format", "const", "pattern", "enum", "x-public"):
        if old.get(word) != new.get(word):
            found.append(f"{at}: {word} was {old.get(word)!r} and is {new.get(word)!r}")
    for word in ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"):
        if old.get(word) != new.get(word):
            found.append(f"{at}: {word} was {old.get(word)!r} and is {new.get(word)!r}")
    if "items" in old or "items" in new:
        found += _compare(old.get("items", {}), new.get("items", {}), f"{at}[]")
    old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
    old_needed, new_needed = set(old.get("required", [])), set(new.get("required", []))
    found += [f"{at}.{name}: was removed" for name in old_fields.keys() - new_fields.keys()]
    found += [f"{at}.{name}: readers rely on it, it may not become optional" for name in old_needed - new_needed]
    found += [f"{at}.{name}: old records lack it, it may not be required" for name in new_needed - old_needed]
    for name in old_fields.keys() & new_fields.keys():
        found += _compare(old_fields[name], new_fields[name], f"{at}.{name}")
    return sorted(found)


def _compare_choices(old: list[Schema], new: list[Schema], at: str) -> list[str]:
    if len(old) == len(new):
        pairs = [_compare(a, b, at) for a, b in zip(old, new, strict=True)]
        return [reason for pair in pairs for reason in pair]
    return [f"{at}: was one of {len(old)} kinds of value and is one of {len(new)}"]


def _resolved(schema: Any, root: Schema) -> Any:
    """The schema with its references put in place, and without what only people read."""
    if isinstance(schema, list):
        return [_resolved(item, root) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolved(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root)
    passed_over = ("$defs", "title", "description", "$id", "$schema")
    return {
        word: _fields(value, root) if word == "properties" else _resolved(value, root)
        for word, value in schema.items()
        if word not in passed_over
    }


def _fields(properties: Schema, root: Schema) -> Schema:
    return {name: _resolved(field, root) for name, field in properties.items()}
