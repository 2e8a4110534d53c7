"""Erasing people, step by step: each step is one short transaction, and what is left says which one comes next.

Whoever is killed in between is followed by one who goes on. What is in flight is waited for: a message that is being
sent, a list that is being imported, an event about the person that the inbox has not applied yet.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, select

from portal.background import pasted_numbers
from portal.background.pauses import Pauses
from portal.background.persons import Person, load_person
from portal.clock import now
from portal.db import among, db
from portal.models import (
    Campaign,
    CampaignRecipient,
    Contact,
    ContactKind,
    Conversation,
    ConversationAlias,
    Erasure,
    EventState,
    Import,
    Message,
    MessageStatus,
    RecipientState,
    SuppressionReason,
    WebhookEvent,
)
from portal.queries.erasures import FINISHED_IMPORTS
from portal.services import delivery, imports, ledgers, suppression
from portal.services.deleting import BATCH, COLUMNS, Doomed, delete_messages
from portal.tenancy import TenantScope, across_tenants, tenant_transaction

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 3.0
# How far the company's events were read, among the counts until the erasure is done.
EVENTS_UNTIL = "events_until"

Done = Counter[str]
Step = Callable[[TenantScope, Erasure, Person], Done | None]


class NotYet(Exception):
    """Something of the person's is in flight."""


class Erasures:
    """What one process erases: of several that wait, one step after the other."""

    def __init__(self) -> None:
        self._pauses = Pauses(LOOK_AGAIN_S)

    def work(self) -> bool:
        """Do one step of one erasure; False when there is nothing to do now."""
        for tenant_id, erasure_id in _list_waiting():
            if self._pauses.is_over(erasure_id):
                # First of all: one that fails keeps no other from its turn.
                self._pauses.begin(erasure_id)
                if _take_step(TenantScope(tenant_id), erasure_id):
                    self._pauses.end(erasure_id)
                    return True
        return False


def _list_waiting() -> list[tuple[UUID, UUID]]:
    waiting = select(Erasure.tenant_id, Erasure.id).where(Erasure.done_at.is_(None)).order_by(Erasure.id)
    with across_tenants("erasures of every tenant wait in one table"):
        return [(tenant_id, erasure_id) for tenant_id, erasure_id in db.session.execute(waiting)]


def _take_step(scope: TenantScope, erasure_id: UUID) -> bool:
    """False when it has to wait, or another worker is at it."""
    try:
        with tenant_transaction(scope):
            this = scope.select(Erasure).where(Erasure.id == erasure_id, Erasure.done_at.is_(None))
            locked = this.with_for_update(skip_locked=True).execution_options(populate_existing=True)
            erasure = db.session.scalar(locked)
            if erasure is None:
                return False
            _go_on(scope, erasure, load_person(scope, erasure.contact_id))
    except NotYet:
        return False
    return True


def _go_on(scope: TenantScope, erasure: Erasure, person: Person) -> None:
    """The first step that finds something to do."""
    for step in STEPS:
        done = step(scope, erasure, person)
        if done is not None:
            erasure.counts = dict(Counter(erasure.counts or {}) + done)
            return


def _delete_conversations_messages(scope: TenantScope, erasure: Erasure, person: Person) -> Done | None:
    is_theirs = Message.conversation_id.in_(_conversations(scope, person))
    done = _delete_some(scope, is_theirs & (Message.status != MessageStatus.SENDING))
    if done is None and db.session.scalar(scope.select(Message, Message.id).where(is_theirs).limit(1)) is not None:
        raise NotYet
    return done


def _delete_group_messages(scope: TenantScope, erasure: Erasure, person: Person) -> Done | None:
    """What they wrote where others read it too."""
    is_in = (Contact.tenant_id == Conversation.tenant_id) & (Contact.id == Conversation.contact_id)
    groups = scope.select(Conversation, Conversation.id).join(Contact, is_in).where(Contact.kind != ContactKind.PERSON)
    return _delete_some(scope, Message.conversation_id.in_(groups) & person.is_writer)


def _delete_some(scope: TenantScope, condition: ColumnElement[bool]) -> Done | None:
    """A batch of one unit's messages; None when there are none."""
    unit_id = db.session.scalar(scope.select(Message, Message.unit_id).where(condition).limit(1))
    if unit_id is None:
        return None
    delivery.lock_unit(scope, unit_id)
    batch = scope.select(Message, *COLUMNS).where(Message.unit_id == unit_id, condition).limit(BATCH)
    doomed = [Doomed(*row) for row in db.session.execute(batch.with_for_update(of=Message))]
    deleted = delete_messages(scope, doomed)
    return Counter(messages=deleted.messages, files=deleted.files)


