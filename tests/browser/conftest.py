"""Chromium, the running portal it looks at, and people who open pages there."""

import os
import shutil
from collections.abc import Callable, Iterator
from zlib import crc32

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from local.services import Services
from tests.browser.languages import interpreted
from tests.browser.looks import LANGUAGES_FOR_AXE, Sight, look_of_flows, walk
from tests.browser.people import HARD_LIMIT_S, Visitors, link_unit, make_unit
from tests.browser.sights import make_sights
from tests.running.leaks import leaks_of
from tests.running.stack import ADMIN, OPERATOR, Stack, stack_on_own_database

# The first is the same engine without the windows of a desk, which take half of the time.
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/usr/bin/chromium",
)
QUIET = (
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Evolution answers a create after about 5 s; its QR code comes long before that by webhook.
FLAGS = ("--create-wait-s=5", "--connect-wait-s=0.5", "--retry-initial-s=0.5")
RECEIPT_S = 0.8
READ_S = 2.5
FindProblems = Callable[[list[Sight]], dict[str, list[str]]]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        absent = pytest.fail if os.environ.get("PORTAL_REQUIRE_BROWSER") == "1" else pytest.skip
        absent("Chromium was not found on this machine")
    expect.set_options(timeout=HARD_LIMIT_S * 1000)
    with sync_playwright() as playwright, interpreted():
        browser = playwright.chromium.launch(executable_path=program, args=_arguments())
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def running(chromium: Browser, services: Services, schema: str, worker_name: str) -> Iterator[Stack]:
    name = f"portal_test_{worker_name}_browser"
    with stack_on_own_database(services, schema, name, flags=FLAGS) as stack:
        yield stack


@pytest.fixture(scope="package")
def visitors(chromium: Browser, running: Stack) -> Visitors:
    return Visitors(chromium, running, look_of_flows())


@pytest.fixture(scope="package")
def sights(visitors: Visitors, running: Stack) -> list[Sight]:
    """The pages that the walks look at."""
    return make_sights(visitors, running)


@pytest.fixture
def stack(running: Stack) -> Iterator[Stack]:
    """The running portal. Afterwards none of its programs told a secret."""
    running.simulator.change(receiptDelayS=RECEIPT_S, readDelayS=READ_S)
    yield running
    assert leaks_of(running) == []


@pytest.fixture
def open_page(visitors: Visitors, stack: Stack) -> Iterator[Callable[..., Page]]:
    """Open an empty page as somebody. Afterwards the browser complained about none of them."""
    yield visitors.open
    problems = visitors.leave()
    assert problems == []


@pytest.fixture
def problems_of(open_page: Callable[..., Page]) -> FindProblems:
    """Walk through pages in the longer language, and give what does not fit or keeps people out.

    Where pictures are wanted it is a walk in each.
    """

    def find(sights: list[Sight]) -> dict[str, list[str]]:
        of_languages = [walk(sights, open_page, language) for language in LANGUAGES_FOR_AXE]
        return {name: problems for found in of_languages for name, problems in found.items()}

    return find


@pytest.fixture
def admin(open_page: Callable[..., Page]) -> Page:
    return open_page(ADMIN)


@pytest.fixture
def operator(open_page: Callable[..., Page]) -> Page:
    return open_page(OPERATOR)


@pytest.fixture
def unit(admin: Page, request: pytest.FixtureRequest) -> str:
    """A unit of this test's own, by its short name."""
    return make_unit(admin, f"Loja {crc32(request.node.nodeid.encode()) % 100_000:05d}")


@pytest.fixture
def linked_unit(stack: Stack, unit: str) -> str:
    return link_unit(stack, unit)


def _arguments() -> list[str]:
    return [*QUIET, "--no-sandbox"] if os.geteuid() == 0 else list(QUIET)
