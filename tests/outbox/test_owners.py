"""Whose work is in flight, and what becomes of it when the owner dies."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.evolution.errors import EvolutionFailed, EvolutionRejected, EvolutionUnavailable, EvolutionUnknown
from portal.evolution.types import SentMessage
from portal.models import Connection, ConnectionAction, Message, MessageStatus, Relay
from portal.outbox import instances, look_ups, owners
from portal.outbox.lanes import ClaimedMessage
from portal.services import connections
from portal.tenancy import across_tenants, acting_for
from tests.outbox import sending
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.sending import record

pytestmark = pytest.mark.commits

SENT = SentMessage(external_id="3EB00123456789ABCDEF01", jid="5511999990002@s.whatsapp.net")


@pytest.fixture
def owner_id(database: None) -> UUID:
    """A worker that has shown that it lives."""
    owner_id = owners.new_owner()
    owners.beat(owner_id, "outbox")
    return owner_id


def die(owner_id: UUID) -> None:
    """The worker's last sign of life was too long ago."""
    with across_tenants("a test stops a worker"), atomic():
        old = now() - owners.DEAD_AFTER - timedelta(seconds=1)
        db.session.execute(update(Relay).where(Relay.id == owner_id).values(heartbeat_at=old))


def claim(owner_id: UUID) -> ClaimedMessage:
    return sending.claim(owner_id, limit=1)[0]


def test_a_dead_workers_message_is_in_doubt_and_its_lane_goes_on(shop: Shop, owner_id: UUID) -> None:
    doubtful, following = shop.reply("um"), shop.reply("dois")
    claim(owner_id)
    die(owner_id)

    in_doubt = owners.bury_dead()

    message = shop.message(doubtful)
    assert (in_doubt, message.status, message.error_code) == (1, MessageStatus.UNCONFIRMED, "worker_lost")
    assert rows_of(Relay) == []
    assert claim(owners.new_owner()).id == following


def test_a_dead_workers_message_is_looked_for(shop: Shop, owner_id: UUID) -> None:
    doubtful = shop.reply()
    claim(owner_id)
    die(owner_id)

    owners.bury_dead()

    look_up_at = shop.message(doubtful).look_up_at
    assert look_up_at is not None
    assert timedelta(0) < look_up_at - now() <= look_ups.FIRST_LOOK_UP


def test_a_dead_worker_is_buried_once(app: Flask, shop: Shop, owner_id: UUID) -> None:
    shop.reply()
    claim(owner_id)
    die(owner_id)
    start = threading.Barrier(3)

    def bury() -> int:
        with app.app_context():
            start.wait(timeout=10)
            return owners.bury_dead()

    with ThreadPoolExecutor(3) as pool:
        buried = [pool.submit(bury) for _ in range(3)]

    assert sorted(done.result() for done in buried) == [0, 0, 1]


def test_a_living_workers_message_is_left_alone(shop: Shop, owner_id: UUID) -> None:
    message_id = shop.reply()
    claim(owner_id)

    assert owners.bury_dead() == 0
    assert shop.message(message_id).status == MessageStatus.SENDING
    assert shop.lane().message_id == message_id


def test_a_beat_keeps_a_worker_alive(shop: Shop, owner_id: UUID) -> None:
    shop.reply()
    claim(owner_id)
    die(owner_id)

    owners.beat(owner_id, "outbox")

    assert owners.bury_dead() == 0


def test_a_worker_that_left_is_gone(owner_id: UUID) -> None:
    owners.leave(owner_id)

    assert rows_of(Relay) == []


def test_a_lane_is_freed_whose_message_was_settled_while_its_worker_died(shop: Shop, owner_id: UUID) -> None:
    settled, following = shop.reply("um"), shop.reply("dois")
    claim(owner_id)
    shop.change_message(settled, status=MessageStatus.SENT, external_id="3EB0AA")
    die(owner_id)

    assert owners.bury_dead() == 0
    assert shop.message(settled).status == MessageStatus.SENT
    assert claim(owners.new_owner()).id == following


def test_a_dead_workers_wish_is_asked_again(shop: Shop, owner_id: UUID) -> None:
    with acting_for(shop.scope):
        connections.request_restart(shop.scope, shop.unit.id)
    taken = instances.claim_actions(owner_id, limit=1)
    die(owner_id)

    owners.bury_dead()

    assert [wish.action for wish in taken] == [ConnectionAction.RESTART]
    again = instances.claim_actions(owners.new_owner(), limit=1)
    assert [(wish.action, wish.attempts) for wish in again] == [(ConnectionAction.RESTART, 2)]


def test_a_wish_is_claimed_by_one_worker(shop: Shop, owner_id: UUID) -> None:
    with acting_for(shop.scope):
        connections.request_restart(shop.scope, shop.unit.id)

    first = instances.claim_actions(owner_id, limit=5)

    assert len(first) == 1
    assert instances.claim_actions(owners.new_owner(), limit=5) == []