def _delete_events(scope: TenantScope, erasure: Erasure, person: Person) -> Done | None:
    """What Evolution told about them, in the order in which it came."""
    read_until = (erasure.counts or {}).get(EVENTS_UNTIL, 0)
    unread = scope.select(WebhookEvent, WebhookEvent.id).where(WebhookEvent.id > read_until)
    ids = db.session.scalars(unread.order_by(WebhookEvent.id).limit(BATCH)).all()
    if not ids or not person.spellings:
        return None
    is_about = among(WebhookEvent.id, ids) & person.is_named
    is_new = WebhookEvent.state == EventState.NEW
    if db.session.scalar(scope.select(WebhookEvent, WebhookEvent.id).where(is_about, is_new).limit(1)) is not None:
        raise NotYet
    told = scope.delete(WebhookEvent).where(is_about).returning(WebhookEvent.id)
    deleted = db.session.scalars(told.execution_options(synchronize_session=False)).all()
    return Counter({"events": len(deleted), EVENTS_UNTIL: ids[-1] - read_until})


def _drop_import_contents(scope: TenantScope, erasure: Erasure, person: Person) -> Done | None:
    """The lists of the company, one by one: any may hold the number, and they are kept for a download only."""
    unfinished = scope.select(Import, Import.id).where(Import.state.not_in(FINISHED_IMPORTS)).limit(1)
    if db.session.scalar(unfinished) is not None:
        raise NotYet
    kept = scope.select(Import).where(Import.content_until.is_not(None)).order_by(Import.id).limit(1)
    listed = db.session.scalar(kept.with_for_update(key_share=True).execution_options(populate_existing=True))
    if listed is None:
        return None
    imports.drop_content(scope, listed)
    return Counter(lists=1)


def _forget_pasted_numbers(scope: TenantScope, erasure: Erasure, person: Person) -> Done | None:
    """What was pasted for campaigns, as it was written."""
    return Counter() if pasted_numbers.forget(scope, person) else None


def _finish(scope: TenantScope, erasure: Erasure, person: Person) -> Done | None:
    """The person's own rows, all at once, and what is remembered of them."""
    if not _hold(scope, person):
        return Counter()
    done = _delete_contacts(scope, person)
    reason = SuppressionReason.OPTED_OUT if person.is_opted_out else SuppressionReason.ERASED
    suppression.add(scope, person.addresses, reason)
    erasure.done_at = now()
    erasure.counts = {name: number for name, number in (erasure.counts or {}).items() if name != EVENTS_UNTIL}
    log.info("person erased", erasure_id=str(erasure.id))
    return done


def _hold(scope: TenantScope, person: Person) -> bool:
    """Let nobody write to the person any more; False when somebody just did, at this unit or at another."""
    conversations = scope.select(Conversation, Conversation.id, Conversation.unit_id)
    theirs = conversations.where(among(Conversation.contact_id, person.contact_ids)).order_by(Conversation.id)
    found = db.session.execute(theirs).all()
    for unit_id in sorted({unit_id for _, unit_id in found} | _units_that_would_write(scope, person)):
        delivery.lock_unit(scope, unit_id)
    db.session.execute(theirs.with_for_update()).all()
    contacts = scope.select(Contact, Contact.id).where(among(Contact.id, person.contact_ids)).order_by(Contact.id)
    db.session.scalars(contacts.with_for_update()).all()
    is_theirs = among(Message.conversation_id, [id_ for id_, _ in found])
    has_news = db.session.scalar(scope.select(Message, Message.id).where(is_theirs).limit(1)) is not None
    return not has_news and db.session.execute(theirs).all() == found


def _units_that_would_write(scope: TenantScope, person: Person) -> set[UUID]:
    """Where their turn in a campaign may come at this moment."""
    theirs = scope.select(CampaignRecipient, CampaignRecipient.campaign_id).where(
        among(CampaignRecipient.contact_id, person.contact_ids), CampaignRecipient.state == RecipientState.PENDING
    )
    return set(db.session.scalars(scope.select(Campaign, Campaign.unit_id).where(Campaign.id.in_(theirs))))


def _delete_contacts(scope: TenantScope, person: Person) -> Done:
    """Their consent, tags, merges and what imports changed go with them, by their foreign keys."""
    ledgers.forget_people(scope, person.contact_ids)
    conversations = _conversations(scope, person)
    aliases = scope.delete(ConversationAlias).where(ConversationAlias.conversation_id.in_(conversations))
    db.session.execute(aliases.execution_options(synchronize_session=False))
    theirs = scope.delete(Conversation).where(among(Conversation.contact_id, person.contact_ids))
    gone = db.session.execute(theirs.returning(Conversation.id).execution_options(synchronize_session=False)).all()
    contacts = scope.delete(Contact).where(among(Contact.id, person.contact_ids))
    db.session.execute(contacts.execution_options(synchronize_session=False))
    return Counter(conversations=len(gone))


def _conversations(scope: TenantScope, person: Person) -> Any:
    return scope.select(Conversation, Conversation.id).where(among(Conversation.contact_id, person.contact_ids))


STEPS: tuple[Step, ...] = (
    _delete_conversations_messages,
    _delete_group_messages,
    _delete_events,
    _drop_import_contents,
    _forget_pasted_numbers,
    _finish,
)
