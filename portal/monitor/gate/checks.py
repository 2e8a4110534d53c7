"""What a check of the gate is given, and what it finds."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

# Whether all is well, and one line about it: figures and names, never a secret or a number of a person.
Outcome = tuple[bool, str]
LIMIT_S = 10.0
# What is listed of many wrong ones.
MOST_NAMED = 5


class Stage(StrEnum):
    """When the gate looks: before the web and the worker of a release run, or while they do."""

    RELEASE = "release"
    FULL = "full"


class Answer(NamedTuple):
    status: int
    text: str


class Fetch(Protocol):
    """Asks the web app in this process, without a server."""

    def __call__(self, method: str, path: str, *, body: str | None = None) -> Answer: ...


@dataclass(frozen=True)
class Application:
    """What the gate looks at of the web app, which the monitor does not import."""

    # Where the files of the portal lie.
    root: Path
    # Flask's, by name.
    settings: Mapping[str, object]
    context: Callable[[], AbstractContextManager[object]]
    fetch: Fetch
    # How many templates there are, and the names of those that do not compile.
    compile_templates: Callable[[], tuple[int, list[str]]]


@dataclass(frozen=True)
class Check:
    name: str
    look: Callable[[Application], Outcome]
    # Whether it needs the web and the worker of this release.
    is_live: bool = False
    limit_s: float = LIMIT_S


@dataclass(frozen=True)
class CheckResult:
    """What came of one check; `group` says what it is about."""

    name: str
    group: str
    is_ok: bool
    detail: str
    took_ms: float


def none_wrong(wrong: list[str], otherwise: str) -> Outcome:
    """Good when nothing is wrong; else the first few of what is."""
    if not wrong:
        return True, otherwise
    more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
    return False, ", ".join(wrong[:MOST_NAMED]) + more
