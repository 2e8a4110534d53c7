"""The calls to one Evolution server. Source: Evolution API 2.3.6, sections in `docs/evolution.md`."""

import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import requests

from portal.evolution import errors
from portal.evolution.errors import EvolutionUnavailable, EvolutionUnknown
from portal.evolution.types import Instance, QrCode, SentMessage, Webhook

# Evolution closes an idle connection after 5 s: writing into one that is just closing leaves a send in doubt.
IDLE_S = 4.0
CONNECT_TIMEOUT_S = 3.05
# Evolution itself waits up to 60 s for WhatsApp while it sends.
SEND_TIMEOUT_S = 90.0
CALL_TIMEOUT_S = 20.0
VERSION_TIMEOUT_S = 5.0
EVENTS = (
    "QRCODE_UPDATED",
    "CONNECTION_UPDATE",
    "MESSAGES_UPSERT",
    "MESSAGES_UPDATE",
    "SEND_MESSAGE",
    "LOGOUT_INSTANCE",
    "STATUS_INSTANCE",
)


class EvolutionClient:
    """One server, any number of threads: each thread has a session of its own."""

    def __init__(self, base_url: str, api_key: str, *, send_timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._send_timeout_s = send_timeout_s
        self._local = threading.local()

    def create_instance(self, name: str, *, webhook: Webhook, pairing_number: str | None = None) -> QrCode | None:
        """Make the instance and start pairing; Evolution answers after 5 s, usually later than its first webhook.

        Never in parallel for one name: the second call destroys what the first one made (contract §3.1).
        """
        body: dict[str, Any] = {
            "instanceName": name,
            "integration": "WHATSAPP-BAILEYS",
            "qrcode": True,
            "groupsIgnore": True,
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
        return Instance(name, row.get("connectionStatus") or "close", row.get("ownerJid"), row.get("profileName"))

    def set_webhook(self, name: str, webhook: Webhook) -> None:
        body = {"webhook": {"enabled": True, **_webhook_body(webhook)}}
        self._request("POST", f"/webhook/set/{quote(name, safe='')}", json=body)

    def restart(self, name: str) -> None:
        """Close and reopen the socket. Raises EvolutionUnavailable when the instance is closed."""
        _without_hidden_error(self._request("POST", f"/instance/restart/{quote(name, safe='')}"))

    def log_out(self, name: str) -> None:
        """Unlink the phone. Raises EvolutionRejected `not_connected` when it is unlinked already."""
        self._request("DELETE", f"/instance/logout/{quote(name, safe='')}")

    def delete_instance(self, name: str) -> None:
        """Log out and remove it; the name stays taken for a while (contract §3.7)."""
        self._request("DELETE", f"/instance/delete/{quote(name, safe='')}")

    def send_text(self, name: str, *, number: str, text: str, message_id: str) -> SentMessage:
        """Write a text to the WhatsApp socket. `number`: bare digits or a LID address."""
        body = {"number": number, "text": text, "messageId": message_id}
        path = f"/message/sendText/{quote(name, safe='')}"
        key = self._request("POST", path, json=body, timeout_s=self._send_timeout_s).get("key") or {}
        if not key.get("id"):
            raise EvolutionUnknown(errors.UNCLEAR, "no key in the answer")
        return SentMessage(external_id=key["id"], jid=key.get("remoteJid") or "")

    def version(self) -> str:
        """Evolution's own version, such as `2.3.6`; it asks WhatsApp's site each time, so ask seldom."""
        return str(self._request("GET", "/", timeout_s=VERSION_TIMEOUT_S).get("version") or "")

    def _request(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> dict[str, Any]:
        """The body of a success (a list under `items`). Raises EvolutionError for everything else."""
        try:
            answer = self._session().request(
                method,
                self._base_url + path,
                json=json,
                params=params,
                timeout=(CONNECT_TIMEOUT_S, timeout_s),
                allow_redirects=False,
            )
        except requests.RequestException as e:
            raise errors.from_exception(e) from e
        body = _parse(answer)
        if not 200 <= answer.status_code < 300:
            raise errors.from_answer(answer.status_code, body)
        return body if isinstance(body, dict) else {"items": body if isinstance(body, list) else []}

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is not None and time.monotonic() - self._local.used_at > IDLE_S:
            session.close()
            session = None
        if session is None:
            session = requests.Session()
            session.headers["apikey"] = self._api_key
        self._local.session, self._local.used_at = session, time.monotonic()
        return session


def _webhook_body(webhook: Webhook) -> dict[str, Any]:
    return {
        "url": webhook.url,
        "byEvents": False,
        "base64": False,
        "headers": {"jwt_key": webhook.jwt_key},
        "events": list(EVENTS),
    }


def _qr_code(body: object) -> QrCode | None:
    if isinstance(body, dict) and body.get("code"):
        return QrCode(code=str(body["code"]), pairing_code=body.get("pairingCode") or None)
    return None


def _without_hidden_error(body: dict[str, Any]) -> dict[str, Any]:
    """Connect and restart tell some errors with status 200 (contract §1.1)."""
    if body.get("error") is True:
        raise EvolutionUnavailable(errors.UNIT_AWAY, str(body.get("message")))
    return body


def _parse(answer: requests.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return None
