"""The tests name what a page says in English; of a page in Portuguese they mean what the portal's catalog makes of it.

Whoever looks for words with Playwright gets this without asking: `interpreted` wraps the methods that take words. Words
that the catalog does not know are data, such as names and messages, and stay as they are.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, wraps
from itertools import combinations
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from babel.messages.pofile import read_po
from playwright.sync_api import BrowserContext, Locator, LocatorAssertions, Page, PageAssertions, expect

CATALOG = Path(__file__).parents[2] / "portal/translations/pt_BR/LC_MESSAGES/messages.po"
PORTUGUESE = "pt-BR"
GAP = re.compile(r"(%\(\w+\)[sd])")
NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+|\d+")
WORD = re.compile(r"[^\W\d]+")
# Of words that are only a part of a sentence, so much must be the sentence's own and not what fills its gaps.
LEAST_OWN = 0.4
# Method -> its argument that is words which are seen.
ASKING = {
    "get_by_role": "name",
    "get_by_label": "text",
    "get_by_text": "text",
    "locator": "has_text",
    "filter": "has_text",
    "select_option": "label",
}
EXPECTING = {
    "to_have_text": "expected",
    "to_contain_text": "expected",
    "not_to_contain_text": "expected",
    "to_have_title": "title_or_reg_exp",
}
WHOLE = ("to_have_text", "to_have_title", "select_option")

# Context of pages in Portuguese -> the address of the portal. Other pages, as the simulated phone, are English.
_portals: WeakKeyDictionary[BrowserContext, str] = WeakKeyDictionary()


def note_language(context: BrowserContext, locale: str, portal: str) -> None:
    """From now on the portal's pages in this context are known to be in that language."""
    if locale == PORTUGUESE:
        _portals[context] = portal


def said(page: Page, words: str) -> str:
    """What the page says for these words, which are a whole sentence or data."""
    return whole(words) or words if _is_portuguese(page) else words


@contextmanager
def interpreted() -> Iterator[None]:
    """Let Playwright find, and expect, English words on pages in Portuguese."""
    with pytest.MonkeyPatch.context() as patch:
        ask = type(expect).__call__

        def ask_about(self: Any, actual: Any, message: str | None = None) -> Any:
            answer = ask(self, actual, message)
            answer.page = actual if isinstance(actual, Page) else getattr(actual, "page", None)
            return answer

        patch.setattr(type(expect), "__call__", ask_about)
        for kinds, methods in (((Page, Locator), ASKING), ((LocatorAssertions, PageAssertions), EXPECTING)):
            for kind in kinds:
                for name in methods.keys() & set(dir(kind)):
                    patch.setattr(kind, name, _interpreting(getattr(kind, name), methods[name]))
        yield


def _interpreting(method: Callable[..., Any], argument: str) -> Callable[..., Any]:
    """The same method, which takes that argument in English."""
    signature = inspect.signature(method)

    @wraps(method)
    def interpret(self: Any, *args: Any, **options: Any) -> Any:
        given = signature.bind(self, *args, **options)
        words = given.arguments.get(argument)
        if isinstance(words, str) and _is_portuguese(self if isinstance(self, Page) else self.page):
            is_whole = given.arguments.get("exact") or method.__name__ in WHOLE
            given.arguments[argument] = (not is_whole and part(words)) or whole(words) or words
        return method(*given.args, **given.kwargs)

    return interpret


def _is_portuguese(page: Page) -> bool:
    portal = _portals.get(page.context)
    return portal is not None and page.url.startswith((portal, "about:"))


@dataclass(frozen=True)
class Sentence:
    """One of the catalog: its own words and its gaps in turn. Of Portuguese each form, for one and for many."""

    english: tuple[str, ...]
    forms: tuple[tuple[str, ...], ...]
    form: int

    @property
    def own(self) -> int:
        """How much of it is not gaps."""
        return sum(len(words) for words in self.english[::2])

    def portuguese(self, values: dict[str, str]) -> tuple[str, ...]:
        """In the form that the number asks for; of zero the two languages think differently."""
        numbers = (int(re.sub(r"\D", "", value)) for value in values.values() if NUMBER.fullmatch(value))
        return self.forms[min(next(numbers, self.form + 1) > 1, len(self.forms) - 1)]

    def filled(self, values: dict[str, str]) -> str:
        pieces = self.portuguese(values)
        return "".join(_value(values[piece]) if place % 2 else piece for place, piece in enumerate(pieces))

    def pattern(self, values: dict[str, str], broken: set[str]) -> str:
        """With these values in its gaps; of one that is broken off the rest may be anything, as of one without."""
        gaps = {gap: _spaced(_value(value)) for gap, value in values.items()}
        gaps |= {gap: f".*?{gaps[gap]}.*?" for gap in broken}
        pieces = enumerate(self.portuguese(values))
        return "".join(gaps.get(piece, ".*?") if place % 2 else _spaced(piece) for place, piece in pieces)


