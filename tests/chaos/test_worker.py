"""The worker is killed or stopped while it sends."""

import random
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.chaos.accounts import GONE, settle, take_account
from tests.chaos.conftest import QUICK_S
from tests.running.stack import Stack
from tests.running.waiting import until

SEED = 20_240_607
# A text leaves the simulator in the middle of a call, so that some calls are cut off before and some after it.
HALF_A_CALL_S = 1.0
LONG_CALL_S = 10.0
KILLS = 3
Queue = Callable[..., list[str]]
Measured = Callable[[str], None]


def test_worker_killed_in_mid_send_loses_nothing_and_sends_nothing_twice(
    stack: Stack, queue_replies: Queue, measured: Measured
) -> None:
    chance = random.Random(SEED)
    stack.simulator.change(sendLatencyS=HALF_A_CALL_S, respondAfterSendS=HALF_A_CALL_S)
    # More than leave while the last worker starts, however slow the machine is.
    texts = queue_replies("killed", per_unit=10)

    in_flight = [kill_in_mid_send(stack, chance) for _ in range(KILLS)]
    stack.simulator.change(sendLatencyS=QUICK_S, respondAfterSendS=0)
    account = settle(stack, texts)
    until(lambda: stack.rows.busy_lanes() == 0, "free lanes", within_s=20)

    measured(
        f"worker killed {KILLS} times with {in_flight} sends in flight (seed {SEED}): "
        f"{len(texts)} messages, {account.summary}; 0 lost, 0 sent twice"
    )
    assert sum(in_flight) > 0
    assert account.left_twice == []
    assert account.said_gone_but_never_left == []
    assert len(account.statuses) == len(texts)


def test_send_in_doubt_is_not_repeated_and_its_late_echo_settles_it(
    stack: Stack, queue_replies: Queue, measured: Measured
) -> None:
    stack.simulator.change(sendLatencyS=HALF_A_CALL_S, respondAfterSendS=LONG_CALL_S)
    texts = queue_replies("doubtful", per_unit=1)
    until(lambda: sending(stack) == len(texts), "send in flight on every lane")

    stack.web.kill()
    until(lambda: set(take_account(stack, texts).left_but_not_said) == set(texts), "texts that left")
    stack.worker.kill()
    stack.worker.start()
    # On a busy machine Evolution's stored messages may have settled the first of them by then.
    in_doubt_s = until(lambda: set(stack.rows.statuses(texts).values()) <= {"unconfirmed", *GONE}, "doubt")
    stack.web.start()
    account = settle(stack, texts)

    measured(f"worker and web killed after {len(texts)} texts left: in doubt {in_doubt_s:.1f} s later, 0 sent twice")
    assert account.left == Counter(texts)
    assert set(account.statuses.values()) <= set(GONE)


@pytest.mark.parametrize(
    ("times", "is_group"), [(1, False), (2, True)], ids=["once", "twice to all, as platforms repeat it"]
)
def test_worker_asked_to_end_finishes_what_it_sends(
    stack: Stack, queue_replies: Queue, measured: Measured, times: int, is_group: bool
) -> None:
    stack.simulator.change(sendLatencyS=HALF_A_CALL_S, respondAfterSendS=HALF_A_CALL_S)
    texts = queue_replies(f"asked {times}", per_unit=2)
    until(lambda: sending(stack) == 3, "send in flight on every lane")

    before = Counter(stack.rows.statuses(texts).values())
    ended_after_s, code = stack.worker.terminate(times=times, is_group=is_group)
    recorded = sorted(stack.rows.statuses(texts).values())
    stack.worker.start()
    account = settle(stack, texts)

    measured(f"worker asked to end {times} time(s) with 3 sends in flight: ended after {ended_after_s:.1f} s")
    assert ended_after_s < 25
    assert code == 0
    assert [status for status in recorded if status not in (*GONE, "queued")] == []
    # What was in flight is finished. On a busy machine some are gone by then, and the next ones are in flight.
    begun = sum(before[status] for status in ("sending", *GONE))
    assert len([status for status in recorded if status in GONE]) >= begun >= 3
    assert set(account.statuses.values()) <= set(GONE)
    assert account.left_twice == []


def kill_in_mid_send(stack: Stack, chance: random.Random) -> int:
    """Kill the worker at some moment of a send, start the next one, and give how many sends were in flight."""
    time.sleep(chance.uniform(0, 2 * HALF_A_CALL_S))
    until(lambda: sending(stack) > 0, "send in flight")
    in_flight = sending(stack)
    stack.worker.kill()
    stack.worker.start()
    return in_flight


def sending(stack: Stack) -> int:
    return stack.rows.sending_since(stack.worker.started_at)
