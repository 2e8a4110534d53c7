"""Identifiers, codes and instants in the forms WhatsApp and Evolution give them."""

import base64
import secrets
import uuid
from datetime import UTC, datetime, timedelta

PAIRING_LETTERS = "123456789ABCDEFGHJKLMNPQRSTVWXYZ"


def new_row_id() -> str:
    """Make a database id such as `cmc8d9bdc1723b9f40ed6c6b0`."""
    return "cm" + secrets.token_hex(12)[:23]


def new_token() -> str:
    """Make an instance token: an upper-case UUID."""
    return str(uuid.uuid4()).upper()


def new_sent_id() -> str:
    """Make the WhatsApp id of a message sent through the API: 3EB0 and 18 hex digits."""
    return "3EB0" + secrets.token_hex(9).upper()


def new_iphone_id() -> str:
    """Make the WhatsApp id of a message written on an iPhone: 3A and 18 hex digits."""
    return "3A" + secrets.token_hex(9).upper()


def new_android_id() -> str:
    """Make the WhatsApp id of a message written on an Android phone: 32 hex digits."""
    return "AC" + secrets.token_hex(15).upper()


def new_qr_text() -> str:
    """Make the text inside a QR code: four parts, the first with its version mark."""
    reference = "2@" + secrets.token_urlsafe(48)
    keys = [base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(3)]
    return ",".join([reference, *keys])


def new_pairing_code() -> str:
    """Make the eight characters typed on the phone instead of scanning."""
    return "".join(secrets.choice(PAIRING_LETTERS) for _ in range(8))


def utc_text(moment: datetime | None = None) -> str:
    """Write an instant as Evolution's database does: UTC, milliseconds, Z."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def webhook_time_text() -> str:
    """Write the present as webhooks do: the server's local time, three hours behind UTC, yet with a Z."""
    return utc_text(datetime.now(UTC) - timedelta(hours=3))
