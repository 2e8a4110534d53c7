"""Taking a merge back: both contacts as they were, and what came since with the one that was kept."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import or_

from portal import phone
from portal.clock import now
from portal.db import among, atomic, db
from portal.errors import Conflict
from portal.models import (
    ConsentEvent,
    Contact,
    ContactMerge,
    ContactTag,
    Conversation,
    ConversationAlias,
    ConversationEvent,
    MergedMessage,
    Message,
)
from portal.queries.conversations import find_current
from portal.services import audit, consent, conversation_work, conversations, joining, ledgers, summaries
from portal.services.merging import lock_units, refuse_while_erased
from portal.tenancy import TenantScope


def undo_merge(scope: TenantScope, merge_id: UUID) -> ContactMerge:
    """Part the two again: each gets back what was its own; what was changed or came since stays with the kept one.

    Raises Conflict when it was undone before, when one of the two was merged again since, and while one is erased.
    """
    with atomic():
        lock_units(scope)
        merge = scope.get(ContactMerge, merge_id)
        held = joining.hold(scope, merge.kept_id, merge.other_id)
        kept, other = held[merge.kept_id], held[merge.other_id]
        # Whoever undid it while this waited wrote that down.
        db.session.refresh(merge)
        _check(scope, merge)
        _restore_fields(scope, merge, kept, other)
        _give_back(scope, merge, kept, other)
        for noted in merge.before["joined"]:
            _part(scope, merge, noted, other)
        for conversation_id in merge.before["conversations"]:
            _return_whole(scope, merge, UUID(conversation_id), other)
        merge.undone_at = now()
        audit.record(scope, "contact.merge_undone", ("contact", kept.id), after={"other_id": str(other.id)})
        db.session.flush()
        for contact in (kept, other):
            consent.recompute(scope, contact.id)
    return merge


def _check(scope: TenantScope, merge: ContactMerge) -> None:
    if merge.undone_at is not None:
        raise Conflict(_("This merge was undone before."), code="is_undone")
    both = (merge.kept_id, merge.other_id)
    later = scope.select(ContactMerge, ContactMerge.id).where(
        ContactMerge.undone_at.is_(None),
        ContactMerge.created_at > merge.created_at,
        or_(ContactMerge.kept_id.in_(both), ContactMerge.other_id.in_(both)),
    )
    if db.session.scalars(later.limit(1)).first() is not None:
        raise Conflict(_("One of the two was merged again since. Undo that first."), code="was_merged_again")
    refuse_while_erased(scope, *both)


def _restore_fields(scope: TenantScope, merge: ContactMerge, kept: Contact, other: Contact) -> None:
    """What the merge changed, where nothing else has changed it since."""
    before = merge.before["kept"]
    other.merged_into_id = None
    if not before["name"] and (kept.name, kept.named_at) == (other.name, other.named_at):
        kept.name, kept.named_at = before["name"], _instant(before["named_at"])
    added = joining.united(before["attributes"], other.attributes).items() - before["attributes"].items()
    kept.attributes = {name: value for name, value in kept.attributes.items() if (name, value) not in added}
    if kept.edited_at == merge.created_at:
        kept.edited_at = _instant(before["edited_at"])
    if other.edited_at == merge.created_at:
        other.edited_at = _instant(merge.before["other"]["edited_at"])
    _restore_number(scope, merge, kept, other)


def _restore_number(scope: TenantScope, merge: ContactMerge, kept: Contact, other: Contact) -> None:
    before, went = merge.before["kept"], [UUID(id_) for id_ in merge.before["merged_ids"]]
    led_here = list(db.session.scalars(scope.select(Contact).where(Contact.merged_into_id == kept.id)))
    theirs = {other.phone, *(contact.phone for contact in led_here if contact.id in went)}
    if kept.whatsapp_number and phone.of_whatsapp(kept.whatsapp_number) in theirs:
        kept.whatsapp_number = before["whatsapp_number"]
    if all(contact.id in went for contact in led_here):
        kept.number_at = None
    elif kept.number_at == merge.created_at:
        kept.number_at = _instant(before["number_at"])


def _give_back(scope: TenantScope, merge: ContactMerge, kept: Contact, other: Contact) -> None:
    before = merge.before
    for model, column, ids in (
        (ConsentEvent, ConsentEvent.contact_id, before["consent_event_ids"]),
        (Contact, Contact.merged_into_id, before["merged_ids"]),
    ):
        theirs = scope.update(model).where(column == kept.id, among(model.id, map(UUID, ids)))
        db.session.execute(theirs.values({column.key: other.id}).execution_options(synchronize_session=False))
    added = among(ContactTag.tag_id, map(UUID, before["tag_ids"]))
    tags = scope.delete(ContactTag).where(ContactTag.contact_id == kept.id, added)
    db.session.execute(tags.execution_options(synchronize_session=False))


def _part(scope: TenantScope, merge: ContactMerge, noted: dict[str, Any], other: Contact) -> None:
    """Make the conversation anew that was joined to another one, with the messages that were in it."""
    was, target = noted["from"], find_current(scope, UUID(noted["to"]["id"]))
    source = _remake(scope, was, other)
    aliases = scope.update(ConversationAlias).where(
        ConversationAlias.conversation_id == target.id, among(ConversationAlias.id, map(UUID, noted["alias_ids"]))
    )
    db.session.execute(aliases.values(conversation_id=source.id).execution_options(synchronize_session=False))
    events = scope.update(ConversationEvent).where(
        ConversationEvent.conversation_id == target.id,
        among(ConversationEvent.id, map(UUID, noted.get("event_ids", ()))),
    )
    db.session.execute(events.values(conversation_id=source.id).execution_options(synchronize_session=False))
    came_since = _return_messages(scope, merge, source, target)
    source.unread = min(was["unread"], summaries.count_unread(scope, source.id))
    target.unread = max(0, target.unread - source.unread)
    _part_doubt(noted, source, target)
    for conversation, row in ((source, was), (target, noted["to"])):
        known = {name: _instant(row[name]) for name in ("last_message_at", "last_inbound_at")}
        summaries.renew(scope, conversation, **known)
    if not came_since:
        _part_work(scope, noted, target)


def _remake(scope: TenantScope, was: dict[str, Any], other: Contact) -> Conversation:
    source = Conversation(
        id=UUID(was["id"]),
        unit_id=UUID(was["unit_id"]),
        contact_id=other.id,
        status=was["status"],
        assigned_to_id=_assigned_to(scope, was),
        created_at=_instant(was["created_at"]),
    )
    alias = scope.delete(ConversationAlias).where(ConversationAlias.id == source.id)
    db.session.execute(alias.execution_options(synchronize_session=False))
    scope.add(source)
    db.session.flush()
    return source


def _part_work(scope: TenantScope, noted: dict[str, Any], target: Conversation) -> None:
    """The conversation is as open as before, and its person's again, unless somebody decided otherwise since."""
    states = (noted["to"]["status"], noted["from"]["status"])
    if target.status == ("open" if "open" in states else states[0]):
        target.status = states[0]
    joined = noted["to"].get("assigned_to_id") or noted["from"].get("assigned_to_id")
    if target.assigned_to_id is not None and str(target.assigned_to_id) == joined:
        target.assigned_to_id = _assigned_to(scope, noted["to"])


