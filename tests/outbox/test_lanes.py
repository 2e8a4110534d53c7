"""Claiming: which message is sent next, and that none is ever taken twice."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.evolution.errors import EvolutionUnavailable
from portal.evolution.types import SentMessage
from portal.models import (
    Connection,
    ConnectionStatus,
    Contact,
    ContactKind,
    EvolutionServer,
    Lane,
    Message,
    MessageStatus,
    StatusReason,
)
from portal.outbox import lanes, owners, statements
from portal.outbox.lanes import ClaimedMessage
from portal.services import conversations
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_server, make_tenant
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.sending import OWNER, claim, claim_one, record, seconds_to_next, wait_of

pytestmark = pytest.mark.commits

SENT = SentMessage(external_id="3EB00123456789ABCDEF01", jid="5511999990002@s.whatsapp.net")
AWAY = EvolutionUnavailable(errors.UNIT_AWAY, "Connection Closed")


def send_one(shop: Shop) -> None:
    shop.reply()
    record(claim_one(), SENT)


def test_a_claimed_message_says_all_that_the_send_needs(shop: Shop) -> None:
    message_id = shop.reply("Bom dia")

    claimed = claim_one()

    message = shop.message(message_id)
    connection, contact = rows_of(Connection)[0], rows_of(Contact)[0]
    assert claimed == ClaimedMessage(
        id=message_id,
        tenant_id=shop.scope.tenant_id,
        unit_id=shop.unit.id,
        instance_name=connection.instance_name,
        server_id=connection.evolution_server_id,
        number="5511999990002",
        text="Bom dia",
        message_id=message.proposed_id,
        conversation_id=shop.conversation.id,
        contact_id=contact.id,
        media_id=None,
        is_cold=True,
        is_test=False,
        sending_at=claimed.sending_at,
        start_at=claimed.start_at,
    )
    assert wait_of(claimed) == 0
    assert (message.status, message.relay_id, message.sending_at) == (MessageStatus.SENDING, OWNER, claimed.sending_at)
    assert shop.lane().message_id == message_id


def test_a_unit_has_one_message_in_flight(shop: Shop) -> None:
    first, second = shop.reply("um"), shop.reply("dois")

    claimed = claim_one()
    meanwhile = claim()
    record(claimed, SENT)

    assert (claimed.id, meanwhile) == (first, [])
    assert claim_one().id == second


def test_each_unit_sends_at_the_same_time(scope: TenantScope, shop: Shop) -> None:
    other = Shop(scope, "praia", phone="5511999990003")
    wanted = {shop.reply(), other.reply()}

    assert {claimed.id for claimed in claim()} == wanted


def test_no_more_is_claimed_than_there_is_room_for(scope: TenantScope, shop: Shop) -> None:
    other = Shop(scope, "praia", phone="5511999990003")
    wanted = {shop.reply(), other.reply()}

    assert {*(c.id for c in claim(limit=1)), *(c.id for c in claim(limit=1))} == wanted
    assert claim(limit=1) == []


def test_replies_go_before_what_can_wait(shop: Shop) -> None:
    can_wait, reply = shop.reply("campanha"), shop.reply("resposta")
    shop.change_message(can_wait, priority=9)

    assert claim_one().id == reply


def test_the_number_that_whatsapp_confirmed_is_used(shop: Shop) -> None:
    with acting_for(shop.scope), atomic():
        db.session.execute(shop.scope.update(Contact).values(whatsapp_number="551199990002"))
    shop.reply()

    assert claim_one().number == "551199990002"


def test_a_contact_known_by_lid_alone_is_written_to_by_lid(shop: Shop) -> None:
    with acting_for(shop.scope), atomic():
        db.session.execute(shop.scope.update(Contact).values(phone=None, lid="123456789012345"))
    shop.reply()

    assert claim_one().number == "123456789012345@lid"


def test_a_group_is_written_to_as_a_group(shop: Shop) -> None:
    group = "120363000000000001@g.us"
    with acting_for(shop.scope), atomic():
        this = shop.scope.update(Contact).values(
            phone=None, whatsapp_number=None, kind=ContactKind.GROUP, chat_jid=group
        )
        db.session.execute(this)
    shop.reply()

    assert claim_one().number == group


def test_a_lane_before_its_time_waits(shop: Shop) -> None:
    shop.reply()
    shop.change(Lane, next_send_at=now() + timedelta(seconds=30))

    assert claim() == []
    assert 25 < (seconds_to_next() or 0) <= 30


def test_nothing_to_wait_for_is_said_so(shop: Shop) -> None:
    assert seconds_to_next() is None

    shop.reply()

    assert seconds_to_next() == 0


def test_a_lane_without_work_is_put_to_rest_and_woken_by_the_next_message(shop: Shop) -> None:
    send_one(shop)
    claim()
    resting = shop.lane().has_work
    shop.reply()

    assert resting is False
    assert shop.lane().has_work is True
    assert len(claim()) == 1


def test_a_disconnected_unit_holds_its_messages_and_sends_them_when_it_is_back(shop: Shop) -> None:
    move(shop, ConnectionStatus.DISCONNECTED, StatusReason.LOGGED_OUT)
    held = shop.reply()

    while_away = claim()
    move(shop, ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)

    assert while_away == []
    assert claim_one().id == held


def test_a_unit_that_is_back_does_not_wait_for_the_pause_of_its_absence(shop: Shop) -> None:
    shop.reply()
    record(claim_one(), AWAY)
    move(shop, ConnectionStatus.CONNECTING, StatusReason.CONNECTION_LOST)
    move(shop, ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)

    lane = shop.lane()
    assert (lane.away_count, lane.away_reason) == (0, None)
    assert len(claim()) == 1


def move(shop: Shop, status: ConnectionStatus, reason: StatusReason) -> None:
    with acting_for(shop.scope), atomic():
        set_status(lock_connection(shop.scope, shop.unit.id), status, reason)


def test_two_workers_never_take_the_same_message(app: Flask, scope: TenantScope) -> None:
    shops = [Shop(scope, f"loja-{number}", phone=f"551199999{number:04d}") for number in range(6)]
    wanted = {shop.reply(str(number)) for shop in shops for number in range(5)}
    taken: list[UUID] = []
    start = threading.Barrier(4)

    def work(owner_id: UUID) -> None:
        with app.app_context():
            start.wait()
            while len(taken) < len(wanted):
                for message in claim(owner_id, limit=2):
                    taken.append(message.id)
                    record(message, SentMessage(f"3EB0{message.id.hex[-18:].upper()}", SENT.jid))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, owners.new_owner()) for _ in range(4)]:
            done.result(timeout=30)

    assert Counter(taken) == Counter(wanted)
    assert {message.status for message in rows_of(Message)} == {MessageStatus.SENT}


def test_what_is_queued_while_a_lane_is_put_to_rest_is_not_lost(
    app: Flask, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_one(shop)
    shop.change(Lane, has_work=True)
    looked, queued = threading.Event(), []
    locked = []

    def reply_meanwhile() -> None:
        with app.app_context():
            looked.wait(timeout=10)
            queued.append(shop.reply("entretanto"))

    execute = db.session.execute

    def slow(statement: Any, *args: Any, **values: Any) -> Any:
        """The claim's second statement comes late: its lane is locked already."""
        if statement is statements.TAKE_NEXT and not locked:
            locked.append(True)
            looked.set()
            waiter.join(timeout=0.2)
        return execute(statement, *args, **values)

    waiter = threading.Thread(target=reply_meanwhile)
    waiter.start()
    monkeypatch.setattr(db.session, "execute", slow)
    claim()
    waiter.join(timeout=10)
    monkeypatch.undo()

    assert claim_one().id == queued[0]


