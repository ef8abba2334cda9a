"""Drives HTTP APIs by their own descriptions: a canary in every field that takes text, and every request spoilt too.

Nothing here knows a field by name: what a new field is given follows from its schema. One long file: what an operation
takes, and how it is asked rightly and wrongly, is one thing.
"""

import copy
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from tests.end_to_end.canaries.book import Book, forms

Schema = Mapping[str, Any]
ABSENT = object()
"""Given for a field: leave it out."""
TODAY = datetime.now(UTC).date().isoformat()
TOO_LARGE = 1024 * 1024 + 1
STRANGERS = ("User-Agent", "Referer", "X-Request-Id", "X-Forwarded-For", "Forwarded", "Accept-Language", "Cookie")
TRACING = ("baggage", "b3", "X-B3-TraceId", "uber-trace-id", "X-Amzn-Trace-Id")


@dataclass
class Operation:
    """One method at one address of one service, as its OpenAPI document describes it."""

    service: str
    method: str
    path: str
    said: Schema
    schemas: Mapping[str, Schema]

    @property
    def name(self) -> str:
        return f"{self.service} {self.method} {self.path}"

    @property
    def answers(self) -> set[int]:
        return {int(status) for status in self.said["responses"]}

    def parameters(self, place: str) -> list[Schema]:
        return [one for one in self.said.get("parameters", []) if one["in"] == place]

    @property
    def body(self) -> Schema | None:
        """The schema of its JSON body."""
        content = self.said.get("requestBody", {}).get("content", {})
        found: Schema | None = content.get("application/json", {}).get("schema")
        return found

    def fields(self) -> Iterator[tuple[str, Schema]]:
        """Every value in the body that is neither an object nor a list, with its place."""
        if self.body:
            yield from self._fields(self.body, "body")

    def _fields(self, schema: Schema, at: str) -> Iterator[tuple[str, Schema]]:
        for one in self.alternatives(schema):
            if "properties" in one:
                for name, inner in one["properties"].items():
                    yield from self._fields(inner, f"{at}.{name}")
            elif one.get("type") == "array":
                yield from self._fields(one["items"], f"{at}[]")
            else:
                yield at, one

    def alternatives(self, schema: Schema) -> list[Schema]:
        """What it may be, null aside, references looked up."""
        if "$ref" in schema:
            return self.alternatives(self.schemas[schema["$ref"].rsplit("/", 1)[-1]])
        if parts := schema.get("anyOf") or schema.get("oneOf"):
            return [one for part in parts for one in self.alternatives(part)]
        return [] if schema.get("type") == "null" else [schema]


def text_for(schema: Schema, canary: str) -> str | None:
    """The canary in the form that the schema lets in; none: it takes no text."""
    if schema.get("type") != "string" or schema.keys() & {"enum", "const", "format"}:
        return None
    for form in forms(canary):
        if len(form) <= schema.get("maxLength", len(form)) and re.search(schema.get("pattern", ""), form):
            return form
    return None


