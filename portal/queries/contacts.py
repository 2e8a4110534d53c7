"""The people of a tenant: one of them, and the list that is searched and filtered, newest first, by keyset."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, func, or_

from portal import phone as phones
from portal.db import among, as_table, db, end_read, first_id_at
from portal.errors import NotFound
from portal.models import Contact, ContactKind, ContactTag, Conversation, Import, ImportChange, Tag
from portal.queries import audiences, contact_search
from portal.queries.audiences import Reach
from portal.tenancy import TenantScope

PAGE = 50
BATCH = 1000
# Whoever has more is told that there are more, so that no page counts for long.
MOST_REACH_COUNTED = 10_000


class Consent(StrEnum):
    OPTED_OUT = "opted_out"
    NOT_OPTED_OUT = "not_opted_out"


@dataclass(frozen=True)
class Filter:
    """Some of the people: each part that is given narrows the others."""

    search: str = ""
    tag_id: UUID | None = None
    consent: Consent | None = None
    # Whom that import added or changed.
    import_id: UUID | None = None
    without_number: bool = False
    # Canonical digits.
    phone: str | None = None
    # Added at this instant or after it.
    since: datetime | None = None


@dataclass(frozen=True)
class ContactRow:
    """A person, the names of their tags, and when the last message was written to or by them."""

    contact: Contact
    tags: list[str]
    last_message_at: datetime | None


def get_contact(scope: TenantScope, contact_id: UUID) -> Contact:
    """The person, or the one whom they were merged into: the id may be another. Raises NotFound.

    A scope that is limited to units sees whoever has a conversation there.
    """
    is_wanted = or_(Contact.id == contact_id, Contact.id == _merged_into(scope, contact_id))
    found: Contact | None = db.session.scalar(everybody(scope).where(is_wanted))
    if found is None:
        raise NotFound("no such contact")
    return found


def find_by_phone(scope: TenantScope, text: str) -> Contact | None:
    """The person of that number, however it is written, or the one whom they were merged into."""
    try:
        number = phones.canonical(text)
    except phones.NotAPhone:
        return None
    person: Contact | None = db.session.scalar(everybody(scope).where(_answers_to(scope, number)))
    return person


def everybody(scope: TenantScope) -> Select[Any]:
    """All people whom the scope sees: no groups, and nobody who was merged into somebody else."""
    people = scope.select(Contact).where(Contact.kind == ContactKind.PERSON, Contact.merged_into_id.is_(None))
    if scope.unit_ids is None:
        return people
    conversation = scope.select(Conversation, Conversation.id).where(
        Conversation.tenant_id == Contact.tenant_id, Conversation.contact_id == Contact.id
    )
    return people.where(conversation.correlate(Contact).exists())


def chosen(scope: TenantScope, wanted: Filter) -> Select[Any]:
    """The people of the filter, in no order."""
    return everybody(scope).where(*_conditions(scope, wanted))


def list_contacts(
    scope: TenantScope, wanted: Filter, *, before: UUID | None = None, limit: int = PAGE
) -> list[ContactRow]:
    """The people of the filter who were added last; of them those that were there before `before`."""
    statement = chosen(scope, wanted)
    if before is not None:
        statement = statement.where(Contact.id < before)
    return list_rows(scope, list(db.session.scalars(statement.order_by(Contact.id.desc()).limit(limit))))


def list_rows(scope: TenantScope, found: Sequence[Contact]) -> list[ContactRow]:
    """What a list shows of these people, in their order."""
    ids = [contact.id for contact in found]
    tags, last = list_tag_names(scope, ids), _last_message_times(scope, ids)
    return [ContactRow(contact, tags.get(contact.id, []), last.get(contact.id)) for contact in found]


def iterate(scope: TenantScope, wanted: Filter) -> Iterator[ContactRow]:
    """All people of the filter, newest first; no connection is held while the caller is at a batch."""
    before = None
    while True:
        rows = list_contacts(scope, wanted, before=before, limit=BATCH)
        # Detached, the rows stay readable.
        db.session.expunge_all()
        end_read()
        yield from rows
        if len(rows) < BATCH:
            return
        before = rows[-1].contact.id


def count(scope: TenantScope, wanted: Filter) -> int:
    """How many people the filter has."""
    return db.session.scalar(chosen(scope, wanted).with_only_columns(func.count())) or 0


def count_reach(scope: TenantScope, wanted: Filter) -> Reach:
    """Whom a campaign to the filter would reach, counted among MOST_REACH_COUNTED + 1 people at most."""
    return audiences.count_reach(chosen(scope, wanted).limit(MOST_REACH_COUNTED + 1))


def list_tags(scope: TenantScope) -> list[Tag]:
    """The tags that somebody bears, by name."""
    borne = scope.select(ContactTag, ContactTag.tag_id).where(
        ContactTag.tenant_id == Tag.tenant_id, ContactTag.tag_id == Tag.id
    )
    statement = scope.select(Tag).where(borne.correlate(Tag).exists()).order_by(func.lower(Tag.name))
    return list(db.session.scalars(statement))


def find_tag(scope: TenantScope, name: str) -> Tag | None:
    """The tag of that name, in capitals or not."""
    tag: Tag | None = db.session.scalar(scope.select(Tag).where(func.lower(Tag.name) == func.lower(name)))
    return tag


def find_tags(scope: TenantScope, names: Collection[str]) -> dict[str, Tag]:
    """Name -> the tag of that name, in capitals or not; without those that are none."""
    if not names:
        return {}
    told = as_table({"name": Text()}, [(name,) for name in names])
    same = func.lower(told.c.name) == func.lower(Tag.name)
    return dict(db.session.execute(scope.select(Tag, told.c.name, Tag).join(told, same)).all())


def list_tag_names(scope: TenantScope, contact_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Contact id -> the names of their tags; without those who bear none."""
    statement = (
        scope.select(ContactTag, ContactTag.contact_id, Tag.name)
        .join(Tag, (Tag.tenant_id == ContactTag.tenant_id) & (Tag.id == ContactTag.tag_id))
        .where(among(ContactTag.contact_id, contact_ids))
        .order_by(func.lower(Tag.name))
    )
    names: dict[UUID, list[str]] = {}
    for contact_id, name in db.session.execute(statement):
        names.setdefault(contact_id, []).append(name)
    return names


