"""Texts with ((variables)), as a company writes them, and as one person gets them.

`((city))` stands for the person's value; `((city??There is a shop near you.))` stands for that text where the person
has a value, and for nothing where not. Nothing is ever evaluated, and a value is inserted once and never read again.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache

LONGEST_NAME = 60
OPEN, CLOSE, WHERE_HELD = "((", "))", "??"


class Problem(StrEnum):
    """Why a text cannot be read."""

    UNCLOSED = "unclosed"
    NO_NAME = "no_name"
    NESTED = "nested"
    LONG_NAME = "long_name"


class WordingError(ValueError):
    """The text has no meaning; `position` is that of the brackets which the problem is about."""

    def __init__(self, problem: Problem, position: int) -> None:
        super().__init__(f"{problem} at {position}")
        self.problem = problem
        self.position = position


@dataclass(frozen=True)
class Variable:
    """A place for a person's value; with a text, for that text where the person has a value."""

    name: str
    text: str | None = None


@dataclass(frozen=True)
class Rendered:
    """What one person gets, and the variables for which they have no value: these stand there as they were written."""

    text: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Wording:
    """A text that was read: plain pieces and variables, in their order."""

    parts: tuple[str | Variable, ...]

    # Once for each text, however many people get it.
    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Each variable once, as it was written first."""
        return _names(self._places())

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The variables without whose value a person cannot get this text."""
        return _names(place for place in self._places() if place.text is None)

    def _places(self) -> Iterator[Variable]:
        return (part for part in self.parts if isinstance(part, Variable))


def parse(text: str) -> Wording:
    """Read a text. Raises WordingError."""
    parts: list[str | Variable] = []
    at = 0
    while (opened := _find_opening(text, at)) != -1:
        closed = _find_closing(text, opened)
        parts += [text[at:opened], _read_variable(text[opened + len(OPEN) : closed], opened)]
        at = closed + len(CLOSE)
    parts.append(text[at:])
    return Wording(tuple(part for part in parts if part != ""))


def render(wording: Wording, values: Mapping[str, str]) -> Rendered:
    """The text with these values in it, by the names of the variables. An empty value is none."""
    held = {fold(name): value for name, value in values.items() if value.strip()}
    text = "".join(part if isinstance(part, str) else _insert(part, held) for part in wording.parts)
    return Rendered(text, tuple(name for name in wording.required if fold(name) not in held))


# Few names, and each of them for everybody who gets the text.
@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """What two ways of writing one name have in common: no capitals, no accents, no blanks."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(sign for sign in plain if not sign.isspace() and not unicodedata.combining(sign))


def as_variable(name: str) -> str:
    """The name as it is written into a text."""
    return f"{OPEN}{name}{CLOSE}"


def _find_opening(text: str, start: int) -> int:
    """Where the next variable opens: of three brackets in a row the last two do."""
    opened = text.find(OPEN, start)
    while opened != -1 and text.startswith("(", opened + len(OPEN)):
        opened += 1
    return opened


def _find_closing(text: str, opened: int) -> int:
    start = opened + len(OPEN)
    closed = text.find(CLOSE, start)
    if closed == -1:
        raise WordingError(Problem.UNCLOSED, opened)
    inside = text[start:closed]
    if OPEN in inside:
        raise WordingError(Problem.NESTED, opened)
    # A text that ends with a bracket of its own: ((city??Come and see (it is near))).
    ends_with_bracket = inside.count("(") > inside.count(")") and text.startswith(")", closed + len(CLOSE))
    return closed + 1 if ends_with_bracket else closed


def _read_variable(inside: str, opened: int) -> Variable:
    name, is_conditional, shown = inside.partition(WHERE_HELD)
    name = " ".join(name.split())
    # Not its letters are counted, but what is compared: a name of accents only is none.
    if not fold(name):
        raise WordingError(Problem.NO_NAME, opened)
    if len(name) > LONGEST_NAME:
        raise WordingError(Problem.LONG_NAME, opened)
    return Variable(name, shown if is_conditional else None)


def _insert(place: Variable, held: Mapping[str, str]) -> str:
    value = held.get(fold(place.name))
    if place.text is not None:
        return "" if value is None else place.text
    return as_variable(place.name) if value is None else value


def _names(places: Iterator[Variable]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for place in places:
        first.setdefault(fold(place.name), place.name)
    return tuple(first.values())
