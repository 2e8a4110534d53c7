"""Every kind of content as some version encodes it, and the row that it becomes."""

from typing import Any

from tests.inbox.bodies import CAI, GROUP, QUOTE, Body, heard, upsert
from tests.inbox.versions import LONGS, MAPS, NEWEST, OLD, ONE_ADDRESS, PN, file, long, octets


def _document(version: str) -> dict[str, Any]:
    return file(version, "application/pdf", 98_304, fileName="comprovante.pdf", title="comprovante.pdf", pageCount=2)


VCARD = "BEGIN:VCARD\nVERSION:3.0\nFN:Loja Vizinha\nitem1.TEL;waid=5511987650099:+55 11 98765-0099\nEND:VCARD"
POLL = {"name": "Como prefere?", "options": [{"optionName": "Retirar"}, {"optionName": "Receber"}]}
PLACE = {"degreesLatitude": -23.55052, "degreesLongitude": -46.633308}

# Version, content, its type, kind, text, and what else the message's row has.
KINDS: dict[str, tuple[str, dict[str, Any], str | None, str, str, dict[str, Any]]] = {
    "extended text": (LONGS, {"extendedTextMessage": {"text": "Olá"}}, "extendedTextMessage", "text", "Olá", {}),
    "no type in 2.4": (NEWEST, {"conversation": "Olá"}, None, "text", "Olá", {}),
    "disappearing text": (
        LONGS,
        {"ephemeralMessage": {"message": {"extendedTextMessage": {"text": "Some logo"}}}},
        "ephemeralMessage",
        "text",
        "Some logo",
        {},
    ),
    "view once": (
        LONGS,
        {"ephemeralMessage": {"message": {"viewOnceMessageV2": {"message": {"imageMessage": {"viewOnce": True}}}}}},
        "ephemeralMessage",
        "image",
        "",
        {"details": {"isViewOnce": True}, "file": {"name": "image.jpg", "type": "application/octet-stream"}},
    ),
    "video": (
        LONGS,
        {"videoMessage": file(LONGS, "video/mp4", 2_345_678, seconds=12, caption="")},
        "videoMessage",
        "video",
        "",
        {
            "details": {"duration": 12},
            "file": {"name": "video.mp4", "type": "video/mp4", "size": 2_345_678, "seconds": 12},
        },
    ),
    "video note": (
        MAPS,
        {"ptvMessage": file(MAPS, "video/mp4", 9_000, seconds=5)},
        "ptvMessage",
        "video",
        "",
        {
            "details": {"isVideoNote": True, "duration": 5},
            "file": {"name": "video.mp4", "type": "video/mp4", "size": 9_000, "seconds": 5},
        },
    ),
    "voice note": (
        PN,
        {
            "audioMessage": file(
                PN, "audio/ogg; codecs=opus", 15_873, seconds=6, ptt=True, waveform=octets(PN, b"w" * 64)
            )
        },
        "audioMessage",
        "audio",
        "",
        {
            "details": {"isVoiceNote": True, "duration": 6},
            "file": {"name": "audio.ogg", "type": "audio/ogg", "size": 15_873, "seconds": 6},
        },
    ),
    "sound": (
        ONE_ADDRESS,
        {"audioMessage": file(ONE_ADDRESS, "audio/mpeg", 50_000, seconds=180, ptt=False)},
        "audioMessage",
        "audio",
        "",
        {
            "details": {"duration": 180},
            "file": {"name": "audio.mp3", "type": "audio/mpeg", "size": 50_000, "seconds": 180},
        },
    ),
    "document": (
        LONGS,
        {"documentMessage": _document(LONGS)},
        "documentMessage",
        "document",
        "",
        {"file": {"name": "comprovante.pdf", "type": "application/pdf", "size": 98_304}},
    ),
    "document with caption": (
        OLD,
        {"documentWithCaptionMessage": {"message": {"documentMessage": {**_document(OLD), "caption": "Segue"}}}},
        "documentWithCaptionMessage",
        "document",
        "Segue",
        {"file": {"name": "comprovante.pdf", "type": "application/pdf", "size": 98_304}},
    ),
    "sticker": (
        LONGS,
        {"stickerMessage": file(LONGS, "image/webp", 21_044, isAnimated=True)},
        "stickerMessage",
        "sticker",
        "",
        {"details": {"isAnimated": True}, "file": {"name": "sticker.webp", "type": "image/webp", "size": 21_044}},
    ),
    "moving sticker": (
        LONGS,
        {"lottieStickerMessage": {"message": {"stickerMessage": file(LONGS, "application/was", 5_000)}}},
        "lottieStickerMessage",
        "sticker",
        "",
        {"details": {"isAnimated": True}, "file": {"name": "sticker", "type": "application/was", "size": 5_000}},
    ),
    "place": (
        LONGS,
        {"locationMessage": {**PLACE, "name": "Praça", "address": "Rua Fictícia, 100"}},
        "locationMessage",
        "location",
        "Praça\nRua Fictícia, 100",
        {"details": {"latitude": -23.55052, "longitude": -46.633308}},
    ),
    "live place": (
        MAPS,
        {"liveLocationMessage": {**PLACE, "sequenceNumber": long(MAPS, 1)}},
        "liveLocationMessage",
        "location",
        "",
        {"details": {"latitude": -23.55052, "longitude": -46.633308, "isLive": True}},
    ),
    "contact card": (
        LONGS,
        {"contactMessage": {"displayName": "Loja Vizinha", "vcard": VCARD}},
        "contactMessage",
        "contact_card",
        "Loja Vizinha · +5511987650099",
        {"details": {"cards": [{"name": "Loja Vizinha", "phones": ["5511987650099"]}]}},
    ),
    "contact cards": (
        PN,
        {
            "contactsArrayMessage": {
                "displayName": "2 contatos",
                "contacts": [{"vcard": VCARD}, {"displayName": "Sem número"}],
            }
        },
        "contactsArrayMessage",
        "contact_card",
        "Loja Vizinha · +5511987650099\nSem número",
        {
            "details": {
                "cards": [{"name": "Loja Vizinha", "phones": ["5511987650099"]}, {"name": "Sem número", "phones": []}]
            }
        },
    ),
    "poll": (
        LONGS,
        {"pollCreationMessageV3": {**POLL, "selectableOptionsCount": 1}},
        "pollCreationMessageV3",
        "poll",
        "Como prefere?\n• Retirar\n• Receber",
        {"details": {"options": ["Retirar", "Receber"], "selectable": 1}},
    ),
    "button answer": (
        LONGS,
        {
            "buttonsResponseMessage": {
                "selectedButtonId": "ok",
                "selectedDisplayText": "Confirmar",
                "contextInfo": QUOTE,
            }
        },
        "buttonsResponseMessage",
        "text",
        "Confirmar",
        {"details": {"isAnswer": True, "choice": "ok"}, "refers_to": "3EB0AA01"},
    ),
    "template answer": (
        OLD,
        {"templateButtonReplyMessage": {"selectedId": "2", "selectedDisplayText": "Depois"}},
        "templateButtonReplyMessage",
        "text",
        "Depois",
        {"details": {"isAnswer": True, "choice": "2"}},
    ),
    "list answer": (
        MAPS,
        {"listResponseMessage": {"title": "Centro", "singleSelectReply": {"selectedRowId": "row_1"}}},
        "listResponseMessage",
        "text",
        "Centro",
        {"details": {"isAnswer": True, "choice": "row_1"}},
    ),
    "form answer": (
        NEWEST,
        {
            "interactiveResponseMessage": {
                "nativeFlowResponseMessage": {"name": "menu", "paramsJson": '{"id":"x1","title":"Segunda via"}'}
            }
        },
        "interactiveResponseMessage",
        "text",
        "Segunda via",
        {"details": {"isAnswer": True, "choice": "x1"}},
    ),
    "forwarded": (
        LONGS,
        {"extendedTextMessage": {"text": "Repassando", "contextInfo": {"isForwarded": True, "forwardingScore": 2}}},
        "extendedTextMessage",
        "text",
        "Repassando",
        {"details": {"isForwarded": True}},
    ),
    "invitation": (
        LONGS,
        {"groupInviteMessage": {"groupJid": GROUP, "groupName": "Promoções", "inviteCode": "x"}},
        "groupInviteMessage",
        "unknown",
        "Promoções",
        {"details": {"originalType": "groupInviteMessage"}},
    ),
    "order": (
        LONGS,
        {"orderMessage": {"orderTitle": "Pedido", "itemCount": 2, "totalAmount1000": long(LONGS, 89_900)}},
        "orderMessage",
        "unknown",
        "Pedido",
        {"details": {"originalType": "orderMessage"}},
    ),
    "unheard of": (
        NEWEST,
        {"holographMessage": {"depth": 3}},
        "holographMessage",
        "unknown",
        "",
        {"details": {"originalType": "holographMessage"}},
    ),
    "lone halves and zero bytes": (
        LONGS,
        {"conversation": "Ol\x00á\ud83d \u202efim"},
        "conversation",
        "text",
        "Olá fim",
        {},
    ),
    "endless": (LONGS, {"conversation": "x" * 70_000}, "conversation", "text", "x" * 65_536, {}),
    "content of another type": (LONGS, {"conversation": ["Olá"]}, "conversation", "text", "", {}),
    "file of other types": (
        LONGS,
        {"documentMessage": {"fileName": ["x"], "mimetype": 7, "fileLength": {"low": "x"}, "jpegThumbnail": True}},
        "documentMessage",
        "document",
        "",
        {"file": {"name": "document.bin", "type": "application/octet-stream"}},
    ),
}


def kinds() -> list[Body]:
    """Every kind of content, each addressed as its version does it."""
    found = []
    for number, (name, (version, content, type_, kind, text, more)) in enumerate(KINDS.items()):
        id_, at = f"3A02{number:02d}", 40 + number
        rows = heard(CAI, id_, at, kind, text, phone=version != OLD, lid=version != ONE_ADDRESS, **more)
        found.append(Body(name, version, "messages.upsert", upsert(version, CAI, id_, at, content, type_), rows))
    return found
