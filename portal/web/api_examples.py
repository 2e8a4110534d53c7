"""One request to a call of the JSON API, written down in curl and in Python."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any
from urllib.parse import quote as in_address
from urllib.parse import urlencode

Node = Mapping[str, Any]
# For what has no example of its own.
BY_FORMAT = {
    "uuid": "0198c0de-0000-7000-8000-000000000001",
    "date-time": "2030-01-31T15:00:00+00:00",
    "byte": "SGVsbG8K",
}
BY_TYPE: dict[str, object] = {"string": "text", "integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}
TOKEN = "$TOKEN"
TIMEOUT_S = 30


@dataclass(frozen=True)
class Example:
    """A request. Unless `is_open` it carries the token that the variable TOKEN of the environment holds."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: object | None
    is_open: bool

    @property
    def curl(self) -> str:
        method = [] if self.method == "GET" else [f"-X {self.method}"]
        lines = [" ".join(["curl", "-sS", *method, quote(self.url)])]
        if not self.is_open:
            lines.append(f'-H "Authorization: Bearer {TOKEN}"')
        lines += [f"-H {quote(f'{name}: {value}')}" for name, value in self.headers.items()]
        if self.body is not None:
            lines.append("-H 'Content-Type: application/json'")
            lines.append(f"-d {quote(json.dumps(self.body, ensure_ascii=False, indent=2))}")
        return " \\\n  ".join(lines)

    @property
    def python(self) -> str:
        headers = [f"{_literal(name)}: {_literal(value)}" for name, value in self.headers.items()]
        if not self.is_open:
            headers.insert(0, '"Authorization": f"Bearer {os.environ[\'TOKEN\']}"')
        arguments = [_literal(self.url)]
        if headers:
            arguments.append(f"headers={{{', '.join(headers)}}}")
        if self.body is not None:
            arguments.append(f"json={_literal(self.body, indent=4)}")
        arguments.append(f"timeout={TIMEOUT_S}")
        lines = "".join(f"    {argument},\n" for argument in arguments)
        imports = "import requests\n" if self.is_open else "import os\n\nimport requests\n"
        return (
            f"{imports}\nanswer = requests.{self.method.lower()}(\n{lines})\n"
            "answer.raise_for_status()\nprint(answer.json())"
        )


def make_example(
    method: str,
    url: str,
    *,
    parameters: Iterable[Node],
    body: Node,
    is_open: bool,
    follow: Callable[[Node], Node],
) -> Example:
    """Fill a call's address, headers and body with the examples that its description gives.

    Left out are parameters and fields that may be, unless they have an example and do not only page through a list.
    """
    values = {place: dict[str, Any]() for place in ("path", "query", "header")}
    for parameter in parameters:
        schema = follow(parameter.get("schema", {}))
        is_worth_showing = parameter["in"] == "header" and ("example" in parameter or "example" in schema)
        if parameter.get("required") or is_worth_showing:
            values[parameter["in"]][parameter["name"]] = _example_of({**schema, **parameter}, follow)
    for name, value in values["path"].items():
        url = url.replace(f"{{{name}}}", in_address(str(value), safe=""))
    query = f"?{urlencode(values['query'])}" if values["query"] else ""
    headers = {name: str(value) for name, value in values["header"].items()}
    return Example(method, url + query, headers, _body_of(body, follow), is_open)


def _body_of(body: Node, follow: Callable[[Node], Node]) -> object | None:
    content = body.get("content", {}).get("application/json")
    if content is None:
        return None
    return content["example"] if "example" in content else _example_of(content.get("schema", {}), follow)


def _example_of(node: Node, follow: Callable[[Node], Node]) -> object:
    """The example that a schema gives, else one made of its parts, else any value of its type."""
    schema = follow(node)
    if "example" in schema:
        return schema["example"]
    if "properties" in schema:
        required = schema.get("required", ())
        parts = {name: follow(part) for name, part in schema["properties"].items()}
        shown = {name: part for name, part in parts.items() if name in required or "example" in part}
        return {name: _example_of(part, follow) for name, part in shown.items()}
    if schema.get("default") is not None:
        return schema["default"]
    if schema.get("enum"):
        return schema["enum"][0]
    return BY_FORMAT.get(schema.get("format", "")) or BY_TYPE.get(schema.get("type", ""), "text")


def _literal(value: object, *, indent: int = 0) -> str:
    """The value as Python writes it, an object or a list with a line for each part."""
    inner = indent + 4
    if isinstance(value, Mapping) and value:
        parts = [f"{_literal(name)}: {_literal(part, indent=inner)}" for name, part in value.items()]
        return _in_lines("{", parts, "}", indent)
    if isinstance(value, list) and value:
        return _in_lines("[", [_literal(part, indent=inner) for part in value], "]", indent)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _in_lines(opening: str, parts: list[str], closing: str, indent: int) -> str:
    lines = "".join(f"{' ' * (indent + 4)}{part},\n" for part in parts)
    return f"{opening}\n{lines}{' ' * indent}{closing}"
