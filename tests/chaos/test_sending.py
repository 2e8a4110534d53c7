"""Replies of many units while everything goes wrong: faults of Evolution, its restarts, and the worker killed."""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from local.people import TENANT, UNITS
from tests.chaos.accounts import GONE, Account, take_account
from tests.running.stack import Stack
from tests.running.waiting import until

SEED = 20_261_122
FAULTS = {
    "latency": {"rate": 0.1, "seconds": [0.1, 1.0]},
    "hang": {"rate": 0.01, "afterSend": True},
    "serverError": {"rate": 0.03, "variant": "preparing"},
    "timedOut": 0.02,
    "databaseErrorAfterSend": 0.03,
    "resetBeforeSend": 0.03,
    "resetAfterSend": 0.03,
    "pendingForEver": 0.02,
    "webhookLost": 0.05,
    "webhookDuplicate": 0.1,
    "webhookLate": {"rate": 0.1, "seconds": [0.5, 3.0]},
    "webhookDisorder": 0.1,
}
HANG_S = 5.0
# Two look-ups among the stored messages, and the pauses that grow between attempts.
SETTLE_S = 240


@dataclass(frozen=True)
class Plan:
    """How much is sent, and how often what is broken."""

    units: int
    per_unit: int
    kills: int
    restarts: int


SHORT = Plan(units=len(UNITS), per_unit=15, kills=2, restarts=1)
LONG = Plan(units=20, per_unit=25, kills=20, restarts=3)
PLAN = LONG if os.environ.get("PORTAL_CHAOS_LONG") else SHORT


@pytest.fixture
def linked(stack: Stack, instances: dict[str, str]) -> dict[str, str]:
    """Unit -> its linked instance, as many as the plan wants."""
    more = [f"filial-{number}" for number in range(PLAN.units - len(UNITS))]
    with ThreadPoolExecutor(3) as pool:
        list(
            pool.map(
                lambda slug: stack.flask("units", "create", "--tenant", TENANT, "--name", slug, "--slug", slug), more
            )
        )
    places = range(100, 100 + len(more))
    return {
        **instances,
        **{unit: stack.link(unit, number=f"5511988{place:06d}") for place, unit in zip(places, more, strict=True)},
    }


@pytest.fixture
def faults(stack: Stack, linked: dict[str, str]) -> Iterator[None]:
    """Everything that can go wrong, now and then; afterwards every number is connected as before."""
    stack.simulator.change(faults=FAULTS, seed=SEED, hangS=HANG_S, sendLatencyS=0.3)
    yield
    stack.simulator.change(faults=None)
    # A lost webhook may have been the one that said `open`: this time all of them are told.
    stack.simulator.restart(down_s=0.5)
    until(lambda: are_all_connected(stack, linked), "numbers connected again", within_s=60)


def are_all_connected(stack: Stack, linked: dict[str, str]) -> bool:
    is_open = {one["name"]: one["state"] == "open" for one in stack.simulator.instances()}
    return all(is_open[instance] and stack.api.status(unit) == "connected" for unit, instance in linked.items())


@pytest.mark.timeout(900)
def test_replies_survive_faults_kills_and_restarts(
    stack: Stack, linked: dict[str, str], faults: None, measured: Callable[[str], None]
) -> None:
    chance = random.Random(SEED)
    texts = queue_replies_to_customers(stack, linked)
    began_at = time.monotonic()
    restarting = threading.Thread(target=restart_evolution, args=(stack, random.Random(SEED)))
    restarting.start()
    for _ in range(PLAN.kills):
        time.sleep(chance.uniform(1, 6))
        stack.worker.kill()
        stack.worker.start()
    restarting.join()
    last_kill_s = time.monotonic() - began_at
    account = settle(stack, linked, texts)
    settled_s = time.monotonic() - began_at

    reasons = stack.rows.reasons(texts)
    measured(
        f"{len(texts)} replies of {len(linked)} units, worker killed {PLAN.kills} times, Evolution restarted"
        f" {PLAN.restarts} times, faults {sum(stack.simulator.struck().values())}: {account.summary}; {reasons};"
        f" {len(account.left)} left, 0 lost, 0 sent twice; last kill after {last_kill_s:.0f} s,"
        f" settled {settled_s - last_kill_s:.0f} s later (seed {SEED})"
    )
    assert account.left_twice == []
    assert account.said_gone_but_never_left == []
    assert account.left_but_not_said == []
    assert sum(Counter(account.statuses.values()).values()) == len(texts)
    assert set(account.statuses.values()) <= {*GONE, "failed", "unconfirmed"}
    assert stack.rows.busy_lanes() == 0


def queue_replies_to_customers(stack: Stack, linked: dict[str, str]) -> list[str]:
    """A customer writes to every unit for each reply, so that the replies go to warm chats; gives their texts."""
    orders = [(unit, place) for place in range(PLAN.per_unit) for unit in linked]
    questions = []
    for number, (unit, place) in enumerate(orders):
        questions.append(f"question {place} to {unit}, in the middle of faults")
        stack.simulator.customer_writes(linked[unit], number=phone_of(number), name="Ana", text=questions[-1])
    until(lambda: len(stack.rows.received(questions)) > len(questions) * 0.9, "questions", within_s=60)
    texts = []
    for number, (unit, place) in enumerate(orders):
        texts.append(f"reply {place} of {unit}, in the middle of faults")
        stack.api.send(unit, phone=f"+{phone_of(number)}", text=texts[-1])
    return texts


def phone_of(number: int) -> str:
    return f"551195555{1001 + number:04d}"


def restart_evolution(stack: Stack, chance: random.Random) -> None:
    for _ in range(PLAN.restarts):
        time.sleep(chance.uniform(3, 10))
        stack.simulator.restart(down_s=chance.uniform(1, 3))


def settle(stack: Stack, linked: dict[str, str], texts: list[str]) -> Account:
    """Wait until nothing is on its way and all that left is known to have left."""

    def unsettled() -> Counter[str]:
        account = take_account(stack, texts)
        on_the_way = [status for status in account.statuses.values() if status in ("queued", "sending")]
        return Counter(on_the_way) + Counter({"left but not said": len(account.left_but_not_said)})

    try:
        until(lambda: not unsettled(), "end of all replies", within_s=SETTLE_S)
    except AssertionError as e:
        e.add_note(f"still {dict(unsettled())}, units {[stack.api.status(unit) for unit in linked]}")
        raise
    return take_account(stack, texts)
