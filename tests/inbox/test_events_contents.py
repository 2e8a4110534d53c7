"""What each kind of content becomes: kind, text and details, in every version's encoding (contract §11.3, §11.4)."""

import base64
import json
from typing import Any

import pytest

from portal.inbox.decoding import LONGEST_BODY
from portal.inbox.events import parse
from portal.inbox.facts import MediaSeen, MessageSeen
from portal.models import MessageKind
from tests.inbox.payloads import MARIA, MARIA_LID, message, webhook

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"
TEXT, UNKNOWN, POLL = MessageKind.TEXT, MessageKind.UNKNOWN, MessageKind.POLL


def read(content: object, type_: object = None, **data: Any) -> MessageSeen | None:
    payload = webhook("messages.upsert", message("3A01", message=content, messageType=type_, **data), instance="unit_1")
    facts = parse("messages.upsert", json.dumps(payload)).facts
    if not facts:
        return None
    assert isinstance(facts[0], MessageSeen)
    return facts[0]


def seen(content: object, type_: object = None, **data: Any) -> MessageSeen:
    found = read(content, type_, **data)
    assert found is not None
    return found


def vcard(name: str, *lines: str) -> str:
    return "\n".join(["BEGIN:VCARD", "VERSION:3.0", f"N:;{name};;;", f"FN:{name}", *lines, "END:VCARD"])


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

    (fact,) = parse("messages.upsert", json.dumps(webhook("messages.upsert", data, instance="unit_1"))).facts

    assert isinstance(fact, MessageSeen)
    assert (fact.kind, fact.body, fact.details) == (UNKNOWN, "", ONCE)


def test_a_message_to_be_seen_once_that_came_empty() -> None:
    assert seen({"viewOnceMessageV2": {"message": {}}}, "viewOnceMessageV2").details == ONCE


def test_a_photo_to_be_seen_once_that_came() -> None:
    assert seen({"imageMessage": {"viewOnce": True}}, "imageMessage").details == {"isViewOnce": True}


QUOTED = {"stanzaId": "3EB001", "quotedMessage": {"conversation": "x"}, "isForwarded": True}
REFERENCES = {
    "quote at the top": ({"conversation": "Sim"}, {"contextInfo": QUOTED}),
    "quote in the content": ({"extendedTextMessage": {"text": "Sim", "contextInfo": QUOTED}}, {}),
    "quote in an image": ({"imageMessage": {"contextInfo": QUOTED}}, {"contextInfo": {"deviceListMetadata": {}}}),
    "reaction": ({"reactionMessage": {"text": "👍", "key": {"id": "3EB001"}}}, {}),
    "reaction removed": ({"reactionMessage": {"text": "", "key": {"id": "3EB001"}}}, {}),
    "vote": ({"pollUpdateMessage": {"pollCreationMessageKey": {"id": "3EB001"}}}, {}),
    "pin": ({"pinInChatMessage": {"key": {"id": "3EB001"}, "type": 1}}, {}),
}


@pytest.mark.parametrize(("content", "more"), REFERENCES.values(), ids=REFERENCES)
def test_what_a_message_refers_to(content: dict[str, Any], more: dict[str, Any]) -> None:
    assert seen(content, next(iter(content)), **more).refers_to == "3EB001"


@pytest.mark.parametrize("id_", [None, "", "3A\x00", {"id": "x"}, "x" * 81], ids=ascii)
def test_what_no_id_is_refers_to_nothing(id_: object) -> None:
    assert seen({"reactionMessage": {"text": "👍", "key": {"id": id_}}}, "reactionMessage").refers_to is None


def test_a_forwarded_message() -> None:
    assert seen({"conversation": "Oi"}, contextInfo={"isForwarded": True}).details == {"isForwarded": True}


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ads.example.test/x?a=1", "https://ads.example.test/x?a=1"),
        ("http://ads.example.test", "http://ads.example.test"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("https://", None),
        ("https://[x", None),
        ("https://ads.example.test/ x", None),
        ("https://ads.example.test/\u202ex", None),
        ("https://ads.example.test/" + "x" * 2_000, None),
        (7, None),
    ],
    ids=range(10),
)
def test_the_ad_that_led_here(url: object, kept: str | None) -> None:
    ad = {"title": "Promo\u0000ção", "body": "Fale\ncom a loja", "sourceUrl": url, "thumbnail": {"0": 1}}

    found = seen({"conversation": "Oi"}, contextInfo={"externalAdReply": ad})

    shown = {"title": "Promoção", "body": "Fale com a loja", **({"url": kept} if kept else {})}
    assert found.details == {"ad": shown}