def _assigned_to(scope: TenantScope, row: dict[str, Any]) -> UUID | None:
    """Who answered it, if they still may. Merges of before migration 0011 noted nobody."""
    noted = row.get("assigned_to_id")
    return conversation_work.who_still_answers(scope, UUID(row["unit_id"]), UUID(noted) if noted else None)


def _return_messages(scope: TenantScope, merge: ContactMerge, source: Conversation, target: Conversation) -> bool:
    """Move back what was noted, with the ids that clients gave; whether something came since."""
    is_noted = (MergedMessage.merge_id == merge.id) & (MergedMessage.conversation_id == source.id)
    theirs = scope.update(Message).where(
        is_noted,
        MergedMessage.tenant_id == Message.tenant_id,
        MergedMessage.message_id == Message.id,
        Message.conversation_id == target.id,
    )
    returned = theirs.values(conversation_id=source.id, client_message_id=MergedMessage.client_message_id)
    db.session.execute(returned.execution_options(synchronize_session=False))
    ledgers.follow_messages(scope, target.id, source.id)
    db.session.execute(scope.delete(MergedMessage).where(is_noted).execution_options(synchronize_session=False))
    return db.session.scalar(_since(scope, merge, target.id).limit(1)) is not None


def _part_doubt(noted: dict[str, Any], source: Conversation, target: Conversation) -> None:
    """Whose doubt is still open gets it back; what a person settled since is settled for both."""
    doubts = {row["doubted_message_id"] for row in (noted["from"], noted["to"])} - {None}
    if str(target.doubted_message_id) not in doubts:
        return
    for conversation, row in ((source, noted["from"]), (target, noted["to"])):
        conversation.doubted_at = _instant(row["doubted_at"])
        doubted = row["doubted_message_id"]
        conversation.doubted_message_id = UUID(doubted) if doubted else None


def _return_whole(scope: TenantScope, merge: ContactMerge, conversation_id: UUID, other: Contact) -> None:
    """Give a conversation back; what came in it since goes to one of the kept contact's own."""
    found = scope.select(Conversation).where(
        Conversation.id == conversation_id, Conversation.contact_id == merge.kept_id
    )
    conversation: Conversation | None = db.session.scalar(found.with_for_update())
    if conversation is None:
        # Joined to another one since, by itself: what is in it cannot be told apart any more.
        return
    conversation.contact_id = other.id
    db.session.flush()
    since = _since(scope, merge, conversation_id)
    if db.session.scalar(since.limit(1)) is None:
        return
    opened = conversations.open_conversation(scope, conversation.unit_id, merge.kept_id)
    came = scope.update(Message).where(Message.id.in_(since))
    db.session.execute(came.values(conversation_id=opened.id).execution_options(synchronize_session=False))
    ledgers.follow_messages(scope, conversation.id, opened.id)
    _move_what_came(scope, conversation, opened)


def _move_what_came(scope: TenantScope, conversation: Conversation, opened: Conversation) -> None:
    opened.unread = min(conversation.unread, summaries.count_unread(scope, opened.id))
    conversation.unread -= opened.unread
    doubted = conversation.doubted_message_id
    if doubted is not None and scope.get(Message, doubted).conversation_id == opened.id:
        opened.doubted_at, opened.doubted_message_id = conversation.doubted_at, doubted
        conversation.doubted_at = conversation.doubted_message_id = None
    for one in (conversation, opened):
        summaries.renew(scope, one)


def _since(scope: TenantScope, merge: ContactMerge, conversation_id: UUID) -> Any:
    return scope.select(Message, Message.id).where(
        Message.conversation_id == conversation_id, Message.created_at > merge.created_at
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
