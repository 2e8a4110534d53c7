"""The worker is killed while it tells a company's program what happened: all is told, and nothing under two ids."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from local.people import TENANT
from portal.secrets import Vault
from tests.endpoints import SECRET
from tests.running.stack import Stack
from tests.running.waiting import until
from tests.webhooks.receiver import OK, Answer, Receiver, Told

SEED = 20_261_130
KILLS = 3
PER_KILL = 12
A_POST_S = 0.4
SETTLE_S = 60
HIDDEN = "an-address-that-only-the-receiver-knows"


@pytest.fixture
def slow_receiver(stack: Stack) -> Iterator[Receiver]:
    """It takes its time, so that a worker is killed in the middle of posts, and is told of what comes in."""

    def answer(told: Told) -> Answer:
        time.sleep(A_POST_S)
        return OK

    receiver = Receiver(answer)
    stack.note_secret("secret of an endpoint", SECRET)
    stack.note_secret("address of an endpoint", HIDDEN)
    stack.rows.change(
        "INSERT INTO webhook_endpoints (id, tenant_id, url, topics, secret_encrypted)"
        " SELECT %s, id, %s, '[\"message.received\"]', %s FROM tenants WHERE slug = %s",
        uuid4(),
        f"{receiver.url}?{HIDDEN}",
        Vault((stack.env["SECRET_KEY"],)).encrypt(SECRET),
        TENANT,
    )
    yield receiver
    stack.rows.change("DELETE FROM webhook_endpoints")
    receiver.stop()


def test_worker_killed_in_mid_post_loses_nothing_and_renames_nothing(
    stack: Stack, slow_receiver: Receiver, instances: dict[str, str], measured: Callable[[str], None]
) -> None:
    chance = random.Random(SEED)

    texts = [text for kill in range(KILLS) for text in write_and_kill(stack, slow_receiver, instances, chance, kill)]
    told_s = until(lambda: set(slow_receiver.texts()) >= set(texts), "news of every message", within_s=SETTLE_S)
    until(lambda: left(stack) == 0, "end of all deliveries", within_s=SETTLE_S)

    ids = {(told.text, told.id) for told in slow_receiver.told}
    times = Counter(slow_receiver.texts())
    again = sum(number - 1 for number in times.values())
    measured(
        f"worker killed {KILLS} times in mid-post (seed {SEED}): {len(texts)} messages, all told {told_s:.1f} s after"
        f" the last start, {again} of them more than once, none under a second id"
    )
    assert set(times) == set(texts)
    assert again > 0
    assert len(ids) == len(texts)


def write_and_kill(
    stack: Stack, receiver: Receiver, instances: dict[str, str], chance: random.Random, kill: int
) -> list[str]:
    """Let customers write, kill the worker in the middle of its posts, and let the leases of the dead one be over."""
    texts = [f"news {kill} number {number}, told at least once" for number in range(PER_KILL)]
    for number, text in enumerate(texts):
        instance = chance.choice(list(instances.values()))
        stack.simulator.customer_writes(instance, number=f"551195555{1000 + number}", name="Cliente", text=text)
    before = len(receiver.told)
    until(lambda: len(receiver.told) > before, "post under way")
    time.sleep(chance.uniform(0, A_POST_S / 2))
    stack.worker.kill()
    stack.rows.change("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'waiting'")
    stack.worker.start()
    return texts


def left(stack: Stack) -> int:
    return stack.rows.count("webhook_deliveries WHERE state <> 'delivered'")
