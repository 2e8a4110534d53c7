"""A clock that is ten minutes wrong, as after a jump: nothing is doubled, given up too early, or left to wait."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal import clock
from portal.db import atomic
from portal.inbox import relay as inbox
from portal.models import Connection, ConnectionStatus, EvolutionServer, Lane, Message, MessageStatus, StatusReason
from portal.outbox import instances, lanes, owners, servers
from portal.outbox.look_ups import FIRST_LOOK_UP, event_of
from portal.services import connections, events
from portal.services.connections import lock_connection, set_status
from portal.tenancy import across_tenants, acting_for
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.doubts import ID, NOT_KNOWN, next_look_s, stored
from tests.outbox.sending import OWNER, claim, claim_one, record

pytestmark = pytest.mark.commits

WRONG = timedelta(minutes=10)
EITHER_WAY = pytest.mark.parametrize("ahead", [WRONG, -WRONG], ids=["ahead", "behind"])
SetClock = Callable[[timedelta], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Let the machine's clock be so far ahead; how long something takes stays true."""

    def set_ahead(ahead: timedelta) -> None:
        class Wrong(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime.now(tz) + ahead

        monkeypatch.setattr(clock, "datetime", Wrong)

    monkeypatch.setattr(clock, "_origin", None)
    return set_ahead


def tell_echo(shop: Shop) -> None:
    """Evolution tells of a text that has just left, by a clock that is right."""
    (connection,) = rows_of(Connection)
    seen = stored(ID, "Olá", at=datetime.now(UTC))
    payload = event_of(seen, instance_name=connection.instance_name, own_phone=connection.phone)
    with across_tenants("a test tells of an echo"), atomic():
        events.store(shop.scope.tenant_id, shop.unit.id, connection.instance_name, payload["event"], payload)
    inbox.drain()


def messages() -> list[tuple[object, ...]]:
    return [(message.id, message.status, message.external_id) for message in rows_of(Message)]


@EITHER_WAY
def test_echo_is_known_though_the_send_in_doubt_was_claimed_by_a_wrong_clock(
    shop: Shop, set_clock: SetClock, ahead: timedelta
) -> None:
    shop.reply("Olá")
    set_clock(ahead)
    claimed = claim_one()
    record(claimed, NOT_KNOWN)
    set_clock(timedelta())

    tell_echo(shop)

    assert messages() == [(claimed.id, MessageStatus.SENT, ID)]


def test_echo_is_known_though_the_inbox_has_a_clock_that_is_behind(shop: Shop, set_clock: SetClock) -> None:
    """What people write cannot be told for a time to come: by its own clock, that is when the echo was told for."""
    shop.reply("Olá")
    claimed = claim_one()
    record(claimed, NOT_KNOWN)
    set_clock(-WRONG)
    owners.beat(OWNER, "inbox")

    tell_echo(shop)

    assert messages() == [(claimed.id, MessageStatus.SENT, ID)]


@EITHER_WAY
def test_worker_goes_by_the_databases_clock(shop: Shop, set_clock: SetClock, ahead: timedelta) -> None:
    owners.beat(OWNER, "outbox")
    set_clock(ahead)

    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_answer_that_took_long_tells_no_time(shop: Shop, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "FRESH_S", 0.0)
    owners.beat(OWNER, "outbox")
    set_clock(WRONG)

    assert clock.now() - datetime.now(UTC) > WRONG / 2


@EITHER_WAY
def test_doubt_is_looked_up_in_time(shop: Shop, set_clock: SetClock, ahead: timedelta) -> None:
    shop.reply()
    claimed = claim_one()
    set_clock(ahead)
    owners.beat(OWNER, "outbox")
    record(claimed, NOT_KNOWN)

    assert next_look_s(shop, claimed.id) == FIRST_LOOK_UP.total_seconds()


def test_message_does_not_grow_old_before_its_time(shop: Shop, set_clock: SetClock) -> None:
    message_id = shop.reply()
    shop.change_message(message_id, expires_at=datetime.now(UTC) + WRONG / 2)
    set_clock(WRONG)

    assert lanes.expire() == 0


def test_server_is_probed_in_time(shop: Shop, set_clock: SetClock) -> None:
    set_clock(WRONG)
    owners.beat(OWNER, "outbox")
    servers.pause(servers.default_server_id(), "slow")

    (server,) = rows_of(EvolutionServer)
    assert server.paused_until < datetime.now(UTC) + WRONG / 2


def test_lane_that_a_wrong_clock_opens_is_due_at_once(shop: Shop, set_clock: SetClock) -> None:
    shop.reply()
    shop.change(Lane, is_open=False)
    shop.change(Connection, status=ConnectionStatus.CONNECTING)
    set_clock(WRONG)
    with acting_for(shop.scope), atomic():
        set_status(lock_connection(shop.scope, shop.unit.id), ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)

    assert len(claim()) == 1


def test_wish_that_a_wrong_clock_dates_is_taken_at_once(shop: Shop, set_clock: SetClock) -> None:
    set_clock(WRONG)
    with acting_for(shop.scope):
        connections.request_restart(shop.scope, shop.unit.id)

    assert len(instances.claim_actions(OWNER, limit=5)) == 1
