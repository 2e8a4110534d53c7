"""The web process is killed while Evolution posts what customers write."""

import random
import time
from collections import Counter
from collections.abc import Callable

from tests.running.stack import Stack
from tests.running.waiting import until

SEED = 20_240_608
BURSTS = 3
PER_BURST = 20
WRITTEN_TO_NOBODY = 4


def test_web_killed_in_mid_webhook_loses_and_doubles_no_message(
    stack: Stack, instances: dict[str, str], measured: Callable[[str], None]
) -> None:
    chance = random.Random(SEED)
    failed_before = stack.simulator.failed_deliveries()

    texts = [text for burst in range(BURSTS) for text in write_and_kill(stack, instances, chance, burst)]
    waited_s = until(lambda: len(set(stack.rows.received(texts))) == len(texts), "message of every customer")
    failed = stack.simulator.failed_deliveries() - failed_before
    received = Counter(stack.rows.received(texts))

    measured(
        f"web killed {BURSTS} times in mid-webhook (seed {SEED}): {len(texts)} messages written, {len(received)} "
        f"received once, 0 twice; {failed} posts failed and were repeated, the last arrived {waited_s:.1f} s later"
    )
    assert failed > 0
    assert received == Counter(texts)


def write_and_kill(stack: Stack, instances: dict[str, str], chance: random.Random, burst: int) -> list[str]:
    """Kill it in the middle of what is posted; what is written last finds nobody there."""
    texts = [f"burst {burst} question {number}, asked once" for number in range(PER_BURST)]
    for number, text in enumerate(texts):
        if number == PER_BURST - WRITTEN_TO_NOBODY:
            time.sleep(chance.uniform(0, 0.05))
            stack.web.kill()
        instance = chance.choice(list(instances.values()))
        stack.simulator.customer_writes(instance, number=f"551196666{1000 + number}", name="Cliente", text=text)
    stack.web.start()
    return texts