VOTES = {
    "names": ({"selectedOptions": ["Retirar", "Receber"]}, [], "Retirar, Receber", ["Retirar", "Receber"]),
    "taken back": ({"selectedOptions": []}, [], "", []),
    "closed": ({"encPayload": {"0": 1}}, [], "", None),
    "counted": (
        {"selectedOptions": [{"0": 1}]},
        [{"name": "Retirar", "voters": ["5511999990009@s.whatsapp.net"]}, {"name": "Receber", "voters": [MARIA]}],
        "Receber",
        ["Receber"],
    ),
    "counted under the lid": (
        {},
        [{"name": "Retirar", "voters": [f"{MARIA_LID.split('@')[0]}:7@lid", None]}],
        "Retirar",
        ["Retirar"],
    ),
}


@pytest.mark.parametrize(("vote", "counted", "body", "votes"), VOTES.values(), ids=VOTES)
def test_a_vote_in_a_poll(vote: object, counted: object, body: str, votes: list[str] | None) -> None:
    content = {"pollUpdateMessage": {"pollCreationMessageKey": {"id": "3A00"}, "vote": vote}}

    found = seen(
        content, "pollUpdateMessage", pollUpdates=counted, key=message("3A01", chat=MARIA, alt=MARIA_LID)["key"]
    )

    details = {"isVote": True} | ({} if votes is None else {"votes": votes})
    assert (found.kind, found.body, found.details, found.refers_to) == (POLL, body, details, "3A00")


LONGS = {
    "text": "184321",
    "number": 184321,
    "float": 184321.0,
    "long": {"low": 184321, "high": 0, "unsigned": True},
}


@pytest.mark.parametrize("length", LONGS.values(), ids=LONGS)
def test_the_size_of_a_file_in_every_encoding(length: object) -> None:
    content = {"imageMessage": {"mimetype": "image/jpeg", "fileLength": length}}

    assert seen(content).media == MediaSeen("image.jpg", "image/jpeg", size=184321)


def test_a_size_above_half_of_32_bits() -> None:
    content = {"videoMessage": {"fileLength": {"low": -2, "high": 1, "unsigned": True}}}

    assert seen(content).media == MediaSeen("video.mp4", "application/octet-stream", size=2**33 - 2)


@pytest.mark.parametrize(
    "length", ["many", "", -1, True, [], {"low": "x"}, {"high": 1}, 1e999, "9" * 30, 10**40], ids=range(10)
)
def test_a_size_that_is_none(length: object) -> None:
    media = seen({"imageMessage": {"fileLength": length, "seconds": length}}).media

    assert media == MediaSeen("image.jpg", "application/octet-stream")


BYTES = {
    "base64": base64.b64encode(JPEG).decode(),
    "index_map": {str(i): byte for i, byte in enumerate(JPEG)},
    "buffer": {"type": "Buffer", "data": list(JPEG)},
    "list": list(JPEG),
}


@pytest.mark.parametrize("thumbnail", BYTES.values(), ids=BYTES)
def test_a_thumbnail_in_every_encoding(thumbnail: object) -> None:
    media = seen({"imageMessage": {"jpegThumbnail": thumbnail}}).media

    assert media is not None
    assert media.thumbnail == JPEG


NO_PICTURES = {
    "other bytes": base64.b64encode(b"<svg onload=1>").decode(),
    "no base64": "ÿØÿ!",
    "half a map": {"1": 255, "2": 216},
    "too large a number": {"0": 255, "1": 216, "2": 256},
    "booleans": [True, False],
    "buffer without data": {"type": "Buffer"},
    "too much base64": base64.b64encode(JPEG + b"x" * 70_000).decode(),
    "too large a list": [255, 216, 255] + [0] * 65_536,
    "empty": "",
    "number": 255,
}


