"""Signatures by Standard Webhooks (standardwebhooks.com): who posted it, when, and that nobody changed it."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from standardwebhooks import Webhook

from portal.clock import now
from portal.extensions import parts
from portal.secrets import Unreadable
from portal.webhooks.claims import Claimed


def headers(delivery: Claimed, body: bytes) -> dict[str, str]:
    """What the receiver verifies: signed with the secret, and for a while after a rotation with the one before too.

    Raises Unreadable.
    """
    at = now()
    id_, text = str(delivery.id), body.decode()
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signer.sign(id_, at, text) for signer in _signers(delivery, at)),
    }


def _signers(delivery: Claimed, at: datetime) -> Iterator[Webhook]:
    yield _signer(delivery.secret_encrypted)
    previous, until = delivery.previous_secret_encrypted, delivery.previous_until
    if previous is not None and until is not None and at < until:
        # Without it the new one still signs.
        with suppress(Unreadable):
            yield _signer(previous)


def _signer(encrypted: str) -> Webhook:
    secret = parts.vault.decrypt(encrypted)
    try:
        return Webhook(secret)
    except (ValueError, RuntimeError) as e:
        raise Unreadable("a webhook secret is not in base64") from e
