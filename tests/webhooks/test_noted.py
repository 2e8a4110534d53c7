"""What happens to messages is noted for each endpoint that asked, in the transaction in which it happens."""

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from portal.clock import now
from portal.db import atomic, db
from portal.models import Conversation, Direction, Message, MessageSource, MessageStatus, Unit, WebhookEndpoint
from portal.services import conversations, delivery
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.endpoints import deliveries, make_endpoint, noted
from tests.factories import make_connected_unit, make_conversation, make_message, make_tenant
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import echo, message, receipt

RECEIVED, STATUS = "message.received", "message.status"
NEWS = (RECEIVED, "received")


@pytest.fixture
def endpoint(scope: TenantScope) -> WebhookEndpoint:
    return make_endpoint(scope)


def history(*told: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    return ("messages.set", list(told))


def test_message_that_comes_in_is_noted_once(evolution: Evolution, endpoint: WebhookEndpoint) -> None:
    evolution.tell(("messages.upsert", message("3A01", "oi")), ("messages.upsert", message("3A01", "oi")))
    evolution.replay()

    assert noted(endpoint) == [NEWS]


def test_message_read_on_the_phone_at_once_is_news_all_the_same(
    evolution: Evolution, endpoint: WebhookEndpoint
) -> None:
    evolution.tell(
        ("messages.update", receipt("3A01", "READ", from_me=False)),
        ("messages.upsert", message("3A01", "oi")),
    )

    assert noted(endpoint) == [NEWS]


def test_history_is_no_news_in_either_direction(evolution: Evolution, endpoint: WebhookEndpoint) -> None:
    evolution.tell(
        history(message("3A01", "ontem"), message("3A02", "nosso", from_me=True, status="DELIVERY_ACK")),
        history(message("3A03", "lido", from_me=True, status="READ")),
    )

    assert noted(endpoint) == []


def test_message_that_only_history_had_brought_is_news_when_it_is_told_live(
    evolution: Evolution, endpoint: WebhookEndpoint
) -> None:
    evolution.tell(history(message("3A01", "oi")))
    evolution.tell(("messages.upsert", message("3A01", "oi")))
    evolution.tell(("messages.upsert", message("3A01", "oi")))

    assert noted(endpoint) == [NEWS]


def test_receipt_for_one_of_historys_messages_is_news(evolution: Evolution, endpoint: WebhookEndpoint) -> None:
    evolution.tell(history(message("3A01", "nosso", from_me=True)))
    evolution.tell(("messages.update", receipt("3A01", "READ")))

    assert noted(endpoint) == [(STATUS, "read")]


def test_what_the_owner_writes_on_the_phone_is_noted_as_sent(evolution: Evolution, endpoint: WebhookEndpoint) -> None:
    evolution.tell(("messages.upsert", message("3A01", "do celular", from_me=True)))

    assert noted(endpoint) == [(STATUS, "sent")]


def test_early_read_receipt_does_not_hide_the_phones_message(evolution: Evolution, endpoint: WebhookEndpoint) -> None:
    evolution.tell(("messages.update", receipt("3A01", "READ")))
    evolution.tell(("messages.upsert", message("3A01", "do celular", from_me=True)))

    assert noted(endpoint) == [(STATUS, "sent"), (STATUS, "read")]


def test_each_rung_is_noted_and_repeated_receipts_are_not(
    scope: TenantScope, conversation: Conversation, evolution: Evolution, endpoint: WebhookEndpoint
) -> None:
    make_message(scope, conversation, direction=Direction.OUTBOUND, external_id="3A01")
    for name in ("SERVER_ACK", "DELIVERY_ACK", "DELIVERY_ACK", "READ", "DELIVERY_ACK"):
        evolution.tell(("messages.update", receipt("3A01", name)))

    assert noted(endpoint) == [(STATUS, "sent"), (STATUS, "delivered"), (STATUS, "read")]


@pytest.mark.parametrize("status", list(MessageStatus), ids=str)
def test_outbound_message_is_noted_when_it_comes_to_something(
    scope: TenantScope, conversation: Conversation, endpoint: WebhookEndpoint, status: MessageStatus
) -> None:
    queued = make_message(scope, conversation, direction=Direction.OUTBOUND, status=MessageStatus.QUEUED)

    with acting_for(scope), atomic():
        scope.get(Message, queued.id).status = status

    is_told = status not in (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.RECEIVED)
    assert noted(endpoint) == ([(STATUS, str(status))] if is_told else [])


def test_reply_that_waits_is_not_noted(
    scope: TenantScope, conversation: Conversation, endpoint: WebhookEndpoint
) -> None:
    with acting_for(scope):
        conversations.reply(scope, conversation.id, text="Olá")

    assert noted(endpoint) == []


def test_many_messages_that_change_in_one_statement_are_noted_one_by_one(
    scope: TenantScope, conversation: Conversation, endpoint: WebhookEndpoint
) -> None:
    made = [make_message(scope, conversation, direction=Direction.OUTBOUND) for _ in range(20)]

    with across_tenants("a test changes many rows"), atomic():
        db.session.execute(text("UPDATE messages SET status = 'delivered' WHERE status = 'sent'"))

    told = [(one.message_id, one.status) for one in deliveries(endpoint)]
    assert sorted(told, key=str) == sorted(
        [(one.id, status) for one in made for status in ("sent", "delivered")], key=str
    )


def test_what_is_undone_is_not_noted(scope: TenantScope, conversation: Conversation, endpoint: WebhookEndpoint) -> None:
    def fail() -> None:
        with acting_for(scope), atomic():
            make_message(scope, conversation)
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        fail()

    assert noted(endpoint) == []


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"topics": [RECEIVED]}, [NEWS]),
        ({"topics": [STATUS]}, [(STATUS, "sent")]),
        ({"topics": []}, []),
        ({"disabled_at": now()}, []),
        ({"paused_until": now()}, [NEWS, (STATUS, "sent")]),
    ],
    ids=["only what comes in", "only statuses", "nothing", "switched off", "paused"],
)
def test_endpoint_is_noted_what_it_asked_for(
    scope: TenantScope, conversation: Conversation, columns: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    endpoint = make_endpoint(scope, **columns)

    make_message(scope, conversation)
    make_message(scope, conversation, direction=Direction.OUTBOUND)

    assert noted(endpoint) == expected


@pytest.mark.parametrize("is_system", [False, True], ids=["as the tenant", "as the system"])
def test_no_other_company_hears_of_it(scope: TenantScope, conversation: Conversation, is_system: bool) -> None:
    rival = make_tenant("rival")
    ours, theirs = make_endpoint(scope), make_endpoint(rival)
    queued = make_message(scope, conversation, direction=Direction.OUTBOUND, status=MessageStatus.QUEUED)
    access = across_tenants("a test writes as a relay") if is_system else acting_for(scope)

    with access, atomic():
        scope.get(Message, queued.id).status = MessageStatus.SENT

    assert (noted(ours), noted(theirs)) == ([(STATUS, "sent")], [])


def test_two_endpoints_hear_of_it_alike(scope: TenantScope, conversation: Conversation) -> None:
    endpoints = [make_endpoint(scope), make_endpoint(scope, "https://bi.test/hook")]

    make_message(scope, conversation)

    assert [noted(one) for one in endpoints] == [[NEWS], [NEWS]]


def test_echo_that_turns_out_to_be_a_send_of_ours_leaves_nothing_behind(
    scope: TenantScope, conversation: Conversation, evolution: Evolution, endpoint: WebhookEndpoint
) -> None:
    """The echo came before the answer and could not be told for ours: its row goes again, and what was noted of it."""
    sending = {"direction": Direction.OUTBOUND, "status": MessageStatus.SENDING, "source": MessageSource.API}
    ours = make_message(scope, conversation, body="nosso", **sending)  # type: ignore[arg-type]
    evolution.tell(("send.message", echo("3AECHO", "escrito de outro jeito")))

    with acting_for(scope), atomic():
        delivery.confirm_sent(scope, scope.get(Message, ours.id), external_id="3AECHO", at=now())

    assert [(one.message_id, one.status) for one in deliveries(endpoint)] == [(ours.id, "sent")]


@pytest.mark.commits
def test_message_is_stored_although_an_endpoint_is_deleted_at_that_moment(app: Flask) -> None:
    scope = make_tenant()
    conversation = make_conversation(scope, make_connected_unit(scope))
    endpoint = make_endpoint(scope)
    is_held, may_end = threading.Event(), threading.Event()

    def delete() -> None:
        with app.app_context(), acting_for(scope), atomic():
            db.session.execute(scope.delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint.id))
            is_held.set()
            may_end.wait(10)

    deleting = threading.Thread(target=delete)
    deleting.start()
    is_held.wait(10)
    threading.Timer(0.3, may_end.set).start()
    stored = make_message(scope, conversation)
    deleting.join()

    with acting_for(scope):
        assert scope.get(Message, stored.id).body == "Bom dia"
    assert deliveries(endpoint) == []


def test_unit_of_the_message_is_noted_with_it(
    scope: TenantScope, unit: Unit, conversation: Conversation, endpoint: WebhookEndpoint
) -> None:
    make_message(scope, conversation)

    assert [one.unit_id for one in deliveries(endpoint)] == [unit.id]
