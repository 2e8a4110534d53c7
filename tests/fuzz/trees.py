"""Made-up JSON, and real bodies that something happened to."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.inbox.bodies_told import BODIES

EVENTS = sorted({body.event for body in BODIES} | {"messages.set", "labels.edit", "made.up"})
DATA = [(body.event, body.data) for body in BODIES]
# What programs trip over, in every place.
ODD = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        -1,
        2**31,
        2**63,
        -(2**63) - 1,
        10**400,
        1e308,
        -0.0,
        "",
        " ",
        "\x00",
        "a\x00b",
        "\ud800",
        "\udfff\ud800",
        "\u202e",
        "x" * 70_000,
        "5511987650011@s.whatsapp.net",
        "@s.whatsapp.net",
        "120363000000000011@g.us",
        "status@broadcast",
        "811000000000011@lid",
        "5511987650011:17@s.whatsapp.net",
        "9" * 500,
        "1e999",
        "NaN",
        "true",
        "2026-13-45T99:99:99Z",
        "9999-12-31T23:59:59.999999+14:00",
        [],
        {},
        [[]],
        [None],
        {"": ""},
        {"0": 255, "1": 1},
        {"low": -1, "high": 2**40, "unsigned": "no"},
        {"type": "Buffer", "data": [1, 300]},
    ]
)
LEAVES = ODD | st.text(max_size=40) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.text(max_size=12) | st.sampled_from(
    ["key", "id", "remoteJid", "fromMe", "participant", "message", "messageTimestamp", "status", "update", "pushName"]
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25
)


@st.composite
def hurt(draw: st.DrawFn, tree: Any) -> Any:
    """The tree after a few accidents."""
    for _ in range(draw(st.integers(1, 4))):
        tree = _hurt_once(draw, tree)
    return tree


@st.composite
def bodies(draw: st.DrawFn, *, instance: str) -> tuple[str, Any]:
    """An event and the whole payload around it, in which some things are as they are in a real one."""
    event, data = draw(st.sampled_from(DATA))
    told = draw(st.just(data) | JSON | st.deferred(lambda: hurt(data)) | st.deferred(lambda: hurt(data)))
    named = draw(st.just(event) | st.sampled_from(EVENTS))
    payload = {
        "event": named,
        "instance": instance,
        "data": told,
        "date_time": draw(st.just("2026-05-17T10:00:00.000Z") | ODD),
        "sender": draw(st.just("5511999990001@s.whatsapp.net") | ODD),
        "apikey": "5E6A1F0C-0000-4000-8000-00000000TOKEN",
    }
    return named, payload


@st.composite
def raw_bodies(draw: st.DrawFn, *, instance: str) -> bytes:
    """What may come through the door instead of JSON, or as JSON that not everybody reads in the same way."""
    _, payload = draw(bodies(instance=instance))
    return draw(st.sampled_from(WAYS))(draw, payload)


def _at_random(draw: st.DrawFn, payload: Any) -> bytes:
    return draw(st.binary(max_size=200))


def _cut(draw: st.DrawFn, payload: Any) -> bytes:
    body = json.dumps(payload).encode()
    return body[: draw(st.integers(0, len(body)))]


def _with_bytes(draw: st.DrawFn, payload: Any) -> bytes:
    body = json.dumps(payload, ensure_ascii=False).encode(errors="surrogatepass")
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(st.binary(min_size=1, max_size=4)) + body[at + draw(st.integers(0, 4)) :]


def _with_no_number(draw: st.DrawFn, payload: Any) -> bytes:
    words = st.sampled_from([b"NaN", b"Infinity", b"-Infinity", b"nul"])
    return _with(payload, draw(words))


def _with_a_long_number(draw: st.DrawFn, payload: Any) -> bytes:
    return _with(payload, b"9" * draw(st.sampled_from([30, 400, 5_000, 100_000])))


def _deep(draw: st.DrawFn, payload: Any) -> bytes:
    opened, closed = draw(st.sampled_from([(b"[", b"]"), (b'{"a":', b"}")]))
    depth = draw(st.sampled_from([50, 400, 990, 5_000, 100_000]))
    return _with(payload, opened * depth + b"1" + closed * depth)


def _twice(draw: st.DrawFn, payload: Any) -> bytes:
    return json.dumps(payload).encode()[:-1] + b', "instance": ' + json.dumps(draw(LEAVES)).encode() + b', "data": {}}'


def _in_another_encoding(draw: st.DrawFn, payload: Any) -> bytes:
    return json.dumps(payload).encode(draw(st.sampled_from(["utf-8-sig", "utf-16", "utf-32-be"])))


def _bare(draw: st.DrawFn, payload: Any) -> bytes:
    return json.dumps(draw(JSON)).encode()


WAYS = (
    _at_random,
    _cut,
    _with_bytes,
    _with_no_number,
    _with_a_long_number,
    _deep,
    _twice,
    _in_another_encoding,
    _bare,
)


def _with(payload: Any, data: bytes) -> bytes:
    """The payload with these bytes in the place of its data."""
    return json.dumps({**payload, "data": "HERE"}).encode().replace(b'"HERE"', data)


def _hurt_once(draw: st.DrawFn, node: Any) -> Any:
    """Somewhere in it one thing is another one, is missing, or is there twice."""
    if isinstance(node, dict) and node:
        key = draw(st.sampled_from(sorted(node)))
        way = draw(st.sampled_from(["into", "into", "into", "leave out", "replace", "rename", "add"]))
        if way == "into":
            return {**node, key: _hurt_once(draw, node[key])}
        if way == "leave out":
            return {name: value for name, value in node.items() if name != key}
        if way == "rename":
            return {(name if name != key else draw(KEYS)): value for name, value in node.items()}
        return {**node, (key if way == "replace" else draw(KEYS)): draw(JSON)}
    if isinstance(node, list) and node:
        at = draw(st.integers(0, len(node) - 1))
        way = draw(st.sampled_from(["into", "into", "leave out", "twice"]))
        middle = {"into": lambda: [_hurt_once(draw, node[at])], "leave out": list, "twice": lambda: [node[at]] * 2}[
            way
        ]()
        return [*node[:at], *middle, *node[at + 1 :]]
    return draw(st.just([node]) | st.just({"value": node}) | LEAVES)
