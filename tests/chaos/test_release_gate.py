"""The release gate against a running portal: everything passes, and what is away fails."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.running.stack import Stack

# It looks through every file and compiles every template, on a machine that is busy with other tests.
pytestmark = pytest.mark.timeout(300)


def gate(stack: Stack) -> dict[str, Any]:
    try:
        said = stack.flask("release-gate", "--json")
    except subprocess.CalledProcessError as e:
        said = e.stdout
    told: dict[str, Any] = json.loads(said)
    return {check["name"]: check for check in told["checks"]}


@pytest.fixture
def without_web(stack: Stack) -> Iterator[Stack]:
    stack.web.stop()
    yield stack
    stack.web.start()


def test_running_portal_passes_every_check(stack: Stack) -> None:
    checks = gate(stack)

    assert {name: check["detail"] for name, check in checks.items() if not check["ok"]} == {}
    assert "a wrong secret is answered 401" in checks["webhook door from outside"]["detail"]


def test_without_the_web_what_needs_it_fails_and_nothing_else(without_web: Stack) -> None:
    failing = {name for name, check in gate(without_web).items() if not check["ok"]}

    assert failing == {"web", "webhook door from outside"}
