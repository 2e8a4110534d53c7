"""Campaigns and whoever opted out: the last look is taken when a message would be claimed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from portal.clock import now
from portal.db import atomic
from portal.models import Contact, Direction, Message, MessageSource, MessageStatus
from portal.services import consent, lanes
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_conversation, make_message
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.sending import claim, claim_one, record, seconds_to_next, sent_of

pytestmark = pytest.mark.commits


def queue(shop: Shop, source: MessageSource, *, phone: str | None = None) -> Message:
    """A message that waits, to the shop's customer or to somebody else."""
    somebody = make_conversation(shop.scope, shop.unit, phone=phone, name=None) if phone else shop.conversation
    message = make_message(
        shop.scope, somebody, direction=Direction.OUTBOUND, status=MessageStatus.QUEUED, source=source
    )
    with acting_for(shop.scope), atomic():
        lanes.wake(shop.scope, shop.unit.id)
    return message


def opt_out(shop: Shop) -> None:
    """As if it had happened after the campaign looked and before it queued."""
    with acting_for(shop.scope), atomic():
        shop.scope.get(Contact, shop.conversation.contact_id).opted_out_at = now()


def test_campaign_message_queued_after_the_opt_out_is_not_handed_out(shop: Shop) -> None:
    opt_out(shop)
    message = queue(shop, MessageSource.CAMPAIGN)

    assert claim() == []
    row = shop.message(message.id)
    assert (row.status, row.error_code) == (MessageStatus.CANCELLED, "opted_out")
    assert (row.sending_at, row.relay_id, shop.lane().message_id) == (None, None, None)


def test_lane_goes_on_with_the_next_message_at_once(shop: Shop) -> None:
    opt_out(shop)
    queue(shop, MessageSource.CAMPAIGN)
    following = queue(shop, MessageSource.CAMPAIGN, phone="5511999990077")

    assert claim() == []
    assert seconds_to_next() == 0
    assert claim_one().id == following.id


def test_lane_rests_when_nothing_else_waits(shop: Shop) -> None:
    opt_out(shop)
    queue(shop, MessageSource.CAMPAIGN)

    claim()
    claim()

    assert (shop.lane().has_work, seconds_to_next()) == (False, None)


@pytest.mark.parametrize("source", [MessageSource.PERSON, MessageSource.API, MessageSource.AUTOMATIC])
def test_what_is_no_campaign_is_sent_to_whoever_opted_out(shop: Shop, source: MessageSource) -> None:
    opt_out(shop)
    message = queue(shop, source)

    assert claim_one().id == message.id


def test_campaign_message_is_sent_to_whoever_did_not_opt_out(shop: Shop) -> None:
    message = queue(shop, MessageSource.CAMPAIGN)

    assert claim_one().id == message.id


def test_one_lanes_suppression_does_not_keep_the_others(shop: Shop, scope: TenantScope) -> None:
    other = Shop(scope, "praia", phone="5511999990088")
    opt_out(shop)
    queue(shop, MessageSource.CAMPAIGN)
    message = queue(other, MessageSource.CAMPAIGN)

    assert claim_one().id == message.id


def test_message_that_came_back_to_the_queue_is_looked_at_again(shop: Shop) -> None:
    message = queue(shop, MessageSource.CAMPAIGN)
    claim_one()
    with acting_for(shop.scope):
        consent.opt_out(shop.scope, shop.conversation.contact_id)
    shop.change_message(message.id, status=MessageStatus.QUEUED)
    shop.change(type(shop.lane()), message_id=None, has_work=True, next_send_at=now())

    assert claim() == []
    assert shop.message(message.id).status == MessageStatus.CANCELLED


def test_opt_outs_and_claims_at_the_same_time_neither_hold_each_other_up_nor_miss_anything(
    app: Flask, scope: TenantScope, shop: Shop
) -> None:
    other = Shop(scope, "praia", phone="5511999990002")
    phones = [f"55119999911{number:02d}" for number in range(12)]
    messages = {
        phone: [queue(one, MessageSource.CAMPAIGN, phone=phone).id for one in (shop, other)] for phone in phones
    }
    contact_ids = {contact.phone: contact.id for contact in rows_of(Contact)}
    are_done = threading.Event()

    def claim_all() -> None:
        with app.app_context():
            while not are_done.is_set():
                for claimed in claim():
                    record(claimed, sent_of(claimed))

    def opt_out_all(order: list[str]) -> None:
        with app.app_context(), acting_for(scope):
            for phone in order:
                consent.opt_out(scope, contact_ids[phone])

    with ThreadPoolExecutor(3) as threads:
        claiming = threads.submit(claim_all)
        opting_out = [threads.submit(opt_out_all, order) for order in (phones, phones[::-1])]
        for one in opting_out:
            one.result(timeout=60)
        are_done.set()
        claiming.result(timeout=60)

    statuses = {message.status for ids in messages.values() for message in rows_of(Message) if message.id in ids}
    assert statuses <= {MessageStatus.SENT, MessageStatus.CANCELLED}
    assert claim() == []
