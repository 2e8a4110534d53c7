"""What `make` starts never makes processes empty each other's Redis."""

import re
from pathlib import Path

import pytest

from tests.conftest import _own_redis

MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"
# A command goes on after a backslash.
COMMANDS = MAKEFILE.read_text().replace("\\\n", " ").splitlines()
OF_MANY_PROCESSES = [command for command in COMMANDS if re.search(r"pytest\b.* -n ", command)]


@pytest.mark.parametrize("command", OF_MANY_PROCESSES, ids=["test", "fuzz"])
def test_every_process_has_a_redis_database_of_its_own(command: str) -> None:
    most = re.search(r"--maxprocesses (\d+)", command)

    assert most is not None
    urls = {_own_redis("redis://redis.test:6379/9", f"gw{n}_1") for n in range(int(most[1]))}
    assert len(urls) == int(most[1])
