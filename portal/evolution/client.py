"""The calls to one Evolution server. Source: Evolution API 2.3.6, sections in `docs/evolution.md`."""

import base64
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests

from portal.evolution import errors
from portal.evolution.errors import EvolutionError, EvolutionRejected, EvolutionUnavailable, EvolutionUnknown
from portal.evolution.lines import Lines
from portal.evolution.types import (
    ONLY_PERSONS,
    ChatFilter,
    CheckedNumber,
    FoundWebhook,
    Instance,
    MessageKey,
    OutgoingMedia,
    QrCode,
    Reference,
    SentMessage,
    StoredPage,
    Webhook,
)

CONNECT_TIMEOUT_S = 3.05
# urllib3 bounds each write of the body by the connect timeout: a file takes a server longer to read than a text.
WRITE_TIMEOUT_S = 20.0
# Evolution itself waits up to 60 s for WhatsApp while it sends.
SEND_TIMEOUT_S = 90.0
CALL_TIMEOUT_S = 20.0
# The largest file, 16 MiB, costs about 85 MB while it is written out in base64 and sent.
FILES_AT_ONCE = 4
PROBE_TIMEOUT_S = 5.0
# Evolution tries a download again after 5 s, and says nothing until it has all of it.
FETCH_TIMEOUT_S = 60.0
FETCHES_AT_ONCE = 2
# What stands around a file in the answer: its caption, name and type.
AROUND_A_FILE = 128 * 1024
NOBODY = "portal-probe"
# Of stored messages: what lies beyond is older than any doubt.
PAGE_SIZE = 100
MOST_PAGES = 10
# Of the eight settings those that must be there, as Evolution takes all or none (contract §8).
SWITCHES = ("rejectCall", "groupsIgnore", "alwaysOnline", "readMessages", "readStatus", "syncFullHistory")
TEXTS = ("msgCall", "wavoipToken")


