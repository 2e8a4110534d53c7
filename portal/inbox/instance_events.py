"""What Evolution tells of an instance (contract §11.1, §11.2, §11.11): codes, states and its end."""

from typing import Any

from portal import phone
from portal.inbox.decoding import Fields, clean_name, fields, line, number, text
from portal.inbox.facts import ConnectionChanged, InstanceRemoved, QrCodeIssued

QR_LIMIT = 428
LOGGED_OUT = 401
LONGEST_PAIRING_CODE = 20
LONGEST_STATE = 20


def qr_code(data: Any, payload: Fields) -> list[QrCodeIssued | ConnectionChanged]:
    """A code to scan; or that there are no more of them."""
    if "qrcode" not in data and "statusCode" in data:
        # The limit: Evolution has stopped making codes, and says so again as state `refused`.
        return [ConnectionChanged("refused", QR_LIMIT)]
    code = text(data["qrcode"]["code"])
    if not code:
        raise ValueError("a code that is no text")
    return [QrCodeIssued(code, line(data["qrcode"].get("pairingCode"), LONGEST_PAIRING_CODE) or None)]


def connection(data: Any, payload: Fields) -> list[ConnectionChanged]:
    """The state, WhatsApp's code for it, and once it is open whose number it is."""
    state, wuid = line(data["state"], LONGEST_STATE), data.get("wuid")
    if not state:
        raise ValueError("a state that is no text")
    owner = phone.from_jid(wuid) if isinstance(wuid, str) else None
    return [ConnectionChanged(state, number(data.get("statusReason")), owner, clean_name(data.get("profileName")))]


def logged_out(data: Any, payload: Fields) -> list[ConnectionChanged]:
    """The number was unlinked; nothing else is told."""
    return [ConnectionChanged("close", LOGGED_OUT)]


def status(data: Any, payload: Fields) -> list[ConnectionChanged]:
    """That it closed, and why; other words for the state say nothing."""
    is_closed = fields(data).get("status") == "closed"
    return [ConnectionChanged("close", number(data.get("disconnectionReasonCode")))] if is_closed else []


def removed(data: Any, payload: Fields) -> list[InstanceRemoved]:
    """That the instance is gone, whatever is told with it."""
    return [InstanceRemoved()]
