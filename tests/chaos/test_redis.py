"""Redis is away while people write and are written to."""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import requests

from tests.chaos.accounts import GONE, settle
from tests.running.stack import Stack
from tests.running.waiting import until

AWAY_S = float(os.environ.get("PORTAL_CHAOS_REDIS_S", "6"))
SLOWEST_ANSWER_S = 3.0


@dataclass(frozen=True)
class Outage:
    """What was written during it, how long the web took, and what had got through before it was over."""

    questions: list[str]
    replies: list[str]
    answers_s: list[float]
    received: int
    sent: int


def test_nothing_is_lost_or_doubled_while_redis_is_away(
    stack: Stack, instances: dict[str, str], measured: Callable[[str], None]
) -> None:
    stack.redis.stop()
    outage = live_without_redis(stack, instances["centro"])
    stack.redis.start()
    account = settle(stack, outage.replies)
    until(lambda: len(stack.rows.received(outage.questions)) >= len(outage.questions), "all questions")

    measured(
        f"Redis away for {AWAY_S:.0f} s: {outage.received} of {len(outage.questions)} questions received and "
        f"{outage.sent} of {len(outage.replies)} replies sent meanwhile, all of them at the end ({account.summary}); "
        f"slowest answer {max(outage.answers_s):.2f} s"
    )
    assert Counter(stack.rows.received(outage.questions)) == Counter(outage.questions)
    assert set(account.statuses.values()) <= set(GONE)
    assert account.left == Counter(outage.replies)
    assert max(outage.answers_s) < SLOWEST_ANSWER_S


def test_sending_is_quick_again_after_redis_was_away(
    stack: Stack, queue_replies: Callable[..., list[str]], measured: Callable[[str], None]
) -> None:
    stack.redis.stop()
    time.sleep(1)
    stack.redis.start()

    texts = queue_replies("afterwards", per_unit=1)
    took_s = until(lambda: set(stack.rows.statuses(texts).values()) <= set(GONE), "replies", within_s=20)

    measured(f"replies that were queued right after Redis was back: sent within {took_s:.1f} s")
    assert settle(stack, texts).left == Counter(texts)


def live_without_redis(stack: Stack, instance: str) -> Outage:
    """Write a question and a reply every second, and look at a page, until the time is over."""
    questions: list[str] = []
    replies: list[str] = []
    answers_s: list[float] = []
    until_at = time.monotonic() + AWAY_S
    while time.monotonic() < until_at:
        number = len(questions)
        questions.append(f"away question {number}, asked once")
        replies.append(f"away reply {number}, to be sent once")
        stack.simulator.customer_writes(instance, number="5511955551001", name="Cliente", text=questions[-1])
        answers_s.append(seconds_of(lambda: stack.api.send("centro", phone="+5511955551002", text=replies[-1])))
        answers_s.append(seconds_of(lambda: look_at(stack.api.url + "/login")))
        time.sleep(max(0.0, min(1.0, until_at - time.monotonic())))
    sent = [status for status in stack.rows.statuses(replies).values() if status in GONE]
    return Outage(questions, replies, answers_s, received=len(stack.rows.received(questions)), sent=len(sent))


def seconds_of(call: Callable[[], object]) -> float:
    began_at = time.monotonic()
    call()
    return time.monotonic() - began_at


def look_at(url: str) -> None:
    assert requests.get(url, timeout=15).status_code == 200
