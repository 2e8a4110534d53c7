"""Recording: what became of a send, on its message and on its lane."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask

from portal.clock import now
from portal.db import atomic
from portal.evolution import errors
from portal.evolution.errors import (
    EvolutionError,
    EvolutionFailed,
    EvolutionRejected,
    EvolutionUnavailable,
    EvolutionUnknown,
)
from portal.evolution.types import SentMessage
from portal.models import Connection, Contact, Lane, MessageStatus
from portal.outbox import outcomes
from portal.services import delivery
from portal.tenancy import TenantScope, acting_for
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.sending import claim, claim_one, outcome, record, sent_of

pytestmark = pytest.mark.commits

SENT = SentMessage(external_id="3EB00123456789ABCDEF01", jid="5511999990002@s.whatsapp.net")
AWAY = EvolutionUnavailable(errors.UNIT_AWAY, "Connection Closed")
DOWN = EvolutionUnavailable(errors.UNREACHABLE)
UNCLEAR = EvolutionUnknown(errors.UNCLEAR)


def let_time_pass(shop: Shop) -> None:
    shop.change(Lane, next_send_at=now() - timedelta(seconds=1))


def test_a_sent_message_keeps_its_id_and_the_confirmed_number(shop: Shop) -> None:
    message_id = shop.reply()

    record(claim_one(), SentMessage("3EB0AA", "551199990002:3@s.whatsapp.net"))

    message = shop.message(message_id)
    assert (message.status, message.external_id, message.sent_at is None) == (MessageStatus.SENT, "3EB0AA", False)
    assert rows_of(Contact)[0].whatsapp_number == "551199990002"
    assert (shop.lane().message_id, shop.lane().away_count) == (None, 0)


def test_a_lid_is_not_kept_as_a_number(shop: Shop) -> None:
    shop.reply()

    record(claim_one(), SentMessage("3EB0AA", "123456789012345@lid"))

    assert rows_of(Contact)[0].whatsapp_number is None


@pytest.mark.parametrize("error", [AWAY, DOWN], ids=["unit_away", "evolution_away"])
def test_an_absence_costs_no_attempt_and_no_place(shop: Shop, error: EvolutionUnavailable) -> None:
    first, second = shop.reply("um"), shop.reply("dois")

    record(claim_one(), error)

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
        record(claim_one(), DOWN)
        pauses.append((shop.lane().next_send_at - now()).total_seconds())

    assert pauses[0] < 3
    assert all(after > before for before, after in zip(pauses[:4], pauses[1:5], strict=True))
    assert all(outcomes.LONGEST_PAUSE_S * 0.7 < pause < outcomes.LONGEST_PAUSE_S * 1.3 for pause in pauses[5:])


def test_an_absence_that_ends_is_forgotten(shop: Shop) -> None:
    shop.reply()
    record(claim_one(), DOWN)
    let_time_pass(shop)

    record(claim_one(), SENT)

    assert (shop.lane().away_count, shop.lane().away_reason) == (0, None)


def test_a_unit_that_is_said_to_be_connected_and_is_not_is_checked(shop: Shop) -> None:
    shop.reply()

    record(claim_one(), AWAY)

    connection = rows_of(Connection)[0]
    assert (connection.action, connection.action_relay_id, connection.action_attempts) == ("check", None, 0)


def test_evolution_away_says_nothing_about_the_unit(shop: Shop) -> None:
    shop.reply()

    record(claim_one(), DOWN)

    assert rows_of(Connection)[0].action is None


def test_what_a_person_asked_for_goes_before_a_check(shop: Shop) -> None:
    shop.reply()
    shop.change(Connection, action="restart", action_requested_at=now())

    record(claim_one(), AWAY)

    assert rows_of(Connection)[0].action == "restart"


def test_a_sure_failure_is_tried_three_times_with_growing_pauses(shop: Shop) -> None:
    message_id = shop.reply()
    seen = []
    for _ in range(outcomes.MOST_ATTEMPTS):
        let_time_pass(shop)
        before = now()
        record(claim_one(), EvolutionFailed(errors.TIMED_OUT, "Timed Out"))
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

    record(claim_one(), EvolutionRejected(errors.NOT_ON_WHATSAPP))

    message = shop.message(refused)
    assert (message.status, message.error_code) == (MessageStatus.FAILED, errors.NOT_ON_WHATSAPP)
    assert claim_one().id == following


def test_what_is_kept_of_an_error_names_no_number_and_no_key(shop: Shop) -> None:
    message_id = shop.reply()
    detail = "5511999990002 failed with apikey=abcdef0123456789"

    record(claim_one(), EvolutionRejected(errors.INVALID_REQUEST, detail))

    kept = shop.message(message_id).error_details
    assert kept is not None
    assert "5511999990002" not in kept
    assert "abcdef0123456789" not in kept


def test_what_may_have_left_is_never_sent_again(shop: Shop) -> None:
    doubtful, following = shop.reply("um"), shop.reply("dois")

    record(claim_one(), EvolutionUnknown(errors.TIMED_OUT))

    message = shop.message(doubtful)
    assert (message.status, message.error_code, message.retry_count) == (MessageStatus.UNCONFIRMED, errors.TIMED_OUT, 0)
    next_one = claim_one()
    assert next_one.id == following
    record(next_one, SENT)
    assert claim() == []


@pytest.mark.parametrize(
    "answer",
    [DOWN, EvolutionFailed(errors.TIMED_OUT), EvolutionRejected(errors.TIMED_OUT), EvolutionUnknown(errors.TIMED_OUT)],
    ids=["away", "failed", "refused", "unknown"],
)
def test_an_echo_that_settled_a_message_is_believed_over_the_answer(shop: Shop, answer: EvolutionError) -> None:
    message_id = shop.reply()
    claimed = claim_one()
    shop.change_message(message_id, status=MessageStatus.SENT, external_id="3EB0AA", sent_at=now())

    record(claimed, answer)

    message = shop.message(message_id)
    assert (message.status, message.error_code, message.external_id) == (MessageStatus.SENT, None, "3EB0AA")
    assert shop.lane().message_id is None
    let_time_pass(shop)
    assert claim() == []


def test_a_server_that_is_away_gives_its_messages_back_at_once(shop: Shop) -> None:
    first, second = shop.reply("um"), shop.reply("dois")

    record(claim_one(), DOWN, is_server_away=True)

    message, lane = shop.message(first), shop.lane()
    assert (message.status, message.retry_count, message.sending_at) == (MessageStatus.QUEUED, 0, None)
    assert (lane.held_until, lane.away_count, lane.away_reason) == (None, 0, errors.UNREACHABLE)
    assert claim_one().id == first
    assert shop.message(second).status == MessageStatus.QUEUED


def test_every_fifth_absence_in_a_row_asks_for_a_restart(shop: Shop) -> None:
    shop.reply()
    asked = []
    for _ in range(10):
        let_time_pass(shop)
        shop.change(Connection, action=None)
        record(claim_one(), AWAY)
        asked.append(rows_of(Connection)[0].action)

    assert asked == ["check", "check", "check", "check", "restart"] * 2


def test_a_unit_that_somebody_holds_is_left_for_the_next_round(app: Flask, scope: TenantScope, shop: Shop) -> None:
    busy, free = shop.reply(), Shop(scope, "praia", phone="5511999990003")
    wanted = free.reply()
    ended = [outcome(message, sent_of(message)) for message in claim()]
    is_held, may_go = threading.Event(), threading.Event()

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold_unit, app, shop, is_held, may_go)
        is_held.wait(timeout=10)
        left = outcomes.record(ended)
        meanwhile = shop.message(busy).status, free.message(wanted).status, shop.lane().message_id
        may_go.set()
        held.result(timeout=10)

    assert [each.message.id for each in left] == [busy]
    assert meanwhile == (MessageStatus.SENDING, MessageStatus.SENT, busy)
    assert outcomes.record(left) == []
    assert (shop.message(busy).status, shop.lane().message_id) == (MessageStatus.SENT, None)


def hold_unit(app: Flask, shop: Shop, is_held: threading.Event, may_go: threading.Event) -> None:
    """As the inbox does while it applies an event of the unit."""
    with app.app_context(), acting_for(shop.scope), atomic():
        delivery.lock_unit(shop.scope, shop.unit.id)
        is_held.set()
        may_go.wait(timeout=10)


def gap_to_next_cold_s(shop: Shop) -> float:
    next_cold_at = shop.lane().next_cold_at
    return -1.0 if next_cold_at is None else (next_cold_at - now()).total_seconds()


@pytest.mark.parametrize("ended", [SENT, UNCLEAR], ids=["sent", "not_known"])
def test_the_cold_gap_counts_from_the_begin_of_the_send(shop: Shop, ended: SentMessage | EvolutionError) -> None:
    shop.reply()
    shop.change(Lane, cold_gap_s=300.0)

    record(claim_one(), ended, age_s=60.0)

    assert 238 < gap_to_next_cold_s(shop) <= 240


def test_a_send_longer_than_the_gap_leaves_no_gap(shop: Shop) -> None:
    shop.reply()
    shop.change(Lane, cold_gap_s=300.0)

    record(claim_one(), SENT, age_s=310.0)

    following = shop.reply_to("5511999990009")
    assert claim_one().id == following


@pytest.mark.parametrize(
    "ended",
    [AWAY, EvolutionFailed(errors.TIMED_OUT), EvolutionRejected(errors.NOT_ON_WHATSAPP)],
    ids=["away", "failed", "refused"],
)
def test_what_surely_did_not_leave_takes_no_gap(shop: Shop, ended: EvolutionError) -> None:
    shop.reply()
    shop.change(Lane, cold_gap_s=300.0)

    record(claim_one(), ended)

    assert shop.lane().next_cold_at is None


def test_a_warm_message_takes_no_gap(shop: Shop) -> None:
    shop.hear()
    shop.reply()
    shop.change(Lane, cold_gap_s=300.0)

    record(claim_one(), SENT)

    assert shop.lane().next_cold_at is None


def test_a_lane_without_a_limit_has_no_gap(shop: Shop) -> None:
    shop.reply()

    record(claim_one(), SENT)

    assert shop.lane().next_cold_at is None
