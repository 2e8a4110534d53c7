"""What a test token sends goes the whole way of a message, and nobody is called at Evolution."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionUnknown
from portal.models import (
    Campaign,
    CampaignState,
    Contact,
    Lane,
    Message,
    MessageStatus,
    PauseReason,
    Relay,
    WebhookDelivery,
    WebhookTopic,
)
from portal.outbox import lanes, number_checks, outcomes, owners
from portal.outbox import relay as relay_module
from portal.outbox.campaign_watch import CampaignWatch
from portal.outbox.gates import MOST_UNKNOWN_IN_A_ROW, Gate
from portal.outbox.lanes import ClaimedMessage
from portal.outbox.outcomes import outcome_of_test
from portal.outbox.relay import OutboxRelay
from portal.outbox.servers import Server
from portal.services import accounts, campaign_calls, campaign_states, conversations, undelivered
from portal.services.campaign_calls import Wanted
from portal.services.media import Upload
from portal.services.undelivered import Decision
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.endpoints import make_endpoint
from tests.evolution.little_servers import Scripted
from tests.factories import make_api_token
from tests.files import PDF
from tests.outbox import sending
from tests.outbox.campaigns import Run, feed, let_pass, queued
from tests.outbox.conftest import FINISH_S, Shop, rows_of
from tests.outbox.desk import until
from tests.outbox.sending import SENT_BODY

pytestmark = pytest.mark.commits

IN_HAND = {MessageStatus.QUEUED, MessageStatus.SENDING}
PHONES = ["5511988880001", "5511988880002", "5511988880003"]


@pytest.fixture
def shop(scripted: Scripted, scope: TenantScope) -> Shop:
    """A unit at an Evolution that notes each call."""
    scripted.answer(201, SENT_BODY)
    return Shop(scope)


@pytest.fixture
def as_test(shop: Shop) -> TenantScope:
    """What a test token of the company may do."""
    account = accounts.account_of_token(make_api_token(shop.scope, kind="test"))
    assert account is not None
    return accounts.own_scope(account)


def send(shop: Shop, as_test: TenantScope, *, phone: str = "5511999990002", upload: Upload | None = None) -> UUID:
    with acting_for(as_test):
        sent = conversations.send_to_phone(as_test, shop.unit.id, phone=phone, text="Oi", upload=upload)
        return sent.message.id


def listen(shop: Shop) -> None:
    """The company wants to be told of every status."""
    make_endpoint(shop.scope, topics=[WebhookTopic.MESSAGE_STATUS])


def told(message_id: UUID) -> list[str]:
    """The statuses that webhooks tell of a message, in their order."""
    deliveries = sorted(rows_of(WebhookDelivery), key=lambda delivery: delivery.position)
    return [delivery.status for delivery in deliveries if delivery.message_id == message_id]


def claim_one(owner_id: UUID | None = None) -> ClaimedMessage:
    """One message in the hands of a worker that lives."""
    owner_id = owner_id or owners.new_owner()
    owners.beat(owner_id, "outbox")
    (claimed,) = sending.claim(owner_id)
    return claimed


def send_all(relay: OutboxRelay) -> None:
    def is_done() -> bool:
        relay.drain()
        return {message.status for message in rows_of(Message)}.isdisjoint(IN_HAND)

    until(is_done)


def kill_all() -> None:
    """No worker has shown for long that it lives."""
    with across_tenants("a test stops the workers"), atomic():
        db.session.execute(update(Relay).values(heartbeat_at=now() - owners.DEAD_AFTER - timedelta(seconds=1)))


def record(claimed: ClaimedMessage) -> None:
    assert outcomes.record([outcome_of_test(claimed)]) == []


@pytest.mark.parametrize("upload", [None, Upload("conta.pdf", PDF)], ids=["text", "file"])
def test_message_is_sent_and_delivered_without_a_call(
    scripted: Scripted,
    shop: Shop,
    as_test: TenantScope,
    relay: OutboxRelay,
    monkeypatch: pytest.MonkeyPatch,
    upload: Upload | None,
) -> None:
    listen(shop)
    monkeypatch.setattr(lanes, "load_media", _refuse)
    message_id = send(shop, as_test, upload=upload)

    send_all(relay)

    message = shop.message(message_id)
    assert (message.is_test, message.status, message.is_cold) == (True, MessageStatus.DELIVERED, False)
    assert message.external_id == f"TEST{message_id.hex.upper()}"
    assert message.sending_at <= message.sent_at == message.accepted_at == message.delivered_at
    assert told(message_id) == ["sent", "delivered"]
    assert (scripted.asked, shop.lane().message_id) == ([], None)


def _refuse(*args: object) -> None:
    raise AssertionError("nobody needs the file")


def test_nothing_is_learnt_about_the_number(shop: Shop, as_test: TenantScope, relay: OutboxRelay) -> None:
    send(shop, as_test, phone="5511988880009")

    send_all(relay)

    contact = next(one for one in rows_of(Contact) if one.phone == "5511988880009")
    assert (contact.whatsapp_number, contact.is_on_whatsapp, contact.number_checked_at) == (None, None, None)


def test_it_waits_for_the_time_of_its_lane(
    shop: Shop, as_test: TenantScope, relay: OutboxRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "AHEAD_S", 1.0)
    message_id = send(shop, as_test)
    due_at = now() + timedelta(seconds=1)
    shop.change(Lane, next_send_at=due_at)

    send_all(relay)

    assert shop.message(message_id).sent_at >= due_at


def test_it_waits_while_its_unit_is_away(shop: Shop, as_test: TenantScope, relay: OutboxRelay) -> None:
    message_id = send(shop, as_test)
    shop.change(Lane, is_open=False)

    relay.drain()

    assert shop.message(message_id).status == MessageStatus.QUEUED


def test_only_tests_are_spared_the_call(
    scripted: Scripted, shop: Shop, as_test: TenantScope, relay: OutboxRelay
) -> None:
    test_id, real_id = send(shop, as_test), shop.reply("De verdade")

    send_all(relay)

    statuses = [shop.message(id_).status for id_ in (test_id, real_id)]
    assert statuses == [MessageStatus.DELIVERED, MessageStatus.SENT]
    assert [asked.body["text"] for asked in scripted.asked] == ["De verdade"]


def test_a_dead_workers_test_is_sent_once_by_the_next_one(
    scripted: Scripted, shop: Shop, as_test: TenantScope, relay: OutboxRelay
) -> None:
    listen(shop)
    message_id = send(shop, as_test)
    slow = claim_one()
    kill_all()

    assert owners.bury_dead() == 0
    message = shop.message(message_id)
    assert (message.status, message.relay_id, message.sending_at) == (MessageStatus.QUEUED, None, None)
    send_all(relay)
    record(slow)

    assert shop.message(message_id).status == MessageStatus.DELIVERED
    assert (told(message_id), scripted.asked) == (["sent", "delivered"], [])


def test_late_answer_of_a_worker_that_was_taken_for_dead_counts(shop: Shop, as_test: TenantScope) -> None:
    message_id = send(shop, as_test)
    slow = claim_one()
    kill_all()
    owners.bury_dead()

    record(slow)

    assert shop.message(message_id).status == MessageStatus.DELIVERED
    assert sending.claim() == []


def test_a_test_that_its_worker_lost_hold_of_is_queued_again(shop: Shop, as_test: TenantScope) -> None:
    message_id = send(shop, as_test)
    owner_id = owners.new_owner()
    claim_one(owner_id)

    owners.settle_forgotten(owner_id, {message_id})
    assert shop.message(message_id).status == MessageStatus.SENDING

    owners.settle_forgotten(owner_id, set())
    assert claim_one().id == message_id


def test_a_test_tells_nothing_about_the_server() -> None:
    server = Server(uuid4(), EvolutionClient("http://evolution.test", "a-key"), is_paused=False, keeps_ids=True)
    gate, not_known = Gate(server), EvolutionUnknown(errors.TIMED_OUT)
    for _ in range(MOST_UNKNOWN_IN_A_ROW - 1):
        gate.end(uuid4(), not_known)
    rehearsed = uuid4()
    gate.submit(rehearsed, lambda: None)

    gate.leave(rehearsed)

    assert gate.in_flight() == 0
    assert gate.end(uuid4(), not_known) == errors.TIMED_OUT


def test_a_whole_campaign_is_delivered_without_a_call(
    scripted: Scripted, shop: Shop, as_test: TenantScope, relay: OutboxRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "SETTLE_S", 0.0)
    monkeypatch.setattr(relay_module, "FEED_S", 0.0)
    wanted = Wanted(shop.unit.id, "Ensaio", ["Oi!"], None, contact_ids=[], tags=[], phones=PHONES)
    with acting_for(as_test):
        campaign_id = campaign_calls.prepare(as_test, wanted).id
        campaign_states.start(as_test, campaign_id)

    def is_done() -> bool:
        let_pass(shop)
        relay.drain()
        (campaign,) = rows_of(Campaign)
        return bool(campaign.state == CampaignState.COMPLETED)

    until(is_done)
    assert relay.finish(FINISH_S)

    (campaign,) = rows_of(Campaign)
    assert (campaign.is_test, campaign.number_check_at) == (True, None)
    messages = rows_of(Message)
    assert [(one.is_test, one.status, one.is_cold) for one in messages] == [(True, MessageStatus.DELIVERED, False)] * 3
    assert [one.is_on_whatsapp for one in rows_of(Contact) if one.phone in PHONES] == [None] * 3
    assert scripted.asked == []


def test_no_number_of_a_test_campaign_is_asked_about(shop: Shop) -> None:
    Run(shop, is_test=True, number_check_at=now() - timedelta(seconds=1))

    assert number_checks.claim() == []


@pytest.mark.parametrize(
    ("is_test", "state", "reason"),
    [(True, CampaignState.PROCESSING, None), (False, CampaignState.PAUSED, PauseReason.NUMBER_LIMITED)],
)
def test_limit_on_new_chats_stops_real_campaigns_only(
    shop: Shop, is_test: bool, state: CampaignState, reason: PauseReason | None
) -> None:
    run = Run(shop, is_test=is_test).start()
    shop.change(Lane, cold_paused_until=now() + timedelta(hours=1))

    CampaignWatch().look()

    assert (run.state(), run.campaign().pause_reason) == (state, reason)


def test_whoever_failed_in_a_test_campaign_has_another_test(shop: Shop) -> None:
    run = Run(shop, people=1, is_test=True).start()
    feed()
    (first,) = queued()
    shop.change_message(first.id, status=MessageStatus.FAILED, error_code="expired", failed_at=now())
    run.retry_failed()
    let_pass(shop)

    assert feed() == 1
    assert [(one.is_test, one.is_cold) for one in queued()] == [(True, False)]


@pytest.mark.parametrize(
    ("ended", "decision"),
    [
        ({"status": MessageStatus.FAILED, "error_code": "expired"}, Decision.TRY_AGAIN),
        ({"status": MessageStatus.FAILED, "error_code": "refused", "external_id": "TEST1"}, Decision.TRY_AGAIN),
        ({"status": MessageStatus.UNCONFIRMED}, Decision.SEND_AGAIN),
    ],
    ids=["the_same_row", "written_anew", "sent_again"],
)
def test_what_a_person_sends_again_stays_a_test(
    shop: Shop, as_test: TenantScope, ended: dict[str, object], decision: Decision
) -> None:
    message_id = send(shop, as_test)
    shop.change_message(message_id, **ended)

    with acting_for(shop.scope):
        assert undelivered.decide(shop.scope, decision, [message_id]).done == 1

    assert [(one.is_test, one.is_cold) for one in queued()] == [(True, False)]
