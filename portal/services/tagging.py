"""Tags of many contacts at once, and the note that a list of them was taken out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import Select, literal

from portal.db import among, atomic, db
from portal.errors import Forbidden, Invalid
from portal.models import Contact, ContactTag
from portal.permissions import Permission
from portal.queries import contacts
from portal.queries.contacts import Filter
from portal.services import audit
from portal.services.contacts import checked_tag_name, find_or_add_tag
from portal.tenancy import TenantScope

MOST_AT_ONCE = 1000


@dataclass(frozen=True)
class Choice:
    """The contacts that were ticked, or all of a filter."""

    ids: Sequence[UUID] = ()
    every_of: Filter | None = None


def tag_contacts(scope: TenantScope, choice: Choice, *, name: str) -> int:
    """Let all of them bear the tag; how many did not bear it before.

    Raises Invalid for `tag` and for more than MOST_AT_ONCE that were ticked, Forbidden for a whole filter to whoever
    may not manage all contacts.
    """
    name, chosen = checked_tag_name(name), _chosen(scope, choice)
    with atomic():
        tag_id = find_or_add_tag(scope, name)
        columns: list[Any] = [Contact.id, literal(tag_id)]
        # Held, so that whoever is being erased or taken back at this moment is waited for, and then left out.
        bearers = chosen.with_only_columns(*columns).with_for_update(read=True, key_share=True, of=Contact)
        tagged = scope.insert_found(ContactTag, ["contact_id", "tag_id"], bearers).on_conflict_do_nothing()
        done = db.session.execute(tagged.execution_options(preserve_rowcount=True))
        return _note(scope, "contacts.tagged", tag_id, done)


def untag_contacts(scope: TenantScope, choice: Choice, *, name: str) -> int:
    """Let none of them bear the tag; how many did. Refuses as `tag_contacts` does."""
    name, chosen = checked_tag_name(name), _chosen(scope, choice)
    with atomic():
        tag = contacts.find_tag(scope, name)
        if tag is None:
            return 0
        theirs = ContactTag.contact_id.in_(chosen.with_only_columns(Contact.id))
        borne = scope.delete(ContactTag).where(ContactTag.tag_id == tag.id, theirs)
        untagged = db.session.execute(borne.execution_options(synchronize_session=False))
        return _note(scope, "contacts.untagged", tag.id, untagged)


def note_export(scope: TenantScope, wanted: Filter) -> None:
    """Write down that somebody takes out the list of this filter, and how many people are in it."""
    with atomic():
        audit.record(scope, "contacts.exported", ("contacts", None), after={"count": contacts.count(scope, wanted)})


def _chosen(scope: TenantScope, choice: Choice) -> Select[Any]:
    if choice.every_of is not None:
        if not scope.allows(Permission.MANAGE_CONTACTS):
            raise Forbidden(_("Only an administrator changes all contacts of a list at once."))
        return contacts.chosen(scope, choice.every_of)
    if len(choice.ids) > MOST_AT_ONCE:
        raise Invalid({"ids": _("At most %(most)s contacts at once.", most=MOST_AT_ONCE)})
    return contacts.everybody(scope).where(among(Contact.id, choice.ids))


def _note(scope: TenantScope, action: str, tag_id: UUID, result: Any) -> int:
    if result.rowcount:
        audit.record(scope, action, ("tag", tag_id), after={"count": result.rowcount})
    return int(result.rowcount)
