"""The portal is away while customers write, and its connections are changed behind its back: all is put right."""

import os
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.running.stack import Stack
from tests.running.waiting import until

IS_LONG = bool(os.environ.get("PORTAL_CHAOS_LONG"))
DOWN_S, MISSED = (600, 500) if IS_LONG else (5, 40)
# A wrong state must not be shown for longer, whatever was lost.
STALE_AT_MOST_S = 60
FILLED_WITHIN_S = 150


@pytest.mark.timeout(1_200)
def test_what_came_while_the_portal_was_away_is_fetched(
    stack: Stack, instances: dict[str, str], measured: Callable[[str], None]
) -> None:
    stack.worker.stop()
    stack.web.kill()
    began_at = time.monotonic()
    texts = [f"while away {number}" for number in range(MISSED)]
    units = list(instances)
    for number, text in enumerate(texts):
        instance = instances[units[number % len(units)]]
        stack.simulator.customer_writes(instance, number=f"551194444{1000 + number}", name="Cliente", text=text)
        time.sleep(max(0.0, began_at + DOWN_S * (number + 1) / MISSED - time.monotonic()))
    # Evolution keeps what it could not deliver in memory alone.
    stack.simulator.restart(down_s=1)
    stack.web.start()
    if not IS_LONG:
        pretend_long_absence(stack)
    stack.worker.start()
    took_s = until(
        lambda: len(set(stack.rows.received(texts))) == len(texts), "missed messages", within_s=FILLED_WITHIN_S
    )

    # What other tests wrote may be found as well.
    holes = stack.rows.fetch("SELECT found FROM repairs WHERE kind = 'hole' AND found > 0 ORDER BY created_at")
    filled = stack.rows.count("messages WHERE repair_id IN (SELECT id FROM repairs WHERE kind = 'hole')")
    marked = stack.rows.count("messages WHERE body = ANY(%s) AND repair_id IS NOT NULL", texts)
    measured(
        f"portal away for {DOWN_S} s, {MISSED} messages written meanwhile, Evolution restarted: all of them fetched"
        f" {took_s:.0f} s after its return, 0 twice, {marked} marked as such, in {len(holes)} holes"
    )
    assert Counter(stack.rows.received(texts)) == Counter(texts)
    assert marked == len(texts)
    assert filled == sum(hole["found"] for hole in holes)
    assert in_order(stack, texts) == texts


def pretend_long_absence(stack: Stack) -> None:
    """As if the workers had been gone for longer than those of one deploy."""
    stack.rows.change("UPDATE relays SET heartbeat_at = heartbeat_at - interval '5 minutes'")


def in_order(stack: Stack, texts: list[str]) -> list[str]:
    query = "SELECT body FROM messages WHERE body = ANY(%s) ORDER BY occurred_at, split_part(body, ' ', 3)::int"
    return [row["body"] for row in stack.rows.fetch(query, texts)]


@pytest.mark.timeout(400)
def test_a_webhook_that_was_changed_by_hand_is_set_again_and_what_it_missed_is_fetched(
    stack: Stack, instances: dict[str, str], measured: Callable[[str], None]
) -> None:
    stack.simulator.change_webhook(instances["centro"], url="https://elsewhere.invalid/hook", events=["CALL"])
    stack.simulator.change_webhook(instances["praia"], enabled=False)
    stack.simulator.remove_webhook(instances["norte"])
    texts = {unit: f"told elsewhere, {unit}" for unit in instances}
    for unit, text in texts.items():
        stack.simulator.customer_writes(instances[unit], number="5511944449999", name="Cliente", text=text)
    hurry(stack)
    repaired_s = until(lambda: repairs(stack, "webhook") >= len(instances), "new webhooks", within_s=200)
    filled_s = until(lambda: len(stack.rows.received(list(texts.values()))) == len(texts), "messages", within_s=60)
    after = {unit: f"told here again, {unit}" for unit in instances}
    for unit, text in after.items():
        stack.simulator.customer_writes(instances[unit], number="5511944449999", name="Cliente", text=text)
    heard_s = until(lambda: len(stack.rows.received(list(after.values()))) == len(after), "news")

    measured(
        f"webhooks of 3 units changed, switched off and removed by hand: set again after {repaired_s:.0f} s, what was"
        f" told elsewhere fetched {filled_s:.0f} s later, next message heard after {heard_s:.1f} s"
    )


def hurry(stack: Stack) -> None:
    """Let the next check be due, which comes twice a minute, and the webhook's, which comes every other minute."""
    if not IS_LONG:
        stack.rows.change("UPDATE unit_whatsapp_connections SET check_at = now(), webhook_checked_at = NULL")


def repairs(stack: Stack, kind: str) -> int:
    return stack.rows.count("repairs WHERE kind = %s", kind)


@pytest.mark.timeout(400)
def test_a_wrong_state_is_right_again_within_a_minute(
    stack: Stack, instances: dict[str, str], measured: Callable[[str], None]
) -> None:
    shown = {unit: stack.api.status(unit) for unit in instances}
    wrong = "UPDATE unit_whatsapp_connections SET status = %s, status_reason = %s WHERE instance_name = %s"
    stack.rows.change(wrong, "connecting", "connection_lost", instances["centro"])
    stack.rows.change(wrong, "disconnected", "connection_lost", instances["praia"])
    stack.simulator.force_state(instances["norte"], "close")
    hurry(stack)
    lost_s = until(
        lambda: stack.api.status("norte") == "disconnected", "state of the one that closed", within_s=STALE_AT_MOST_S
    )
    found_s = lost_s + until(
        lambda: [stack.api.status(unit) for unit in ("centro", "praia")] == ["connected"] * 2,
        "right states",
        within_s=STALE_AT_MOST_S,
    )
    stack.simulator.force_state(instances["norte"], "open")
    hurry(stack)
    back_s = until(lambda: stack.api.status("norte") == "connected", "its return", within_s=STALE_AT_MOST_S)

    measured(
        f"states forced wrong in 3 units: shown right after {lost_s:.0f} s (closed without a word) and"
        f" {found_s:.0f} s (connected, shown otherwise), opened without a word {back_s:.0f} s"
    )
    assert set(shown.values()) == {"connected"}
    assert repairs(stack, "state") >= len(instances)
