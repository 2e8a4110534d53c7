"""Sends in doubt are looked for among what Evolution stored: whose, when, where, and how often."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from uuid import UUID

import pytest
from flask import Flask

from portal.clock import now
from portal.evolution import errors
from portal.inbox import relay as inbox
from portal.models import Connection, ConnectionStatus, Lane, MessageStatus, StatusReason, WebhookEvent
from portal.outbox import look_ups, owners, servers
from portal.outbox import relay as relay_module
from portal.outbox.look_ups import LookUp
from portal.outbox.relay import OutboxRelay
from portal.services.undelivered import Decision, decide
from portal.tenancy import TenantScope, acting_for
from tests.evolution.little_servers import Scripted, closed_port
from tests.factories import make_server, make_tenant
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.desk import KEY, until
from tests.outbox.doubts import ID, NOT_KNOWN, doubt, found, look, make_due, next_look_s, settled, stored
from tests.outbox.sending import claim_one, record

pytestmark = pytest.mark.commits


def test_a_doubt_is_looked_for_after_its_echo_had_time(shop: Shop) -> None:
    shop.reply()
    claimed = claim_one()

    record(claimed, NOT_KNOWN)

    first = look_ups.FIRST_LOOK_UP.total_seconds()
    assert first - 2 <= (next_look_s(shop, claimed.id) or 0) <= first
    assert look_ups.claim() == []


def test_a_dead_workers_message_is_looked_for_too(shop: Shop) -> None:
    shop.reply()
    claimed = claim_one()
    owners.settle_forgotten(shop.message(claimed.id).relay_id or UUID(int=0), set())
    make_due(shop, claimed.id)

    assert [look_up.unit_id for look_up in look_ups.claim()] == [shop.unit.id]


def test_a_units_doubts_are_asked_for_together_with_their_span(shop: Shop) -> None:
    for age_s in (300, 200, 100):
        doubt(shop, sent_ago_s=age_s)

    (look_up,) = look_ups.claim()

    connection = rows_of(Connection)[0]
    assert (look_up.unit_id, look_up.tenant_id) == (shop.unit.id, shop.scope.tenant_id)
    assert (look_up.instance_name, look_up.server_id) == (connection.instance_name, connection.evolution_server_id)
    assert 298 < (now() - look_up.first_at).total_seconds() < 310
    assert 98 < (now() - look_up.last_at).total_seconds() < 110


def test_evolution_is_asked_for_the_time_of_the_send_at_the_units_instance(scripted: Scripted, shop: Shop) -> None:
    message_id = doubt(shop)

    look(scripted)

    sending_at = shop.message(message_id).sending_at
    assert sending_at is not None
    asked = scripted.asked[0]
    assert asked.path == f"/chat/findMessages/{rows_of(Connection)[0].instance_name}"
    span = asked.body["where"]["messageTimestamp"]
    assert datetime.fromisoformat(span["gte"]) == sending_at - look_ups.BEFORE
    assert datetime.fromisoformat(span["lte"]) == sending_at + look_ups.AFTER


def test_units_are_asked_for_at_their_own_servers(scripted: Scripted, scope: TenantScope) -> None:
    far_id = make_server("far").id
    shops = [Shop(scope, "perto"), Shop(scope, "longe", phone="5511999990003", server_id=far_id)]
    for shop in shops:
        doubt(shop)

    due = {look_up.unit_id: look_up.server_id for look_up in look_ups.claim()}

    assert due == {shops[0].unit.id: servers.default_server_id(), shops[1].unit.id: far_id}


def test_nothing_found_proves_nothing_and_is_looked_for_later_and_at_last_no_more(
    scripted: Scripted, shop: Shop
) -> None:
    message_id = doubt(shop)
    waits = []
    for _ in range(len(look_ups.LATER_LOOK_UPS_S) + 1):
        make_due(shop, message_id)
        assert len(look(scripted)) == 1
        waits.append(next_look_s(shop, message_id))

    assert waits == [*look_ups.LATER_LOOK_UPS_S, None]
    assert settled(shop, message_id) == (MessageStatus.UNCONFIRMED, None)
    assert shop.message(message_id).error_code == errors.TIMED_OUT
    assert look_ups.claim() == []


def test_evolution_away_costs_only_that_look(scripted: Scripted, shop: Shop, point_to: Callable[..., None]) -> None:
    message_id = doubt(shop)
    point_to(f"http://127.0.0.1:{closed_port()}")
    for look_up in look_ups.claim():
        look_ups.carry_out(look_up)
    after_failure = settled(shop, message_id), next_look_s(shop, message_id)

    point_to(scripted.url)
    make_due(shop, message_id)
    look(scripted, stored())

    assert after_failure == ((MessageStatus.UNCONFIRMED, None), look_ups.LATER_LOOK_UPS_S[0])
    assert settled(shop, message_id) == (MessageStatus.SENT, ID)


def test_a_settled_doubt_is_not_looked_for(scripted: Scripted, shop: Shop) -> None:
    message_id = doubt(shop)
    shop.change_message(message_id, status=MessageStatus.SENT, external_id=ID)

    assert look_ups.claim() == []


def test_a_doubt_that_a_person_settled_is_not_looked_for(scripted: Scripted, shop: Shop) -> None:
    message_id = doubt(shop)
    with acting_for(shop.scope):
        decide(shop.scope, Decision.ARRIVED, [message_id])

    assert look_ups.claim() == []


def test_a_disconnected_units_doubts_wait_until_it_is_back(shop: Shop) -> None:
    doubt(shop)
    shop.change(Lane, is_open=False)
    shop.change(Connection, status=ConnectionStatus.DISCONNECTED, status_reason=StatusReason.LOGGED_OUT)
    meanwhile = look_ups.claim()

    shop.change(Lane, is_open=True)

    assert meanwhile == []
    assert len(look_ups.claim()) == 1


def test_a_busy_server_is_not_asked_now(shop: Shop) -> None:
    message_id = doubt(shop)
    server_id = shop.lane().evolution_server_id
    assert server_id is not None

    assert look_ups.claim(busy_servers=[server_id]) == []
    assert shop.message(message_id).look_ups == 0
    assert len(look_ups.claim()) == 1


def test_of_one_server_only_some_units_are_asked_for_at_a_time(
    scope: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_ups, "UNITS_PER_SERVER", 2)
    far_id = make_server("far").id
    for number in range(3):
        doubt(Shop(scope, f"perto-{number}", phone=f"551199999010{number}"))
        doubt(Shop(scope, f"longe-{number}", phone=f"551199999020{number}", server_id=far_id))

    rounds = [look_ups.claim() for _ in range(3)]

    assert [len(due) for due in rounds] == [4, 2, 0]
    assert [sum(look_up.server_id == far_id for look_up in due) for due in rounds] == [2, 1, 0]


def test_two_workers_do_not_look_for_the_same(app: Flask, scope: TenantScope) -> None:
    for number in range(4):
        doubt(Shop(scope, f"loja-{number}", phone=f"551199999010{number}"))
    start = threading.Barrier(3)

    def claim() -> list[LookUp]:
        with app.app_context():
            start.wait(timeout=10)
            return look_ups.claim()

    with ThreadPoolExecutor(3) as pool:
        claims = [pool.submit(claim) for _ in range(3)]
        units = [look_up.unit_id for done in claims for look_up in done.result(timeout=10)]

    assert len(units) == len(set(units)) == 4


def test_every_tenants_doubts_are_looked_for(scripted: Scripted, shop: Shop) -> None:
    rival = Shop(make_tenant("rival"))
    mine, theirs = doubt(shop), doubt(rival)

    due = look(scripted, stored())

    assert {look_up.tenant_id for look_up in due} == {shop.scope.tenant_id, rival.scope.tenant_id}
    assert [settled(shop, mine)[0], settled(rival, theirs)[0]] == [MessageStatus.SENT] * 2


@pytest.fixture
def relay(app: Flask, database: None, monkeypatch: pytest.MonkeyPatch) -> OutboxRelay:
    monkeypatch.setattr(relay_module, "SETTLE_S", -1.0)
    return OutboxRelay(app.app_context, owners.new_owner())


def test_the_relay_looks_by_itself(scripted: Scripted, shop: Shop, relay: OutboxRelay) -> None:
    scripted.answer(200, found(stored()))
    message_id = doubt(shop)

    until(lambda: (relay.drain(), rows_of(WebhookEvent))[1])
    inbox.drain()

    assert relay.finish(5.0)
    assert settled(shop, message_id) == (MessageStatus.SENT, ID)


def test_a_paused_server_is_not_asked(scripted: Scripted, scope: TenantScope, relay: OutboxRelay) -> None:
    scripted.answer(200, found(stored()))
    away_id = make_server(url=f"http://127.0.0.1:{closed_port()}", key=KEY).id
    servers.pause(away_id, errors.UNREACHABLE)
    away, here = Shop(scope, "longe", server_id=away_id), Shop(scope, "perto", phone="5511999990003")
    waiting, looked_for = doubt(away), doubt(here)

    until(lambda: (relay.drain(), here.message(looked_for).look_ups)[1])

    assert relay.finish(5.0)
    assert away.message(waiting).look_ups == 0
