"""The message that a claimed one is about: looked up while it is sent, and named as WhatsApp knows it."""

from sqlalchemy import RowMapping, func

from portal.db import db
from portal.evolution.types import MessageKey, Reference
from portal.models import Contact, Direction, Message, MessageKind
from portal.outbox.lanes import ClaimedMessage
from portal.phone import PERSON_SUFFIX
from portal.tenancy import TenantScope, acting_for

# What a quote shows of a message without a text, in no language.
SIGNS = {
    MessageKind.IMAGE: "📷",
    MessageKind.VIDEO: "🎥",
    MessageKind.AUDIO: "🎵",
    MessageKind.DOCUMENT: "📄",
    MessageKind.STICKER: "🏷️",
    MessageKind.LOCATION: "📍",
    MessageKind.CONTACT_CARD: "👤",
    MessageKind.POLL: "📊",
}
OTHER_SIGN = "💬"


def load(claimed: ClaimedMessage) -> Reference | None:
    """That message; None where there is none, and where it was deleted or is not kept any more."""
    if claimed.refers_to is None:
        return None
    scope = TenantScope(claimed.tenant_id)
    sender = Message.details["sender"].as_string()
    # A sender is known by the canonical number, and named to WhatsApp by the form that it confirmed.
    confirmed = scope.select(Contact, Contact.whatsapp_number).where(Contact.phone == sender).correlate(Message)
    written_at = func.coalesce(Message.sent_at, Message.occurred_at)
    columns = (Message.direction, Message.kind, Message.body, sender, confirmed.scalar_subquery(), written_at)
    names = ("direction", "kind", "body", "sender", "confirmed", "written_at")
    statement = scope.select(Message, *(column.label(name) for column, name in zip(columns, names, strict=True)))
    there = statement.where(
        Message.unit_id == claimed.unit_id,
        Message.external_id == claimed.refers_to,
        Message.conversation_id == claimed.conversation_id,
        Message.deleted_at.is_(None),
    )
    with acting_for(scope):
        row = db.session.execute(there).mappings().one_or_none()
    return None if row is None else _reference(row, claimed)


def _reference(row: RowMapping, claimed: ClaimedMessage) -> Reference:
    is_ours = row["direction"] == Direction.OUTBOUND
    key = MessageKey(
        external_id=claimed.refers_to or "",
        jid=_address(claimed.number),
        from_me=is_ours,
        participant=None if is_ours else _participant(row),
    )
    return Reference(key, row["body"] or SIGNS.get(row["kind"], OTHER_SIGN), row["written_at"])


def _participant(row: RowMapping) -> str | None:
    """Who wrote it in a group: only there a sender is told."""
    sender: str | None = row["sender"]
    return _address(row["confirmed"] or sender) if sender else None


def _address(number: str) -> str:
    """A number as an address; a LID and a group are addresses already."""
    return number if "@" in number else number + PERSON_SUFFIX
