"""Who posts what, when there is more than can be posted at once: fairly by endpoint, and nothing twice."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event

from portal.db import atomic
from portal.models import Conversation
from portal.tenancy import TenantScope, acting_for
from portal.webhooks import bodies, claims
from portal.webhooks.relay import POSTERS, PROBERS, WebhookRelay
from tests.endpoints import make_endpoint, tell, waiting
from tests.factories import make_connected_unit, make_conversation, make_tenant
from tests.outbox.desk import until
from tests.webhooks.receiver import OK, Answer, Receiver, Told

pytestmark = pytest.mark.commits
FINISH_S = 25.0


def test_workers_never_take_the_same_delivery_twice(
    app: Flask, scope: TenantScope, conversation: Conversation, receiver: Receiver
) -> None:
    endpoints = [make_endpoint(scope, receiver.url) for _ in range(3)]
    tell(scope, conversation, *(f"{number}" for number in range(30)))
    relays = [WebhookRelay(app.app_context) for _ in range(3)]

    def drain(relay: WebhookRelay) -> None:
        until_at = time.monotonic() + 60
        while any_waiting(app, endpoints) and time.monotonic() < until_at:
            with app.app_context():
                relay.drain()
        assert relay.finish(FINISH_S)

    threads = [threading.Thread(target=drain, args=(relay,)) for relay in relays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(receiver.told) == len({told.id for told in receiver.told}) == 90


def any_waiting(app: Flask, endpoints: list[Any]) -> bool:
    with app.app_context():
        return any(waiting(endpoint) for endpoint in endpoints)


def test_receiver_gets_at_most_so_many_at_a_time(
    app: Flask, scope: TenantScope, conversation: Conversation, receiver: Receiver
) -> None:
    make_endpoint(scope, receiver.url)
    tell(scope, conversation, *("oi" for _ in range(20)))
    at_once, most, counting = [0], [0], threading.Lock()

    def answer(told: Told) -> Answer:
        with counting:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.1)
        with counting:
            at_once[0] -= 1
        return OK

    receiver.answer = answer
    relays = [WebhookRelay(app.app_context) for _ in range(2)]
    until(lambda: [relay.drain() for relay in relays] and len(receiver.told) == 20)

    assert all(relay.finish(FINISH_S) for relay in relays)
    assert most[0] == claims.EACH


def test_dead_endpoint_with_a_thousand_waiting_holds_up_nobody(
    scope: TenantScope,
    conversation: Conversation,
    receiver: Receiver,
    relay: WebhookRelay,
    measured: Callable[[str], None],
) -> None:
    """It hangs for as long as it may, which is what costs most."""
    hanging, may_end = Receiver(), threading.Event()
    hanging.answer = lambda told: (may_end.wait(8), OK)[1]
    dead = make_endpoint(scope, hanging.url, topics=["message.received"])
    with acting_for(scope), atomic():
        tell(scope, conversation, *("morto" for _ in range(1_000)))
    rival = make_tenant("rival")
    well = make_endpoint(rival, receiver.url)
    theirs = make_conversation(rival, make_connected_unit(rival, phone="5511999990009"))
    tell(rival, theirs, *(f"{number}" for number in range(40)))

    began_at = time.monotonic()
    until(lambda: relay.drain() is None and not waiting(well))
    took_s = time.monotonic() - began_at
    under_way = len(hanging.told)
    may_end.set()
    assert relay.finish(FINISH_S)
    hanging.stop()

    measured(f"beside a hanging endpoint with 1,000 waiting, 40 news of another were told in {took_s:.2f} s")
    assert under_way <= claims.EACH
    assert waiting(dead) >= 1_000 - 2 * claims.EACH
    assert took_s < 5


def test_endpoints_taken_for_dead_never_take_more_than_half_of_the_threads(
    scope: TenantScope, conversation: Conversation
) -> None:
    for number in range(PROBERS + 2):
        make_endpoint(scope, f"http://127.0.0.1:1/{number}", failures=claims.UNWELL)
    make_endpoint(scope)
    tell(scope, conversation, "um", "dois", "três")

    first = claims.claim(most=POSTERS, most_probes=PROBERS)
    second = claims.claim(most=POSTERS, most_probes=0)

    assert [one.is_probe for one in first].count(True) == PROBERS
    assert [one.is_probe for one in first].count(False) == 3
    assert second == []


def test_claim_and_bodies_take_as_many_statements_for_many_as_for_one(
    app: Flask, scope: TenantScope, conversation: Conversation, receiver: Receiver
) -> None:
    for number in range(4):
        make_endpoint(scope, f"{receiver.url}/{number}")

    def count() -> tuple[int, int]:
        statements: list[str] = []
        listen = lambda *args: statements.append(args[2])  # noqa: E731
        event.listen(Engine, "before_cursor_execute", listen)
        taken = claims.claim(most=POSTERS, most_probes=PROBERS)
        built = bodies.build(taken)
        event.remove(Engine, "before_cursor_execute", listen)
        assert len(built) == len(taken)
        return len(taken), len(statements)

    tell(scope, conversation, "um")
    few = count()
    tell(scope, conversation, "dois", "três")
    many = count()

    assert (few[0], many[0]) == (4, 8)
    assert few[1] == many[1]
