"""What strangers, broken proxies and a broken Evolution may post to the webhook door."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.inbox.bodies_told import BODIES

MIB = 1024 * 1024
BRACKETS = 100_000
TOO_LARGE = 40 * MIB
# Of a thousand, so many are of the slow and heavy kinds.
HEAVY_SHARE = 0.004
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 1e308, "", " ", "\x00", "\ud800", "\u202e", "x" * 50_000, [], {}, [None], {"": {}}),
    *("@s.whatsapp.net", "9" * 300, "NaN", "9999-12-31T23:59:59+14:00", {"low": -1, "high": 2**40}, [[[[]]]]),
)


@dataclass(frozen=True)
class Post:
    """One request; `secret` and `signature` say whose it bears."""

    kind: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    secret: str = "right"
    signature: str = "right"
    is_chunked: bool = False

    def pieces(self) -> Iterator[bytes]:
        """The body as it is sent without saying how long it is."""
        return (self.body[start : start + 4096] for start in range(0, len(self.body), 4096))


def hostile(number: int, instance: str, chance: random.Random) -> Iterator[Post]:
    """So many posts of all kinds."""
    for _ in range(number):
        kinds = HEAVY if chance.random() < HEAVY_SHARE else LIGHT
        yield chance.choice(kinds)(instance, chance)


def payload(instance: str, chance: random.Random, *, is_hurt: bool = True) -> dict[str, Any]:
    """What a real version posts, in which something is not what it should be."""
    body = chance.choice(BODIES)
    posted = copy.deepcopy(body.posted(instance, "2026-05-17T10:00:00.000Z"))
    if is_hurt:
        posted["data"] = _hurt(posted["data"], chance)
    return posted


def _hurt(node: Any, chance: random.Random) -> Any:
    if isinstance(node, dict) and node and chance.random() < 0.85:
        key = chance.choice(sorted(node))
        if chance.random() < 0.15:
            return {name: value for name, value in node.items() if name != key}
        return {**node, key: _hurt(node[key], chance)}
    if isinstance(node, list) and node and chance.random() < 0.85:
        at = chance.randrange(len(node))
        return [*node[:at], _hurt(node[at], chance), *node[at + 1 :]]
    return chance.choice(ODD)


def _wrong_types(instance: str, chance: random.Random) -> Post:
    return Post("wrong types inside", _bytes(payload(instance, chance)))


def _wrong_envelope(instance: str, chance: random.Random) -> Post:
    told = payload(instance, chance) | {chance.choice(["event", "instance", "data"]): chance.choice(ODD)}
    return Post("wrong types in the envelope", _bytes(told))


def _no_object(instance: str, chance: random.Random) -> Post:
    return Post("JSON that is no object", _bytes(chance.choice(ODD)))


def _deep(instance: str, chance: random.Random) -> Post:
    opened, closed = chance.choice([(b"[", b"]"), (b'{"a":', b"}")])
    deep = opened * BRACKETS + b"1" + closed * chance.choice([BRACKETS, 0])
    return Post("100,000 brackets", _with(payload(instance, chance), deep))


def _long_number(instance: str, chance: random.Random) -> Post:
    return Post("number of 100,000 digits", _with(payload(instance, chance), b"9" * 100_000))


def _no_number(instance: str, chance: random.Random) -> Post:
    return Post("NaN", _with(payload(instance, chance), chance.choice([b"NaN", b"-Infinity", b"1e999"])))


def _invalid_utf8(instance: str, chance: random.Random) -> Post:
    bad = chance.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"])
    return Post("invalid UTF-8", _with(payload(instance, chance), b'"' + bad + b'"'))


def _twice(instance: str, chance: random.Random) -> Post:
    again = b', "instance": ' + _bytes(chance.choice([instance, "unit_other", None])) + b', "data": {}, "data": []}'
    return Post("keys twice", _bytes(payload(instance, chance))[:-1] + again)


def _cut(instance: str, chance: random.Random) -> Post:
    body = _bytes(payload(instance, chance))
    return Post("cut off", body[: chance.randrange(len(body))])


def _noise(instance: str, chance: random.Random) -> Post:
    return Post("random bytes", chance.randbytes(chance.randrange(2_000)))


def _wrong_kind(instance: str, chance: random.Random) -> Post:
    kinds = [
        "text/plain",
        "application/xml",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "",
        "a/b;c=" * 50,
    ]
    return Post("wrong content type", _bytes(payload(instance, chance)), {"Content-Type": chance.choice(kinds)})


def _packed(instance: str, chance: random.Random) -> Post:
    return Post("says that it is packed", _bytes(payload(instance, chance)), {"Content-Encoding": "gzip"})


def _wrong_secret(instance: str, chance: random.Random) -> Post:
    secret = chance.choice(["x", "../../admin", "%00", "a" * 3_000, "' OR 1=1 --"])
    return Post("wrong secret", _bytes(payload(instance, chance)), secret=secret)


def _wrong_signature(instance: str, chance: random.Random) -> Post:
    signature = chance.choice(["of another key", "of no algorithm", "none", "not a token"])
    return Post("wrong signature", _bytes(payload(instance, chance)), signature=signature)


def _unknown_instance(instance: str, chance: random.Random) -> Post:
    name = f"unit_{chance.randrange(10**9)}"
    return Post("unknown instance", _bytes(payload(name, chance)))


def _chunked(instance: str, chance: random.Random) -> Post:
    return Post("without its length", _bytes(payload(instance, chance)), is_chunked=True)


def _too_large(instance: str, chance: random.Random) -> Post:
    return Post("40 MB", _with(payload(instance, chance), b'"' + b"x" * TOO_LARGE + b'"'))


def _large_without_length(instance: str, chance: random.Random) -> Post:
    body = _with(payload(instance, chance), b'"' + b"x" * TOO_LARGE + b'"')
    return Post("40 MB without its length", body, is_chunked=True)


def _large_of_a_stranger(instance: str, chance: random.Random) -> Post:
    body = _with(payload(instance, chance), b'"' + b"x" * (15 * MIB) + b'"')
    return Post("15 MB with a wrong secret", body, secret="x")


def _lists_of_a_stranger(instance: str, chance: random.Random) -> Post:
    body = _with(payload(instance, chance), b"[" + b"[]," * (5 * MIB - 1) + b"[]]")
    return Post("15 MB of empty lists with a wrong secret", body, secret="x")


def _bytes(told: Any) -> bytes:
    return json.dumps(told).encode()


def _with(told: dict[str, Any], data: bytes) -> bytes:
    """The payload with these bytes in the place of its data."""
    return _bytes({**told, "data": "HERE"}).replace(b'"HERE"', data)


Make = Callable[[str, random.Random], Post]
LIGHT: tuple[Make, ...] = (
    *(_wrong_types, _wrong_types, _wrong_types, _wrong_envelope, _no_object, _deep, _long_number, _no_number),
    *(_invalid_utf8, _twice, _cut, _noise, _wrong_kind, _packed, _wrong_secret, _wrong_signature, _unknown_instance),
    _chunked,
)
HEAVY: tuple[Make, ...] = (_too_large, _large_without_length, _large_of_a_stranger, _lists_of_a_stranger)
