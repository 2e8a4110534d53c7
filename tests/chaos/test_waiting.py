"""`Prefer: wait` while the worker dies: the call ends in time, and holds up nobody and nothing."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests

from tests.chaos.accounts import settle
from tests.running.stack import Stack
from tests.running.waiting import until

LONG_CALL_S = 12.0
# Processes of gunicorn.conf.py, and seats of a process (R8).
PROCESSES, SEATS = 2, 3
CALLERS = 16
# What counts as at once, and what a call may take longer than it waits, on a busy machine.
AT_ONCE_S = 3.0
BUSY_S = 2.5
# Of nothing that the portal waits for may a transaction be this old.
OLD_S = 0.5
PHONE = "+5511977776001"
UNIT = "centro"
Measured = Callable[[str], None]


@dataclass(frozen=True)
class Answered:
    status: int
    body: dict[str, object]
    took_s: float


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(CALLERS) as pool:
        yield pool


def test_call_answers_202_in_time_though_the_worker_died_and_its_message_is_sent_once_afterwards(
    stack: Stack, callers: ThreadPoolExecutor, measured: Measured
) -> None:
    stack.simulator.change(respondAfterSendS=LONG_CALL_S)
    ahead, text = "a long call that was in the way", "waited for while the worker died in its queue"
    stack.api.send(UNIT, phone=PHONE, text=ahead)
    until(lambda: ahead in stack.simulator.sent_texts(), "text that left")

    waiting = callers.submit(send, stack, text, wait_s=10)
    until(lambda: stack.rows.statuses([text]), "queued message")
    stack.worker.kill()
    answer = waiting.result()
    stack.simulator.change(respondAfterSendS=0)
    stack.worker.start()
    account = settle(stack, [ahead, text])

    measured(f"worker killed while a call waited 10 s for a queued message: 202 after {answer.took_s:.1f} s, sent once")
    assert (answer.status, answer.body["status"], answer.body["externalId"]) == (202, "queued", None)
    assert 9.5 < answer.took_s < 10 + BUSY_S
    assert account.left == Counter([ahead, text])


def test_call_answers_202_in_time_though_the_worker_died_in_mid_send(
    stack: Stack, callers: ThreadPoolExecutor, measured: Measured
) -> None:
    stack.simulator.change(respondAfterSendS=LONG_CALL_S)
    text = "waited for while the worker died in the middle of sending it"

    waiting = callers.submit(send, stack, text, wait_s=6)
    until(lambda: text in stack.simulator.sent_texts(), "text that left")
    stack.worker.kill()
    answer = waiting.result()
    stack.simulator.change(respondAfterSendS=0)
    stack.worker.start()
    account = settle(stack, [text])

    measured(f"worker killed in mid-send while a call waited: {answer.status} after {answer.took_s:.1f} s, sent once")
    # On a busy machine the echo is there before the worker is killed, and says that it was sent.
    assert (answer.status, answer.body["status"]) in ((202, "sending"), (200, "sent"))
    assert answer.took_s < 6 + BUSY_S
    assert answer.status == 200 or answer.took_s > 5.5
    assert account.left == Counter([text])


def test_who_waits_leaves_room_for_others_and_holds_no_transaction(
    stack: Stack, callers: ThreadPoolExecutor, measured: Measured
) -> None:
    texts = [f"one of many that wait, number {number}" for number in range(CALLERS)]
    stack.worker.kill()

    waiting = [callers.submit(send, stack, text, wait_s=6) for text in texts]
    until(lambda: sum(one.done() for one in waiting) >= CALLERS - PROCESSES * SEATS, "answers to who found no seat")
    connections_before, old, pages_s = connections(stack), [], []
    while not (pages_s and any(is_long(one) for one in waiting)):
        pages_s.append(seconds_of(stack, "/login"))
        old += old_transactions(stack)
    answers = [one.result() for one in waiting]
    connections_after = connections(stack)
    stack.worker.start()
    account = settle(stack, texts)

    seated = [answer for answer in answers if answer.took_s > AT_ONCE_S]
    measured(
        f"{CALLERS} calls that would wait 6 s: {len(seated)} did, the others had their 202 within "
        f"{max(answer.took_s for answer in answers if answer not in seated):.1f} s; meanwhile {len(pages_s)} pages, "
        f"the slowest in {max(pages_s):.2f} s; {len(old)} old transactions"
    )
    assert {(answer.status, answer.body["status"]) for answer in answers} == {(202, "queued")}
    assert SEATS <= len(seated) <= PROCESSES * SEATS
    assert old == []
    assert connections_after <= connections_before
    assert max(pages_s) < AT_ONCE_S
    assert account.left == Counter(texts)


def send(stack: Stack, text: str, *, wait_s: int) -> Answered:
    began_at = time.monotonic()
    answer = requests.post(
        f"{stack.api.url}/units/{UNIT}/whatsapp/send",
        json={"phone": PHONE, "message": text},
        headers={"Authorization": f"Bearer {stack.api.token}", "Prefer": f"wait={wait_s}"},
        timeout=30,
    )
    return Answered(answer.status_code, answer.json(), time.monotonic() - began_at)


def is_long(one: Future[Answered]) -> bool:
    return one.done() and one.result().took_s > AT_ONCE_S


def seconds_of(stack: Stack, path: str) -> float:
    began_at = time.monotonic()
    assert requests.get(stack.api.url + path, timeout=30).ok
    return time.monotonic() - began_at


def connections(stack: Stack) -> int:
    return stack.rows.count("pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")


def old_transactions(stack: Stack) -> list[str]:
    """What transactions that are open for long did last."""
    found = stack.rows.fetch(
        "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND now() - xact_start > make_interval(secs => %s)",
        OLD_S,
    )
    return [row["query"] for row in found]
