"""A conversation as work: who answers it, whether it is done, and what the people here note in it.

Each change is told by a row of `conversation_events`, to which is only added; a note alone may be deleted.
"""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from flask_babel import gettext as _
from sqlalchemy import func, literal
from uuid_utils.compat import uuid7

from portal.clock import now
from portal.db import among, atomic, db
from portal.errors import Conflict, Forbidden, Invalid, NotFound
from portal.models import Conversation, ConversationEvent, ConversationEventKind, User
from portal.permissions import Role
from portal.queries.answerers import who_may_answer
from portal.queries.conversations import find_current
from portal.services import audit
from portal.tenancy import TenantScope

LONGEST_NOTE = 2_000


def assign(scope: TenantScope, conversation_id: UUID, *, to_id: UUID | None, instead_of: str | None = None) -> None:
    """Let that person answer the conversation, or nobody.

    `instead_of`: who answered it when the person looked, "" for nobody; None: whoever does. Raises NotFound, Invalid
    for whoever cannot sign in or may not write there, and Conflict when another one answers it meanwhile.
    """
    with atomic():
        unit_id = find_current(scope, conversation_id).unit_id
        # Before the conversation: whoever shuts somebody out holds them first, and their conversations then.
        if to_id is not None and not _hold_answerer(scope, unit_id, to_id):
            raise Invalid({"to": _("This person may not answer here. Choose somebody else.")})
        conversation = _hold(scope, conversation_id)
        before = conversation.assigned_to_id
        if before == to_id:
            return
        if instead_of is not None and instead_of != (_text(before) or ""):
            raise Conflict(_("Somebody changed who answers since you looked. See who it is now, then decide again."))
        conversation.assigned_to_id = to_id
        kind = ConversationEventKind.ASSIGNED if to_id else ConversationEventKind.RELEASED
        _tell(scope, conversation, kind, assigned_to_id=to_id or before)
        audit.record(
            scope,
            "conversation.assigned",
            ("conversation", conversation.id),
            before={"assigned_to": _text(before)},
            after={"assigned_to": _text(to_id)},
        )


def close(scope: TenantScope, conversation_id: UUID) -> None:
    """Nothing is left to do in it, until the customer writes again. Raises NotFound."""
    with atomic():
        conversation = _hold(scope, conversation_id)
        if conversation.status != "closed":
            conversation.status = "closed"
            _tell(scope, conversation, ConversationEventKind.CLOSED)
            audit.record(scope, "conversation.closed", ("conversation", conversation.id))


def reopen(scope: TenantScope, conversation_id: UUID) -> None:
    """There is something to do in it after all. Raises NotFound."""
    with atomic():
        conversation = _hold(scope, conversation_id)
        if conversation.status != "open":
            conversation.status = "open"
            _tell(scope, conversation, ConversationEventKind.REOPENED)
            audit.record(scope, "conversation.reopened", ("conversation", conversation.id))


def add_note(scope: TenantScope, conversation_id: UUID, text: str, *, form_id: str | None = None) -> None:
    """Note something that the people here see, and the customer never does.

    The same text out of one showing of a form is one note. Raises NotFound, and Invalid for `text`.
    """
    body = _checked_note(text)
    with atomic():
        conversation = _hold(scope, conversation_id)
        row = {
            "id": uuid5(NAMESPACE_OID, f"{scope.user_id} {conversation.id} {form_id} {body}") if form_id else uuid7(),
            "unit_id": conversation.unit_id,
            "conversation_id": conversation.id,
            "kind": ConversationEventKind.NOTE,
            "body": body,
            "created_by_id": scope.user_id,
            "created_at": now(),
        }
        db.session.execute(scope.insert(ConversationEvent, [row]).on_conflict_do_nothing())


def delete_note(scope: TenantScope, conversation_id: UUID, note_id: UUID) -> None:
    """Raises NotFound, and Forbidden for a note of somebody else but for administrators."""
    with atomic():
        conversation = _hold(scope, conversation_id)
        note = get_deletable_note(scope, conversation.id, note_id)
        db.session.delete(note)
        told = {"note": {"length": len(note.body or "")}, "at": note.created_at.isoformat()}
        audit.record(scope, "conversation.note_deleted", ("conversation", conversation.id), before=told)


def get_deletable_note(scope: TenantScope, conversation_id: UUID, note_id: UUID) -> ConversationEvent:
    """The note in that very conversation. Raises as `delete_note` does."""
    note = scope.get(ConversationEvent, note_id)
    if note.kind != ConversationEventKind.NOTE or note.conversation_id != conversation_id:
        raise NotFound("no such note")
    if not may_delete(scope, note):
        raise Forbidden(_("Only who wrote a note and administrators delete it."))
    return note


