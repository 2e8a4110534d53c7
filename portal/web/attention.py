"""What needs somebody: one sentence each, with what is behind it and the page that helps, the gravest first."""

from collections.abc import Iterable, Sequence
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


def first_ones(needs: Sequence[Need]) -> Sequence[Need]:
    """Those that stand each for itself: all, or as many as leave room for a sentence about the rest."""
    return needs if len(needs) <= MOST_NAMED else needs[: MOST_NAMED - 1]