@dataclass
class Drive:
    """What was asked and answered so far."""

    url: Callable[[str], str]
    book: Book
    code_words: set[
        str
    ]  # fields that take a word of a list which their schema does not show: "service METHOD /path at"
    operations: dict[str, Operation] = field(default_factory=dict)
    answered: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    carried: dict[str, str] = field(
        default_factory=dict
    )  # field -> the canary that it carried in a request that was met
    refused: set[str] = field(default_factory=set)  # fields of code words in which a canary was refused

    def __post_init__(self) -> None:
        self.http = httpx.Client(timeout=60, trust_env=False)

    def read(self, service: str) -> None:
        """The service's description."""
        document = self.http.get(f"{self.url(service)}/openapi.json").raise_for_status().json()
        for path, methods in document["paths"].items():
            for method, said in methods.items():
                one = Operation(service, method.upper(), path, said, document["components"]["schemas"])
                self.operations[one.name] = one

    def text_fields(self) -> set[str]:
        """Of all bodies: every field that takes a canary."""
        return {
            f"{one.name} {at}"
            for one in self.operations.values()
            for at, schema in one.fields()
            if text_for(schema, self.book.new("nowhere: only to see whether it would fit"))
        }

    # asking

    def do(self, name: str, token: str, given: Any = None, /, **ids: str) -> Any:
        """Ask for an operation, spoilt in every way first if it is the first time, then rightly. What it answered.

        given: what is known of the body's fields; the others are filled by their schemas."""
        return self.ask(name, token, given, ids=ids).json()

    def ask(
        self,
        name: str,
        token: str,
        given: Any = None,
        *,
        ids: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        operation = self.operations[name]
        asked = Asked(self, operation, token, dict(ids or {}), dict(query or {}), dict(headers or {}), content)
        if name not in self.answered:
            asked.spoil(given)
        return asked.rightly(given)

    def peek(self, service: str, path: str, token: str) -> httpx.Response:
        """Plainly, to see whether something has happened yet."""
        return self.http.get(self.url(service) + path, headers={"Authorization": f"Bearer {token}"})


@dataclass
class Asked:
    """One operation, asked for with these ids, and with whatever else a request may hold."""

    drive: Drive
    operation: Operation
    token: str
    ids: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    content: bytes | None

    def rightly(self, given: Any) -> httpx.Response:
        """Raises AssertionError unless it is met."""
        texts: dict[str, str] = {}
        body = self._body(given, texts)
        if isinstance(body, dict):
            body[self._new("an unknown field's name")] = self._new("an unknown field")
        answer = self._send(json=body)
        assert answer.is_success, f"{self.operation.name}: {answer.status_code} {answer.text}"
        self.drive.carried |= {f"{self.operation.name} {at}": canary for at, canary in texts.items()}
        return answer

    def spoil(self, given: Any) -> None:
        """With a canary in place of every id, number, date and word, in the token, too long, too much, unreadable."""
        operation, new = self.operation, self._new
        for name in self.ids:
            self._refused(ids=self.ids | {name: new(f"in place of {name}")})
        for one in operation.parameters("query"):
            self._refused(query=self.query | {one["name"]: new(f"in place of {one['name']}")})
        for one in operation.parameters("header"):
            others = {name: value for name, value in self.headers.items() if name.lower() != one["name"].lower()}
            spoilt = others | {one["name"]: new(f"in place of {one['name']}")}
            self._refused(headers=spoilt, may_pass=not one.get("required"))
        anybody = not operation.said.get("security")
        for token in (new("the token"), f"{new('the token')}.{new('the token')}.{new('the token')}"):
            self._refused(token=token, may_pass=anybody)
        if operation.body:
            self._spoil_body(given)

    def _spoil_body(self, given: Any) -> None:
        operation, new = self.operation, self._new
        for at, schema in operation.fields():
            canary = new(f"in place of {at}")
            takes = text_for(schema, canary)
            if takes is None:
                self._refused(json=_with(self._body(given, {}), at, canary))
            elif f"{operation.name} {at}" in self.drive.code_words:
                self._refused(json=_with(self._body(given, {}), at, canary))
                self.drive.refused.add(f"{operation.name} {at}")
            elif "maxLength" in schema:
                much = takes * (schema["maxLength"] // len(takes) + 1)
                self._refused(json=_with(self._body(given, {}), at, much))
        json = {"Content-Type": "application/json"}
        self._refused(content=f'{{"{new("a body that is not JSON")}'.encode(), headers=json)
        self._refused(content=f'"{new("a body that is no object")}"'.encode(), headers=json)
        self._refused(content=new("a body too large").encode() * (TOO_LARGE // 13 + 1), headers=json)
        self._refused(content=b"{}", headers={"Content-Type": f"text/{new('the content type')}"})

    def _refused(self, *, may_pass: bool = False, **changes: Any) -> None:
        """Raises AssertionError if it is met, or answered in a way that nobody described."""
        answer = self._send(**changes)
        assert 400 <= answer.status_code < 500 or (may_pass and answer.is_success), (
            f"{self.operation.name} with {changes} was answered {answer.status_code}"
        )

    def _body(self, given: Any, texts: dict[str, str]) -> Any:
        return None if self.operation.body is None else self._filled(self.operation.body, given, "body", texts)

    def _filled(self, schema: Schema, given: Any, at: str, texts: dict[str, str]) -> Any:
        """A value by its schema; `texts` notes which canary stands where."""
        fitting = self.operation.alternatives(schema)
        one = next((one for one in fitting if "properties" in one and isinstance(given, dict)), fitting[0])
        if "properties" in one:
            known = given or {}
            unknown = known.keys() - one["properties"].keys()
            assert not unknown, f"{self.operation.name} has no {unknown}"
            return {
                name: self._filled(inner, known.get(name), f"{at}.{name}", texts)
                for name, inner in one["properties"].items()
                if known.get(name) is not ABSENT
            }
        if one.get("type") == "array":
            return [self._filled(one["items"], inner, f"{at}[]", texts) for inner in (given or [None])]
        if given is not None:
            return given
        canary = self._new(at)
        if text := text_for(one, canary):
            texts[at] = canary
            return text
        return _plain(one, f"{self.operation.name} {at}")

    def _new(self, what: str) -> str:
        return self.drive.book.new(f"{self.operation.name}: {what}")

    def _send(
        self,
        *,
        ids: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        json: Any = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        operation, new = self.operation, self._new
        path = operation.path.format(**{k: quote(v) for k, v in (self.ids if ids is None else ids).items()})
        trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        everything = {name: new(name) for name in (*STRANGERS, *TRACING)}
        everything |= {"traceparent": trace, "tracestate": f"{new('tracestate')}={new('tracestate')}"}
        everything |= {"Host": f"{new('Host')}.example.org", "Authorization": f"Bearer {token or self.token}"}
        answer = self.drive.http.request(
            operation.method,
            self.drive.url(operation.service) + path,
            params={**(self.query if query is None else query), new("a name in the query"): new("the query")},
            headers=everything | dict(self.headers if headers is None else headers),
            **({"json": json} if json is not None else {"content": self.content if content is None else content}),
        )
        self.drive.answered[operation.name].add(answer.status_code)
        assert answer.status_code in operation.answers, (
            f"{operation.name} answered {answer.status_code}, which its description does not name: {answer.text}"
        )
        return answer


def _plain(schema: Schema, place: str) -> Any:
    """A value for what takes no text."""
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"), schema.get("format"):
        case "boolean", _:
            return False
        case "integer", _:
            return int(schema.get("minimum", 0))
        case "string", "date":
            return TODAY
    raise AssertionError(f"{place}: say what to put there; by its schema {schema} nobody can tell")


def _with(body: Any, at: str, value: str) -> Any:
    """The body with this value at that place, in the first of every list."""
    holder: Any = {"": copy.deepcopy(body)}
    whole: Any = holder
    key: Any = ""
    for step in re.findall(r"\[\]|[^.\[\]]+", at)[1:]:
        if step == "[]":
            if not isinstance(holder[key], list) or not holder[key]:
                holder[key] = [None]
            holder, key = holder[key], 0
        else:
            if not isinstance(holder[key], dict):
                holder[key] = {}
            holder, key = holder[key], step
            holder.setdefault(key, None)
    holder[key] = value
    return whole[""]
