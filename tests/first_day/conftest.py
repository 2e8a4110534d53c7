"""One running portal on its first day: three units, and no phone is linked yet."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from local.people import TENANT
from local.services import Services
from tests.first_day.people import Caller
from tests.running.inside import app_of
from tests.running.leaks import leaks_of
from tests.running.stack import Stack, stack_on_own_database

FLAGS = (
    "--create-wait-s=0.2",
    "--connect-wait-s=0.2",
    "--first-qr-s=0.1",
    "--retry-initial-s=0.3",
    "--send-latency-s=0.05",
    "--receipt-delay-s=0.2",
    "--read-delay-s=0.4",
)
NUMBERS = itertools.count(1)


@pytest.fixture(scope="package")
def running(services: Services, schema: str, worker_name: str) -> Iterator[Stack]:
    with stack_on_own_database(services, schema, f"portal_test_{worker_name}_first_day", flags=FLAGS) as stack:
        yield stack


@pytest.fixture
def stack(running: Stack) -> Iterator[Stack]:
    """The portal; afterwards no program told a secret."""
    yield running
    assert leaks_of(running) == []


@pytest.fixture(scope="package")
def inside(running: Stack) -> Iterator[Flask]:
    with app_of(running.env) as app:
        yield app


@pytest.fixture
def command(inside: Flask) -> Callable[..., str]:
    """Run one of the operators' commands, quicker than in a process of its own."""

    def run(*words: str, typed: str | None = None) -> str:
        result = inside.test_cli_runner().invoke(args=list(words), input=typed)
        assert result.exit_code == 0, result.output
        return result.output.strip()

    return run


@pytest.fixture
def new_unit(command: Callable[..., str]) -> str:
    """The short name of a unit that nobody has connected."""
    slug = f"filial-{next(NUMBERS)}"
    command("units", "create", "--tenant", TENANT, "--name", slug, "--slug", slug)
    return slug


@pytest.fixture
def admin(stack: Stack) -> Caller:
    return Caller(stack.api.url, stack.api.token)


@pytest.fixture(scope="package")
def linked(running: Stack) -> str:
    """The instance of `centro`, whose phone is linked."""
    return running.link("centro", number="5511988887001")
