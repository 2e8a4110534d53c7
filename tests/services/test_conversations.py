"""Writing to customers: what is queued, what is refused, and what a repeated request returns."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from portal.db import db
from portal.errors import Conflict, Invalid, NotFound
from portal.models import (
    ConnectionStatus,
    Contact,
    Conversation,
    Direction,
    Lane,
    Message,
    MessageSource,
    MessageStatus,
    StatusReason,
    Unit,
)
from portal.services import conversations
from portal.services.connections import lock_connection, set_status
from portal.services.conversations import Queued
from portal.tenancy import TenantScope, across_tenants, acting_for, tenant_transaction
from tests.factories import make_message, make_tenant, make_unit, make_user

PHONE = "5511999990002"


def reply(scope: TenantScope, conversation_id: UUID, text: str = "Olá") -> Queued:
    with acting_for(scope):
        return conversations.reply(scope, conversation_id, text=text)


def send(scope: TenantScope, unit: Unit, phone: str = PHONE, text: str = "Olá", **more: str) -> Queued:
    with acting_for(scope):
        return conversations.send_to_phone(scope, unit.id, phone=phone, text=text, **more)  # type: ignore[arg-type]


def rows(model: type[Message] | type[Contact] | type[Conversation] | type[Lane]) -> list[object]:
    with across_tenants("a test looks at the rows"):
        return list(db.session.scalars(select(model).execution_options(populate_existing=True)))


def test_a_reply_is_a_queued_message_and_work_for_the_lane(scope: TenantScope, conversation: Conversation) -> None:
    queued = reply(scope, conversation.id, "Bom dia\r\nMaria")

    message = queued.message
    assert (queued.is_repeat, queued.is_held) == (False, False)
    assert (message.status, message.direction, message.source) == (
        MessageStatus.QUEUED,
        Direction.OUTBOUND,
        MessageSource.PERSON,
    )
    assert message.body == "Bom dia\nMaria"
    assert len(message.proposed_id or "") == 22
    assert (message.proposed_id or "").startswith("3EB0")
    assert [lane.has_work for lane in rows(Lane)] == [True]  # type: ignore[attr-defined]


def test_a_reply_is_what_the_list_shows(scope: TenantScope, conversation: Conversation) -> None:
    message = reply(scope, conversation.id, "x" * 500).message

    with acting_for(scope):
        shown = scope.get(Conversation, conversation.id)
    assert (shown.last_message_preview, shown.last_message_at) == ("x" * 200, message.occurred_at)
    assert shown.last_message_direction == Direction.OUTBOUND


def test_a_reply_says_who_wrote_it(scope: TenantScope, conversation: Conversation) -> None:
    ana = make_user()

    message = reply(TenantScope(scope.tenant_id, user_id=ana.id), conversation.id).message

    assert message.sent_by_id == ana.id


@pytest.mark.parametrize(
    "text", ["", "   ", "\n\t", "\x00", "x" * 10_001], ids=["none", "blank", "lines", "nul", "endless"]
)
def test_a_text_that_says_nothing_or_too_much_is_refused(
    scope: TenantScope, conversation: Conversation, text: str
) -> None:
    with pytest.raises(Invalid) as refused:
        reply(scope, conversation.id, text)

    assert list(refused.value.fields) == ["text"]
    assert rows(Message) == []


def test_the_longest_text_is_taken(scope: TenantScope, conversation: Conversation) -> None:
    assert reply(scope, conversation.id, "x" * 10_000).message.status == MessageStatus.QUEUED


def test_accents_that_stand_apart_are_put_to_their_letters(scope: TenantScope, conversation: Conversation) -> None:
    assert reply(scope, conversation.id, "Na\u0303o").message.body == "Não"


@pytest.mark.parametrize("phone", ["", "abc", "123", "+55 11 9999", "+999 1", "55119999900021234"])
def test_what_is_no_telephone_number_is_refused(scope: TenantScope, unit: Unit, phone: str) -> None:
    with pytest.raises(Invalid) as refused:
        send(scope, unit, phone)

    assert list(refused.value.fields) == ["phone"]
    assert rows(Contact) == []


@pytest.mark.parametrize("phone", ["+55 11 99999-0002", "11 99999-0002", "551199990002", "(11) 9999-0002"])
def test_a_number_is_one_contact_however_it_is_written(scope: TenantScope, unit: Unit, phone: str) -> None:
    send(scope, unit, PHONE)
    send(scope, unit, phone)

    assert [contact.phone for contact in rows(Contact)] == [PHONE]  # type: ignore[attr-defined]
    assert len(rows(Conversation)) == 1
    assert len(rows(Message)) == 2


@pytest.mark.parametrize("value", ["", "x" * 121])
def test_a_client_message_id_has_bounds(scope: TenantScope, unit: Unit, value: str) -> None:
    with pytest.raises(Invalid) as refused:
        send(scope, unit, client_message_id=value)

    assert list(refused.value.fields) == ["clientMessageId"]


def test_the_same_client_message_id_returns_the_first_message(scope: TenantScope, unit: Unit) -> None:
    first = send(scope, unit, text="um", client_message_id="order-1")
    second = send(scope, unit, text="dois", client_message_id="order-1")

    assert (first.is_repeat, second.is_repeat) == (False, True)
    assert (second.message.id, second.message.body) == (first.message.id, "um")
    assert len(rows(Message)) == 1


def test_the_same_client_message_id_in_another_conversation_is_another_message(scope: TenantScope, unit: Unit) -> None:
    send(scope, unit, client_message_id="order-1")

    other = send(scope, unit, "5511999990003", client_message_id="order-1")

    assert other.is_repeat is False
    assert len(rows(Message)) == 2


def test_messages_without_a_client_message_id_are_all_sent(scope: TenantScope, unit: Unit) -> None:
    assert [send(scope, unit).is_repeat for _ in range(2)] == [False, False]


@pytest.mark.commits
def test_requests_at_the_same_time_make_one_message(app: Flask, scope: TenantScope, unit: Unit) -> None:
    start = threading.Barrier(8)

    def ask() -> tuple[UUID, bool]:
        with app.app_context():
            start.wait()
            queued = send(scope, unit, "5511999990007", client_message_id="order-1")
            return queued.message.id, queued.is_repeat

    with ThreadPoolExecutor(8) as pool:
        told = [asked.result(timeout=30) for asked in [pool.submit(ask) for _ in range(8)]]

    assert len({message_id for message_id, _is_repeat in told}) == 1
    assert sorted(is_repeat for _message_id, is_repeat in told) == [False] + [True] * 7
    assert (len(rows(Message)), len(rows(Contact)), len(rows(Conversation))) == (1, 1, 1)


def test_a_unit_that_is_away_holds_the_message(scope: TenantScope, unit: Unit, conversation: Conversation) -> None:
    with tenant_transaction(scope):
        set_status(lock_connection(scope, unit.id), ConnectionStatus.DISCONNECTED, StatusReason.CONNECTION_LOST)

    queued = reply(scope, conversation.id)

    assert (queued.is_held, queued.message.status) == (True, MessageStatus.QUEUED)


def test_a_unit_that_was_never_connected_takes_nothing(scope: TenantScope) -> None:
    unit = make_unit(scope)

    with pytest.raises(Conflict) as refused:
        send(scope, unit)

    assert refused.value.code == "never_connected"
    assert rows(Message) == []


@pytest.mark.parametrize("what", ["conversation", "unit"])
def test_another_tenants_conversation_and_unit_do_not_exist(
    scope: TenantScope, unit: Unit, conversation: Conversation, what: str
) -> None:
    rival = make_tenant("rival")
    calls: dict[str, Callable[[], Queued]] = {
        "conversation": lambda: reply(rival, conversation.id),
        "unit": lambda: send(rival, unit),
    }

    with pytest.raises(NotFound):
        calls[what]()


def test_a_unit_that_a_person_does_not_answer_in_does_not_exist(scope: TenantScope, unit: Unit) -> None:
    elsewhere = TenantScope(scope.tenant_id, unit_ids=frozenset({make_unit(scope, "praia").id}))

    with pytest.raises(NotFound):
        send(elsewhere, unit)


def test_looking_at_a_conversation_leaves_nothing_unread(scope: TenantScope, conversation: Conversation) -> None:
    make_message(scope, conversation)

    with acting_for(scope):
        conversations.mark_read(scope, conversation.id)
        assert scope.get(Conversation, conversation.id).unread == 0