@dataclass(frozen=True)
class Match:
    """How words lie within a sentence: so many are its own, these fill gaps, and those gaps they break off."""

    own: int
    sentence: Sentence
    values: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    @property
    def counts(self) -> bool:
        """Whether there is a number, as in all that has a form for one and one for many."""
        return len(self.sentence.forms) == 1 or any(NUMBER.fullmatch(value) for value in self.values.values())


@cache
def whole(words: str) -> str | None:
    """The Portuguese of one sentence, if it is one."""
    if exact := _exact(words):
        return exact
    match = _match_of_whole(words)
    return match.sentence.filled(match.values) if match else None


def _exact(words: str) -> str | None:
    """Of one without gaps. A number may stand before it in a box of its own, and what it announces behind it."""
    if words in _catalog():
        return _catalog()[words]
    number, _, rest = words.partition(" ")
    if NUMBER.fullmatch(number) and rest in _catalog():
        return f"{_value(number)} {_catalog()[rest]}"
    head, sign, rest = words.partition(": ")
    return f"{announcing} {rest}" if sign and (announcing := whole(f"{head}:")) else None


def _match_of_whole(words: str) -> Match | None:
    for pattern, sentence in _patterns():
        if found := pattern.fullmatch(words):
            match = Match(sentence.own, sentence, dict(zip(sentence.english[1::2], found.groups(), strict=True)))
            if match.counts:
                return match
    return None


@cache
def part(words: str) -> re.Pattern[str] | None:
    """A pattern of the sentences that have these words in them, if there are any that fit better than a whole one.

    A single word says too little to know a sentence by.
    """
    if len(WORD.findall(words)) < 2 or _exact(words):
        return None
    matches = [
        match for sentence in _sentences() for match in _matches(words, sentence) if match.counts or not match.values
    ]
    most = max((match.own for match in matches), default=0)
    as_whole = _match_of_whole(words)
    if most < LEAST_OWN * len(words) or (as_whole and as_whole.own >= most):
        return None
    patterns = {one.sentence.pattern(one.values, one.broken) for one in matches if one.own == most}
    return re.compile("|".join(sorted(patterns)))


def _matches(words: str, sentence: Sentence) -> Iterator[Match]:
    """The ways in which the words begin in one piece of the sentence and end in the same or a later one."""
    own = sentence.english[::2]
    if any(words in piece for piece in own):
        yield Match(len(words), sentence)
    for first, last in combinations(range(len(own)), 2):
        head = next(words[:end] for end in range(len(words), -1, -1) if own[first].endswith(words[:end]))
        tail = next(words[start:] for start in range(len(head), len(words) + 1) if own[last].startswith(words[start:]))
        between, gaps = own[first + 1 : last], sentence.english[2 * first + 1 : 2 * last : 2]
        pattern = "(.*?)".join(["", *map(re.escape, between), ""])
        if found := re.fullmatch(pattern, words[len(head) : len(words) - len(tail)]):
            broken = {gap for gap, is_broken in ((gaps[0], not head), (gaps[-1], not tail)) if is_broken}
            values = dict(zip(gaps, found.groups(), strict=True))
            yield Match(len(head) + len(tail) + len("".join(between)), sentence, values, broken)


@cache
def _sentences() -> tuple[Sentence, ...]:
    """All of the catalog, those with most words of their own first."""
    with CATALOG.open("rb") as file:
        messages = [message for message in read_po(file) if message.id]
    found = []
    for message in messages:
        ids, strings = (one if isinstance(one, tuple) else (one,) for one in (message.id, message.string))
        forms = tuple(_pieces(str(string)) for string in strings)
        found += [Sentence(_pieces(english), forms, form) for form, english in enumerate(ids)]
    return tuple(sorted(found, key=lambda sentence: sentence.own, reverse=True))


@cache
def _catalog() -> dict[str, str]:
    """The sentences without gaps."""
    return {one.english[0]: one.forms[one.form][0] for one in _sentences() if len(one.english) == 1}


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], Sentence], ...]:
    """The sentences with gaps and words."""
    gapped = [one for one in _sentences() if len(one.english) > 1 and re.search(r"\w", "".join(one.english[::2]))]
    return tuple((re.compile("(.+?)".join(map(re.escape, one.english[::2]))), one) for one in gapped)


def _pieces(sentence: str) -> tuple[str, ...]:
    return tuple(GAP.split(" ".join(sentence.replace("%%", "%").split())))


def _value(value: str) -> str:
    """What fills a gap may be a word of the catalog, or a number, which is written with other signs."""
    return _catalog().get(value) or (value.replace(",", ".") if NUMBER.fullmatch(value) else value)


def _spaced(words: str) -> str:
    """A pattern of the words, as they may be broken into lines; Playwright writes it between slashes."""
    return r"\s+".join(re.escape(word).replace("/", r"\/") for word in words.split(" "))
