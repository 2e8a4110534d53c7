"""Who wants campaigns and who does not: what people wrote, and what staff noted for them.

The newest event decides, by the time at which it happened, so events may come late and in any order. Locks are taken
in this order: unit, conversations, contacts, lanes, messages.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from flask_babel import gettext as _
from uuid_utils.compat import uuid7

from portal.clock import now
from portal.db import among, atomic, db
from portal.errors import Invalid
from portal.models import (
    ConsentEvent,
    ConsentKind,
    ConsentSource,
    Contact,
    Conversation,
    Message,
    MessageSource,
    MessageStatus,
)
from portal.queries.consent import list_contact_events, whole_tenant
from portal.queries.contacts import get_contact
from portal.queries.conversations import find_current
from portal.services import audit, lanes
from portal.tenancy import TenantScope

log = structlog.get_logger(__name__)

OPTED_OUT = "opted_out"
LONGEST_NOTE = 500
ACTIONS = {ConsentKind.OPTED_OUT: "contact.opted_out", ConsentKind.OPTED_IN: "contact.opted_in"}
# What a person decides is the newest, though a message may be dated a little ahead of our clock.
_JUST_AFTER = timedelta(microseconds=1)


@dataclass(frozen=True)
class Said:
    """What a message of a contact says about consent."""

    contact_id: UUID
    kind: ConsentKind
    message: Message


@dataclass(frozen=True)
class Turn:
    """A contact is opted out and was not, or the other way round, since this event."""

    contact: Contact
    event: ConsentEvent


def opt_out(scope: TenantScope, contact_id: UUID, *, note: str = "") -> None:
    """Note for a person that they want no campaigns. Nothing happens where that is known."""
    note = _checked_note(note)
    with atomic():
        contact = lock_contact(scope, contact_id)
        if contact.opted_out_at is None:
            _note_by_hand(scope, contact, ConsentKind.OPTED_OUT, note=note)


def opt_in(scope: TenantScope, contact_id: UUID, *, note: str) -> None:
    """Note for a person that they want campaigns again. Raises Invalid for `note` unless it says how they agreed."""
    note = _checked_note(note)
    if not note:
        raise Invalid({"note": _("Write down how they agreed: this is the evidence.")})
    with atomic():
        contact = lock_contact(scope, contact_id)
        if contact.opted_out_at is not None:
            _note_by_hand(scope, contact, ConsentKind.OPTED_IN, note=note)


def settle_doubt(scope: TenantScope, conversation_id: UUID, *, message_id: UUID, is_opt_out: bool) -> None:
    """Decide what this message meant, which may have asked for no more: that, or something else.

    Nothing happens where somebody decided it before, or where a newer message is in doubt since.
    """
    with atomic():
        found = find_current(scope, conversation_id)
        conversation = _lock_conversation(scope, found.id)
        if conversation.doubted_message_id != message_id:
            return
        conversation.doubted_at = conversation.doubted_message_id = None
        audit.record(scope, "consent.doubt_settled", ("conversation", conversation.id), after={"opt_out": is_opt_out})
        (contact,) = lock_contacts(scope, [conversation.contact_id])
        if is_opt_out and contact.opted_out_at is None:
            message = db.session.scalar(scope.select(Message).where(Message.id == message_id))
            _note_by_hand(scope, contact, ConsentKind.OPTED_OUT, message=message)


def recompute(scope: TenantScope, contact_id: UUID) -> None:
    """Let the contact's newest consent event decide; of two at one instant the opt-out."""
    decide(scope, lock_contacts(scope, [contact_id]))


def lock_contact(scope: TenantScope, contact_id: UUID) -> Contact:
    """The person as they are now, held until the transaction ends. Raises NotFound for whoever the scope does not see.

    Who was merged into somebody else while this waited is that one.
    """
    held = lock_contacts(scope, [get_contact(scope, contact_id).id])
    if held and held[0].merged_into_id is None:
        return held[0]
    return lock_contact(scope, contact_id)


def lock_contacts(scope: TenantScope, contact_ids: Collection[UUID]) -> list[Contact]:
    """The contacts as they are now, held until the transaction ends: two units may hear from one person at once."""
    # What this transaction changed itself must not be read over.
    db.session.flush()
    wanted = scope.select(Contact).where(among(Contact.id, contact_ids)).order_by(Contact.id)
    return list(db.session.scalars(wanted.with_for_update(key_share=True).execution_options(populate_existing=True)))


