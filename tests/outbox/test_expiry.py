"""A message that waited longer than its unit allows is not sent any more."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.evolution.errors import EvolutionUnavailable
from portal.models import ConnectionStatus, Message, MessageStatus, StatusReason, Unit
from portal.outbox import lanes, owners
from portal.outbox.relay import OutboxRelay
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_tenant
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.sending import claim, claim_one, record

pytestmark = pytest.mark.commits


def let_grow_old(shop: Shop, message_id: UUID) -> None:
    shop.change_message(message_id, expires_at=now() - timedelta(seconds=1))


@pytest.mark.parametrize("hours", [1, 24, 168])
def test_a_message_lives_for_as_long_as_its_unit_says(shop: Shop, hours: int) -> None:
    with acting_for(shop.scope), atomic():
        shop.scope.get(Unit, shop.unit.id).message_lifetime_h = hours

    message = shop.message(shop.reply())

    assert message.expires_at == message.occurred_at + timedelta(hours=hours)


def test_what_waited_too_long_fails_and_says_why(shop: Shop) -> None:
    message_id = shop.reply()
    let_grow_old(shop, message_id)

    assert lanes.expire() == 1

    message = shop.message(message_id)
    assert (message.status, message.error_code, message.retry_count) == (MessageStatus.FAILED, "expired", 0)
    assert message.failed_at is not None
    assert claim() == []


def test_what_still_has_time_waits(shop: Shop) -> None:
    in_time, ageless = shop.reply("um"), shop.reply("dois")
    shop.change_message(ageless, expires_at=None)

    assert lanes.expire() == 0
    assert {shop.message(message_id).status for message_id in (in_time, ageless)} == {MessageStatus.QUEUED}


def test_what_a_disconnected_unit_holds_grows_old_too(shop: Shop) -> None:
    with acting_for(shop.scope), atomic():
        set_status(lock_connection(shop.scope, shop.unit.id), ConnectionStatus.DISCONNECTED, StatusReason.LOGGED_OUT)
    message_id = shop.reply()
    let_grow_old(shop, message_id)

    lanes.expire()

    assert shop.message(message_id).error_code == lanes.EXPIRED


@pytest.mark.parametrize(
    "status", [status for status in MessageStatus if status not in (MessageStatus.QUEUED, MessageStatus.RECEIVED)]
)
def test_only_what_waits_grows_old(shop: Shop, status: MessageStatus) -> None:
    message_id = shop.reply()
    claim()
    let_grow_old(shop, message_id)
    shop.change_message(message_id, status=status)

    assert lanes.expire() == 0
    assert shop.message(message_id).status == status


def test_what_comes_back_too_late_fails_the_next_time(shop: Shop) -> None:
    message_id = shop.reply()
    claimed = claim_one()
    let_grow_old(shop, message_id)
    lanes.expire()

    record(claimed, EvolutionUnavailable(errors.UNIT_AWAY))
    before = shop.message(message_id).status
    lanes.expire()

    assert (before, shop.message(message_id).error_code) == (MessageStatus.QUEUED, lanes.EXPIRED)


def test_a_lane_goes_on_with_what_is_not_too_old(shop: Shop) -> None:
    too_old, following = shop.reply("um"), shop.reply("dois")
    let_grow_old(shop, too_old)
    lanes.expire()

    assert claim_one().id == following


def test_a_lane_in_which_all_grew_old_comes_to_rest_and_wakes_again(shop: Shop) -> None:
    let_grow_old(shop, shop.reply())
    lanes.expire()

    meanwhile, rests = claim(), not shop.lane().has_work
    following = shop.reply()

    assert (meanwhile, rests) == ([], True)
    assert claim_one().id == following


def test_every_tenants_messages_grow_old(shop: Shop) -> None:
    rival = Shop(make_tenant("rival"))
    for each in (shop, rival):
        let_grow_old(each, each.reply())

    assert lanes.expire() == 2


def test_a_mountain_of_them_is_worked_off_in_pieces(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MOST_EXPIRED", 2)
    for number in range(3):
        let_grow_old(shop, shop.reply(str(number)))

    assert [lanes.expire(), lanes.expire(), lanes.expire()] == [2, 1, 0]


def test_a_message_that_somebody_holds_is_left_for_the_next_time(app: Flask, shop: Shop) -> None:
    held, free = shop.reply("um"), shop.reply("dois")
    let_grow_old(shop, held)
    let_grow_old(shop, free)
    is_held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with app.app_context(), across_tenants("a test holds a row"), atomic():
            db.session.execute(select(Message.id).where(Message.id == held).with_for_update())
            is_held.set()
            may_go.wait(timeout=10)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(hold)
        is_held.wait(timeout=10)
        first = lanes.expire()
        may_go.set()
        done.result(timeout=10)

    assert (first, lanes.expire()) == (1, 1)


def test_a_claim_and_an_expiry_at_once_do_not_both_have_it(app: Flask, scope: TenantScope) -> None:
    """Whichever of them is first, a message is sent or failed, and its lane goes on."""
    shops = [Shop(scope, f"loja-{number}", phone=f"551199999010{number}") for number in range(8)]
    for shop in shops:
        let_grow_old(shop, shop.reply("um"))
        shop.reply("dois")
    start = threading.Barrier(2)

    def expire() -> int:
        with app.app_context():
            start.wait(timeout=10)
            return lanes.expire()

    with ThreadPoolExecutor(1) as pool:
        expired = pool.submit(expire)
        start.wait(timeout=10)
        claimed = claim()
        assert expired.result(timeout=10) == len(shops)

    claimed += claim(limit=20)
    assert sorted(message.text for message in claimed) == ["dois"] * len(shops)
    assert {m.status for m in rows_of(Message) if m.body == "um"} == {MessageStatus.FAILED}


def test_the_relay_sees_to_it(app: Flask, shop: Shop) -> None:
    message_id = shop.reply()
    let_grow_old(shop, message_id)
    relay = OutboxRelay(app.app_context, owners.new_owner())

    relay.drain()

    assert shop.message(message_id).error_code == lanes.EXPIRED
    assert relay.finish(5.0)
