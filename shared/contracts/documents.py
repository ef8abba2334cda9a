"""The contracts as documents, for those who subscribe: `python -m shared.contracts` writes `docs/events`.

A JSON Schema per event type, and one AsyncAPI 3.0 document: which topic carries what, under which key and headers.
"""

import inspect
import json
from pathlib import Path
from typing import Any

from shared.contracts.cloudevents import CONTENT_TYPE, value_schema
from shared.contracts.event import PARTITIONS, REGISTRY, RETENTION_DAYS, SERVICES, Event, topic_of

HEADERS: dict[str, Any] = {
    "type": "object",
    "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "ce_subject", "content-type"],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid", "description": "UUIDv7; seen twice, it is the same event"},
        "ce_type": {"type": "string"},
        "ce_source": {"type": "string", "description": "/attune/SERVICE"},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_subject": {
            "type": "string",
            "format": "uuid",
            "description": "The recording, clip, erasure ... it is about",
        },
        "ce_causationid": {"type": "string", "format": "uuid", "description": "The event whose handling caused it"},
        "traceparent": {"type": "string", "description": "W3C Trace Context of the span that created it"},
        "content-type": {"const": CONTENT_TYPE},
    },
}


def schemas() -> dict[str, dict[str, Any]]:
    """Event type to the JSON Schema (2020-12) of its record's value."""
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:{name.replace('.', ':')}",
            "x-public": model.public,
            **value_schema(model),
        }
        for name, model in sorted(REGISTRY.items())
    }


def _message(model: type[Event]) -> dict[str, Any]:
    return {
        "name": model.type,
        "title": model.__name__,
        "summary": inspect.getdoc(model) if model.__doc__ != Event.__doc__ else model.__name__,
        "tags": [{"name": "public" if model.public else "internal"}],
        "contentType": CONTENT_TYPE,
        "headers": {"allOf": [HEADERS, {"properties": {"ce_type": {"const": model.type}}}]},
        "payload": {"$ref": f"./{model.type}.json"},
        "bindings": {
            "kafka": {"key": {"type": "string", "format": "uuid", "description": "The episode, or the family"}}
        },
    }


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: one channel per service's topic."""
    of = {service: [m for m in REGISTRY.values() if service in m.services] for service in SERVICES}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Attune",
            "version": "1",
            "description": (
                "Ids, times, counts and codes; never a name. Order holds per key within a topic and nowhere else. "
                "Messages tagged internal may change without notice."
            ),
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            service: {
                "address": topic_of(service),
                "description": f"What the {service} service tells; no other service writes here.",
                "messages": {m.__name__: {"$ref": f"#/components/messages/{m.__name__}"} for m in of[service]},
                "bindings": {
                    "kafka": {
                        "partitions": PARTITIONS,
                        "topicConfiguration": {
                            "cleanup.policy": ["delete"],
                            "retention.ms": RETENTION_DAYS * 24 * 60 * 60 * 1000,
                        },
                    }
                },
            }
            for service in SERVICES
        },
        "operations": {
            f"tell_{service}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{service}"},
                "messages": [{"$ref": f"#/channels/{service}/messages/{m.__name__}"} for m in of[service]],
            }
            for service in SERVICES
        },
        "components": {"messages": {m.__name__: _message(m) for m in REGISTRY.values()}},
    }


def documents() -> dict[str, str]:
    """File name to text, of everything in `docs/events`."""
    written = {f"{name}.json": schema for name, schema in schemas().items()} | {"asyncapi.json": asyncapi()}
    return {name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in written.items()}


def write(folder: Path) -> None:
    """Write the documents, and remove those of event types that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    current = documents()
    for stale in {path.name for path in folder.glob("*.json")} - current.keys():
        (folder / stale).unlink()
    for name, text in current.items():
        (folder / name).write_text(text)
