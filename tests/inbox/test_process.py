"""What a message that Evolution tells makes of the rows, however it is addressed and encoded (contract §11, §14)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from portal.clock import now
from portal.db import atomic
from portal.models import (
    Contact,
    Conversation,
    Direction,
    EventState,
    Message,
    MessageKind,
    MessageSource,
    MessageStatus,
    Unit,
)
from portal.tenancy import TenantScope, acting_for
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import MARIA, MARIA_LID, OWN, SENT_AT, at, message

Rows = Callable[..., list[Any]]
ID = "3EB00123456789ABCDEF01"


def test_a_customers_message_makes_contact_conversation_and_message(
    unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    evolution.tell(("messages.upsert", message("3A01", "Bom dia")))

    contact, conversation, seen = rows(Contact)[0], rows(Conversation)[0], rows(Message)[0]
    assert (contact.phone, contact.whatsapp_number, contact.name) == ("5511999990002", "5511999990002", "Maria")
    assert (conversation.unit_id, conversation.contact_id, conversation.unread) == (unit.id, contact.id, 1)
    assert (conversation.last_message_preview, conversation.last_message_direction) == ("Bom dia", Direction.INBOUND)
    assert (seen.external_id, seen.body, seen.kind) == ("3A01", "Bom dia", MessageKind.TEXT)
    assert (seen.status, seen.direction, seen.source) == (MessageStatus.RECEIVED, Direction.INBOUND, None)
    assert seen.occurred_at == datetime.fromtimestamp(SENT_AT, tz=UTC)


@pytest.mark.usefixtures("unit")
def test_a_message_that_comes_twice_in_other_words_is_one(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("messages.upsert", message("3A01")), ("messages.upsert", [message("3A01")], at(9)))

    assert len(rows(Message)) == 1
    assert rows(Conversation)[0].unread == 1


@pytest.mark.usefixtures("unit")
def test_an_older_message_that_comes_late_leaves_the_newest_in_view(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(
        ("messages.upsert", message("3A02", "depois", messageTimestamp=SENT_AT + 60)),
        ("messages.upsert", message("3A01", "antes")),
    )

    conversation = rows(Conversation)[0]
    assert (conversation.last_message_preview, conversation.unread) == ("depois", 2)


TEXTS = {
    "text": ({"conversation": "Olá"}, "conversation", MessageKind.TEXT, "Olá"),
    "image": (
        {"imageMessage": {"caption": "Veja", "mimetype": "image/jpeg"}},
        "imageMessage",
        MessageKind.IMAGE,
        "Veja",
    ),
    "image_without_caption": ({"imageMessage": {}}, "imageMessage", MessageKind.IMAGE, ""),
    "video": ({"videoMessage": {"caption": "Aqui"}}, "videoMessage", MessageKind.VIDEO, "Aqui"),
    "video_note": ({"ptvMessage": {"seconds": 3}}, "ptvMessage", MessageKind.VIDEO, ""),
    "voice": ({"audioMessage": {"seconds": 4, "ptt": True}}, "audioMessage", MessageKind.AUDIO, ""),
    "document": (
        {"documentMessage": {"fileName": "nota.pdf", "caption": "A nota"}},
        "documentMessage",
        MessageKind.DOCUMENT,
        "A nota",
    ),
    "document_by_name": (
        {"documentMessage": {"fileName": "nota.pdf"}},
        "documentMessage",
        MessageKind.DOCUMENT,
        "",
    ),
    "sticker": ({"stickerMessage": {"isAnimated": False}}, "stickerMessage", MessageKind.STICKER, ""),
    "location": ({"locationMessage": {"name": "Loja"}}, "locationMessage", MessageKind.LOCATION, "Loja"),
    "contact": ({"contactMessage": {"displayName": "João"}}, "contactMessage", MessageKind.CONTACT_CARD, "João"),
    "reaction": (
        {"reactionMessage": {"text": "👍", "key": {"id": "3A00"}}},
        "reactionMessage",
        MessageKind.REACTION,
        "👍",
    ),
    "reaction_removed": ({"reactionMessage": {"text": ""}}, "reactionMessage", MessageKind.REACTION, ""),
    "poll": ({"pollCreationMessageV3": {"name": "Qual?"}}, "pollCreationMessageV3", MessageKind.POLL, "Qual?"),
    "button": (
        {"buttonsResponseMessage": {"selectedDisplayText": "Sim"}},
        "buttonsResponseMessage",
        MessageKind.TEXT,
        "Sim",
    ),
    "unheard_of": ({"holographMessage": {"depth": 3}}, "holographMessage", MessageKind.UNKNOWN, ""),
    "disappearing": (
        {"ephemeralMessage": {"message": {"extendedTextMessage": {"text": "Some logo"}}}},
        "ephemeralMessage",
        MessageKind.TEXT,
        "Some logo",
    ),
    "twice_wrapped": (
        {"ephemeralMessage": {"message": {"viewOnceMessageV2": {"message": {"imageMessage": {"caption": "Uma vez"}}}}}},
        "ephemeralMessage",
        MessageKind.IMAGE,
        "Uma vez",
    ),
    "nothing": (None, "unknown", MessageKind.UNKNOWN, ""),
}


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize(("content", "type_", "kind", "body"), TEXTS.values(), ids=TEXTS)
def test_every_kind_of_message_has_a_kind_and_what_was_typed(
    evolution: Evolution, rows: Rows, content: object, type_: str, kind: MessageKind, body: str
) -> None:
    evolution.tell(("messages.upsert", message("3A01", message=content, messageType=type_)))

    assert [(m.kind, m.body) for m in rows(Message)] == [(kind, body)]


TIMES = {
    "number": SENT_AT,
    "text": str(SENT_AT),
    "long": {"low": SENT_AT, "high": 0, "unsigned": True},
    "long_below_zero": {"low": SENT_AT - 2**32, "high": 0, "unsigned": False},
}


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize("value", TIMES.values(), ids=TIMES)
def test_the_time_of_a_message_is_read_in_every_encoding(evolution: Evolution, rows: Rows, value: object) -> None:
    evolution.tell(("messages.upsert", message("3A01", messageTimestamp=value)))

    assert rows(Message)[0].occurred_at == datetime.fromtimestamp(SENT_AT, tz=UTC)


@pytest.mark.usefixtures("unit")
def test_a_message_from_the_future_is_from_now(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("messages.upsert", message("3A01", messageTimestamp=SENT_AT + 10**9)))

    assert rows(Message)[0].occurred_at <= now()


NAMES = {
    "zero_byte": ("Ma\x00ria", "Maria"),
    "half_a_character": ("Maria\ud83d", "Maria"),
    "direction_marks": ("\u202eMaria\u2066", "Maria"),
    "markup": ("<b>Maria</b>", "<b>Maria</b>"),
    "endless": ("M" * 5_000, "M" * 100),
    "digits": ("5511999990002", None),
    "own_placeholder": ("Você", None),
    "blank": ("  ", None),
    "null": (None, None),
    "object": ({"name": "Maria"}, None),
}


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize(("told", "kept"), NAMES.values(), ids=NAMES)
def test_a_name_is_made_harmless(evolution: Evolution, rows: Rows, told: object, kept: str | None) -> None:
    evolution.tell(("messages.upsert", message("3A01", pushName=told)))

    assert [contact.name for contact in rows(Contact)] == [kept]


@pytest.mark.usefixtures("unit")
@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in_order", "late"])
def test_the_newest_name_counts(evolution: Evolution, rows: Rows, order: tuple[int, int]) -> None:
    told = [message("3A01", pushName="Maria"), message("3A02", pushName="Outra", messageTimestamp=SENT_AT + 60)]
    for place in order:
        evolution.tell(("messages.upsert", told[place]))

    assert [contact.name for contact in rows(Contact)] == ["Outra"]


@pytest.mark.usefixtures("unit")
def test_a_name_that_a_person_gave_stays(scope: TenantScope, evolution: Evolution, rows: Rows) -> None:
    with acting_for(scope), atomic():
        scope.add(Contact(phone="5511999990002", name="Maria"))

    evolution.tell(("messages.upsert", message("3A01", pushName="Outra")))

    assert [contact.name for contact in rows(Contact)] == ["Maria"]


OTHERS = {
    "group": {"chat": "120363000000000001@g.us"},
    "old_group": {"chat": "5511999990002-1600000000@g.us"},
    "story": {"chat": "status@broadcast"},
    "list": {"chat": "1600000000@broadcast"},
    "channel": {"chat": "120363000000000001@newsletter"},
    "own_in_a_group": {"chat": "120363000000000001@g.us", "from_me": True},
}


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize("where", OTHERS.values(), ids=OTHERS)
def test_groups_stories_lists_and_channels_are_ignored(evolution: Evolution, rows: Rows, where: dict[str, Any]) -> None:
    evolution.tell(("messages.upsert", message("3A01", **where)))

    assert rows(Message) == rows(Contact) == rows(Conversation) == []
    assert [event.state for event in evolution.events()] == [EventState.DONE]


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize(
    "event", ["presence.update", "chats.upsert", "contacts.update", "call", "labels.edit", "new.thing"]
)
def test_news_the_portal_does_not_use_is_done_with(evolution: Evolution, rows: Rows, event: str) -> None:
    evolution.tell((event, [{"id": "x"}]))

    assert [stored.state for stored in evolution.events()] == [EventState.DONE]
    assert rows(Message) == []


PHONE = "5511999990002"
LID = "123456789012345"


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([(MARIA_LID, MARIA)], (PHONE, LID)),
        ([(MARIA, MARIA_LID)], (PHONE, LID)),
        ([(MARIA_LID, None)], (None, LID)),
        ([(MARIA_LID, None), (MARIA_LID, MARIA)], (PHONE, LID)),
        ([(MARIA_LID, MARIA), (MARIA_LID, None)], (PHONE, LID)),
        ([(MARIA, None), (MARIA_LID, MARIA)], (PHONE, LID)),
        ([(MARIA, None), (MARIA, MARIA_LID), (MARIA_LID, None)], (PHONE, LID)),
        ([("5511999990002:17@s.whatsapp.net", None)], (PHONE, None)),
        ([("123456789012345:3@lid", "5511999990002:17@s.whatsapp.net")], (PHONE, LID)),
        ([(MARIA, MARIA)], (PHONE, None)),
    ],
    ids=[
        "lid_with_phone",
        "phone_with_lid",
        "lid_alone",
        "lid_then_phone",
        "both_then_lid",
        "phone_then_both",
        "one_by_one",
        "device",
        "device_on_both",
        "phone_twice",
    ],
)
def test_one_person_is_one_contact_however_addressed(
    evolution: Evolution,
    rows: Rows,
    addresses: list[tuple[str, str | None]],
    expected: tuple[str | None, str | None],
) -> None:
    for number, (chat, alt) in enumerate(addresses):
        evolution.tell(("messages.upsert", message(f"3A0{number}", chat=chat, alt=alt)))

    assert [(contact.phone, contact.lid) for contact in rows(Contact)] == [expected]
    assert len(rows(Conversation)) == 1
    assert len(rows(Message)) == len(addresses)


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize("name", ["senderPn", "remoteJidAlt"])
def test_the_phone_is_found_where_any_version_puts_it(evolution: Evolution, rows: Rows, name: str) -> None:
    data = message("3A01", chat=MARIA_LID)
    data["key"][name] = MARIA

    evolution.tell(("messages.upsert", data))

    assert [(contact.phone, contact.lid) for contact in rows(Contact)] == [(PHONE, LID)]


@pytest.mark.usefixtures("unit")
def test_a_replaced_lid_is_kept_beside_the_phone(evolution: Evolution, rows: Rows) -> None:
    data = message("3A01", chat=MARIA)
    data["key"]["previousRemoteJid"] = MARIA_LID

    evolution.tell(("messages.upsert", data))

    assert [(contact.phone, contact.lid) for contact in rows(Contact)] == [(PHONE, LID)]


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["short_first", "long_first"])
def test_a_brazilian_with_and_without_the_ninth_digit_is_one(
    evolution: Evolution, rows: Rows, order: tuple[int, int]
) -> None:
    forms = ("553199990003@s.whatsapp.net", "5531999990003@s.whatsapp.net")

    for number in order:
        evolution.tell(("messages.upsert", message(f"3A0{number}", chat=forms[number])))

    assert [contact.phone for contact in rows(Contact)] == ["5531999990003"]
    # WhatsApp has a number's short form only where it has no other.
    assert rows(Contact)[0].whatsapp_number == "553199990003"
    assert len(rows(Conversation)) == 1


@pytest.mark.usefixtures("unit")
def test_what_the_owner_writes_on_the_phone_is_outbound(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("messages.upsert", message("AC01", "Já vai", from_me=True)))

    own, conversation = rows(Message)[0], rows(Conversation)[0]
    assert (own.direction, own.source, own.status) == (Direction.OUTBOUND, MessageSource.PHONE, MessageStatus.SENT)
    assert own.sent_at == own.occurred_at
    assert (conversation.unread, conversation.last_message_direction) == (0, Direction.OUTBOUND)
    assert rows(Contact)[0].name is None


@pytest.mark.usefixtures("unit")
def test_our_own_address_in_our_message_is_not_the_customers(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("messages.upsert", message("AC01", chat=MARIA_LID, alt=OWN, from_me=True)))

    assert [(contact.phone, contact.lid) for contact in rows(Contact)] == [(None, LID)]
