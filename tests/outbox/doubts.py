"""Sends in doubt, and what Evolution stored of them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from portal.clock import now
from portal.evolution import errors
from portal.evolution.errors import EvolutionUnknown
from portal.inbox import relay as inbox
from portal.models import MessageStatus
from portal.outbox import look_ups
from portal.outbox.look_ups import LookUp
from tests.evolution.little_servers import Scripted
from tests.inbox.payloads import MARIA
from tests.outbox.conftest import Shop
from tests.outbox.sending import claim_one, record

NOT_KNOWN = EvolutionUnknown(errors.TIMED_OUT)
ID, OTHER_ID = "3EB00123456789ABCDEF01", "3EB00123456789ABCDEF02"


def doubt(shop: Shop, text: str = "Olá", *, sent_ago_s: float = 20.0, **columns: object) -> UUID:
    """A send whose end is not known, long enough ago to be looked for."""
    shop.reply(text)
    claimed = claim_one()
    record(claimed, NOT_KNOWN)
    make_due(shop, claimed.id)
    shop.change_message(claimed.id, sending_at=now() - timedelta(seconds=sent_ago_s), **columns)
    return claimed.id


def make_due(shop: Shop, message_id: UUID) -> None:
    shop.change_message(message_id, look_up_at=now() - timedelta(seconds=1))


def stored(
    id_: str = ID,
    text: str = "Olá",
    *,
    chat: str = MARIA,
    at: datetime | None = None,
    told: tuple[str, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    """A record of findMessages (contract §7.2)."""
    return {
        "id": f"cm{id_}",
        "key": {"id": id_, "fromMe": True, "remoteJid": chat},
        "pushName": "Você",
        "messageType": "conversation",
        "message": {"conversation": text},
        "messageTimestamp": int((at or now() - timedelta(seconds=19)).timestamp()),
        "instanceId": "8c5a1a7e-3a41-4d1f-9f3f-2a3f5c6d7e8f",
        "source": "web",
        "contextInfo": None,
        "MessageUpdate": [{"status": status} for status in told],
        **more,
    }


def found(*records: dict[str, Any]) -> dict[str, Any]:
    """Evolution's answer: newest first."""
    return {"messages": {"total": len(records), "pages": 1, "currentPage": 1, "records": list(records)}}


def look(scripted: Scripted, *records: dict[str, Any]) -> list[LookUp]:
    """Carry out what is due, and let the inbox apply what was found."""
    scripted.answers.clear()
    scripted.answer(200, found(*records))
    due = look_ups.claim()
    for look_up in due:
        look_ups.carry_out(look_up)
    inbox.drain()
    return due


def settled(shop: Shop, message_id: UUID) -> tuple[MessageStatus, str | None]:
    message = shop.message(message_id)
    return message.status, message.external_id


def next_look_s(shop: Shop, message_id: UUID) -> float | None:
    at = shop.message(message_id).look_up_at
    return None if at is None else round((at - now()).total_seconds())