def get_import(scope: TenantScope, import_id: UUID) -> Import:
    """The import that a list is filtered by. Raises NotFound."""
    return scope.get(Import, import_id)


def _merged_into(scope: TenantScope, contact_id: UUID) -> Any:
    merged = scope.select(Contact, Contact.merged_into_id).where(Contact.id == contact_id)
    return merged.correlate(None).scalar_subquery()


def _answers_to(scope: TenantScope, number: str) -> ColumnElement[bool]:
    """Whether the number is the person's, or of somebody who was merged into them."""
    led_here = scope.select(Contact, Contact.merged_into_id).where(Contact.phone == number)
    return or_(Contact.phone == number, Contact.id == led_here.correlate(None).scalar_subquery())


def _last_message_times(scope: TenantScope, contact_ids: Collection[UUID]) -> dict[UUID, datetime]:
    newest = func.max(Conversation.last_message_at)
    statement = scope.select(Conversation, Conversation.contact_id, newest).group_by(Conversation.contact_id)
    found = db.session.execute(statement.where(among(Conversation.contact_id, contact_ids)))
    return {contact_id: at for contact_id, at in found if at is not None}


def _conditions(scope: TenantScope, wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.search.strip():
        conditions.append(contact_search.matches(scope, wanted.search))
    if wanted.tag_id is not None:
        bearers = scope.select(ContactTag, ContactTag.contact_id).where(ContactTag.tag_id == wanted.tag_id)
        conditions.append(Contact.id.in_(bearers))
    if wanted.consent is not None:
        is_out = wanted.consent == Consent.OPTED_OUT
        conditions.append(Contact.opted_out_at.is_not(None) if is_out else Contact.opted_out_at.is_(None))
    if wanted.import_id is not None:
        conditions.append(_is_of_import(scope, wanted.import_id))
    if wanted.without_number:
        conditions.append(~audiences.has_number())
    if wanted.phone is not None:
        conditions.append(_answers_to(scope, wanted.phone))
    if wanted.since is not None:
        conditions.append(Contact.id >= first_id_at(wanted.since))
    return conditions


def _is_of_import(scope: TenantScope, import_id: UUID) -> ColumnElement[bool]:
    changed = scope.select(ImportChange, ImportChange.contact_id).where(ImportChange.import_id == import_id)
    tagged = scope.select(ContactTag, ContactTag.contact_id).where(ContactTag.import_id == import_id)
    return or_(Contact.import_id == import_id, Contact.id.in_(changed), Contact.id.in_(tagged))
