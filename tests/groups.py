"""Which files one process runs after each other: those that look at one running portal, which takes long to start."""

from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

TESTS = Path(__file__).parent
# These two walk through all pages, which takes long to set up; the other files of pages are dealt out to two processes.
WALKS = ("test_pages.py", "test_weight.py")
OTHERS = [file.name for file in sorted((TESTS / "browser").glob("test_*.py")) if file.name not in WALKS]
PORTALS = ("chaos", "first_day")
# Each starts a portal of its own.
ALONE = ("test_golive.py", "test_scenarios.py")


class Grouped(LoadFileScheduling):
    """Gives a process whole groups of files."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """The name of the test's group, which is the file itself where it shares no portal."""
    file = nodeid.split("::", 1)[0]
    folder, name = Path(file).parts[1], Path(file).name
    if folder == "browser":
        return "walks" if name in WALKS else f"browser {OTHERS.index(name) % 2}"
    return folder if folder in PORTALS and name not in ALONE else file


def order(items: list[pytest.Item]) -> None:
    """The long groups first, so that none is left when all else is done."""
    items.sort(key=lambda item: item.nodeid.startswith(group_of(item.nodeid)))
