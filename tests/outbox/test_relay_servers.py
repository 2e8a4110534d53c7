"""Several servers at once: each with its own pace, paused when it is in trouble, and tried again slowly."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.models import EvolutionServer, Message, MessageStatus
from portal.outbox import gates, servers
from portal.outbox import relay as relay_module
from portal.outbox.relay import OutboxRelay
from portal.services.servers import request_check
from portal.tenancy import TenantScope, across_tenants
from tests.evolution.conftest import said
from tests.evolution.little_servers import Scripted, closed_port
from tests.factories import make_server
from tests.outbox.conftest import FINISH_S, Shop, rows_of
from tests.outbox.desk import KEY, until
from tests.outbox.sending import SENT_BODY

pytestmark = pytest.mark.commits


class Hanging(Scripted):
    """Answers nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = threading.Event()
        self.answer(201, SENT_BODY)

    def next_answer(self) -> tuple[int, object]:
        self.may_answer.wait(FINISH_S)
        return super().next_answer()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.may_answer.set()
    hanging.stop()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chores and servers are looked after in every round."""
    monkeypatch.setattr(relay_module, "SETTLE_S", -1.0)


def server_row(server_id: UUID) -> EvolutionServer:
    return next(server for server in rows_of(EvolutionServer) if server.id == server_id)


def pause_reason(server_id: UUID) -> str | None:
    return server_row(server_id).pause_reason


def open_shops(scope: TenantScope, number: int, server_id: UUID | None = None, area: int = 10) -> list[Shop]:
    return [Shop(scope, f"loja-{area}-{n}", phone=f"5511999990{area}{n}", server_id=server_id) for n in range(number)]


def drain_until(relay: OutboxRelay, condition: Callable[[], object]) -> None:
    until(lambda: (relay.drain(), condition())[1])


def count_sent(shops: list[Shop]) -> int:
    units = {shop.unit.id for shop in shops}
    return sum(m.unit_id in units and m.status == MessageStatus.SENT for m in rows_of(Message))


def test_a_server_that_hangs_holds_up_no_other(
    scripted: Scripted,
    hanging: Hanging,
    scope: TenantScope,
    relay: OutboxRelay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gates, "MOST_IN_FLIGHT", 2)
    scripted.answer(201, SENT_BODY)
    slow = open_shops(scope, 4, make_server(url=hanging.url, key=KEY).id, area=20)
    quick = open_shops(scope, 4)
    for shop in slow + quick:
        shop.reply("um")

    drain_until(relay, lambda: count_sent(quick) == 4)
    for shop in quick:
        shop.change(Message, external_id=None)
        shop.reply("dois")
    drain_until(relay, lambda: count_sent(quick) == 8)

    assert [asked.method for asked in hanging.asked].count("POST") == 2
    assert count_sent(slow) == 0
    hanging.may_answer.set()
    drain_until(relay, lambda: count_sent(slow) == 4)


def test_a_server_that_is_away_is_paused_at_once_and_its_messages_wait(
    scope: TenantScope, relay: OutboxRelay, point_to: Callable[..., None]
) -> None:
    point_to(f"http://127.0.0.1:{closed_port()}")
    shops = open_shops(scope, 3)
    waiting = [shop.reply() for shop in shops]

    relay.drain()
    assert relay.finish(FINISH_S)

    assert pause_reason(servers.default_server_id()) == errors.UNREACHABLE
    rows = [shop.message(message_id) for shop, message_id in zip(shops, waiting, strict=True)]
    assert [(m.status, m.retry_count) for m in rows] == [(MessageStatus.QUEUED, 0)] * 3
    assert {(lane.message_id, lane.held_until) for lane in (shop.lane() for shop in shops)} == {(None, None)}
    assert relay.drain() is None


def test_a_server_that_refuses_the_key_is_asked_no_more(
    scripted: Scripted, scope: TenantScope, relay: OutboxRelay
) -> None:
    scripted.answer(401, said(401, "Unauthorized"))
    shop = Shop(scope)
    shop.reply()
    relay.drain()
    assert relay.finish(FINISH_S)
    asked = len(scripted.asked)

    relay.drain()
    shop.reply()
    relay.drain()

    assert (asked, len(scripted.asked)) == (1, 1)


def test_several_unclear_ends_in_a_row_pause_the_server(
    scripted: Scripted, scope: TenantScope, relay: OutboxRelay
) -> None:
    scripted.answer(502, "Bad Gateway")
    shops = open_shops(scope, gates.MOST_UNKNOWN_IN_A_ROW)
    for shop in shops:
        shop.reply("um")
        shop.reply("dois")

    relay.drain()
    assert relay.finish(FINISH_S)
    relay.drain()

    assert pause_reason(servers.default_server_id()) == errors.UNCLEAR
    assert len(scripted.asked) == len(shops)


def test_a_unit_that_is_away_pauses_no_server(scripted: Scripted, scope: TenantScope, relay: OutboxRelay) -> None:
    scripted.answer(500, said(500, "Connection Closed"))
    for shop in open_shops(scope, 6):
        shop.reply()

    relay.drain()
    assert relay.finish(FINISH_S)

    assert pause_reason(servers.default_server_id()) is None


@pytest.mark.usefixtures("impatient")
def test_a_server_on_which_several_sends_hang_is_paused(
    hanging: Hanging,
    scope: TenantScope,
    relay: OutboxRelay,
    point_to: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gates, "SLOW_S", 0.05)
    monkeypatch.setattr(servers, "FIRST_PAUSE_S", 60.0)
    point_to(hanging.url)
    for shop in open_shops(scope, gates.MOST_SLOW):
        shop.reply("um")
        shop.reply("dois")

    drain_until(relay, lambda: pause_reason(servers.default_server_id()) == gates.SLOW)
    hanging.may_answer.set()
    assert relay.finish(FINISH_S)
    relay.drain()

    assert len(hanging.asked) == gates.MOST_SLOW


@pytest.mark.usefixtures("impatient")
def test_a_probe_that_is_answered_lets_the_messages_go(
    scripted: Scripted, scope: TenantScope, relay: OutboxRelay
) -> None:
    scripted.answer(404, said(404, ['The "portal-probe" instance does not exist']))
    scripted.answer(201, SENT_BODY)
    server_id = servers.default_server_id()
    servers.pause(server_id, errors.UNREACHABLE)
    shop = Shop(scope)
    message_id = shop.reply()
    relay.drain()
    while_paused = len(scripted.asked)

    let_pause_pass(server_id)
    drain_until(relay, lambda: shop.message(message_id).status == MessageStatus.SENT)

    assert while_paused == 0
    assert [asked.method for asked in scripted.asked] == ["GET", "POST"]


def let_pause_pass(server_id: UUID) -> None:
    with across_tenants("a test lets time pass"), atomic():
        row = db.session.get_one(EvolutionServer, server_id, populate_existing=True)
        row.paused_until = now() - timedelta(seconds=1)


@pytest.mark.usefixtures("impatient")
def test_a_probe_that_fails_keeps_the_messages(scripted: Scripted, scope: TenantScope, relay: OutboxRelay) -> None:
    scripted.answer(502, "Bad Gateway")
    server_id = servers.default_server_id()
    servers.pause(server_id, errors.UNREACHABLE)
    shop = Shop(scope)
    message_id = shop.reply()

    let_pause_pass(server_id)
    drain_until(relay, lambda: server_row(server_id).pause_count == 2)

    assert pause_reason(server_id) == errors.UNCLEAR
    assert shop.message(message_id).status == MessageStatus.QUEUED
    assert {asked.method for asked in scripted.asked} == {"GET"}


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_back_begins_slowly(scripted: Scripted, scope: TenantScope, relay: OutboxRelay) -> None:
    scripted.answer(201, SENT_BODY)
    server_id = servers.default_server_id()
    servers.pause(server_id, errors.UNREACHABLE)
    shops = open_shops(scope, 3)
    for shop in shops:
        shop.reply()
    relay.drain()
    with across_tenants("a test ends a pause"), atomic():
        db.session.get_one(EvolutionServer, server_id, populate_existing=True).pause_reason = None

    first, second = (drain_and_finish(relay, scripted) for _ in range(2))

    assert (first, second) == (1, 3)


def drain_and_finish(relay: OutboxRelay, scripted: Scripted) -> int:
    """How many were sent in all, after one more round."""
    relay.drain()
    assert relay.finish(FINISH_S)
    return len(scripted.asked)


@pytest.mark.usefixtures("impatient")
def test_an_operators_check_is_carried_out(scripted: Scripted, relay: OutboxRelay) -> None:
    scripted.answer(404, said(404, ['The "portal-probe" instance does not exist']))
    scripted.answer(200, {"version": "2.4.0"})
    server_id = servers.default_server_id()
    request_check(server_id)

    drain_until(relay, lambda: server_row(server_id).check_requested_at is None)

    assert (server_row(server_id).check_error, server_row(server_id).version) == (None, "2.4.0")


def test_a_relay_is_not_finished_before_its_sends_are_on_disk(
    hanging: Hanging, scope: TenantScope, relay: OutboxRelay, point_to: Callable[..., None]
) -> None:
    point_to(hanging.url)
    shop = Shop(scope)
    message_id = shop.reply()
    relay.drain()
    until(lambda: hanging.asked)

    too_early = relay.finish(0.05)
    hanging.may_answer.set()

    assert too_early is False
    assert relay.finish(FINISH_S)
    assert shop.message(message_id).status == MessageStatus.SENT