def test_a_claim_serves_every_tenant(scope: TenantScope, shop: Shop) -> None:
    rival = Shop(make_tenant("rival"), "centro")
    wanted = {shop.reply(): scope.tenant_id, rival.reply(): rival.scope.tenant_id}

    assert {claimed.id: claimed.tenant_id for claimed in claim()} == wanted


def test_so_many_are_claimed_as_each_server_has_room_for(scope: TenantScope) -> None:
    near, far = default_server_of(Shop(scope, "centro")), make_server("far").id
    for number in range(3):
        Shop(scope, f"perto-{number}", phone=f"551199999010{number}").reply()
        Shop(scope, f"longe-{number}", phone=f"551199999020{number}", server_id=far).reply()

    claimed = lanes.claim(OWNER, free={near: 1, far: 2}, keeping_ids=[])

    assert Counter(message.server_id for message in claimed) == {near: 1, far: 2}


def test_a_server_that_is_left_out_is_not_sent_to(scope: TenantScope, shop: Shop) -> None:
    far = make_server("far").id
    shop.reply()
    other = Shop(scope, "longe", phone="5511999990003", server_id=far)
    wanted = other.reply()

    claimed = lanes.claim(OWNER, free={far: 10}, keeping_ids=[])

    assert [message.id for message in claimed] == [wanted]
    assert lanes.seconds_to_next([far]) is None
    assert lanes.seconds_to_next([far, default_server_of(shop)]) == 0