class EvolutionClient:
    """One server, any number of threads: each thread has a session of its own."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        send_timeout_s: float = SEND_TIMEOUT_S,
        call_timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self._lines = Lines(base_url, {"apikey": api_key, "Accept": "application/json"})
        self._send_timeout_s = send_timeout_s
        self._call_timeout_s = call_timeout_s
        self._files = threading.BoundedSemaphore(FILES_AT_ONCE)
        self._fetches = threading.BoundedSemaphore(FETCHES_AT_ONCE)

    def create_instance(
        self,
        name: str,
        *,
        webhook: Webhook,
        chats: ChatFilter = ONLY_PERSONS,
        pairing_number: str | None = None,
    ) -> QrCode | None:
        """Make the instance and start pairing; Evolution answers after 5 s, usually later than its first webhook.

        Never in parallel for one name: the second call destroys what the first one made (contract §3.1).
        """
        body: dict[str, Any] = {
            "instanceName": name,
            "integration": "WHATSAPP-BAILEYS",
            "qrcode": True,
            **chats.as_settings(),
            "webhook": _webhook_body(webhook),
        }
        if pairing_number:
            body["number"] = pairing_number
        return _qr_code(self._request("POST", "/instance/create", json=body).get("qrcode"))

    def connect(self, name: str, *, pairing_number: str | None = None) -> QrCode | None:
        """The current QR code; starts pairing when the instance is closed. Raises EvolutionUnavailable on a refusal."""
        params = {"number": pairing_number} if pairing_number else None
        body = self._request("GET", f"/instance/connect/{quote(name, safe='')}", params=params)
        return _qr_code(_without_hidden_error(body))

    def connection_state(self, name: str) -> str | None:
        """`open`, `connecting` or `close`; None while Evolution has not loaded the instance."""
        body = self._request("GET", f"/instance/connectionState/{quote(name, safe='')}")
        state: str | None = body.get("instance", {}).get("state")
        return state

    def fetch_instance(self, name: str) -> Instance:
        """The instance's row. Raises EvolutionUnavailable `instance_unknown` when there is none."""
        rows = self._request("GET", "/instance/fetchInstances", params={"instanceName": name}).get("items", [])
        row = next((item for item in rows if item.get("name") == name), None)
        if row is None:
            raise EvolutionUnavailable(errors.INSTANCE_UNKNOWN)
        state = row.get("connectionStatus") or "close"
        return Instance(name, state, row.get("ownerJid"), row.get("profileName"), row.get("Setting"))

    def set_webhook(self, name: str, webhook: Webhook) -> None:
        body = {"webhook": {"enabled": True, **_webhook_body(webhook)}}
        self._request("POST", f"/webhook/set/{quote(name, safe='')}", json=body)

    def find_webhook(self, name: str) -> FoundWebhook | None:
        """The instance's webhook; None when it has none or is not loaded."""
        row = self._request("GET", f"/webhook/find/{quote(name, safe='')}")
        if not row.get("url"):
            return None
        return FoundWebhook(
            url=str(row["url"]),
            is_enabled=row.get("enabled") is True,
            events=frozenset(map(str, row.get("events") or ())),
            by_events=row.get("webhookByEvents") is True,
            has_base64=row.get("webhookBase64") is True,
            headers=row.get("headers") or {},
        )

    def set_settings(self, name: str, *, found: Mapping[str, Any] | None, chats: ChatFilter) -> None:
        """Let these chats through and leave all else as it was found, since Evolution takes all settings or none."""
        was = found or {}
        switches = {field: was.get(field) is True for field in SWITCHES}
        texts = {field: was[field] for field in TEXTS if isinstance(was.get(field), str)}
        body = {**switches, **texts, **chats.as_settings()}
        self._request("POST", f"/settings/set/{quote(name, safe='')}", json=body)

    def restart(self, name: str) -> None:
        """Close and reopen the socket. Raises EvolutionUnavailable when the instance is closed."""
        _without_hidden_error(self._request("POST", f"/instance/restart/{quote(name, safe='')}"))

    def log_out(self, name: str) -> None:
        """Unlink the phone. Raises EvolutionRejected `not_connected` when it is unlinked already."""
        self._request("DELETE", f"/instance/logout/{quote(name, safe='')}")

    def delete_instance(self, name: str) -> None:
        """Log out and remove it; the name stays taken for a while (contract §3.7)."""
        self._request("DELETE", f"/instance/delete/{quote(name, safe='')}")

    def send_text(
        self, name: str, *, number: str, text: str, message_id: str, quoted: Reference | None = None
    ) -> SentMessage:
        """Write a text to the WhatsApp socket. `number`: bare digits or a LID address."""
        body = {"number": number, "text": text, "messageId": message_id}
        return self._send("sendText", name, {**body, **_quote_body(quoted)})

    def send_media(
        self,
        name: str,
        *,
        number: str,
        media: OutgoingMedia,
        caption: str,
        message_id: str,
        quoted: Reference | None = None,
    ) -> SentMessage:
        """Write a file to the WhatsApp socket, a few at a time: the others wait for their turn before they begin."""
        with self._files:
            body = {
                "number": number,
                "mediatype": media.kind,
                "mimetype": media.mime_type,
                "fileName": media.file_name,
                # Evolution takes no data: address here (contract §5.2).
                "media": base64.b64encode(media.content).decode("ascii"),
                "caption": caption,
                "messageId": message_id,
                **_quote_body(quoted),
            }
            return self._send("sendMedia", name, body, connect_timeout_s=WRITE_TIMEOUT_S)

    def send_reaction(self, name: str, *, key: MessageKey, sign: str) -> SentMessage:
        """Write a reaction to that message to the WhatsApp socket; an empty `sign` takes the one before back."""
        return self._send("sendReaction", name, {"key": _key_body(key), "reaction": sign})

    def edit_message(self, name: str, *, key: MessageKey, text: str) -> SentMessage:
        """Give a message of ours another text. Evolution compares the addresses letter by letter (contract §7.2)."""
        path = f"/chat/updateMessage/{quote(name, safe='')}"
        return self._sent("POST", path, {"number": key.jid, "key": _key_body(key), "text": text})

    def delete_message(self, name: str, *, key: MessageKey) -> SentMessage:
        """Delete a message of ours for everyone."""
        return self._sent("DELETE", f"/chat/deleteMessageForEveryone/{quote(name, safe='')}", _key_body(key))

    def fetch_media(self, name: str, external_id: str, *, at_most: int) -> bytes:
        """The content of a stored message's file. Raises EvolutionRejected for one that is gone or has more bytes."""
        path = f"/chat/getBase64FromMediaMessage/{quote(name, safe='')}"
        asked = {"message": {"key": {"id": external_id}}}
        with self._fetches:
            try:
                longest = at_most * 4 // 3 + AROUND_A_FILE
                body = self._request("POST", path, json=asked, timeout_s=FETCH_TIMEOUT_S, at_most=longest)
            except EvolutionError as e:
                raise errors.of_media(e) from e
            return _content(body.get("base64"), at_most)

    def find_sent(self, name: str, *, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """The stored messages of our own side in that span, newest first, as Evolution's records."""
        records: list[dict[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            found = self._find_messages(name, {"key": {"fromMe": True}}, since, until, page=page)
            records += found.records
            if page >= found.pages:
                break
        return records

    def find_messages(self, name: str, *, since: datetime, until: datetime, page: int) -> StoredPage:
        """One page of the stored messages of both sides in that span."""
        return self._find_messages(name, {}, since, until, page=page)

    def _find_messages(
        self, name: str, where: Mapping[str, Any], since: datetime, until: datetime, *, page: int
    ) -> StoredPage:
        span = {"gte": since.isoformat(), "lte": until.isoformat()}
        # Evolution calls the size of a page its offset.
        body = {"where": {**where, "messageTimestamp": span}, "page": page, "offset": PAGE_SIZE}
        answer = self._request("POST", f"/chat/findMessages/{quote(name, safe='')}", json=body)
        found = answer.get("messages") or {}
        return StoredPage(found.get("records") or [], int(found.get("pages") or 0), int(found.get("total") or 0))

    def find_address(self, name: str, external_id: str) -> str | None:
        """The address of the chat under which Evolution stored that message; None where it has not."""
        body = {"where": {"key": {"id": external_id}}, "page": 1, "offset": 1}
        answer = self._request("POST", f"/chat/findMessages/{quote(name, safe='')}", json=body)
        records = (answer.get("messages") or {}).get("records") or [{}]
        address = (records[0].get("key") or {}).get("remoteJid")
        return address if isinstance(address, str) and address else None

    def check_numbers(self, name: str, numbers: Sequence[str]) -> dict[str, CheckedNumber]:
        """Number, as given, -> what WhatsApp says of it; one that it says nothing of is left out."""
        path = f"/chat/whatsappNumbers/{quote(name, safe='')}"
        # The answer has an order of its own (contract §7.1).
        found = self._request("POST", path, json={"numbers": list(numbers)}).get("items", [])
        return {
            str(one["number"]): CheckedNumber(one["exists"], str(one.get("jid") or ""))
            for one in found
            if isinstance(one, dict) and isinstance(one.get("exists"), bool) and one.get("number") in numbers
        }

    def verify_key(self) -> None:
        """Ask for an instance that nobody has: cheap, in every version, and answered only to the right key."""
        params = {"instanceName": NOBODY}
        try:
            self._request("GET", "/instance/fetchInstances", params=params, timeout_s=PROBE_TIMEOUT_S)
        except EvolutionUnavailable as e:
            if e.code != errors.INSTANCE_UNKNOWN:
                raise

    def version(self) -> str:
        """Evolution's own version, such as `2.3.6`; it asks WhatsApp's site each time, so ask seldom."""
        return str(self._request("GET", "/", timeout_s=PROBE_TIMEOUT_S).get("version") or "")

    def _send(
        self, action: str, name: str, body: Mapping[str, Any], *, connect_timeout_s: float | None = None
    ) -> SentMessage:
        path = f"/message/{action}/{quote(name, safe='')}"
        return self._sent("POST", path, body, connect_timeout_s=connect_timeout_s)

    def _sent(
        self, method: str, path: str, body: Mapping[str, Any], *, connect_timeout_s: float | None = None
    ) -> SentMessage:
        answer = self._request(
            method, path, json=body, timeout_s=self._send_timeout_s, connect_timeout_s=connect_timeout_s
        )
        key = answer.get("key") or {}
        if not key.get("id"):
            raise EvolutionUnknown(errors.UNCLEAR, "no key in the answer")
        return SentMessage(external_id=key["id"], jid=key.get("remoteJid") or "", told_ms=_told_ms(answer))

    def _request(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        connect_timeout_s: float | None = None,
        at_most: int | None = None,
    ) -> dict[str, Any]:
        """The body of a success (a list under `items`). Raises EvolutionError for everything else."""
        try:
            timeout = (connect_timeout_s or CONNECT_TIMEOUT_S, timeout_s or self._call_timeout_s)
            answer = self._lines.exchange(method, path, json=json, params=params, timeout=timeout, at_most=at_most)
        except requests.RequestException as e:
            raise errors.from_exception(e) from e
        body = _parse(answer)
        if not 200 <= answer.status_code < 300:
            raise errors.from_answer(answer.status_code, body)
        return body if isinstance(body, dict) else {"items": body if isinstance(body, list) else []}


def _webhook_body(webhook: Webhook) -> dict[str, Any]:
    return {
        "url": webhook.url,
        "byEvents": False,
        "base64": False,
        "headers": {"jwt_key": webhook.jwt_key},
        "events": list(webhook.events),
    }


def _quote_body(quoted: Reference | None) -> dict[str, Any]:
    """The quote with its content, or Evolution would drop one that it has not stored without a word."""
    if quoted is None:
        return {}
    return {"quoted": {"key": _key_body(quoted.key), "message": {"conversation": quoted.text}}}


def _key_body(key: MessageKey) -> dict[str, Any]:
    participant = {"participant": key.participant} if key.participant else {}
    return {"id": key.external_id, "remoteJid": key.jid, "fromMe": key.from_me, **participant}


def _told_ms(answer: Mapping[str, Any]) -> int | None:
    """When an edit was made, where the answer has one: beside its content, which may be wrapped (contract §11.5)."""
    content = answer.get("message")
    for name in ("editedMessage", "message", "protocolMessage"):
        content = content.get(name, content) if isinstance(content, dict) else None
    told = content.get("timestampMs") if isinstance(content, dict) else None
    if isinstance(told, dict) and isinstance(told.get("low"), int) and isinstance(told.get("high"), int):
        told = (told["high"] << 32) + (told["low"] & 0xFFFFFFFF)
    return int(told) if isinstance(told, int | str) and str(told).isdecimal() else None


def _qr_code(body: object) -> QrCode | None:
    if isinstance(body, dict) and body.get("code"):
        return QrCode(code=str(body["code"]), pairing_code=body.get("pairingCode") or None)
    return None


def _without_hidden_error(body: dict[str, Any]) -> dict[str, Any]:
    """Connect and restart tell some errors with status 200 (contract §1.1)."""
    if body.get("error") is True:
        raise EvolutionUnavailable(errors.UNIT_AWAY, str(body.get("message")))
    return body


def _content(encoded: object, at_most: int) -> bytes:
    """The file in an answer. Raises EvolutionError for none, an empty one or one with more bytes."""
    try:
        content = base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except ValueError as e:
        raise EvolutionUnknown(errors.UNCLEAR, "not base64") from e
    if not content:
        raise EvolutionUnknown(errors.UNCLEAR, "no file in the answer")
    if len(content) > at_most:
        raise EvolutionRejected(errors.MEDIA_TOO_LARGE)
    return content


def _parse(answer: requests.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return None
