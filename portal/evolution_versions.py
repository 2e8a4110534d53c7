"""What each version of Evolution API can do, and how well the portal works with it (contract §15)."""

import re
from dataclasses import dataclass
from enum import StrEnum

# (2, 3, 6); nothing while a server's version is not known.
Numbers = tuple[int, ...]
# An unknown version is taken for the one that the portal was written for.
WRITTEN_FOR = (2, 3, 6)
# From here on nothing is answered until a licence is activated.
LICENSED_SINCE = (2, 4)
# A release candidate counts as its release.
_VERSION = re.compile(r"(\d{1,9}(?:\.\d{1,9}){1,2})(?:[+-].*)?")


class Support(StrEnum):
    FULL = "full"
    LIMITED = "limited"
    # In full, once its licence is active.
    LICENSED = "licensed"
    NONE = "none"
    # Newer than any that was read, or none that says what it is.
    UNKNOWN = "unknown"


class Limit(StrEnum):
    """What is missing on a version, whatever the portal does."""

    # A webhook that could not be taken once is lost.
    NO_RETRIES = "no_retries"
    # Only the secret in the address tells Evolution's webhooks from forged ones.
    UNSIGNED = "unsigned"
    # Some people come with an anonymous id and no number, and cannot be written to first.
    NO_NUMBERS = "no_numbers"
    NO_POLL_VOTES = "no_poll_votes"
    # Of a text that answers another one, the other one is not told.
    NO_QUOTES = "no_quotes"


@dataclass(frozen=True)
class Range:
    """The versions from `since` on, up to the next range."""

    since: Numbers
    support: Support
    limits: tuple[Limit, ...] = ()


# In ascending order.
RANGES = (
    Range((0,), Support.NONE),
    Range((2, 2), Support.LIMITED, (Limit.NO_RETRIES, Limit.UNSIGNED, Limit.NO_NUMBERS, Limit.NO_POLL_VOTES)),
    Range((2, 2, 1), Support.LIMITED, (Limit.UNSIGNED, Limit.NO_NUMBERS, Limit.NO_POLL_VOTES)),
    Range((2, 3), Support.FULL, (Limit.NO_POLL_VOTES,)),
    Range((2, 3, 7), Support.FULL),
    Range(LICENSED_SINCE, Support.LICENSED, (Limit.NO_QUOTES,)),
    Range((2, 5), Support.UNKNOWN),
)


def numbers(version: str | None) -> Numbers:
    """`2.4.0-rc1` -> (2, 4, 0); nothing for what is no version."""
    found = _VERSION.fullmatch(version or "")
    return tuple(map(int, found[1].split("."))) if found else ()


def range_of(version: str | None) -> Range:
    """What is known of the version. One that cannot be read is unknown."""
    its = numbers(version)
    return [one for one in RANGES if one.since <= its][-1] if its else Range((), Support.UNKNOWN)


def signs_webhooks(version: Numbers) -> bool:
    """Whether its webhooks carry a JWT."""
    return (version or WRITTEN_FOR) >= (2, 3)


def tells_all_events(version: Numbers) -> bool:
    """Whether it knows all events that the portal reads; older ones refuse the whole list for one that they do not."""
    return (version or WRITTEN_FOR) >= (2, 3)


def keeps_ids(version: Numbers) -> bool:
    """Whether a message gets the id that we propose."""
    return (version or WRITTEN_FOR) >= (2, 4)
