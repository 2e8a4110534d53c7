"""When a message may leave: not before its lane's time, its chat's limit or the end of a pause, and not too old."""

from datetime import timedelta

import pytest

from portal.clock import now
from portal.evolution import errors
from portal.evolution.errors import EvolutionUnavailable
from portal.evolution.types import SentMessage
from portal.models import Lane, MessageStatus
from portal.outbox import lanes
from tests.outbox.conftest import Shop
from tests.outbox.sending import claim, claim_one, record, seconds_to_next, wait_of

pytestmark = pytest.mark.commits

SENT = SentMessage(external_id="3EB00123456789ABCDEF01", jid="5511999990002@s.whatsapp.net")
AWAY = EvolutionUnavailable(errors.UNIT_AWAY, "Connection Closed")


def test_a_thread_waits_for_the_rest_of_its_lanes_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "AHEAD_S", 60.0)
    shop.reply()
    shop.change(Lane, next_send_at=now() + timedelta(seconds=40))

    assert seconds_to_next() == 0
    assert 30 < wait_of(claim_one()) <= 40


def test_a_cold_message_waits_for_the_rest_of_the_gap(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "AHEAD_S", 60.0)
    shop.reply()
    shop.change(Lane, next_cold_at=now() + timedelta(seconds=40))

    assert 30 < wait_of(claim_one()) <= 40


def test_a_warm_message_does_not_wait_for_the_gap_of_the_cold_ones(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "AHEAD_S", 60.0)
    shop.hear()
    shop.reply()
    shop.change(Lane, next_cold_at=now() + timedelta(seconds=40))

    assert wait_of(claim_one()) == 0


def test_a_cold_message_lets_the_warm_one_behind_it_pass(shop: Shop) -> None:
    cold = shop.reply_to("5511999990009")
    shop.hear()
    warm = shop.reply()
    shop.change(Lane, next_cold_at=now() + timedelta(minutes=5))

    claimed = claim_one()
    record(claimed, SENT)

    assert claimed.id == warm
    assert claim() == []
    assert shop.message(cold).status == MessageStatus.QUEUED


def test_a_lane_with_cold_messages_alone_rests_until_one_may_go(shop: Shop) -> None:
    shop.reply()
    may_go_at = now() + timedelta(minutes=5)
    shop.change(Lane, next_cold_at=may_go_at)

    assert claim() == []
    assert (shop.lane().has_work, shop.lane().next_send_at) == (True, may_go_at)
    assert 290 < (seconds_to_next() or 0) < 300


def test_a_reply_wakes_a_lane_that_rests_for_its_cold_messages(shop: Shop) -> None:
    shop.reply_to("5511999990009")
    shop.change(Lane, next_cold_at=now() + timedelta(minutes=5))
    claim()
    shop.hear()

    reply = shop.reply()

    assert seconds_to_next() == 0
    assert claim_one().id == reply


def test_a_lane_rests_for_its_cold_messages_again_once_the_reply_is_gone(shop: Shop) -> None:
    shop.reply_to("5511999990009")
    may_go_at = now() + timedelta(minutes=5)
    shop.change(Lane, next_cold_at=may_go_at)
    shop.hear()
    shop.reply()

    record(claim_one(), SENT)

    assert (shop.lane().has_work, shop.lane().next_send_at) == (True, may_go_at)


def test_cold_messages_go_when_their_time_has_come(shop: Shop) -> None:
    cold = shop.reply()
    shop.change(Lane, next_cold_at=now() - timedelta(seconds=1))

    assert claim_one().id == cold


def test_what_is_too_old_is_passed_over(shop: Shop) -> None:
    too_old, following = shop.reply("um"), shop.reply("dois")
    shop.change_message(too_old, expires_at=now() - timedelta(seconds=1))

    claimed = claim_one()
    record(claimed, SENT)

    assert claimed.id == following
    assert claim() == []
    assert shop.message(too_old).status == MessageStatus.QUEUED


def test_what_never_grows_old_is_sent(shop: Shop) -> None:
    message_id = shop.reply()
    shop.change_message(message_id, expires_at=None)

    assert claim_one().id == message_id


def test_a_reply_that_comes_during_a_pause_leaves_after_it(shop: Shop) -> None:
    shop.reply("um")
    record(claim_one(), AWAY)
    held_until = shop.lane().held_until
    assert held_until is not None

    shop.reply("dois")

    assert shop.lane().next_send_at == held_until
    assert claim() == []


def test_a_reply_that_comes_after_a_pause_leaves_at_once(shop: Shop) -> None:
    shop.reply("um")
    record(claim_one(), AWAY)
    past = now() - timedelta(seconds=1)
    shop.change(Lane, held_until=past, next_send_at=now() + timedelta(seconds=30))

    shop.reply("dois")

    assert seconds_to_next() == 0
    assert len(claim()) == 1
