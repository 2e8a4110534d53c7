"""What each kind of content becomes: kind, text and details, in every version's encoding (contract §11.3, §11.4)."""

from typing import Any

import pytest

from portal.inbox.facts import MessageSeen
from portal.models import MessageKind
from tests.inbox.contents import read, seen, vcard
from tests.inbox.parsing import facts
from tests.inbox.payloads import message

TEXT, UNKNOWN, POLL = MessageKind.TEXT, MessageKind.UNKNOWN, MessageKind.POLL

ANA = {
    "displayName": "Ana",
    "vcard": vcard("Ana", "item1.TEL;waid=5511999990009:+55 11 99999-0009", "item1.X-ABLabel:x"),
}
POLL_CONTENT = {
    "name": "Como prefere?",
    "options": [{"optionName": "Retirar"}, {"optionName": "Receber"}],
    "selectableOptionsCount": 1,
}
OPTIONS = {"options": ["Retirar", "Receber"], "selectable": 1}
FORM = {"name": "menu", "paramsJson": '{"id":"row_1","title":"Segunda via","description":"de boleto"}'}

# Content, kind, text, details.
SAID: dict[str, tuple[dict[str, Any], MessageKind, str, dict[str, Any] | None]] = {
    "text": ({"conversation": "Olá"}, TEXT, "Olá", None),
    "extended": ({"extendedTextMessage": {"text": "Olá"}}, TEXT, "Olá", None),
    "text beside noise": (
        {"senderKeyDistributionMessage": {"groupId": "x"}, "conversation": "Olá", "messageContextInfo": {}},
        TEXT,
        "Olá",
        None,
    ),
    "image": ({"imageMessage": {"caption": "Veja"}}, MessageKind.IMAGE, "Veja", None),
    "image with the file": ({"imageMessage": {}, "base64": "AAAA"}, MessageKind.IMAGE, "", None),
    "video": (
        {"videoMessage": {"caption": "Veja", "seconds": 12}},
        MessageKind.VIDEO,
        "Veja",
        {"duration": 12},
    ),
    "animation": (
        {"videoMessage": {"gifPlayback": True}},
        MessageKind.VIDEO,
        "",
        {"isAnimated": True},
    ),
    "video note": (
        {"ptvMessage": {"seconds": "3"}},
        MessageKind.VIDEO,
        "",
        {"isVideoNote": True, "duration": 3},
    ),
    "voice note": (
        {"audioMessage": {"seconds": 4, "ptt": True}},
        MessageKind.AUDIO,
        "",
        {"isVoiceNote": True, "duration": 4},
    ),
    "sound": ({"audioMessage": {"seconds": -1, "ptt": False}}, MessageKind.AUDIO, "", None),
    "document": (
        {"documentMessage": {"fileName": "nota.pdf", "caption": "A nota"}},
        MessageKind.DOCUMENT,
        "A nota",
        None,
    ),
    "sticker": ({"stickerMessage": {"isAnimated": False}}, MessageKind.STICKER, "", None),
    "moving sticker": ({"stickerMessage": {"isLottie": True}}, MessageKind.STICKER, "", {"isAnimated": True}),
    "lottie": (
        {"lottieStickerMessage": {"message": {"stickerMessage": {}}}},
        MessageKind.STICKER,
        "",
        {"isAnimated": True},
    ),
    "place": (
        {
            "locationMessage": {
                "degreesLatitude": -23.5,
                "degreesLongitude": 0,
                "name": "Praça",
                "address": "Rua Fictícia, 100\nSão Paulo",
            }
        },
        MessageKind.LOCATION,
        "Praça\nRua Fictícia, 100 São Paulo",
        {"latitude": -23.5, "longitude": 0},
    ),
    "place without words": (
        {"locationMessage": {"degreesLatitude": 1, "degreesLongitude": 2}},
        MessageKind.LOCATION,
        "",
        {"latitude": 1, "longitude": 2},
    ),
    "no place on earth": (
        {"locationMessage": {"degreesLatitude": 91, "degreesLongitude": 0}},
        MessageKind.LOCATION,
        "",
        None,
    ),
    "half a place": ({"locationMessage": {"degreesLatitude": 1}}, MessageKind.LOCATION, "", None),
    "place in words": (
        {"locationMessage": {"degreesLatitude": "1", "degreesLongitude": True}},
        MessageKind.LOCATION,
        "",
        None,
    ),
    "live place": (
        {"liveLocationMessage": {"degreesLatitude": 1.5, "degreesLongitude": 2.5, "caption": "Indo"}},
        MessageKind.LOCATION,
        "Indo",
        {"latitude": 1.5, "longitude": 2.5, "isLive": True},
    ),
    "card": (
        {"contactMessage": ANA},
        MessageKind.CONTACT_CARD,
        "Ana · +5511999990009",
        {"cards": [{"name": "Ana", "phones": ["5511999990009"]}]},
    ),
    "cards": (
        {
            "contactsArrayMessage": {
                "displayName": "2 contatos",
                "contacts": [
                    ANA,
                    {"vcard": vcard("Bia\\, irmã", "TEL;TYPE=CELL:+55 (31) 9999-0003", "tel:+1 202 555 0123", "TEL:1")},
                    {"displayName": "", "vcard": "BEGIN"},
                    "text",
                ],
            }
        },
        MessageKind.CONTACT_CARD,
        "Ana · +5511999990009\nBia, irmã · +5531999990003, +12025550123",
        {
            "cards": [
                {"name": "Ana", "phones": ["5511999990009"]},
                {"name": "Bia, irmã", "phones": ["5531999990003", "12025550123"]},
            ]
        },
    ),
    "folded card": (
        {"contactMessage": {"vcard": "FN:Ana\r\nTEL;waid=55119999\r\n 90009:+55 11\r\nEND:VCARD"}},
        MessageKind.CONTACT_CARD,
        "Ana · +5511999990009",
        {"cards": [{"name": "Ana", "phones": ["5511999990009"]}]},
    ),
    "empty cards": (
        {"contactsArrayMessage": {"displayName": "2 contatos", "contacts": None}},
        MessageKind.CONTACT_CARD,
        "2 contatos",
        None,
    ),
    "poll": (
        {"pollCreationMessage": POLL_CONTENT},
        POLL,
        "Como prefere?\n• Retirar\n• Receber",
        OPTIONS,
    ),
    "poll 2": ({"pollCreationMessageV2": POLL_CONTENT}, POLL, "Como prefere?\n• Retirar\n• Receber", OPTIONS),
    "poll 3": ({"pollCreationMessageV3": POLL_CONTENT}, POLL, "Como prefere?\n• Retirar\n• Receber", OPTIONS),
    "poll for any number": (
        {"pollCreationMessageV3": {"name": "Qual?", "options": [], "selectableOptionsCount": 0}},
        POLL,
        "Qual?",
        {"options": [], "selectable": 0},
    ),
    "button": (
        {"buttonsResponseMessage": {"selectedDisplayText": "Sim", "selectedButtonId": "yes"}},
        TEXT,
        "Sim",
        {"isAnswer": True, "choice": "yes"},
    ),
    "template button": (
        {"templateButtonReplyMessage": {"selectedDisplayText": "Sim", "selectedId": "1"}},
        TEXT,
        "Sim",
        {"isAnswer": True, "choice": "1"},
    ),
    "button without words": (
        {"buttonsResponseMessage": {"selectedButtonId": "yes"}},
        TEXT,
        "yes",
        {"isAnswer": True, "choice": "yes"},
    ),
    "list": (
        {"listResponseMessage": {"title": "Centro", "singleSelectReply": {"selectedRowId": "r1"}}},
        TEXT,
        "Centro",
        {"isAnswer": True, "choice": "r1"},
    ),
    "form with words": (
        {"interactiveResponseMessage": {"body": {"text": "Segunda via"}, "nativeFlowResponseMessage": FORM}},
        TEXT,
        "Segunda via",
        {"isAnswer": True, "choice": "row_1"},
    ),
    "form": (
        {"interactiveResponseMessage": {"body": {"text": ""}, "nativeFlowResponseMessage": FORM}},
        TEXT,
        "Segunda via",
        {"isAnswer": True, "choice": "row_1"},
    ),
    "form of fields": (
        {
            "interactiveResponseMessage": {
                "nativeFlowResponseMessage": {"paramsJson": '{"flow_token":"t0","screen_0":"Ana"}'}
            }
        },
        TEXT,
        "Ana",
        {"isAnswer": True},
    ),
    "form of nonsense": (
        {"interactiveResponseMessage": {"nativeFlowResponseMessage": {"paramsJson": "{" * 20_000}}},
        TEXT,
        "",
        {"isAnswer": True},
    ),
    "order": ({"orderMessage": {"orderTitle": "Pedido"}}, UNKNOWN, "Pedido", {"originalType": "orderMessage"}),
    "product": (
        {"productMessage": {"product": {"title": "Camisa"}, "body": "nova"}},
        UNKNOWN,
        "Camisa",
        {"originalType": "productMessage"},
    ),
    "invitation": (
        {"groupInviteMessage": {"groupJid": "1@g.us", "groupName": "Equipe", "inviteCode": "x"}},
        UNKNOWN,
        "Equipe",
        {"originalType": "groupInviteMessage"},
    ),
    "event": (
        {"eventMessage": {"name": "Inauguração", "location": {"name": "Loja"}}},
        UNKNOWN,
        "Inauguração",
        {"originalType": "eventMessage"},
    ),
    "payment": (
        {"requestPaymentMessage": {"noteMessage": {"extendedTextMessage": {"text": "Almoço"}}}},
        UNKNOWN,
        "Almoço",
        {"originalType": "requestPaymentMessage"},
    ),
    "album": (
        {"albumMessage": {"expectedImageCount": 3}},
        UNKNOWN,
        "",
        {"originalType": "albumMessage"},
    ),
    "call log": ({"callLogMesssage": {"callOutcome": 1}}, UNKNOWN, "", {"originalType": "callLogMesssage"}),
    "buttons": (
        {"buttonsMessage": {"contentText": "Escolha", "contextInfo": {"quotedMessage": {"conversation": "x"}}}},
        UNKNOWN,
        "Escolha",
        {"originalType": "buttonsMessage"},
    ),
    "unheard of": ({"holographMessage": {"depth": 3}}, UNKNOWN, "", {"originalType": "holographMessage"}),
    "unheard of text": ({"holographMessage": "Olá"}, UNKNOWN, "Olá", {"originalType": "holographMessage"}),
    "unheard of name": ({"<b>\u0000": {"x": 1}}, UNKNOWN, "", {"originalType": "unknown"}),
    "text of another type": ({"conversation": {"text": ["Olá"]}}, TEXT, "", None),
    "image of another type": ({"imageMessage": 7}, MessageKind.IMAGE, "", None),
    "nothing": ({}, UNKNOWN, "", {"originalType": "unknown"}),
}