@pytest.mark.parametrize("thumbnail", NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_small_picture_is_left_out(thumbnail: object) -> None:
    media = seen({"imageMessage": {"jpegThumbnail": thumbnail}}).media

    assert media is not None
    assert media.thumbnail is None


FILES = {
    "document": (
        "documentMessage",
        {"fileName": "nota.pdf", "mimetype": "application/pdf"},
        "nota.pdf",
        "application/pdf",
    ),
    "by title": ("documentMessage", {"title": "nota.pdf"}, "nota.pdf", "application/octet-stream"),
    "path": ("documentMessage", {"fileName": "../../etc/C:\\passwd"}, "passwd", "application/octet-stream"),
    "hidden ending": ("documentMessage", {"fileName": "gpj.\u202eexe"}, "gpj.exe", "application/octet-stream"),
    "no name": ("documentMessage", {"mimetype": "application/pdf"}, "document.pdf", "application/pdf"),
    "no anything": ("documentMessage", {}, "document.bin", "application/octet-stream"),
    "voice": ("audioMessage", {"mimetype": "audio/ogg; codecs=opus"}, "audio.ogg", "audio/ogg"),
    "sticker": ("stickerMessage", {"mimetype": "image/webp"}, "sticker.webp", "image/webp"),
    "capitals": ("imageMessage", {"mimetype": "IMAGE/PNG"}, "image.png", "image/png"),
    "header in a type": ("imageMessage", {"mimetype": "image/png\r\nX-Y: z"}, "image.jpg", "application/octet-stream"),
    "no type": ("imageMessage", {"mimetype": "picture"}, "image.jpg", "application/octet-stream"),
    "type of another type": ("videoMessage", {"mimetype": ["video/mp4"]}, "video.mp4", "application/octet-stream"),
}


@pytest.mark.parametrize(("type_", "fields", "name", "mime_type"), FILES.values(), ids=FILES)
def test_a_file_has_a_safe_name_and_a_type(type_: str, fields: dict[str, Any], name: str, mime_type: str) -> None:
    assert seen({type_: fields}, type_).media == MediaSeen(name, mime_type)


def test_nothing_of_where_the_file_is_and_how_to_open_it_is_kept() -> None:
    secret = {"url": "https://mmg.example.test/x", "directPath": "/v/x", "mediaKey": "a2V5", "fileSha256": "aGFzaA=="}

    found = repr(seen({"imageMessage": secret}, "imageMessage"))

    assert not [value for value in secret.values() if value in found]


HOSTILE = {
    "zero byte": ("Bom\x00 dia", "Bom dia"),
    "direction": ("\u202eBom\u2066 dia\u061c", "Bom dia"),
    "half a character": ("Bom dia\ud83d", "Bom dia"),
    "joined emoji": ("👩\u200d👧", "👩\u200d👧"),
    "line breaks": ("Bom\r\ndia\u2028", "Bom\ndia"),
    "escape": ("\x1b[31mBom dia\x9b", "[31mBom dia"),
    "endless": ("x" * 70_000, "x" * LONGEST_BODY),
    "markup": ("<script>alert(1)</script>", "<script>alert(1)</script>"),
}


@pytest.mark.parametrize(("told", "kept"), HOSTILE.values(), ids=HOSTILE)
def test_text_is_made_harmless(told: str, kept: str) -> None:
    assert seen({"conversation": told}, "conversation").body == kept


def test_details_stay_small_whatever_was_sent() -> None:
    huge = "9\u0000\ud83d" * 5_000
    cards = [
        {"displayName": huge, "vcard": vcard("x", *(f"TEL:+5511{n:09d}" for n in range(910_000_000, 910_000_900)))}
    ]
    contents = [
        {"contactsArrayMessage": {"contacts": cards * 500}},
        {"pollCreationMessageV3": {"name": "?", "options": [{"optionName": huge}] * 500}},
        {"listResponseMessage": {"singleSelectReply": {"selectedRowId": huge}}},
        {"pollUpdateMessage": {"vote": {"selectedOptions": [huge] * 500}}},
        {"x" * 5_000: {"title": huge}},
    ]

    for content in contents:
        details = json.dumps(
            seen(content, next(iter(content)), contextInfo={"externalAdReply": {"title": huge}}).details
        )
        assert len(details) < 32_768
        assert "\\u0000" not in details
        assert "\\ud83d" not in details
