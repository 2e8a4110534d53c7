"""All that the page of one person shows, besides the contact itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, bindparam, func
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased

from portal.db import db
from portal.models import (
    CampaignRecipient,
    Contact,
    ContactMerge,
    ContactTag,
    Conversation,
    Import,
    Message,
    Tag,
    Tenant,
    Unit,
)
from portal.queries.campaign_lines import CampaignLine, list_lines
from portal.queries.consent import last_opt_in
from portal.queries.erasures import list_persons_ids
from portal.tenancy import Form, TenantScope

MOST_CAMPAIGNS = 50
# Of the newest campaigns, for the last one of which something was sent.
MOST_LOOKED_AT = 10


@dataclass(frozen=True)
class Person:
    """A contact with who was merged into it, what it bears, where it came from, and where it writes."""

    contact: Contact
    merges: list["MergeRow"]
    tags: list[Tag]
    listed_in: Import | None
    first_message_at: datetime | None
    conversations: list[tuple[Conversation, Unit]]
    campaigns: list[CampaignLine]


@dataclass(frozen=True)
class About:
    """What stands beside a thread: the person's tags, where else they write, when they opted in, the last campaign."""

    tags: list[str]
    elsewhere: list[tuple[Conversation, Unit]]
    opted_in_at: datetime | None
    campaign: CampaignLine | None


@dataclass(frozen=True)
class MergeRow:
    """A merge that holds, whom it made a part of the person, and whether it is the one to undo first."""

    merge: ContactMerge
    other: Contact
    is_last: bool


def get_person(scope: TenantScope, contact: Contact) -> Person:
    """What is known of the contact, of conversations only those at units that the scope sees."""
    return Person(
        contact=contact,
        merges=_merges(scope, contact.id),
        tags=_tags(scope, contact.id),
        listed_in=scope.get(Import, contact.import_id) if contact.import_id else None,
        first_message_at=_first_message_at(scope, contact.id),
        conversations=_conversations(scope, contact.id),
        campaigns=list_lines(scope, list_persons_ids(scope, contact.id), limit=MOST_CAMPAIGNS),
    )


def get_about(scope: TenantScope, conversation: Conversation) -> About:
    """What is known of whoever writes in the conversation, of units that the scope sees."""
    contact_id = conversation.contact_id
    tags, opted_in_at, ids = scope.execute(_ABOUT, contact=contact_id).one()
    lines = list_lines(scope, ids, limit=MOST_LOOKED_AT) if ids else []
    return About(
        tags=tags or [],
        elsewhere=[(one, unit) for one, unit in _conversations(scope, contact_id) if one.id != conversation.id],
        opted_in_at=opted_in_at,
        campaign=next((line for line in lines if line.row.message is not None), None),
    )


def find_merge(scope: TenantScope, merge_id: UUID) -> ContactMerge:
    """The merge with that id. Raises NotFound."""
    return scope.get(ContactMerge, merge_id)


def _merges(scope: TenantScope, contact_id: UUID) -> list[MergeRow]:
    merged = aliased(Contact)
    statement = (
        scope.select(ContactMerge, ContactMerge, merged)
        .join(merged, (merged.tenant_id == ContactMerge.tenant_id) & (merged.id == ContactMerge.other_id))
        .where(ContactMerge.kept_id == contact_id, ContactMerge.undone_at.is_(None))
        .order_by(ContactMerge.created_at.desc())
    )
    rows = _pairs(db.session.execute(statement).all())
    return [MergeRow(merge, other, is_last=place == 0) for place, (merge, other) in enumerate(rows)]


def _tags(scope: TenantScope, contact_id: UUID) -> list[Tag]:
    borne = scope.select(ContactTag, ContactTag.tag_id).where(ContactTag.contact_id == contact_id)
    return list(db.session.scalars(scope.select(Tag).where(Tag.id.in_(borne)).order_by(func.lower(Tag.name))))


def _first_message_at(scope: TenantScope, contact_id: UUID) -> datetime | None:
    """The first of each conversation is read from its index."""
    first = (
        scope.select(Message, func.min(Message.occurred_at))
        .where(Message.conversation_id == Conversation.id)
        .correlate(Conversation)
        .scalar_subquery()
    )
    theirs = scope.select(Conversation, func.min(first)).where(Conversation.contact_id == contact_id)
    at: datetime | None = db.session.scalar(theirs)
    return at


def _conversations(scope: TenantScope, contact_id: UUID) -> list[tuple[Conversation, Unit]]:
    return _pairs(scope.execute(_CONVERSATIONS, contact=contact_id).all())


def _pairs(rows: Sequence[Any]) -> list[Any]:
    return [tuple(row) for row in rows]


def _names_and_ids(scope: TenantScope) -> Select[Any]:
    """A contact's tags, when they opted in last, and their ids in campaigns: with those of whoever became them."""
    by_name = func.array_agg(aggregate_order_by(Tag.name, func.lower(Tag.name)))
    tags = (
        scope.select(ContactTag, by_name)
        .select_from(ContactTag)
        .join(Tag, (Tag.tenant_id == ContactTag.tenant_id) & (Tag.id == ContactTag.tag_id))
        .where(ContactTag.contact_id == _CONTACT)
    )
    is_theirs = (Contact.id == _CONTACT) | (Contact.merged_into_id == _CONTACT)
    is_in_campaign = scope.select(CampaignRecipient).where(CampaignRecipient.contact_id == Contact.id).exists()
    ids = scope.select(Contact, func.array_agg(Contact.id)).where(is_theirs, is_in_campaign)
    parts = (tags, last_opt_in(scope, _CONTACT), ids)
    return scope.select(Tenant, *(part.scalar_subquery() for part in parts))


def _by_contact(scope: TenantScope) -> Select[Any]:
    return (
        scope.select(Conversation, Conversation, Unit)
        .join(Unit, (Unit.tenant_id == Conversation.tenant_id) & (Unit.id == Conversation.unit_id))
        .where(Conversation.contact_id == _CONTACT)
        .order_by(Conversation.last_message_at.desc().nulls_last(), Unit.name)
    )


_CONTACT = bindparam("contact", type_=Uuid())
_ABOUT = Form(_names_and_ids)
_CONVERSATIONS = Form(_by_contact)