def add_events(scope: TenantScope, said: Iterable[Said]) -> None:
    """Note what messages said, each once however often it is told. The contacts must be held; `decide` comes next."""
    scope.insert_missing(ConsentEvent, [_row(one) for one in said])


def decide(scope: TenantScope, contacts: Sequence[Contact], *, at_unit: UUID | None = None) -> list[Turn]:
    """Let each held contact's newest event decide, and stop what waits for whoever is opted out.

    Returns who turned. `at_unit` is the unit whose lane the caller wakes afterwards.
    """
    events = list_contact_events(scope, [contact.id for contact in contacts])
    turns = []
    for contact in contacts:
        newest = next(iter(events[contact.id]), None)
        was_out, is_out = contact.opted_out_at is not None, _is_opt_out(newest)
        contact.opted_out_at = newest.happened_at if newest and is_out else None
        if newest and was_out != is_out:
            turns.append(Turn(contact, newest))
    db.session.flush()
    _suppress(scope, [contact.id for contact in contacts if contact.opted_out_at is not None], at_unit)
    return turns


def _is_opt_out(event: ConsentEvent | None) -> bool:
    return event is not None and event.kind == ConsentKind.OPTED_OUT


def _suppress(scope: TenantScope, contact_ids: Collection[UUID], at_unit: UUID | None) -> None:
    """Take back every campaign message that waits for these contacts at any unit; there is nothing left to doubt."""
    if not contact_ids:
        return
    whole = whole_tenant(scope)
    theirs = whole.select(Conversation, Conversation.id).where(among(Conversation.contact_id, contact_ids))
    waits = (
        Message.conversation_id.in_(theirs),
        Message.status == MessageStatus.QUEUED,
        Message.source == MessageSource.CAMPAIGN,
    )
    unit_ids = db.session.scalars(whole.select(Message, Message.unit_id).where(*waits).distinct()).all()
    if unit_ids:
        # All at once and before the messages, as a claim has them.
        lanes.hold(whole, {*unit_ids, *([at_unit] if at_unit else [])})
        cancelled = whole.update(Message).where(*waits).values(status=MessageStatus.CANCELLED, error_code=OPTED_OUT)
        db.session.execute(cancelled.execution_options(synchronize_session=False))
    # Those that another transaction holds are passed over: nobody who opted out is shown as in doubt.
    free = theirs.where(Conversation.doubted_at.is_not(None)).with_for_update(skip_locked=True)
    settled = whole.update(Conversation).where(Conversation.id.in_(free))
    settled = settled.values(doubted_at=None, doubted_message_id=None)
    db.session.execute(settled.execution_options(synchronize_session=False))


def _lock_conversation(scope: TenantScope, conversation_id: UUID) -> Conversation:
    this = scope.select(Conversation).where(Conversation.id == conversation_id).with_for_update()
    conversation: Conversation = db.session.scalars(this.execution_options(populate_existing=True)).one()
    return conversation


def _note_by_hand(
    scope: TenantScope, contact: Contact, kind: ConsentKind, *, note: str = "", message: Message | None = None
) -> None:
    earlier = list_contact_events(scope, [contact.id])[contact.id]
    event = ConsentEvent(
        contact_id=contact.id,
        kind=kind,
        source=ConsentSource.STAFF,
        unit_id=message.unit_id if message else None,
        message_id=message.id if message else None,
        words=message.body if message else None,
        noted_by_id=scope.user_id,
        note=note or None,
        happened_at=_after(earlier, message.occurred_at if message else now()),
    )
    scope.add(event)
    db.session.flush()
    decide(scope, [contact])
    audit.record(scope, ACTIONS[kind], ("contact", contact.id))
    log.info("consent noted by hand", contact_id=str(contact.id), kind=kind)


def _after(earlier: Sequence[ConsentEvent], at: datetime) -> datetime:
    return max([at, *(event.happened_at + _JUST_AFTER for event in earlier[:1])])


def _row(said: Said) -> dict[str, object]:
    message = said.message
    return {
        "id": uuid7(),
        "contact_id": said.contact_id,
        "kind": said.kind,
        "source": ConsentSource.MESSAGE,
        "unit_id": message.unit_id,
        "message_id": message.id,
        "words": message.body,
        "happened_at": message.occurred_at,
    }


def _checked_note(note: str) -> str:
    note = note.replace("\x00", "").strip()
    if len(note) > LONGEST_NOTE:
        told = _(
            "The note is too long: %(length)s of at most %(most)s characters.", length=len(note), most=LONGEST_NOTE
        )
        raise Invalid({"note": told})
    return note