def test_what_a_living_worker_lost_hold_of_is_in_doubt(shop: Shop, owner_id: UUID) -> None:
    message_id = shop.reply()
    claim(owner_id)

    owners.settle_forgotten(owner_id, set())

    assert shop.message(message_id).status == MessageStatus.UNCONFIRMED
    assert shop.lane().message_id is None


def test_what_a_living_worker_is_still_at_is_left_alone(shop: Shop, owner_id: UUID) -> None:
    message_id = shop.reply()
    claim(owner_id)
    with acting_for(shop.scope):
        connections.request_restart(shop.scope, shop.unit.id)
    instances.claim_actions(owner_id, limit=1)

    owners.settle_forgotten(owner_id, {message_id, shop.unit.id})

    assert shop.message(message_id).status == MessageStatus.SENDING
    assert rows_of(Connection)[0].action_relay_id == owner_id


def test_a_wish_that_a_living_worker_lost_hold_of_is_free(shop: Shop, owner_id: UUID) -> None:
    with acting_for(shop.scope):
        connections.request_restart(shop.scope, shop.unit.id)
    instances.claim_actions(owner_id, limit=1)

    owners.settle_forgotten(owner_id, set())

    assert rows_of(Connection)[0].action_relay_id is None


def test_another_workers_work_is_none_of_ours(shop: Shop, owner_id: UUID) -> None:
    message_id = shop.reply()
    claim(owner_id)

    owners.settle_forgotten(owners.new_owner(), set())

    assert shop.message(message_id).status == MessageStatus.SENDING


@pytest.fixture
def buried(shop: Shop, owner_id: UUID) -> ClaimedMessage:
    """A message whose worker was taken for dead, but was only slow; its lane has come to rest."""
    shop.reply()
    claimed = claim(owner_id)
    die(owner_id)
    owners.bury_dead()
    sending.claim(owners.new_owner(), limit=1)
    assert shop.lane().has_work is False
    return claimed


def test_a_late_success_settles_the_doubt(shop: Shop, buried: ClaimedMessage) -> None:
    record(buried, SENT)

    message = shop.message(buried.id)
    assert (message.status, message.external_id, message.error_code) == (MessageStatus.SENT, SENT.external_id, None)


def test_a_late_refusal_settles_the_doubt(shop: Shop, buried: ClaimedMessage) -> None:
    record(buried, EvolutionRejected("not_on_whatsapp"))

    assert shop.message(buried.id).status == MessageStatus.FAILED


@pytest.mark.parametrize("outcome", ["away", "failed"])
def test_a_message_that_surely_did_not_leave_is_sent_after_all(
    shop: Shop, buried: ClaimedMessage, outcome: str
) -> None:
    if outcome == "away":
        record(buried, EvolutionUnavailable(errors.UNREACHABLE))
    else:
        record(buried, EvolutionFailed("preparing_failed"))

    assert shop.message(buried.id).status == MessageStatus.QUEUED
    assert claim(owners.new_owner()).id == buried.id


def test_a_late_word_that_the_server_was_away_gives_the_message_back(shop: Shop, buried: ClaimedMessage) -> None:
    record(buried, EvolutionUnavailable(errors.UNREACHABLE), is_server_away=True)

    message, lane = shop.message(buried.id), shop.lane()
    assert (message.status, message.relay_id, message.look_up_at) == (MessageStatus.QUEUED, None, None)
    assert (lane.has_work, lane.held_until) == (True, None)
    assert claim(owners.new_owner()).id == buried.id


def test_a_late_success_after_the_echo_changes_nothing(shop: Shop, buried: ClaimedMessage) -> None:
    shop.change_message(buried.id, status=MessageStatus.DELIVERED, external_id=SENT.external_id, delivered_at=now())

    record(buried, SENT)

    message = shop.message(buried.id)
    assert (message.status, message.external_id) == (MessageStatus.DELIVERED, SENT.external_id)


def test_a_late_not_knowing_changes_nothing(shop: Shop, buried: ClaimedMessage) -> None:
    record(buried, EvolutionUnknown(errors.TIMED_OUT))

    message = shop.message(buried.id)
    assert (message.status, message.error_code) == (MessageStatus.UNCONFIRMED, "worker_lost")


def test_a_late_answer_does_not_free_a_lane_that_sends_something_else(shop: Shop, buried: ClaimedMessage) -> None:
    following = shop.reply("dois")
    sending.claim(owners.new_owner(), limit=1)

    record(buried, SENT)

    assert shop.lane().message_id == following
    assert [m.status for m in rows_of(Message)] == [MessageStatus.SENT, MessageStatus.SENDING]