@pytest.mark.parametrize(("content", "kind", "body", "details"), SAID.values(), ids=SAID)
def test_every_kind_of_content(
    content: dict[str, Any], kind: MessageKind, body: str, details: dict[str, Any] | None
) -> None:
    found = seen(content, next(iter(content), "unknown"))

    assert (found.kind, found.body, found.details) == (kind, body, details)


WRAPPERS = [
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "documentWithCaptionMessage",
    "editedMessage",
    "groupMentionedMessage",
    "associatedChildMessage",
]


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_content_is_the_content(wrapper: str) -> None:
    found = seen({wrapper: {"message": {"extendedTextMessage": {"text": "Olá"}}}, "messageContextInfo": {}}, wrapper)

    assert (found.kind, found.body) == (TEXT, "Olá")
    assert found.details == ({"isViewOnce": True} if wrapper.startswith("viewOnce") else None)


@pytest.mark.parametrize(("depth", "kind"), [(5, TEXT), (6, UNKNOWN)])
def test_wrappers_are_opened_so_far_and_no_further(depth: int, kind: MessageKind) -> None:
    content: dict[str, Any] = {"conversation": "Olá"}
    for _ in range(depth):
        content = {"ephemeralMessage": {"message": content}}

    assert seen(content, "ephemeralMessage").kind == kind


@pytest.mark.parametrize("name", ["senderKeyDistributionMessage", "messageContextInfo"])
@pytest.mark.parametrize("type_", ["unknown", "senderKeyDistributionMessage", None])
def test_what_only_machines_need_is_no_message(name: str, type_: object) -> None:
    assert read({name: {"groupId": "x"}}, type_) is None


ONCE = {"originalType": "viewOnce", "isViewOnce": True}


def test_a_message_to_be_seen_once_that_was_kept_back() -> None:
    data = message("3A01", message=None, messageType="unknown")
    data["key"]["isViewOnce"] = True

    (fact,) = facts("messages.upsert", data)

    assert isinstance(fact, MessageSeen)
    assert (fact.kind, fact.body, fact.details) == (UNKNOWN, "", ONCE)


def test_a_message_to_be_seen_once_that_came_empty() -> None:
    assert seen({"viewOnceMessageV2": {"message": {}}}, "viewOnceMessageV2").details == ONCE


def test_a_photo_to_be_seen_once_that_came() -> None:
    assert seen({"imageMessage": {"viewOnce": True}}, "imageMessage").details == {"isViewOnce": True}
