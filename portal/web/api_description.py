"""The OpenAPI description, read for people: groups of calls, their fields in flat lists, and what they answer."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from portal.web.api_examples import Example, make_example

Node = Mapping[str, Any]
# `items[].media.fileName` is as deep as a flat list stays readable.
DEEPEST = 4
# Ours: what a followed node may be.
ALTERNATIVES = "x-alternatives"
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Field:
    """One value that goes in or comes out; `name` leads through the objects around it, as `items[].id` does."""

    name: str
    type: str
    description: str
    is_required: bool
    is_nullable: bool
    choices: tuple[str, ...]
    limits: str
    default: str | None


@dataclass(frozen=True)
class Parameter:
    """A value in the address or in a header; `place` is path, query or header."""

    place: str
    field: Field


@dataclass(frozen=True)
class Status:
    """One status of an answer; `headers` are those that not every answer of the call has."""

    code: str
    description: str
    headers: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What comes back with the same fields, in one or several statuses."""

    statuses: tuple[Status, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Call:
    anchor: str
    method: str
    path: str
    summary: str
    description: str
    is_open: bool
    parameters: tuple[Parameter, ...]
    body: tuple[Field, ...]
    headers: tuple[str, ...]
    answers: tuple[Answer, ...]
    refusals: tuple[Status, ...]
    example: Example


@dataclass(frozen=True)
class Group:
    anchor: str
    title: str
    description: str
    calls: tuple[Call, ...]


class Description:
    """One OpenAPI 3 document, whose references are followed wherever they stand."""

    def __init__(self, document: Node, *, base_url: str) -> None:
        self._document = document
        self._base_url = base_url

    def groups(self) -> list[Group]:
        """The calls by tag, in the document's order; a tag without calls is left out."""
        calls = list(self._calls())
        groups = [
            Group(
                anchor=f"group-{tag['name']}".lower().replace(" ", "-"),
                title=tag.get("x-displayName") or tag["name"],
                description=tag.get("description", ""),
                calls=tuple(call for name, call in calls if name == tag["name"]),
            )
            for tag in self._document.get("tags", ())
        ]
        return [group for group in groups if group.calls]

    def _calls(self) -> Iterator[tuple[str, Call]]:
        for path, item in self._document["paths"].items():
            for method in METHODS:
                if method in item:
                    operation = {**item[method], "parameters": _parameters(item, item[method])}
                    yield next(iter(operation.get("tags", ())), ""), self._call(method.upper(), path, operation)

    def _call(self, method: str, path: str, operation: Node) -> Call:
        parameters = [self._follow(node) for node in operation["parameters"]]
        body = self._follow(operation.get("requestBody", {}))
        is_open = operation.get("security", self._document.get("security")) == []
        responses = {str(code): self._follow(node) for code, node in operation["responses"].items()}
        headers = _shared([response.get("headers", {}) for response in responses.values()])
        answers = list(self._answers(responses, headers))
        good = [answer for answer in answers if any(status.code.startswith("2") for status in answer.statuses)]
        return Call(
            anchor=_anchor(method, path),
            method=method,
            path=path,
            summary=operation.get("summary", ""),
            description=operation.get("description", ""),
            is_open=is_open,
            parameters=tuple(self._parameter(node) for node in parameters),
            body=tuple(self._fields(_schema_of(body))),
            headers=headers,
            answers=tuple(good),
            refusals=tuple(status for answer in answers if answer not in good for status in answer.statuses),
            example=make_example(
                method, self._base_url + path, parameters=parameters, body=body, is_open=is_open, follow=self._follow
            ),
        )

    def _parameter(self, node: Node) -> Parameter:
        schema = self._follow(node.get("schema", {}))
        said = {**schema, "description": node.get("description") or schema.get("description", "")}
        return Parameter(node["in"], self._field(node["name"], said, is_required=node.get("required", False)))

    def _answers(self, responses: Mapping[str, Node], shared_headers: Collection[str]) -> Iterator[Answer]:
        """Statuses in order, those with the same schema together."""
        by_schema: dict[str, tuple[Node, list[Status]]] = {}
        for code, response in sorted(responses.items()):
            schema = _schema_of(response)
            own = tuple(name for name in response.get("headers", ()) if name not in shared_headers)
            status = Status(code, response.get("description", ""), own)
            by_schema.setdefault(json.dumps(schema, sort_keys=True), (schema, []))[1].append(status)
        for schema, statuses in by_schema.values():
            yield Answer(tuple(statuses), tuple(self._fields(schema)))

    def _fields(self, schema: Node, prefix: str = "") -> Iterator[Field]:
        """The fields of an object, each followed by those that are in it."""
        schema = self._follow(schema)
        if "items" in schema:
            yield from self._fields(schema["items"], f"{prefix}[]")
        for name, node in schema.get("properties", {}).items():
            path = f"{prefix}.{name}" if prefix else name
            yield self._field(path, self._follow(node), is_required=name in schema.get("required", ()))
            if path.count(".") < DEEPEST:
                yield from self._fields(node, path)

    def _field(self, name: str, schema: Node, *, is_required: bool) -> Field:
        default = schema.get("default")
        return Field(
            name=name,
            type=" or ".join(self._types_of(schema)),
            description=schema.get("description", ""),
            is_required=is_required,
            is_nullable=schema.get("nullable", False),
            choices=tuple(str(choice) for choice in schema.get("enum", ()) if choice is not None),
            limits=_limits_of(schema),
            default=None if default in (None, "") else json.dumps(default, ensure_ascii=False, default=str),
        )

    def _types_of(self, schema: Node) -> list[str]:
        """Its type in one word, or those of its alternatives; an array says what of."""
        if ALTERNATIVES in schema:
            return list(dict.fromkeys(name for other in schema[ALTERNATIVES] for name in self._types_of(other)))
        if "items" in schema:
            return [f"array of {' or '.join(self._types_of(self._follow(schema['items'])))}"]
        return [str(schema.get("format") or schema.get("type") or ("object" if "properties" in schema else "any"))]

    def _follow(self, node: Node) -> Node:
        """The node itself: references followed, and of alternatives the first, which says what else it may be."""
        while "$ref" in node:
            node = _at(self._document, node["$ref"])
        found = node.get("anyOf") or node.get("oneOf") or node.get("allOf")
        if not found:
            return node
        alternatives = [self._follow(other) for other in found]
        own = {name: value for name, value in node.items() if name not in ("anyOf", "oneOf", "allOf")}
        is_nullable = any(other.get("nullable") for other in (node, *alternatives))
        return {**alternatives[0], **own, "nullable": is_nullable, ALTERNATIVES: alternatives}


def _parameters(item: Node, operation: Node) -> list[Node]:
    return [*item.get("parameters", ()), *operation.get("parameters", ())]


def _schema_of(content: Node) -> Node:
    """The schema of a body or an answer in JSON; nothing where it has none."""
    schema: Node = content.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _at(document: Node, reference: str) -> Node:
    node: Any = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    found: Node = node
    return found


def _anchor(method: str, path: str) -> str:
    words = path.translate(str.maketrans("/_{}", "--  ")).replace(" ", "").strip("-")
    return f"{method.lower()}-{words}"


def _shared(headers: Iterable[Node]) -> tuple[str, ...]:
    """The names that all of these have."""
    first, *others = headers
    return tuple(name for name in first if all(name in other for other in others))


def _limits_of(schema: Node) -> str:
    """`From 1 to 100` of a number, `At most 1024 characters` of a text."""
    least, most, longest = schema.get("minimum"), schema.get("maximum"), schema.get("maxLength")
    if least is not None and most is not None:
        return f"From {least} to {most}"
    if least is not None:
        return f"At least {least}"
    if most is not None:
        return f"At most {most}"
    return f"At most {longest} characters" if longest is not None else ""
