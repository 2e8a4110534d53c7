"""A pasted list of telephone numbers, line by line."""

from collections.abc import Iterator
from typing import NamedTuple

from portal import phone as phones

# As much of a line as the ledger keeps.
LONGEST_TYPED = 60


class PastedLine(NamedTuple):
    """A line that says something: its place in the list from 1, and the number in it, if it is one."""

    line: int
    typed: str
    number: str | None
    # The number is written in another way than it was typed.
    is_renumbered: bool = False


def read_lines(text: str) -> Iterator[PastedLine]:
    """The lines that are not blank, in their order."""
    for line, typed in enumerate(text.splitlines(), start=1):
        if typed.strip():
            yield _read(line, typed.strip())


def count_lines(text: str) -> int:
    """How many lines are not blank."""
    return sum(1 for typed in text.splitlines() if typed.strip())


def _read(line: int, typed: str) -> PastedLine:
    kept = typed[:LONGEST_TYPED]
    try:
        reading = phones.read(typed)
    except phones.NotAPhone:
        return PastedLine(line, kept, None)
    return PastedLine(line, kept, reading.number, bool(reading.changes))
