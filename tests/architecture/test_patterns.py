"""No text that somebody sends keeps a regular expression busy: each is tried with long texts made to hurt it."""

import ast
import importlib
import pkgutil
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import portal
from portal.consent_words import LONGEST_READ, LONGEST_WISH, read
from portal.logs import mask

ROOT = Path(portal.__file__).parent
LONG = 50_000
# Of one processor's time: what grows with the square of the length takes many seconds for such a text.
MOST_S = 0.5
METHODS = {"search", "match", "fullmatch", "split", "sub", "findall", "finditer"}
Case = tuple["re.Pattern[Any]", set[str]]
BITS = (
    "a", "A", "1", " ", "\t", "\n", "\r\n", "\x00", "é", "ß", "́", "😀", "-", "_", ".", ",", ":", ";", "/", "\\",
    "@", "+", "(", ")", "((", "))", "[", "]", "{", "}", "<", ">", "'", '"', "=", "?", "*", "%", "#", "0", "a1",
    "1a", "a ", " a", "1 ", "1-", "1.", "(1", "+1", "+55 ", "-a", "a-", "a.", "a@", "://", "://a:", "/scan/",
    "token=", 'token="', "token='\\", "DETAIL:", "DETAIL:\n", "\nDETAIL:", "CONTEXT:",
    "CONTEXT: JSON data, line 1:", "invalid input syntax for ", "bearer ", "cookie: ", "<a", "<!--", "<?xml",
    "<svg", "hdlr", "data:", "a,b\n", '"a"', '""', "==", "&a=", "stop ", "sair ", "não ",
)  # fmt: skip


# Sees letters that stand for words, of which there are few: see the test of what is read of whole messages.
OF_SHAPES = "portal.consent_words.shapes"


def modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages([str(ROOT)], "portal."):
        yield importlib.import_module(found.name)


def trees() -> Iterator[ast.Module]:
    return (ast.parse(path.read_text()) for path in ROOT.rglob("*.py"))


def patterns_in(value: object, depth: int = 0) -> Iterator["re.Pattern[Any]"]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth < 4 and isinstance(value, dict):
        for one in (*value.keys(), *value.values()):
            yield from patterns_in(one, depth + 1)
    elif depth < 4 and isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from patterns_in(one, depth + 1)


def uses() -> dict[str, set[str]]:
    """How the patterns of each name are used: one that is only matched from the beginning need not be searched with."""
    found: dict[str, set[str]] = {}
    for tree in trees():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in METHODS:
                name = getattr(call.func.value, "id", getattr(call.func.value, "attr", ""))
                found.setdefault(name, set()).add(call.func.attr)
    return found


def written_in_place() -> Iterator[Case]:
    """Those that stand within a function, as a plain text."""
    for tree in trees():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args:
                is_of_re = getattr(call.func.value, "id", "") == "re" and call.func.attr in METHODS
                if is_of_re and isinstance(call.args[0], ast.Constant):
                    yield re.compile(call.args[0].value), {call.func.attr}


def named() -> Iterator[Case]:
    used = uses()
    for module in modules():
        if module.__name__ != OF_SHAPES:
            for name, value in vars(module).items():
                yield from ((pattern, used.get(name) or METHODS) for pattern in patterns_in(value))


def all_cases() -> list[Case]:
    methods: dict[tuple[Any, int], set[str]] = {}
    for pattern, used in (*named(), *written_in_place()):
        methods.setdefault((pattern.pattern, pattern.flags), set()).update(used)
    return [(re.compile(text, flags), used) for (text, flags), used in methods.items()]


CASES = all_cases()


def hostile(bit: str) -> Iterator[str]:
    """The bit again and again; with an end that fits nothing, and after a beginning that might fit."""
    text = (bit * (LONG // len(bit) + 1))[:LONG]
    yield text
    yield f"{text}!\x01"


def test_patterns_are_found() -> None:
    assert len(CASES) > 40
    assert any("hdlr" in str(pattern.pattern) for pattern, _ in CASES)


@pytest.fixture
def limited() -> Iterator[None]:
    """Interrupts whatever takes longer than MOST_S of the processor's time, from one `start` to the next."""

    def stop(*_: object) -> None:
        raise TookTooLongError

    before = signal.signal(signal.SIGPROF, stop)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


class TookTooLongError(Exception):
    pass


def use(pattern: "re.Pattern[Any]", methods: set[str], text: Any) -> None:
    for method in methods:
        if method == "sub":
            pattern.sub(text[:0], text)
        elif method == "finditer":
            list(pattern.finditer(text))
        else:
            getattr(pattern, method)(text)


@pytest.mark.parametrize(("pattern", "methods"), CASES, ids=[str(pattern.pattern)[:40] for pattern, _ in CASES])
def test_long_text_keeps_no_pattern_busy(pattern: "re.Pattern[Any]", methods: set[str], limited: None) -> None:
    slow = []
    for bit in BITS:
        try:
            for text in hostile(bit):
                signal.setitimer(signal.ITIMER_PROF, MOST_S)
                use(pattern, methods, text.encode() if isinstance(pattern.pattern, bytes) else text)
        except TookTooLongError:
            slow.append(bit)
        signal.setitimer(signal.ITIMER_PROF, 0)

    assert slow == []


@pytest.mark.parametrize("words", ["não quero mais ", "no more messages, ", "sair! ", "n ", "para de mandar\n", "stop"])
def test_long_message_keeps_nobody_busy_who_looks_for_a_wish(words: str, limited: None) -> None:
    for text in hostile(words):
        for length in (LONG, LONGEST_READ, LONGEST_WISH):
            signal.setitimer(signal.ITIMER_PROF, MOST_S)
            read(text[:length], opt_out_words=["sair", "parar de receber"], opt_in_words=["voltar"])


@pytest.mark.parametrize("bit", BITS)
def test_long_line_keeps_no_log_busy(bit: str, limited: None) -> None:
    for text in hostile(bit):
        signal.setitimer(signal.ITIMER_PROF, 2 * MOST_S)
        mask(text)
