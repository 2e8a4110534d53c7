"""Two contacts that a person found to be one: from then on whoever is looked for as either is found as one.

The other row stays and leads to the kept one, with its addresses. What the kept one was before, and which rows came
over, is noted in `ContactMerge.before`, so that `parting.py` can take it all back:

`kept`, `other`      what the merge changes in each of the two rows, as it was
`tag_ids`            tags that the kept one did not bear
`conversations`      ids of conversations that came over whole
`joined`             {from, to, alias_ids}: two conversations of one unit, as they were but for texts
`consent_event_ids`  evidence that came over
`merged_ids`         whoever had been merged into the other one
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import literal

from portal.db import Base, atomic, db
from portal.errors import Conflict
from portal.models import (
    ConsentEvent,
    Contact,
    ContactMerge,
    ContactTag,
    Conversation,
    ConversationAlias,
    ConversationEvent,
    Erasure,
    MergedMessage,
    Message,
    Unit,
)
from portal.queries.contacts import get_contact
from portal.services import audit, consent, joining
from portal.tenancy import TenantScope

KEPT_COLUMNS = ("name", "named_at", "attributes", "whatsapp_number", "number_at", "edited_at")
CONVERSATION_COLUMNS = (
    "id",
    "unit_id",
    "status",
    "assigned_to_id",
    "unread",
    "last_message_at",
    "last_inbound_at",
    "doubted_at",
    "doubted_message_id",
    "created_at",
)


def merge_contacts(scope: TenantScope, kept_id: UUID, other_id: UUID) -> ContactMerge:
    """Make the other contact a part of the kept one, whose name and attributes win.

    Raises Conflict where they are one already, where the kept one has no number but the other has, and where one of
    them is being erased.
    """
    with atomic():
        lock_units(scope)
        found = get_contact(scope, kept_id).id, get_contact(scope, other_id).id
        held = joining.hold(scope, *found)
        kept, other = held[found[0]], held[found[1]]
        _check(scope, kept, other)
        merge = scope.add(ContactMerge(kept_id=kept.id, other_id=other.id, merged_by_id=scope.user_id, before={}))
        db.session.flush()
        merge.before = _take_over(scope, merge, kept, other)
        audit.record(scope, "contact.merged", ("contact", kept.id), after={"other_id": str(other.id)})
        db.session.flush()
        consent.recompute(scope, kept.id)
    return merge


def in_order(contact: Contact, other: Contact) -> tuple[Contact, Contact]:
    """Which of the two is kept, and which becomes a part of it: the first, unless only the second has a number."""
    return (other, contact) if other.phone and not contact.phone else (contact, other)


def lock_units(scope: TenantScope) -> None:
    """Hold all the tenant's units: the inbox and whoever sends would write to a contact while it becomes another."""
    held = scope.select(Unit, Unit.id).order_by(Unit.id).with_for_update(key_share=True)
    db.session.scalars(held).all()


def refuse_while_erased(scope: TenantScope, *contact_ids: UUID) -> None:
    """Raises Conflict where one of them is about to be erased."""
    waiting = scope.select(Erasure, Erasure.id).where(Erasure.contact_id.in_(contact_ids), Erasure.done_at.is_(None))
    if db.session.scalars(waiting.limit(1)).first() is not None:
        raise Conflict(_("The data of one of these two is being erased."), code="is_being_erased")


def _check(scope: TenantScope, kept: Contact, other: Contact) -> None:
    # A company without units has none to hold: somebody may have merged one of them at this very moment.
    if kept is other or kept.merged_into_id is not None or other.merged_into_id is not None:
        raise Conflict(_("These two are one contact already."), code="is_merged")
    if in_order(kept, other)[0] is not kept:
        raise Conflict(_("Keep the one who has a number."), code="no_number")
    refuse_while_erased(scope, kept.id, other.id)