def may_delete(scope: TenantScope, note: ConversationEvent) -> bool:
    """Whether the note is the person's own, or any for an administrator of the company."""
    is_own = note.created_by_id is not None and note.created_by_id == scope.user_id
    return is_own or scope.role is Role.TENANT_ADMIN


def take_up(scope: TenantScope, conversation: Conversation) -> None:
    """A person writes in the locked conversation: it is open again, and theirs where it was nobody's."""
    if conversation.status != "open":
        conversation.status = "open"
        _tell(scope, conversation, ConversationEventKind.REOPENED)
    if conversation.assigned_to_id is not None or scope.user_id is None:
        return
    # Others are held already, so this waits for nobody: whoever is being changed at this moment answers nothing new.
    if _hold_answerer(scope, conversation.unit_id, scope.user_id, skip_locked=True):
        conversation.assigned_to_id = scope.user_id
        _tell(scope, conversation, ConversationEventKind.ASSIGNED, assigned_to_id=scope.user_id)


def who_still_answers(scope: TenantScope, unit_id: UUID, user_id: UUID | None) -> UUID | None:
    """The person, if they may answer there now; whoever is being changed at this moment answers nothing again."""
    if user_id is None or not _hold_answerer(scope, unit_id, user_id, skip_locked=True):
        return None
    return user_id


def note_reopened(scope: TenantScope, conversations: Iterable[Conversation]) -> None:
    """Tell that customers wrote again in these, which were closed until then."""
    rows = [_row(conversation, ConversationEventKind.REOPENED) for conversation in conversations]
    if rows:
        db.session.execute(scope.insert(ConversationEvent, rows))


def release_from(scope: TenantScope, user_id: UUID, *, kept_unit_ids: Collection[UUID] = ()) -> None:
    """Leave to nobody what this person answers, but for what is at these units. The person must be held."""
    theirs = (Conversation.assigned_to_id == user_id) & ~among(Conversation.unit_id, kept_unit_ids)
    columns = (
        func.gen_random_uuid(),
        Conversation.unit_id,
        Conversation.id,
        literal(ConversationEventKind.RELEASED.value),
        literal(user_id),
        literal(now()),
    )
    open_ones = scope.select(Conversation, *columns).where(theirs, Conversation.status == "open")
    held = open_ones.order_by(Conversation.id).with_for_update()
    names = ("id", "unit_id", "conversation_id", "kind", "assigned_to_id", "created_at")
    db.session.execute(scope.insert_found(ConversationEvent, names, held))
    # Closed ones too, or they would come back to somebody who is not there.
    released = scope.update(Conversation).where(theirs).values(assigned_to_id=None)
    db.session.execute(released.execution_options(synchronize_session=False))


def _hold(scope: TenantScope, conversation_id: UUID) -> Conversation:
    """The conversation, or the one it was joined to, until the transaction ends. Raises NotFound."""
    held: Conversation | None = None
    while held is None:
        # While this waits for it, it may become a part of another one.
        this = scope.select(Conversation).where(Conversation.id == find_current(scope, conversation_id).id)
        held = db.session.scalar(this.with_for_update().execution_options(populate_existing=True))
    return held


def _hold_answerer(scope: TenantScope, unit_id: UUID, user_id: UUID, *, skip_locked: bool = False) -> bool:
    """Whether the person may answer there, which then stays so until the transaction ends."""
    this = scope.select(User, User.id).where(User.id == user_id)
    if db.session.scalar(this.with_for_update(read=True, skip_locked=skip_locked)) is None:
        return False
    # In a statement of its own, which sees what was changed while the one before waited.
    able = who_may_answer(scope, unit_id).where(User.id == user_id)
    return db.session.scalar(able.with_only_columns(User.id)) is not None


def _checked_note(text: str) -> str:
    body = text.replace("\x00", "").replace("\r\n", "\n").strip()
    if not body:
        raise Invalid({"text": _("Write the note first.")})
    if len(body) > LONGEST_NOTE:
        message = _(
            "The note is too long: %(length)s of at most %(longest)s characters.",
            length=len(body),
            longest=LONGEST_NOTE,
        )
        raise Invalid({"text": message})
    return body


def _tell(
    scope: TenantScope,
    conversation: Conversation,
    kind: ConversationEventKind,
    *,
    assigned_to_id: UUID | None = None,
) -> None:
    row = _row(conversation, kind)
    scope.add(ConversationEvent(**row, created_by_id=scope.user_id, assigned_to_id=assigned_to_id))


def _row(conversation: Conversation, kind: ConversationEventKind) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "unit_id": conversation.unit_id,
        "conversation_id": conversation.id,
        "kind": kind,
        "created_at": now(),
    }


def _text(id_: UUID | None) -> str | None:
    return str(id_) if id_ else None
