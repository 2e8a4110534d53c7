"""Campaigns take their turn: one recipient after the other becomes a message, at the unit's pace."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.evolution.errors import EvolutionFailed
from portal.models import (
    CAMPAIGN_PRIORITY,
    Connection,
    ConnectionStatus,
    Contact,
    Conversation,
    Direction,
    Lane,
    Message,
    MessageSource,
    MessageStatus,
    RecipientState,
    SkipReason,
    StatusReason,
)
from portal.outbox import feeding
from portal.services import paces
from portal.services.connections import lock_connection, set_status
from portal.services.paces import TypedPace
from portal.tenancy import acting_for
from tests.outbox.campaigns import Run, feed, let_pass, queued, set_pace
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.sending import claim, claim_one, record, seconds_to_next, sent_of, wait_of

pytestmark = pytest.mark.commits

HANDED, PENDING, SKIPPED = RecipientState.HANDED, RecipientState.PENDING, RecipientState.SKIPPED


def change_contact(shop: Shop, contact_id: object, **columns: object) -> None:
    with acting_for(shop.scope), atomic():
        db.session.execute(shop.scope.update(Contact).where(Contact.id == contact_id).values(columns))


def test_recipient_becomes_a_message_when_their_turn_comes(shop: Shop) -> None:
    run = Run(shop, body="Oi, temos novidades.").start()
    assert rows_of(Message) == []

    assert feed() == 1

    (message,) = queued()
    assert (message.body, message.source) == ("Oi, temos novidades.", MessageSource.CAMPAIGN)
    assert (message.priority, message.is_cold, message.direction) == (CAMPAIGN_PRIORITY, True, Direction.OUTBOUND)
    assert message.proposed_id.startswith("3EB0")
    assert run.states() == [HANDED, PENDING, PENDING]
    first = run.recipients()[0]
    assert (first.message_id, first.conversation_id) == (message.id, message.conversation_id)
    conversation = next(one for one in rows_of(Conversation) if one.id == message.conversation_id)
    assert (conversation.contact_id, conversation.last_message_preview) == (run.contact_ids[0], message.body)


def test_next_one_waits_for_the_gap_of_the_unit(shop: Shop) -> None:
    set_pace(shop, pace_min_s=20, pace_max_s=30)
    run = Run(shop).start()
    feed()
    began_at = now()
    first = claim_one()
    record(first, sent_of(first))

    assert feed() == 0
    gap = shop.lane().campaign_at - began_at
    assert timedelta(seconds=20) <= gap <= timedelta(seconds=31)
    assert 15 < (seconds_to_next() or 0) <= 31

    let_pass(shop)
    assert feed() == 1
    second = claim_one()
    assert second.conversation_id == run.recipients()[1].conversation_id
    assert wait_of(second) < 0.1


def test_one_at_a_time_waits_in_the_lane(shop: Shop) -> None:
    run = Run(shop).start()
    shop.reply()
    feed()

    let_pass(shop)
    assert feed() == 0

    assert run.states() == [HANDED, PENDING, PENDING]
    assert len(queued()) == 2


def test_replies_go_first_and_wait_for_no_gap(shop: Shop) -> None:
    Run(shop).start()
    feed()
    reply_id = shop.reply()

    first = claim_one()
    assert first.id == reply_id
    record(first, sent_of(first))
    second = claim_one()
    record(second, sent_of(second))
    other_id = shop.reply("Mais uma coisa")

    assert claim_one().id == other_id
    assert [message.source for message in rows_of(Message) if message.id == second.id] == [MessageSource.CAMPAIGN]


def test_message_put_back_in_the_queue_keeps_to_the_gap_and_the_window(shop: Shop) -> None:
    run = Run(shop, people=1).start()
    feed()
    shop.change(Lane, campaign_at=now() + timedelta(seconds=30))
    assert claim() == []

    shop.change(Lane, campaign_at=now(), campaign_until=now() - timedelta(seconds=1), next_send_at=now())
    assert claim() == []

    shop.change(Lane, campaign_until=now() + timedelta(hours=1), next_send_at=now())
    assert claim_one().id == run.recipients()[0].message_id


def test_what_surely_did_not_leave_costs_no_gap(shop: Shop) -> None:
    set_pace(shop, pace_min_s=20, pace_max_s=30)
    run = Run(shop).start()
    feed()
    record(claim_one(), EvolutionFailed(errors.PREPARING_FAILED))

    assert shop.lane().campaign_at <= now()
    assert feed() == 0
    shop.change(Lane, held_until=None, next_send_at=now())
    again = claim_one()
    assert again.id == run.recipients()[0].message_id
    record(again, sent_of(again))
    assert shop.lane().campaign_at > now() + timedelta(seconds=15)


def test_campaigns_of_a_unit_take_turns(shop: Shop) -> None:
    first, second = Run(shop, area=11), Run(shop, area=21)
    first.start(), second.start()

    for _ in range(4):
        first.have_turn()

    assert first.states() == second.states() == [HANDED, HANDED, PENDING]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"opted_out_at": now()}, SkipReason.OPTED_OUT),
        ({"is_on_whatsapp": False}, SkipReason.NOT_ON_WHATSAPP),
        ({"phone": None, "lid": "271000000000001@lid"}, SkipReason.WITHOUT_NUMBER),
    ],
)
def test_whoever_must_not_get_it_any_more_is_skipped_at_their_turn(
    shop: Shop, change: dict[str, object], reason: SkipReason
) -> None:
    run = Run(shop, people=2).start()
    change_contact(shop, run.contact_ids[0], **change)

    assert feed() == 1
    assert rows_of(Message) == []
    assert feed() == 1

    assert [(one.state, one.reason) for one in run.recipients()] == [(SKIPPED, reason), (HANDED, None)]


def test_whoever_was_merged_since_is_written_to_as_who_they_are(shop: Shop) -> None:
    run = Run(shop, people=1)
    other = Run(shop, people=1, area=21)
    change_contact(shop, run.contact_ids[0], merged_into_id=other.contact_ids[0])
    run.start()

    feed()

    (message,) = queued()
    conversation = next(one for one in rows_of(Conversation) if one.id == message.conversation_id)
    assert conversation.contact_id == other.contact_ids[0]


def test_two_recipients_who_became_one_get_one_message(shop: Shop) -> None:
    run = Run(shop, people=2).start()
    change_contact(shop, run.contact_ids[1], merged_into_id=run.contact_ids[0])
    run.have_turn()
    let_pass(shop)
    feed()

    assert [(one.state, one.reason) for one in run.recipients()] == [(HANDED, None), (SKIPPED, SkipReason.DUPLICATE)]


def test_warm_chat_is_no_cold_message(shop: Shop) -> None:
    shop.hear()
    run = Run(shop, people=1)
    change_contact(shop, run.contact_ids[0], merged_into_id=shop.conversation.contact_id)
    run.start()

    feed()

    assert [message.is_cold for message in queued()] == [False]


def test_unit_that_is_away_hands_nobody_over(shop: Shop) -> None:
    run = Run(shop).start()
    with acting_for(shop.scope), atomic():
        set_status(
            lock_connection(shop.scope, shop.unit.id), ConnectionStatus.DISCONNECTED, StatusReason.CONNECTION_LOST
        )

    assert feed() == 0
    assert run.states() == [PENDING] * 3
    assert [one.status for one in rows_of(Connection)] == [ConnectionStatus.DISCONNECTED]


def test_lane_rests_when_nobody_is_left_and_wakes_for_the_next_campaign(shop: Shop) -> None:
    Run(shop, people=1).start().have_turn()
    let_pass(shop)

    assert feed() == 0
    assert shop.lane().campaign_at is None
    assert seconds_to_next() is None

    Run(shop, people=1, area=21).start()
    assert feed() == 1


def test_two_workers_hand_nobody_over_twice(app: Flask, shop: Shop) -> None:
    run = Run(shop, people=8).start()

    def turn(_: int) -> int:
        with app.app_context():
            return feed()

    for _ in range(8):
        with ThreadPoolExecutor(4) as workers:
            assert sum(workers.map(turn, range(4))) <= 1
        claimed = claim_one()
        record(claimed, sent_of(claimed))
        let_pass(shop)

    assert run.states() == [HANDED] * 8
    sent = [message.conversation_id for message in rows_of(Message)]
    assert len(sent) == len(set(sent)) == 8


def test_messages_that_wait_keep_no_other_unit_from_its_turn(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "MOST", 1)
    other = Shop(shop.scope, "norte", phone="5521999990002")
    Run(shop).start(), Run(other, area=21).start()
    for one in (shop, other):
        let_pass(one)

    assert [feed(), feed(), feed()] == [1, 1, 0]

    assert {message.unit_id for message in queued()} == {shop.unit.id, other.unit.id}


def test_lane_that_waits_for_a_turn_rests_until_then_and_no_longer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "AHEAD_S", 0.9)
    Run(shop).start()
    shop.change(Lane, campaign_at=now() + timedelta(seconds=0.9))
    assert feed() == 1

    assert claim() == []

    assert shop.lane().next_send_at == shop.lane().campaign_at


def test_what_waits_for_tomorrow_leaves_today_when_the_hours_are_changed(shop: Shop) -> None:
    run = Run(shop).start()
    feed()
    tomorrow = now() + timedelta(days=1)
    shop.change(Lane, campaign_at=tomorrow, campaign_until=tomorrow, next_send_at=now())
    assert claim() == []

    with acting_for(shop.scope):
        paces.set_pace(shop.scope, shop.unit.id, TypedPace("careful"))
    let_pass(shop)
    feed()

    assert claim_one().id == run.recipients()[0].message_id


def test_units_of_many_companies_have_their_turn_in_one_look(shop: Shop) -> None:
    other = Shop(shop.scope, "norte", phone="5521999990002")
    runs = [Run(shop).start(), Run(other, area=21).start()]

    assert feed() == 2

    assert [run.states() for run in runs] == [[HANDED, PENDING, PENDING]] * 2
    assert {message.status for message in queued()} == {MessageStatus.QUEUED}
