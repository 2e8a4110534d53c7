"""What Evolution stored of our side goes in by the inbox's one door, and settles the doubts that it belongs to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.clock import now
from portal.models import Contact, Direction, EventState, Message, MessageSource, MessageStatus, WebhookEvent
from portal.services import conversations
from portal.services.media import Upload
from portal.tenancy import acting_for
from tests.evolution.little_servers import Scripted
from tests.files import PDF
from tests.inbox.payloads import MARIA_LID, OWN
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.doubts import ID, NOT_KNOWN, OTHER_ID, doubt, look, make_due, settled, stored
from tests.outbox.sending import claim_one, record

pytestmark = pytest.mark.commits


def test_a_stored_record_settles_the_doubt(scripted: Scripted, shop: Shop) -> None:
    message_id = doubt(shop)

    look(scripted, stored())

    assert settled(shop, message_id) == (MessageStatus.SENT, ID)
    assert shop.message(message_id).error_code is None
    assert len(rows_of(Message)) == 1


def test_our_own_id_settles_the_doubt_where_it_is_kept(scripted: Scripted, shop: Shop) -> None:
    message_id = doubt(shop, is_id_kept=True)
    own_id = shop.message(message_id).proposed_id or ""

    look(scripted, stored(OTHER_ID), stored(own_id, "Olá (editado)"))

    assert settled(shop, message_id) == (MessageStatus.SENT, own_id)
    others = [m for m in rows_of(Message) if m.id != message_id]
    assert [(m.external_id, m.source) for m in others] == [(OTHER_ID, MessageSource.PHONE)]


def test_our_own_id_settles_the_doubt_under_an_address_we_did_not_know(scripted: Scripted, shop: Shop) -> None:
    message_id = doubt(shop, is_id_kept=True)
    own_id = shop.message(message_id).proposed_id or ""

    look(scripted, stored(own_id, chat=MARIA_LID))

    assert settled(shop, message_id) == (MessageStatus.SENT, own_id)


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Outra coisa"},
        {"chat": "5521999990004@s.whatsapp.net"},
        {"at": datetime(2026, 1, 1, tzinfo=UTC)},
        {"messageType": "imageMessage", "message": {"imageMessage": {"caption": "Olá"}}},
    ],
    ids=["other_text", "other_person", "long_ago", "other_kind"],
)
def test_a_record_of_something_else_settles_nothing(scripted: Scripted, shop: Shop, other: dict[str, Any]) -> None:
    message_id = doubt(shop)

    look(scripted, stored(**other))

    assert settled(shop, message_id) == (MessageStatus.UNCONFIRMED, None)


@pytest.mark.parametrize("text", ["O boleto", ""], ids=["with_text", "without_text"])
def test_a_file_is_recognised_by_its_kind_and_text(scripted: Scripted, shop: Shop, text: str) -> None:
    with acting_for(shop.scope):
        upload = Upload("boleto.pdf", PDF)
        message_id = conversations.reply(shop.scope, shop.conversation.id, text=text, upload=upload).message.id
    record(claim_one(), NOT_KNOWN)
    make_due(shop, message_id)
    picture = {"messageType": "imageMessage", "message": {"imageMessage": {"caption": text}}}
    document: dict[str, Any] = {"documentMessage": {"fileName": "boleto.pdf", **({"caption": text} if text else {})}}

    look(
        scripted,
        stored(OTHER_ID, **picture, at=now()),
        stored(ID, messageType="documentMessage", message=document, at=now()),
    )

    assert settled(shop, message_id) == (MessageStatus.SENT, ID)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ((), MessageStatus.SENT),
        (("SERVER_ACK",), MessageStatus.SENT),
        (("DELIVERY_ACK",), MessageStatus.DELIVERED),
        (("READ", "DELIVERY_ACK"), MessageStatus.READ),
        (("DELIVERY_ACK", "PLAYED"), MessageStatus.READ),
        (("SERVER_ACK", "ERROR"), MessageStatus.FAILED),
        (("ERROR", "DELIVERY_ACK"), MessageStatus.DELIVERED),
        (("DELETED",), MessageStatus.SENT),
    ],
    ids=["none", "accepted", "delivered", "read", "played", "refused", "arrived_after_all", "no_rung"],
)
def test_what_whatsapp_told_of_a_record_is_told_of_the_message(
    scripted: Scripted, shop: Shop, told: tuple[str, ...], status: MessageStatus
) -> None:
    shop.hear()
    message_id = doubt(shop)

    look(scripted, stored(told=told))

    message = shop.message(message_id)
    assert message.status == status
    assert (message.accepted_at is not None) == (status != MessageStatus.FAILED and told not in ((), ("DELETED",)))


def test_two_equal_texts_of_which_one_is_known_are_told_apart(scripted: Scripted, shop: Shop) -> None:
    shop.hear()
    doubtful = doubt(shop, sent_ago_s=40)
    shop.reply()
    known = claim_one()
    shop.change_message(known.id, status=MessageStatus.SENT, external_id=OTHER_ID, sent_at=now())

    look(
        scripted,
        stored(OTHER_ID, at=now() - timedelta(seconds=5)),
        stored(ID, at=now() - timedelta(seconds=39)),
    )

    assert settled(shop, doubtful) == (MessageStatus.SENT, ID)
    assert settled(shop, known.id) == (MessageStatus.SENT, OTHER_ID)
    assert len(rows_of(Message)) == 2


def test_two_equal_doubts_take_one_record_each(scripted: Scripted, shop: Shop) -> None:
    earlier, later = doubt(shop, sent_ago_s=100), doubt(shop, sent_ago_s=30)

    look(
        scripted,
        stored(OTHER_ID, at=now() - timedelta(seconds=28)),
        stored(ID, at=now() - timedelta(seconds=98)),
    )

    assert settled(shop, earlier) == (MessageStatus.SENT, ID)
    assert settled(shop, later) == (MessageStatus.SENT, OTHER_ID)


def test_of_two_equal_doubts_the_nearest_takes_the_only_record(scripted: Scripted, shop: Shop) -> None:
    earlier, later = doubt(shop, sent_ago_s=100), doubt(shop, sent_ago_s=30)

    look(scripted, stored(at=now() - timedelta(seconds=28)))

    assert settled(shop, earlier) == (MessageStatus.UNCONFIRMED, None)
    assert settled(shop, later) == (MessageStatus.SENT, ID)


def test_a_record_is_applied_once_however_often_it_is_found(scripted: Scripted, shop: Shop) -> None:
    message_id, record_ = doubt(shop), stored(told=("READ",))
    look(scripted, record_)
    before = [(m.id, m.status, m.external_id, m.read_at) for m in rows_of(Message)]

    doubt(shop, "Outra")
    look(scripted, record_)

    assert [(m.id, m.status, m.external_id, m.read_at) for m in rows_of(Message) if m.id == message_id] == before
    assert len([event for event in rows_of(WebhookEvent) if ID in event.body]) == 1


def test_what_was_found_later_climbs_further(scripted: Scripted, shop: Shop) -> None:
    message_id = doubt(shop)
    look(scripted, stored(told=("DELIVERY_ACK",)))

    doubt(shop, "Outra")
    look(scripted, stored(told=("DELIVERY_ACK", "READ")))

    assert shop.message(message_id).status == MessageStatus.READ


def test_what_was_written_on_the_phone_meanwhile_comes_in_too(scripted: Scripted, shop: Shop) -> None:
    doubt(shop)

    look(scripted, stored(OTHER_ID, "Do celular"), stored())

    assert [(m.body, m.source) for m in rows_of(Message)] == [
        ("Olá", MessageSource.PERSON),
        ("Do celular", MessageSource.PHONE),
    ]


def test_our_own_number_beside_a_lid_is_not_taken_for_the_customers(scripted: Scripted, shop: Shop) -> None:
    doubt(shop)
    record_ = stored(OTHER_ID, "Do celular")
    record_["key"] |= {"remoteJid": MARIA_LID, "remoteJidAlt": OWN}

    look(scripted, record_)

    strangers = [contact for contact in rows_of(Contact) if contact.lid is not None]
    assert [(contact.lid, contact.phone) for contact in strangers] == [(MARIA_LID.removesuffix("@lid"), None)]


def test_groups_and_stories_are_left_out(scripted: Scripted, shop: Shop) -> None:
    doubt(shop)

    look(scripted, stored(chat="120363000000000001@g.us"), stored(OTHER_ID, chat="status@broadcast"))

    assert len(rows_of(Message)) == 1
    assert {event.state for event in rows_of(WebhookEvent)} == {EventState.DONE}


def test_an_inbound_record_is_a_customers_message(scripted: Scripted, shop: Shop) -> None:
    """Not asked for, but Evolution's filters differ by version."""
    doubt(shop)
    theirs = stored(OTHER_ID, "Oi")
    theirs["key"]["fromMe"] = False

    look(scripted, theirs)

    assert [m.direction for m in rows_of(Message)] == [Direction.OUTBOUND, Direction.INBOUND]