def _take_over(scope: TenantScope, merge: ContactMerge, kept: Contact, other: Contact) -> dict[str, Any]:
    notes = {
        "kept": as_json(kept, KEPT_COLUMNS),
        "other": as_json(other, ("edited_at",)),
        "tag_ids": _give_tags(scope, kept, other),
        **_give_conversations(scope, merge, kept, other),
        "consent_event_ids": _give(scope, ConsentEvent, ConsentEvent.contact_id, other, kept),
        "merged_ids": _give(scope, Contact, Contact.merged_into_id, other, kept),
    }
    if not kept.name:
        kept.name, kept.named_at = other.name, other.named_at
    kept.attributes = joining.united(kept.attributes, other.attributes)
    # Its own number is written to until they write from the other one.
    kept.number_at = kept.edited_at = other.edited_at = merge.created_at
    other.merged_into_id = kept.id
    return notes


def _give_tags(scope: TenantScope, kept: Contact, other: Contact) -> list[str]:
    """The other one keeps its own; the kept one gets those that it lacks."""
    borne = scope.select(ContactTag, ContactTag.tag_id).where(ContactTag.contact_id == kept.id)
    missing = scope.select(ContactTag, literal(kept.id), ContactTag.tag_id).where(
        ContactTag.contact_id == other.id, ContactTag.tag_id.not_in(borne)
    )
    added = scope.insert_found(ContactTag, ["contact_id", "tag_id"], missing).returning(ContactTag.tag_id)
    return sorted(str(tag_id) for tag_id in db.session.scalars(added))


def _give_conversations(scope: TenantScope, merge: ContactMerge, kept: Contact, other: Contact) -> dict[str, Any]:
    whole, joined = [], []
    for conversation in joining.conversations_of(scope, other.id):
        target = joining.counterpart(scope, conversation, kept.id)
        if target is None:
            conversation.contact_id = kept.id
            whole.append(str(conversation.id))
        else:
            joined.append(_note(scope, conversation, target))
            _note_messages(scope, merge.id, conversation.id)
            joining.join(scope, conversation, target)
    db.session.flush()
    return {"conversations": whole, "joined": joined}


def _note(scope: TenantScope, conversation: Conversation, target: Conversation) -> dict[str, Any]:
    led_here = scope.select(ConversationAlias, ConversationAlias.id).where(
        ConversationAlias.conversation_id == conversation.id
    )
    noted = scope.select(ConversationEvent, ConversationEvent.id).where(
        ConversationEvent.conversation_id == conversation.id
    )
    return {
        "from": as_json(conversation, CONVERSATION_COLUMNS),
        "to": as_json(target, CONVERSATION_COLUMNS),
        "alias_ids": sorted(str(id_) for id_ in db.session.scalars(led_here)),
        "event_ids": sorted(str(id_) for id_ in db.session.scalars(noted)),
    }


def _note_messages(scope: TenantScope, merge_id: UUID, conversation_id: UUID) -> None:
    columns = ("merge_id", "message_id", "conversation_id", "client_message_id")
    messages = scope.select(
        Message, literal(merge_id), Message.id, Message.conversation_id, Message.client_message_id
    ).where(Message.conversation_id == conversation_id)
    db.session.execute(scope.insert_found(MergedMessage, columns, messages))


def _give(scope: TenantScope, model: type[Base], column: Any, other: Contact, kept: Contact) -> list[str]:
    """Let rows that are the other one's be the kept one's; their ids."""
    theirs = scope.update(model).where(column == other.id).values({column.key: kept.id})
    moved = theirs.returning(column.class_.id).execution_options(synchronize_session=False)
    return sorted(str(id_) for id_ in db.session.scalars(moved))


def as_json(row: Base, columns: tuple[str, ...]) -> dict[str, Any]:
    """These columns of a row as JSON can hold them."""
    values = {column: getattr(row, column) for column in columns}
    return {
        column: str(value) if isinstance(value, UUID) else value.isoformat() if isinstance(value, datetime) else value
        for column, value in values.items()
    }
