"""What needs somebody: one sentence each, with what is behind it and the page that helps, the gravest first."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from portal.web.words import Tone

# Of one kind that many stand each for itself; a sentence tells of the others.
MOST_NAMED = 5
RANKS = {Tone.BAD: 0, Tone.WARNING: 1, Tone.BUSY: 2, Tone.CALM: 3, Tone.GOOD: 4}


@dataclass(frozen=True)
class Need:
    """One thing that needs somebody. `key` is its id on the page."""

    key: str
    tone: Tone
    title: str
    detail: str
    link: str
    label: str


def gravest_first(needs: Iterable[Need]) -> list[Need]:
    """What is equally grave keeps its order."""
    return sorted(needs, key=lambda need: RANKS[need.tone])


def named(needs: Sequence[Need], number: int, rest: Callable[[int], Need]) -> Sequence[Need]:
    """Each for itself where they are few; else some of them, and a sentence about the rest, made of its number.

    `needs` are the first ones of that number.
    """
    if number <= MOST_NAMED:
        return needs
    first_ones = needs[: MOST_NAMED - 1]
    return [*first_ones, rest(number - len(first_ones))]
