"""Nothing of a suspended company leaves, whatever it is; what comes in is taken, and what waited goes on afterwards."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.clock import now
from portal.db import db
from portal.inbox import relay as inbox
from portal.inbox.receive import receive
from portal.models import (
    CampaignState,
    Direction,
    Lane,
    Message,
    MessageStatus,
    PauseReason,
    RecipientState,
)
from portal.outbox import lanes, number_checks, owners
from portal.outbox.campaign_watch import CampaignWatch
from portal.outbox.relay import OutboxRelay
from portal.outbox.statements import LOCK_DUE_LANES
from portal.queries.sending import Cause, get_gates
from portal.services import tenants
from portal.services.audit import Actor
from portal.tenancy import TenantScope, across_tenants, acting_for
from portal.webhooks import claims
from tests.endpoints import make_endpoint
from tests.evolution.little_servers import Scripted
from tests.factories import SECRET, connection_of, make_tenant
from tests.inbox.conftest import signature
from tests.inbox.payloads import as_bytes, message, webhook
from tests.outbox.campaigns import Run, feed, let_pass
from tests.outbox.conftest import FINISH_S, Shop, rows_of
from tests.outbox.sending import SENT_BODY, claim, claim_one, record, seconds_to_next, sent_of

pytestmark = pytest.mark.commits

NOBODY = Actor(None)
PENDING, HANDED = RecipientState.PENDING, RecipientState.HANDED


def suspend(scope: TenantScope) -> None:
    tenants.suspend(scope.tenant_id, by=NOBODY)


def resume(scope: TenantScope) -> None:
    tenants.resume(scope.tenant_id, by=NOBODY)


def test_relay_sends_nothing_of_it_and_sends_on_when_it_goes_on(
    scripted: Scripted, scope: TenantScope, relay: OutboxRelay
) -> None:
    scripted.answer(201, SENT_BODY)
    shop = Shop(scope)
    message_id = shop.reply("Bom dia")
    suspend(scope)

    for _ in range(3):
        relay.drain()

    assert (scripted.asked, shop.message(message_id).status) == ([], MessageStatus.QUEUED)
    resume(scope)
    relay.drain()
    assert relay.finish(FINISH_S)
    assert shop.message(message_id).status == MessageStatus.SENT
    assert len(scripted.asked) == 1


def test_others_on_the_same_server_send_meanwhile(shop: Shop) -> None:
    shop.reply()
    other = Shop(make_tenant("rival"), phone="5511999990009")
    theirs = other.reply()
    suspend(shop.scope)

    assert [claimed.id for claimed in claim()] == [theirs]


def test_relay_does_not_wait_for_what_may_not_leave(shop: Shop) -> None:
    shop.reply()
    Run(shop).start()
    assert seconds_to_next() == 0.0

    suspend(shop.scope)

    assert seconds_to_next() is None


def test_what_is_in_flight_comes_to_its_end(shop: Shop) -> None:
    shop.reply("Olá")
    claimed = claim_one()
    waiting = shop.reply("E mais")
    suspend(shop.scope)

    record(claimed, sent_of(claimed))

    assert shop.message(claimed.id).status == MessageStatus.SENT
    assert shop.message(waiting).status == MessageStatus.QUEUED
    assert claim() == []


def test_what_waits_grows_too_old_as_ever(shop: Shop) -> None:
    message_id = shop.reply()
    suspend(shop.scope)
    shop.change_message(message_id, expires_at=now() - timedelta(seconds=1))

    assert lanes.expire() == 1

    message = shop.message(message_id)
    assert (message.status, message.error_code) == (MessageStatus.FAILED, lanes.EXPIRED)


def test_running_campaign_hands_nobody_over_until_it_goes_on(shop: Shop) -> None:
    run = Run(shop).start()
    suspend(shop.scope)
    let_pass(shop)

    assert feed() == 0

    assert run.states() == [PENDING, PENDING, PENDING]
    resume(shop.scope)
    assert feed() == 1
    assert run.states() == [HANDED, PENDING, PENDING]


def test_scheduled_campaign_missed_its_time_when_the_company_goes_on(shop: Shop) -> None:
    run = Run(shop)
    run.change(state=CampaignState.SCHEDULED, scheduled_at=now() - timedelta(hours=1))
    suspend(shop.scope)

    CampaignWatch().look()
    assert run.state() == CampaignState.SCHEDULED

    resume(shop.scope)
    CampaignWatch().look()
    assert (run.state(), run.campaign().pause_reason) == (CampaignState.PAUSED, PauseReason.MISSED_START)


def test_whatsapp_is_asked_about_nobodys_number(shop: Shop) -> None:
    Run(shop).change(number_check_at=now() - timedelta(seconds=1))
    suspend(shop.scope)

    assert number_checks.claim() == []

    resume(shop.scope)
    assert len(number_checks.claim()) == 1


def test_companys_programs_are_told_once_it_goes_on(shop: Shop) -> None:
    make_endpoint(shop.scope, "https://crm.example.com/hook")
    shop.reply()
    claimed = claim_one()
    record(claimed, sent_of(claimed))
    suspend(shop.scope)

    assert claims.claim(most=10, most_probes=5) == []

    resume(shop.scope)
    assert {one.message_id for one in claims.claim(most=10, most_probes=5)} == {claimed.id}


def test_what_customers_write_is_received_and_applied(shop: Shop) -> None:
    suspend(shop.scope)
    name = connection_of(shop.scope, shop.unit.id).instance_name or ""
    told = webhook("messages.upsert", message(text="Vocês abrem hoje?"), instance=name)

    receive(SECRET, signature(name), as_bytes(told))
    while inbox.drain():
        pass

    (written,) = [one for one in rows_of(Message) if one.direction == Direction.INBOUND]
    assert (written.body, written.status) == ("Vocês abrem hoje?", MessageStatus.RECEIVED)


def test_what_waits_says_that_its_company_is_suspended(shop: Shop) -> None:
    suspend(shop.scope)

    with acting_for(shop.scope):
        hold = get_gates(shop.scope, shop.unit.id).hold(is_cold=True)

    assert hold is not None
    assert hold.cause == Cause.COMPANY_SUSPENDED


def test_lanes_of_suspended_companies_are_left_alone_by_whoever_cares_for_them(shop: Shop) -> None:
    shop.reply()
    before = lane(shop)
    suspend(shop.scope)

    claim(owners.new_owner())

    assert lane(shop) == before


def lane(shop: Shop) -> dict[str, object]:
    row: Lane = shop.lane()
    return {column.name: getattr(row, column.name) for column in Lane.__table__.columns}


def test_suspended_companies_are_looked_up_once_and_not_for_each_lane(shop: Shop) -> None:
    values = {"servers": [shop.lane().evolution_server_id], "free": [10], "ahead_s": 0.1}
    with across_tenants("a test asks how it is done"):
        plan = "\n".join(db.session.scalars(text(f"EXPLAIN {LOCK_DUE_LANES.text}"), values))

    assert "InitPlan" in plan
    assert "SubPlan" not in plan
