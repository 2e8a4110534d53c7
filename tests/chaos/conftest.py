"""One running portal with three linked units, for tests that kill parts of it."""

import os
from collections.abc import Callable, Iterator

import pytest

from local.people import UNITS
from local.services import Services
from tests.running.leaks import leaks_of
from tests.running.stack import Stack, stack_on_own_database

FLAGS = (
    "--create-wait-s=0.2",
    "--connect-wait-s=0.2",
    "--first-qr-s=0.1",
    "--retry-initial-s=0.3",
    "--send-latency-s=0.1",
    "--receipt-delay-s=0.3",
    "--read-delay-s=0.6",
)
QUICK_S = 0.1
# It starts a portal of its own, for what plain data shows nearly as well (test_rules.py).
collect_ignore = [] if os.environ.get("PORTAL_CHAOS_LONG") else ["test_resting_site.py"]


@pytest.fixture(scope="package")
def running(services: Services, schema: str, worker_name: str) -> Iterator[Stack]:
    name = f"portal_test_{worker_name}_chaos"
    with stack_on_own_database(services, schema, name, flags=FLAGS) as stack:
        yield stack


@pytest.fixture(scope="package")
def instances(running: Stack) -> dict[str, str]:
    """Unit -> its linked instance."""
    return {unit: running.link(unit, number=f"55119888800{place}1") for place, unit in enumerate(UNITS)}


@pytest.fixture
def stack(running: Stack, instances: dict[str, str]) -> Iterator[Stack]:
    """The portal at rest, with quick sending. Afterwards no program told a secret."""
    running.simulator.change(sendLatencyS=QUICK_S, respondAfterSendS=0)
    yield running
    assert leaks_of(running) == []


@pytest.fixture
def queue_replies(stack: Stack) -> Callable[..., list[str]]:
    """Ask the portal to send so many texts from every unit, each to another customer, and give the texts."""

    def queue(word: str, *, per_unit: int) -> list[str]:
        orders = [(unit, number) for number in range(per_unit) for unit in UNITS]
        texts = []
        for place, (unit, number) in enumerate(orders):
            texts.append(f"{word} reply {number} of {unit}, to be sent once")
            stack.api.send(unit, phone=f"+551197777{1000 + place}", text=texts[-1])
        return texts

    return queue
