"""What a person's own words say about wanting messages: none any more, again, or perhaps.

Two things opt out: a keyword that is the whole message, and a clause that stops the messages themselves. Everything
else in which somebody may have meant it is doubt, which a person settles: nobody is opted out wrongly.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import lru_cache

from portal.consent_words import shapes
from portal.consent_words.vocabulary import (
    COURTESY,
    DOUBTFUL_WORDS,
    OPT_IN_WORDS,
    OPT_OUT_WORDS,
    WISHING,
    clauses,
    fold,
    shape,
    words,
    words_of_phrase,
)

__all__ = ["OPT_IN_WORDS", "OPT_OUT_WORDS", "Wish", "distinct", "is_phrase", "is_same_phrase", "read"]

# A letter is about more than this: it may leave a doubt, and decides nothing.
LONGEST_WISH = 300
# Beyond this nobody asks for anything that they did not ask for before.
LONGEST_READ = 4_000
LONGEST_KEYWORD_MESSAGE = 14
LONGEST_CLAUSE = 80


class Wish(StrEnum):
    """What somebody wants. DOUBT: perhaps no more messages."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    DOUBT = "doubt"


def read(text: str, *, opt_out_words: Collection[str], opt_in_words: Collection[str]) -> Wish | None:
    """The wish in a message; None where there is none. The words are the company's, each a whole message."""
    folded = fold(text[:LONGEST_READ])
    if len(text) > LONGEST_WISH:
        return _read_letter(folded)
    spoken = words(folded)
    if _is_one_of(spoken, opt_out_words):
        return Wish.OPT_OUT
    if _is_one_of(spoken, opt_in_words):
        return Wish.OPT_IN
    return _read_clauses(spoken, clauses(folded)) or _read_keywords(spoken, clauses(folded), opt_out_words)


def is_same_phrase(one: str, other: str) -> bool:
    """Whether two keywords are the same to whoever writes them in a hurry."""
    return words_of_phrase(one) == words_of_phrase(other)


def distinct(phrases: Iterable[str]) -> list[str]:
    """The keywords; of those that are the same to whoever writes them in a hurry the first."""
    first: dict[tuple[str, ...], str] = {}
    for phrase in phrases:
        first.setdefault(words_of_phrase(phrase), phrase)
    return list(first.values())


def is_phrase(text: str) -> bool:
    """Whether there is anything in it that a message could be compared with."""
    return bool(words_of_phrase(text))


def _is_one_of(spoken: Sequence[str], phrases: Collection[str]) -> bool:
    """Whether the message is one of the phrases and nothing else, but for courtesy around it."""
    wanted = _by_words(tuple(phrases))
    # Most messages share no word with any keyword.
    if len(spoken) > LONGEST_KEYWORD_MESSAGE or _first_words(tuple(phrases)).isdisjoint(spoken):
        return False
    return any(core in wanted for core in _cores(spoken, COURTESY)) or any(
        # "Quero cancelar" is as likely about an order.
        core in wanted and shape(core) != "k"
        for core in _cores(spoken, COURTESY | WISHING)
    )


@lru_cache(maxsize=256)
def _first_words(phrases: tuple[str, ...]) -> frozenset[str]:
    return frozenset(phrase[0] for phrase in _by_words(phrases))


@lru_cache(maxsize=256)
def _by_words(phrases: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    return frozenset(filter(None, map(words_of_phrase, phrases)))


def _cores(spoken: Sequence[str], around: Collection[str]) -> Iterator[tuple[str, ...]]:
    """The message, and what is left of it with less and less of the words around it."""
    for start in range(len(spoken)):
        for end in range(len(spoken), start, -1):
            yield tuple(spoken[start:end])
            if spoken[end - 1] not in around:
                break
        if spoken[start] not in around:
            break


def _read_letter(folded: str) -> Wish | None:
    said = [shape(part[:LONGEST_CLAUSE]) for part in clauses(folded)]
    return Wish.DOUBT if any(map(shapes.asks_for_no_more, said)) else None


def _read_clauses(spoken: Sequence[str], parts: Iterable[Sequence[str]]) -> Wish | None:
    """The message as a whole, then clause by clause: a comma may stand in the middle of a wish, or before another."""
    whole = shape(spoken)
    if shapes.says_nothing(whole):
        return None
    said = [whole, *map(shape, parts)]
    if any(map(shapes.asks_for_no_more, said)):
        return Wish.OPT_OUT
    if any(map(shapes.asks_for_more, said)):
        return Wish.OPT_IN
    return Wish.DOUBT if any(map(shapes.may_ask_for_no_more, said)) else None


def _read_keywords(
    spoken: Sequence[str], parts: Iterable[Sequence[str]], opt_out_words: Collection[str]
) -> Wish | None:
    """Doubt where somebody has enough, or where one clause among others is a keyword: "sair!!! já pedi"."""
    is_doubted = _is_one_of(spoken, DOUBTFUL_WORDS) or any(_is_one_of(part, opt_out_words) for part in parts)
    return Wish.DOUBT if is_doubted else None
