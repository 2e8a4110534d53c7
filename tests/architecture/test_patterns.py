"""No text that somebody sends keeps a regular expression busy: each is tried with long texts made to hurt it."""

import ast
import importlib
import math
import pkgutil
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import portal
from portal.consent_words import LONGEST_READ, LONGEST_WISH, read
from portal.logs import mask

ROOT = Path(portal.__file__).parent
LONG = 10_000
# Of one processor's time. What takes a moment is tried with a text of twice the length: to go through it takes twice
# as long, and what grows with the square of the length takes four times as long, on whatever machine.
MOMENT_S, MOST_S = 0.05, 2.0
MOST_GROWTH = 3.0
# For a whole message, of which only so much is read.
MOST_FOR_MESSAGE_S = 0.5
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
# What no text holds, for patterns that go over files.
BYTES = (b"\x00", b"\x80", b"\xd0", b"\xff", b"\xff\xd0", b"\xff\x00", b"\x00\xff")
# After each of these some pattern looks for an end.
BEGINNINGS = ("", "a", "+55", 'token="', "Cookie: ", "\nDETAIL:")

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


def like(bit: Any, text: str) -> Any:
    return text.encode() if isinstance(bit, bytes) else text


def hostile(bit: Any, length: int) -> Iterator[Any]:
    """The bit again and again; and after beginnings that might fit, with an end that fits nothing."""
    text = (bit * (length // len(bit) + 1))[:length]
    yield text
    for beginning in BEGINNINGS:
        yield like(bit, beginning) + text + like(bit, "!\x01")


def test_patterns_are_found() -> None:
    assert len(CASES) > 40
    assert any("hdlr" in str(pattern.pattern) for pattern, _ in CASES)


class TookTooLongError(Exception):
    pass


@contextmanager
def limited(most_s: float) -> Iterator[None]:
    """Interrupts what takes more than that of the processor's time."""

    def stop(*_: object) -> None:
        raise TookTooLongError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, most_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def cost_s(act: Callable[[], object], most_s: float) -> float:
    began = time.process_time()
    try:
        with limited(most_s):
            act()
    except TookTooLongError:
        return math.inf
    return time.process_time() - began


def keeps_busy(act: Callable[[Any], object], bit: Any) -> bool:
    """Whether what is done with a text made of the bit takes much longer than its length explains."""
    for text, longer in zip(hostile(bit, LONG), hostile(bit, 2 * LONG), strict=True):
        took_s = cost_s(partial(act, text), MOST_S)
        # Twice: another process may have taken the memory from this one meanwhile.
        if took_s == math.inf or (
            took_s > MOMENT_S
            and all(cost_s(partial(act, longer), MOST_GROWTH * took_s) == math.inf for _again in range(2))
        ):
            return True
    return False


def use(pattern: "re.Pattern[Any]", methods: set[str], text: Any) -> None:
    for method in methods:
        if method == "sub":
            pattern.sub(text[:0], text)
        elif method == "finditer":
            list(pattern.finditer(text))
        else:
            getattr(pattern, method)(text)


@pytest.mark.parametrize(("pattern", "methods"), CASES, ids=[str(pattern.pattern)[:40] for pattern, _ in CASES])
def test_long_text_keeps_no_pattern_busy(pattern: "re.Pattern[Any]", methods: set[str]) -> None:
    is_of_bytes = isinstance(pattern.pattern, bytes)
    bits: list[Any] = [*(bit.encode() for bit in BITS), *BYTES] if is_of_bytes else [*BITS]

    assert [bit for bit in bits if keeps_busy(partial(use, pattern, methods), bit)] == []


@pytest.mark.parametrize(
    ("pattern", "bit"),
    [
        (r"\s+$", " "),
        (r"token=\"(?:a+)+[;]", "a"),
        (rb"\xff+([^\x00\xff\xd0-\xd7])", b"\xff"),
    ],
)
def test_pattern_that_goes_over_a_text_again_and_again_is_seen(pattern: Any, bit: Any) -> None:
    # Three tries: on a busy machine the shorter text may have taken as long as the longer one.
    assert any(keeps_busy(partial(use, re.compile(pattern), {"search"}), bit) for _try in range(3))


@pytest.mark.parametrize("words", ["não quero mais ", "no more messages, ", "sair! ", "n ", "para de mandar\n", "stop"])
def test_long_message_keeps_nobody_busy_who_looks_for_a_wish(words: str) -> None:
    for text in hostile(words, LONG):
        for length in (LONG, LONGEST_READ, LONGEST_WISH):
            with limited(MOST_FOR_MESSAGE_S):
                read(text[:length], opt_out_words=["sair", "parar de receber"], opt_in_words=["voltar"])


@pytest.mark.parametrize("bit", BITS)
def test_long_line_keeps_no_log_busy(bit: str) -> None:
    assert not keeps_busy(mask, bit)
