"""Bodies as Evolution 2.3.6 posts them (contract §10.1, §11), with made-up people."""

import json
from typing import Any

OWN = "5511999990001@s.whatsapp.net"
MARIA = "5511999990002@s.whatsapp.net"
MARIA_LID = "123456789012345@lid"
SENT_AT = 1_760_000_000
TOKEN = "5E6A1F0C-0000-4000-8000-00000000TOKEN"
DESTINATION = "https://portal.test/webhooks/whatsapp/evolution/a-webhook-secret-of-tests"


def webhook(event: str, data: object, *, instance: str, told_at: str = "2026-05-17T10:00:00.000Z") -> dict[str, Any]:
    """The whole envelope, keys in Evolution's order."""
    return {
        "event": event,
        "instance": instance,
        "data": data,
        "destination": DESTINATION,
        "date_time": told_at,
        "sender": OWN,
        "server_url": "https://evolution.test",
        "apikey": TOKEN,
    }


def as_bytes(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def at(second: int) -> str:
    """An instant of Evolution's clock."""
    return f"2026-05-17T10:00:{second:02d}.000Z"


def qr_code(code: str = "2@abc,def,ghi", pairing_code: str | None = None) -> dict[str, Any]:
    shown = {"instance": "unit_1", "pairingCode": pairing_code, "code": code, "base64": "data:image/png;base64,AA"}
    return {"qrcode": shown}


QR_LIMIT = {"message": "QR code limit reached, please login again", "statusCode": 500}
REFUSED = {"instance": "unit_1", "state": "refused", "statusReason": 428}
CONNECTING = {"instance": "unit_1", "state": "connecting", "statusReason": 200}
OPEN = {
    "instance": "unit_1",
    "wuid": OWN,
    "profileName": "Loja Centro",
    "profilePictureUrl": None,
    "state": "open",
    "statusReason": 200,
}


def closed(reason: int) -> dict[str, Any]:
    return {"instance": "unit_1", "state": "close", "statusReason": reason}


def instance_closed(reason: int) -> dict[str, Any]:
    return {
        "instance": "unit_1",
        "status": "closed",
        "disconnectionAt": "2026-05-17T13:00:00.000Z",
        "disconnectionReasonCode": reason,
        "disconnectionObject": "{}",
    }


def message(
    id_: str = "3A0123456789ABCDEF01",
    text: str = "Bom dia",
    *,
    chat: str = MARIA,
    alt: str | None = None,
    from_me: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """The data of messages.upsert."""
    key: dict[str, Any] = {"remoteJid": chat, "fromMe": from_me, "id": id_, "participant": ""}
    if alt:
        key["remoteJidAlt"] = alt
    return {
        "key": {**key, "addressingMode": "lid" if chat.endswith("@lid") else "pn"},
        "pushName": "Você" if from_me else "Maria",
        "status": "SERVER_ACK" if from_me else "DELIVERY_ACK",
        "message": {"conversation": text, "messageContextInfo": {"deviceListMetadataVersion": 2}},
        "contextInfo": None,
        "messageType": "conversation",
        "messageTimestamp": SENT_AT,
        "instanceId": "8c5a1a7e-3a41-4d1f-9f3f-2a3f5c6d7e8f",
        "source": "ios",
        **more,
    }


def echo(id_: str, text: str, *, chat: str = MARIA, **more: Any) -> dict[str, Any]:
    """The data of send.message."""
    return message(id_, text, chat=chat, from_me=True, **{"status": "PENDING", "source": "web", **more})


def receipt(id_: str, status: str, *, chat: str = MARIA, from_me: bool = True) -> dict[str, Any]:
    """The data of messages.update."""
    return {
        "keyId": id_,
        "remoteJid": chat,
        "fromMe": from_me,
        "participant": "",
        "status": status,
        "instanceId": "8c5a1a7e-3a41-4d1f-9f3f-2a3f5c6d7e8f",
        "messageId": "cm0000000000000000000000",
    }
