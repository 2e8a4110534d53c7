"""Contacts: two that turn out to be one person become one."""

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import exists
from sqlalchemy.orm import aliased

from portal.db import db
from portal.models import Contact, Conversation, ConversationAlias, Message
from portal.tenancy import TenantScope

log = structlog.get_logger(__name__)


def merge(scope: TenantScope, kept: Contact, other: Contact) -> Contact:
    """Make one contact of two, with the conversations of both; returns the one that stays.

    Who writes to one of these conversations meanwhile waits, and finds it gone: a worker then tries again.
    """
    locked = scope.select(Contact).where(Contact.id.in_((kept.id, other.id))).order_by(Contact.id).with_for_update()
    db.session.scalars(locked).all()
    for conversation in _conversations_of(scope, other.id):
        _move(scope, conversation, kept.id)
    phone, lid = kept.phone or other.phone, kept.lid or other.lid
    whatsapp_number = kept.whatsapp_number or other.whatsapp_number
    name, named_at = _newer_name(kept, other)
    db.session.delete(other)
    # Its addresses are unique: it has to be gone before the other one bears them.
    db.session.flush()
    kept.phone, kept.lid, kept.whatsapp_number = phone, lid, whatsapp_number
    kept.name, kept.named_at = name, named_at
    db.session.flush()
    log.info("contacts merged", kept_id=str(kept.id), other_id=str(other.id))
    return kept


def _newer_name(kept: Contact, other: Contact) -> tuple[str | None, datetime | None]:
    named = [contact for contact in (kept, other) if contact.name]
    by_hand = next((contact for contact in named if contact.named_at is None), None)
    newest = by_hand or max(named, key=lambda contact: (contact.named_at, contact.name), default=kept)
    return newest.name, newest.named_at


def _conversations_of(scope: TenantScope, contact_id: UUID) -> list[Conversation]:
    found = scope.select(Conversation).where(Conversation.contact_id == contact_id).order_by(Conversation.id)
    return list(db.session.scalars(found.with_for_update().execution_options(populate_existing=True)))


def _move(scope: TenantScope, conversation: Conversation, contact_id: UUID) -> None:
    """Give the conversation to the other contact, or its messages to the one that contact has at the same unit."""
    found = scope.select(Conversation).where(
        Conversation.contact_id == contact_id, Conversation.unit_id == conversation.unit_id
    )
    kept: Conversation | None = db.session.scalar(found.with_for_update().execution_options(populate_existing=True))
    if kept is None:
        conversation.contact_id = contact_id
        db.session.flush()
        return
    _move_messages(scope, conversation.id, kept.id)
    _lead_on(scope, conversation, kept.id)
    _add_up(kept, conversation)
    db.session.delete(conversation)
    db.session.flush()


def _move_messages(scope: TenantScope, from_id: UUID, to_id: UUID) -> None:
    there = aliased(Message)
    is_taken = exists().where(there.conversation_id == to_id, there.client_message_id == Message.client_message_id)
    mine = scope.update(Message).where(Message.conversation_id == from_id)
    # An id that a client gave is unique in its conversation: in a joined one the first keeps it.
    db.session.execute(
        mine.where(Message.client_message_id.is_not(None), is_taken)
        .values(client_message_id=None)
        .execution_options(synchronize_session=False)
    )
    db.session.execute(mine.values(conversation_id=to_id).execution_options(synchronize_session=False))


def _lead_on(scope: TenantScope, conversation: Conversation, to_id: UUID) -> None:
    """Somebody may have it open, and be writing."""
    earlier = scope.update(ConversationAlias).where(ConversationAlias.conversation_id == conversation.id)
    db.session.execute(earlier.values(conversation_id=to_id).execution_options(synchronize_session=False))
    scope.add(ConversationAlias(id=conversation.id, unit_id=conversation.unit_id, conversation_id=to_id))
    db.session.flush()


def _add_up(kept: Conversation, other: Conversation) -> None:
    kept.unread += other.unread
    kept.status = "open" if "open" in (kept.status, other.status) else kept.status
    if other.last_inbound_at and (kept.last_inbound_at is None or other.last_inbound_at > kept.last_inbound_at):
        kept.last_inbound_at = other.last_inbound_at
    if other.last_message_at and (kept.last_message_at is None or other.last_message_at > kept.last_message_at):
        for name in ("last_message_at", "last_message_preview", "last_message_direction", "last_message_kind"):
            setattr(kept, name, getattr(other, name))
