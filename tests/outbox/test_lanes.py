"""Claiming: which message is sent next, and that none is ever taken twice. Recording: what became of it."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.evolution.errors import EvolutionFailed, EvolutionRejected, EvolutionUnavailable, EvolutionUnknown
from portal.evolution.types import SentMessage
from portal.models import Connection, ConnectionStatus, Contact, Lane, Message, MessageStatus, StatusReason
from portal.outbox import lanes, owners
from portal.outbox.lanes import ClaimedMessage
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_tenant
from tests.outbox.conftest import Shop, rows_of

pytestmark = pytest.mark.commits

OWNER = owners.new_owner()
SENT = SentMessage(external_id="3EB00123456789ABCDEF01", jid="5511999990002@s.whatsapp.net")
AWAY = EvolutionUnavailable(errors.UNIT_AWAY, "Connection Closed")
DOWN = EvolutionUnavailable(errors.UNREACHABLE)


def claim(limit: int = 10) -> list[ClaimedMessage]:
    return lanes.claim(OWNER, limit=limit)


def claim_one() -> ClaimedMessage:
    claimed = claim()
    assert len(claimed) == 1
    return claimed[0]


def send_one(shop: Shop) -> None:
    shop.reply()
    lanes.record_sent(claim_one(), SENT)


def let_time_pass(shop: Shop) -> None:
    shop.change(Lane, next_send_at=now() - timedelta(seconds=1))


def test_a_claimed_message_says_all_that_the_send_needs(shop: Shop) -> None:
    message_id = shop.reply("Bom dia")

    claimed = claim_one()

    message = shop.message(message_id)
    connection = rows_of(Connection)[0]
    assert claimed == ClaimedMessage(
        id=message_id,
        tenant_id=shop.scope.tenant_id,
        unit_id=shop.unit.id,
        instance_name=connection.instance_name,
        server_id=connection.evolution_server_id,
        number="5511999990002",
        text="Bom dia",
        message_id=message.proposed_id,
    )
    assert (message.status, message.relay_id, message.sending_at is None) == (MessageStatus.SENDING, OWNER, False)
    assert shop.lane().message_id == message_id


def test_a_unit_has_one_message_in_flight(shop: Shop) -> None:
    first, second = shop.reply("um"), shop.reply("dois")

    claimed = claim_one()
    meanwhile = claim()
    lanes.record_sent(claimed, SENT)

    assert (claimed.id, meanwhile) == (first, [])
    assert claim_one().id == second


def test_each_unit_sends_at_the_same_time(scope: TenantScope, shop: Shop) -> None:
    other = Shop(scope, "praia", phone="5511999990003")
    wanted = {shop.reply(), other.reply()}

    assert {claimed.id for claimed in claim()} == wanted


def test_no_more_is_claimed_than_there_is_room_for(scope: TenantScope, shop: Shop) -> None:
    other = Shop(scope, "praia", phone="5511999990003")
    wanted = {shop.reply(), other.reply()}

    assert {*(c.id for c in claim(1)), *(c.id for c in claim(1))} == wanted
    assert claim(1) == []


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


def test_a_lane_before_its_time_waits(shop: Shop) -> None:
    shop.reply()
    shop.change(Lane, next_send_at=now() + timedelta(seconds=30))

    assert claim() == []
    assert 25 < (lanes.seconds_to_next() or 0) <= 30


def test_nothing_to_wait_for_is_said_so(shop: Shop) -> None:
    assert lanes.seconds_to_next() is None

    shop.reply()

    assert lanes.seconds_to_next() == 0


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
    lanes.record_away(claim_one(), AWAY)
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
                for message in lanes.claim(owner_id, limit=2):
                    taken.append(message.id)
                    lanes.record_sent(message, SentMessage(f"3EB0{message.id.hex[-18:].upper()}", SENT.jid))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, owners.new_owner()) for _ in range(4)]:
            done.result(timeout=30)

    assert Counter(taken) == Counter(wanted)
    assert {message.status for message in rows_of(Message)} == {MessageStatus.SENT}


def test_what_is_queued_while_a_lane_is_put_to_rest_is_not_lost(
    app: Flask, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_one(shop)
    looked, queued = threading.Event(), []
    take_next = lanes._take_next

    def reply_meanwhile() -> None:
        with app.app_context():
            looked.wait(timeout=10)
            queued.append(shop.reply("entretanto"))

    def slow(units: list[UUID], owner_id: UUID) -> object:
        statement = take_next(units, owner_id)
        looked.set()
        waiter.join(timeout=0.2)
        return statement

    waiter = threading.Thread(target=reply_meanwhile)
    waiter.start()
    monkeypatch.setattr(lanes, "_take_next", slow)
    claim()
    waiter.join(timeout=10)
    monkeypatch.undo()

    assert claim_one().id == queued[0]


def test_a_sent_message_keeps_its_id_and_the_confirmed_number(shop: Shop) -> None:
    message_id = shop.reply()

    lanes.record_sent(claim_one(), SentMessage("3EB0AA", "551199990002:3@s.whatsapp.net"))

    message = shop.message(message_id)
    assert (message.status, message.external_id, message.sent_at is None) == (MessageStatus.SENT, "3EB0AA", False)
    assert rows_of(Contact)[0].whatsapp_number == "551199990002"
    assert (shop.lane().message_id, shop.lane().away_count) == (None, 0)


def test_a_lid_is_not_kept_as_a_number(shop: Shop) -> None:
    shop.reply()

    lanes.record_sent(claim_one(), SentMessage("3EB0AA", "123456789012345@lid"))

    assert rows_of(Contact)[0].whatsapp_number is None


@pytest.mark.parametrize("error", [AWAY, DOWN], ids=["unit_away", "evolution_away"])
def test_an_absence_costs_no_attempt_and_no_place(shop: Shop, error: EvolutionUnavailable) -> None:
    first, second = shop.reply("um"), shop.reply("dois")

    lanes.record_away(claim_one(), error)

    message, lane = shop.message(first), shop.lane()
    assert (message.status, message.retry_count, message.relay_id) == (MessageStatus.QUEUED, 0, None)
    assert (lane.away_count, lane.away_reason, lane.has_work) == (1, error.code, True)
    assert lane.next_send_at > now()
    let_time_pass(shop)
    assert claim_one().id == first
    assert shop.message(second).status == MessageStatus.QUEUED


def test_the_pause_of_an_absence_grows_up_to_a_minute(shop: Shop) -> None:
    shop.reply()
    pauses = []
    for _ in range(9):
        let_time_pass(shop)
        lanes.record_away(claim_one(), DOWN)
        pauses.append((shop.lane().next_send_at - now()).total_seconds())

    assert pauses[0] < 3
    assert all(after > before for before, after in zip(pauses[:4], pauses[1:5], strict=True))
    assert all(lanes.LONGEST_PAUSE_S * 0.7 < pause < lanes.LONGEST_PAUSE_S * 1.3 for pause in pauses[5:])


def test_an_absence_that_ends_is_forgotten(shop: Shop) -> None:
    shop.reply()
    lanes.record_away(claim_one(), DOWN)
    let_time_pass(shop)

    lanes.record_sent(claim_one(), SENT)

    assert (shop.lane().away_count, shop.lane().away_reason) == (0, None)


def test_a_unit_that_is_said_to_be_connected_and_is_not_is_checked(shop: Shop) -> None:
    shop.reply()

    lanes.record_away(claim_one(), AWAY)

    connection = rows_of(Connection)[0]
    assert (connection.action, connection.action_relay_id, connection.action_attempts) == ("check", None, 0)


def test_evolution_away_says_nothing_about_the_unit(shop: Shop) -> None:
    shop.reply()

    lanes.record_away(claim_one(), DOWN)

    assert rows_of(Connection)[0].action is None


def test_what_a_person_asked_for_goes_before_a_check(shop: Shop) -> None:
    shop.reply()
    shop.change(Connection, action="restart", action_requested_at=now())

    lanes.record_away(claim_one(), AWAY)

    assert rows_of(Connection)[0].action == "restart"


def test_a_sure_failure_is_tried_three_times_with_growing_pauses(shop: Shop) -> None:
    message_id = shop.reply()
    seen = []
    for _ in range(lanes.MOST_ATTEMPTS):
        let_time_pass(shop)
        before = now()
        lanes.record_failed(claim_one(), EvolutionFailed(errors.TIMED_OUT, "Timed Out"), is_final=False)
        message = shop.message(message_id)
        seen.append((message.status, message.retry_count, (shop.lane().next_send_at - before).total_seconds()))

    assert [row[:2] for row in seen] == [
        (MessageStatus.QUEUED, 1),
        (MessageStatus.QUEUED, 2),
        (MessageStatus.FAILED, 3),
    ]
    assert 0 < seen[0][2] < seen[1][2]
    failed = shop.message(message_id)
    assert (failed.error_code, failed.error_details) == (errors.TIMED_OUT, "Timed Out")
    assert failed.failed_at is not None
    assert failed.last_retry_at is not None


def test_a_refusal_fails_at_once_and_the_next_message_goes(shop: Shop) -> None:
    refused, following = shop.reply("um"), shop.reply("dois")

    lanes.record_failed(claim_one(), EvolutionRejected(errors.NOT_ON_WHATSAPP), is_final=True)

    message = shop.message(refused)
    assert (message.status, message.error_code) == (MessageStatus.FAILED, errors.NOT_ON_WHATSAPP)
    assert claim_one().id == following


def test_what_is_kept_of_an_error_names_no_number_and_no_key(shop: Shop) -> None:
    message_id = shop.reply()
    detail = "5511999990002 failed with apikey=abcdef0123456789"

    lanes.record_failed(claim_one(), EvolutionRejected(errors.INVALID_REQUEST, detail), is_final=True)

    kept = shop.message(message_id).error_details
    assert kept is not None
    assert "5511999990002" not in kept
    assert "abcdef0123456789" not in kept


def test_what_may_have_left_is_never_sent_again(shop: Shop) -> None:
    doubtful, following = shop.reply("um"), shop.reply("dois")

    lanes.record_unknown(claim_one(), EvolutionUnknown(errors.TIMED_OUT))

    message = shop.message(doubtful)
    assert (message.status, message.error_code, message.retry_count) == (MessageStatus.UNCONFIRMED, errors.TIMED_OUT, 0)
    assert claim_one().id == following
    lanes.record_sent(claimed_as(shop, following), SENT)
    assert claim() == []


def claimed_as(shop: Shop, message_id: UUID) -> ClaimedMessage:
    server_id = rows_of(Connection)[0].evolution_server_id
    return ClaimedMessage(message_id, shop.scope.tenant_id, shop.unit.id, "unit_1", server_id, "1", "x", "y")


@pytest.mark.parametrize("outcome", ["away", "failed", "refused", "unknown"])
def test_an_echo_that_settled_a_message_is_believed_over_the_answer(shop: Shop, outcome: str) -> None:
    message_id = shop.reply()
    claimed = claim_one()
    shop.change_message(message_id, status=MessageStatus.SENT, external_id="3EB0AA", sent_at=now())

    record(claimed, outcome)

    message = shop.message(message_id)
    assert (message.status, message.error_code, message.external_id) == (MessageStatus.SENT, None, "3EB0AA")
    assert shop.lane().message_id is None
    let_time_pass(shop)
    assert claim() == []


def record(claimed: ClaimedMessage, outcome: str) -> None:
    """Note an outcome by its name."""
    if outcome == "away":
        lanes.record_away(claimed, DOWN)
    elif outcome == "unknown":
        lanes.record_unknown(claimed, EvolutionUnknown(errors.TIMED_OUT))
    else:
        lanes.record_failed(claimed, EvolutionFailed(errors.TIMED_OUT), is_final=outcome == "refused")


def test_a_claim_serves_every_tenant(scope: TenantScope, shop: Shop) -> None:
    rival = Shop(make_tenant("rival"), "centro")
    wanted = {shop.reply(): scope.tenant_id, rival.reply(): rival.scope.tenant_id}

    assert {claimed.id: claimed.tenant_id for claimed in claim()} == wanted
