"""Two contacts that turn out to be one person: the automatic way, and how their conversations become one."""

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import exists, true
from sqlalchemy.orm import aliased

from portal.db import db
from portal.errors import NotFound
from portal.models import (
    ConsentEvent,
    Contact,
    ContactMerge,
    ContactTag,
    Conversation,
    ConversationAlias,
    ConversationEvent,
    Erasure,
    Message,
)
from portal.services import consent, ledgers
from portal.tenancy import TenantScope

log = structlog.get_logger(__name__)
LAST_MESSAGE = ("last_message_at", "last_message_preview", "last_message_direction", "last_message_kind")


def make_one(scope: TenantScope, kept: Contact, other: Contact, *, bearer: Contact | None = None) -> None:
    """Make one contact of two, since WhatsApp showed that they are one person; the other one is gone.

    `bearer` takes the other's addresses where it is not the kept one itself but somebody who was merged into it.
    Who writes to one of these conversations meanwhile waits, and finds it gone: a worker then tries again.
    """
    hold(scope, kept.id, other.id)
    for conversation in conversations_of(scope, other.id):
        give(scope, conversation, kept.id)
    _give_what_hangs_on(scope, other, kept)
    bearer = bearer or kept
    phone, lid = bearer.phone or other.phone, bearer.lid or other.lid
    whatsapp_number = bearer.whatsapp_number or other.whatsapp_number
    kept.name, kept.named_at = _newer_name(kept, other)
    kept.attributes = united(kept.attributes, other.attributes)
    kept.number_at = kept.number_at or other.number_at
    db.session.delete(other)
    # Its addresses are unique: it has to be gone before the other one bears them.
    db.session.flush()
    bearer.phone, bearer.lid, bearer.whatsapp_number = phone, lid, whatsapp_number
    db.session.flush()
    consent.recompute(scope, kept.id)
    log.info("contacts merged", kept_id=str(kept.id), other_id=str(other.id))


def hold(scope: TenantScope, *contact_ids: UUID) -> dict[UUID, Contact]:
    """Hold these contacts, as they are now, and what is theirs, until the transaction ends. By id. Raises NotFound."""
    # What this transaction has changed itself must not be read over.
    db.session.flush()
    theirs = scope.select(Conversation, Conversation.id).where(Conversation.contact_id.in_(contact_ids))
    # Before the contacts, as everybody takes them who needs both.
    db.session.scalars(theirs.order_by(Conversation.id).with_for_update()).all()
    wanted = scope.select(Contact).where(Contact.id.in_(contact_ids)).order_by(Contact.id).with_for_update()
    found = {one.id: one for one in db.session.scalars(wanted.execution_options(populate_existing=True))}
    if found.keys() != set(contact_ids):
        raise NotFound("no such contact")
    return found


def united(kept: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """The attributes of both; of two by one name, in capitals or not, the kept one."""
    names = {name.casefold() for name in kept}
    return {**{name: value for name, value in other.items() if name.casefold() not in names}, **kept}


def conversations_of(scope: TenantScope, contact_id: UUID) -> list[Conversation]:
    """The contact's conversations, held until the transaction ends."""
    found = scope.select(Conversation).where(Conversation.contact_id == contact_id).order_by(Conversation.id)
    return list(db.session.scalars(found.with_for_update().execution_options(populate_existing=True)))


def counterpart(scope: TenantScope, conversation: Conversation, contact_id: UUID) -> Conversation | None:
    """The conversation that a contact has at the same unit, held until the transaction ends."""
    found = scope.select(Conversation).where(
        Conversation.contact_id == contact_id, Conversation.unit_id == conversation.unit_id
    )
    held: Conversation | None = db.session.scalar(found.with_for_update().execution_options(populate_existing=True))
    return held


def give(scope: TenantScope, conversation: Conversation, contact_id: UUID) -> None:
    """Give the conversation to the other contact, or its messages to the one that contact has at the same unit."""
    kept = counterpart(scope, conversation, contact_id)
    if kept is None:
        conversation.contact_id = contact_id
        db.session.flush()
    else:
        join(scope, conversation, kept)


def join(scope: TenantScope, conversation: Conversation, kept: Conversation) -> None:
    """Move all that one conversation holds to another of the same unit; its id becomes an alias of that one."""
    _move_messages(scope, conversation.id, kept.id)
    noted = scope.update(ConversationEvent).where(ConversationEvent.conversation_id == conversation.id)
    db.session.execute(noted.values(conversation_id=kept.id).execution_options(synchronize_session=False))
    _lead_on(scope, conversation, kept.id)
    _add_up(kept, conversation)
    db.session.delete(conversation)
    db.session.flush()


def _give_what_hangs_on(scope: TenantScope, other: Contact, kept: Contact) -> None:
    """Tags, consent, campaigns, whoever was merged into it, a wish to be erased: they would go with the contact."""
    borne = scope.select(ContactTag, ContactTag.tag_id).where(ContactTag.contact_id == kept.id)
    wished = scope.select(Erasure, Erasure.contact_id).where(Erasure.contact_id == kept.id)
    for model, column, condition in (
        (ContactTag, ContactTag.contact_id, ContactTag.tag_id.not_in(borne)),
        (ConsentEvent, ConsentEvent.contact_id, true()),
        (ContactMerge, ContactMerge.kept_id, true()),
        (Erasure, Erasure.contact_id, Erasure.done_at.is_(None) & ~wished.exists()),
    ):
        theirs = scope.update(model).where(column == other.id, condition).values({column.key: kept.id})
        db.session.execute(theirs.execution_options(synchronize_session=False))
    ledgers.give_lines(scope, other.id, kept.id)
    for merged in db.session.scalars(scope.select(Contact).where(Contact.merged_into_id == other.id)):
        merged.merged_into_id = kept.id


def _newer_name(kept: Contact, other: Contact) -> tuple[str | None, datetime | None]:
    named = [contact for contact in (kept, other) if contact.name]
    by_hand = next((contact for contact in named if contact.named_at is None), None)
    newest = by_hand or max(named, key=lambda contact: (contact.named_at, contact.name), default=kept)
    return newest.name, newest.named_at


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
    ledgers.follow_conversation(scope, from_id, to_id)


def _lead_on(scope: TenantScope, conversation: Conversation, to_id: UUID) -> None:
    """Somebody may have it open, and be writing."""
    earlier = scope.update(ConversationAlias).where(ConversationAlias.conversation_id == conversation.id)
    db.session.execute(earlier.values(conversation_id=to_id).execution_options(synchronize_session=False))
    scope.add(ConversationAlias(id=conversation.id, unit_id=conversation.unit_id, conversation_id=to_id))
    db.session.flush()


def _add_up(kept: Conversation, other: Conversation) -> None:
    kept.unread += other.unread
    kept.status = "open" if "open" in (kept.status, other.status) else kept.status
    kept.assigned_to_id = kept.assigned_to_id or other.assigned_to_id
    if is_later(other.last_inbound_at, kept.last_inbound_at):
        kept.last_inbound_at = other.last_inbound_at
    if is_later(other.last_message_at, kept.last_message_at):
        for name in LAST_MESSAGE:
            setattr(kept, name, getattr(other, name))
    if is_later(other.doubted_at, kept.doubted_at):
        kept.doubted_at, kept.doubted_message_id = other.doubted_at, other.doubted_message_id


def is_later(one: datetime | None, other: datetime | None) -> bool:
    """Whether the first is known, and the second is not or was before it."""
    return one is not None and (other is None or one > other)
