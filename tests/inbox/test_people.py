"""Who a message is from, when WhatsApp names one person by number, by LID, or by both (contract §14, §16)."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from portal.db import atomic
from portal.models import Contact, Conversation, Direction, Message
from portal.services import conversations
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit, make_conversation, make_message
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import MARIA, MARIA_LID, SENT_AT, at, message

Rows = Callable[..., list[Any]]
PHONE, LID = MARIA.split("@")[0], MARIA_LID.split("@")[0]
TOLD = {
    "number": message("3A01", "um", messageTimestamp=SENT_AT + 1),
    "lid": message("3A02", "dois", chat=MARIA_LID, messageTimestamp=SENT_AT + 2),
    "both": message("3A03", "três", chat=MARIA_LID, alt=MARIA, messageTimestamp=SENT_AT + 3),
}


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize("order", list(permutations(TOLD)), ids="-".join)
@pytest.mark.parametrize("is_batch", [True, False], ids=["together", "one_by_one"])
def test_number_and_lid_of_one_person_end_as_one_contact(
    evolution: Evolution, rows: Rows, order: tuple[str, ...], is_batch: bool
) -> None:
    news = [("messages.upsert", TOLD[name], at(second)) for second, name in enumerate(order)]
    for together in [news] if is_batch else [[one] for one in news]:
        evolution.tell(*together)

    assert [(contact.phone, contact.lid) for contact in rows(Contact)] == [(PHONE, LID)]
    conversation = rows(Conversation)[0]
    assert (conversation.unread, conversation.last_message_preview) == (3, "três")
    assert {seen.conversation_id for seen in rows(Message)} == {conversation.id}
    assert len(rows(Message)) == 3


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize("number", ["5511901234567", "5599012345678", "999123456789012"])
def test_number_that_no_list_of_numbers_knows_is_somebodys_all_the_same(
    evolution: Evolution, rows: Rows, number: str
) -> None:
    evolution.tell(("messages.upsert", message("3A09", "oi", chat=f"{number}@s.whatsapp.net")))

    assert [seen.body for seen in rows(Message)] == ["oi"]
    assert [(contact.phone, contact.whatsapp_number) for contact in rows(Contact)] == [(number, number)]


@pytest.mark.usefixtures("unit")
def test_conversations_at_other_units_are_joined_as_well(scope: TenantScope, evolution: Evolution, rows: Rows) -> None:
    other = make_connected_unit(scope, "praia", instance_name="unit_other")
    with acting_for(scope), atomic():
        contact = scope.add(Contact(lid=LID, name="Maria"))
    by_lid = conversation_at(scope, other.id, contact.id)
    kept = make_conversation(scope, other, phone=PHONE)
    for conversation, text in ((by_lid, "por LID"), (kept, "por número")):
        make_message(scope, conversation, body=text, direction=Direction.INBOUND)

    evolution.tell(("messages.upsert", TOLD["both"]))

    at_other = [conversation for conversation in rows(Conversation) if conversation.unit_id == other.id]
    assert [(one.id, one.unread) for one in at_other] == [(kept.id, 2)]
    assert {m.body for m in rows(Message) if m.conversation_id == kept.id} == {"por LID", "por número"}
    assert [(contact.phone, contact.lid) for contact in rows(Contact)] == [(PHONE, LID)]


def conversation_at(scope: TenantScope, unit_id: Any, contact_id: Any) -> Conversation:
    with acting_for(scope), atomic():
        return conversations.open_conversation(scope, unit_id, contact_id)


@pytest.mark.usefixtures("unit")
def test_a_clients_own_message_id_stays_unique_when_conversations_are_joined(
    scope: TenantScope, unit: Any, evolution: Evolution, rows: Rows
) -> None:
    with acting_for(scope), atomic():
        contact = scope.add(Contact(lid=LID))
    by_lid, by_number = conversation_at(scope, unit.id, contact.id), make_conversation(scope, unit, phone=PHONE)
    for conversation in (by_lid, by_number):
        make_message(scope, conversation, direction=Direction.OUTBOUND, client_message_id="order-1")

    evolution.tell(("messages.upsert", TOLD["both"]))

    sent = [message for message in rows(Message) if message.direction == Direction.OUTBOUND]
    assert {message.conversation_id for message in sent} == {by_number.id}
    assert sorted(str(message.client_message_id) for message in sent) == ["None", "order-1"]


@pytest.mark.usefixtures("unit")
def test_a_lid_that_belongs_to_another_number_stays_there(evolution: Evolution, rows: Rows) -> None:
    other = "5511999990077@s.whatsapp.net"
    evolution.tell(("messages.upsert", TOLD["both"]))
    evolution.tell(("messages.upsert", message("3A09", chat=MARIA_LID, alt=other)))

    assert {(contact.phone, contact.lid) for contact in rows(Contact)} == {(PHONE, LID), ("5511999990077", None)}


@pytest.mark.usefixtures("unit")
def test_the_name_told_last_survives_a_merge(evolution: Evolution, rows: Rows) -> None:
    older = {**TOLD["number"], "pushName": "Maria antiga"}
    newer = {**TOLD["lid"], "pushName": "Maria nova"}
    link = {**TOLD["both"], "pushName": ""}
    evolution.tell(*[("messages.upsert", told, at(second)) for second, told in enumerate((newer, older, link))])

    assert [contact.name for contact in rows(Contact)] == ["Maria nova"]