def default_server_of(shop: Shop) -> UUID:
    server_id = shop.lane().evolution_server_id
    assert server_id is not None
    return server_id


@pytest.mark.parametrize(
    ("version", "is_kept"),
    [("2.4.0-rc1", True), ("3.0.0", True), ("2.3.7", False), (None, False), ("latest", False)],
)
def test_whether_our_id_is_kept_depends_on_the_servers_version(shop: Shop, version: str | None, is_kept: bool) -> None:
    message_id = shop.reply()
    note_version(version)

    claim_one()

    assert shop.message(message_id).is_id_kept is is_kept


def note_version(version: str | None) -> None:
    with across_tenants("a test tells a server's version"), atomic():
        db.session.execute(update(EvolutionServer).values(version=version))


def test_a_send_begins_without_the_looks_of_an_earlier_one(shop: Shop) -> None:
    message_id = shop.reply()
    shop.change_message(message_id, look_ups=4, look_up_at=now())

    claim_one()

    assert (shop.message(message_id).look_ups, shop.message(message_id).look_up_at) == (0, None)


def test_what_another_transaction_is_queueing_now_is_found_by_the_next_claim(app: Flask, shop: Shop) -> None:
    """The lane is locked by whoever queues: it is passed over, and neither taken nor put to rest."""
    shop.change(Lane, has_work=True)
    is_queued, may_commit = threading.Event(), threading.Event()

    def queue_slowly() -> UUID:
        with app.app_context(), acting_for(shop.scope), atomic():
            message_id = conversations.reply(shop.scope, shop.conversation.id, text="Olá").message.id
            is_queued.set()
            may_commit.wait(timeout=10)
            return message_id

    with ThreadPoolExecutor(1) as pool:
        queued = pool.submit(queue_slowly)
        is_queued.wait(timeout=10)
        meanwhile = claim()
        may_commit.set()
        message_id = queued.result(timeout=10)

    assert meanwhile == []
    assert claim_one().id == message_id


def test_a_lane_that_somebody_holds_takes_no_room_of_the_next_one(app: Flask, scope: TenantScope, shop: Shop) -> None:
    """A worker that froze while it claimed holds the first lane, and a server that was paused lets one through."""
    other = Shop(scope, "praia", phone="5511999990003")
    shop.reply()
    message_id = other.reply()
    shop.change(Lane, next_send_at=now() - timedelta(minutes=1))
    is_held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with app.app_context(), acting_for(shop.scope), atomic():
            db.session.scalars(shop.scope.select(Lane).where(Lane.unit_id == shop.unit.id).with_for_update()).one()
            is_held.set()
            may_go.wait(timeout=10)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        is_held.wait(timeout=10)
        claimed = claim(limit=1)
        may_go.set()
        holding.result(timeout=10)

    assert [message.id for message in claimed] == [message_id]
