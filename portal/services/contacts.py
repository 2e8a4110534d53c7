"""What people note about one contact: a name, attributes, tags; and contacts that they add by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid
from portal.models import Contact, ContactTag, Tag, Unit
from portal.services import audit, conversations, delivery
from portal.services.consent import lock_contact
from portal.tenancy import TenantScope

LONGEST_NAME = 120
LONGEST_TAG = 60
LONGEST_KEY = 60
LONGEST_VALUE = 500
MOST_ATTRIBUTES = 50
MOST_TAGS_AT_ONCE = 20


@dataclass(frozen=True)
class Added:
    """The contact of a number, and whether it was made just now."""

    contact_id: UUID
    is_new: bool


def add_contact(
    scope: TenantScope, *, phone: str, name: str, tags: Sequence[str] = (), unit_id: UUID | None = None
) -> Added:
    """Add a person by their number; whoever is there already is left as they are.

    Who is limited to units names one of them: there a conversation is opened, in which nothing is written yet.
    Raises Invalid for `phone`, `name`, `tags` and `unit`, NotFound for a unit that is none.
    """
    number, name, tags = (
        conversations.checked_phone(phone),
        _checked_name(name),
        [checked_tag_name(tag, "tags") for tag in tags],
    )
    if len(tags) > MOST_TAGS_AT_ONCE:
        raise Invalid({"tags": _("At most %(most)s tags at once.", most=MOST_TAGS_AT_ONCE)})
    if scope.unit_ids is not None and unit_id not in scope.unit_ids:
        raise Invalid({"unit": _("Choose one of your units.")})
    with atomic():
        if unit_id is not None:
            # Whoever merges contacts holds all units: no conversation is opened for one who is a part of another.
            delivery.lock_unit(scope, scope.get(Unit, unit_id).id)
        is_new = db.session.scalar(scope.select(Contact, Contact.id).where(Contact.phone == number)) is None
        contact_id = conversations.find_or_add_contact(scope, phone=number, name=name or None)
        if unit_id is not None:
            conversations.open_conversation(scope, unit_id, contact_id)
        if is_new:
            scope.get(Contact, contact_id).edited_at = now()
            for tag in tags:
                _bear(scope, contact_id, find_or_add_tag(scope, tag))
            audit.record(scope, "contact.added", ("contact", contact_id))
    return Added(contact_id, is_new)


def edit_contact(scope: TenantScope, contact_id: UUID, *, name: str, attributes: Sequence[tuple[str, str]]) -> UUID:
    """Give the contact this name and exactly these attributes, but for those without a value; the contact's id.

    A name given by hand stays, whatever WhatsApp tells. Raises Invalid for `name` and `attributes`.
    """
    with atomic():
        contact = lock_contact(scope, contact_id)
        # An import may have brought more than a person may write down.
        most = max(MOST_ATTRIBUTES, len(contact.attributes))
        name, checked, changed = _checked_name(name), check_attributes(attributes, most=most), []
        if name != (contact.name or ""):
            contact.name, contact.named_at = name or None, None
            changed.append("name")
        if checked != contact.attributes:
            contact.attributes = checked
            changed.append("attributes")
        if changed:
            contact.edited_at = now()
            audit.record(scope, "contact.edited", ("contact", contact.id), after={"changed": changed})
    return contact.id


def add_tag(scope: TenantScope, contact_id: UUID, *, name: str) -> UUID:
    """Let the contact bear this tag, which is made where it is new; the contact's id. Raises Invalid for `tag`."""
    with atomic():
        contact = lock_contact(scope, contact_id)
        tag_id = find_or_add_tag(scope, checked_tag_name(name))
        _bear(scope, contact.id, tag_id)
        contact.edited_at = now()
        audit.record(scope, "contact.tagged", ("contact", contact.id), after={"tag_id": str(tag_id)})
    return contact.id


def remove_tag(scope: TenantScope, contact_id: UUID, tag_id: UUID) -> UUID:
    """Let the contact bear the tag no more; the contact's id. Raises NotFound for a tag that is none."""
    with atomic():
        contact, tag = lock_contact(scope, contact_id), scope.get(Tag, tag_id)
        borne = scope.delete(ContactTag).where(ContactTag.contact_id == contact.id, ContactTag.tag_id == tag.id)
        db.session.execute(borne.execution_options(synchronize_session=False))
        contact.edited_at = now()
        audit.record(scope, "contact.untagged", ("contact", contact.id), after={"tag_id": str(tag.id)})
    return contact.id


def find_or_add_tag(scope: TenantScope, name: str) -> UUID:
    """The id of the one tag of that name, in capitals or not."""
    db.session.execute(scope.insert(Tag, [{"name": name}]).on_conflict_do_nothing())
    tag_id: UUID = db.session.scalars(scope.select(Tag, Tag.id).where(func.lower(Tag.name) == func.lower(name))).one()
    return tag_id


def check_attributes(attributes: Sequence[tuple[str, str]], *, most: int = MOST_ATTRIBUTES) -> dict[str, str]:
    """The attributes as they are kept: trimmed, without those that are empty. Raises Invalid for `attributes`."""
    given = [(_clean(key), value) for key, raw in attributes if (value := _clean(raw))]
    if len(given) > most:
        raise Invalid({"attributes": _("At most %(most)s fields.", most=most)})
    checked: dict[str, str] = {}
    for key, value in given:
        problem = _problem(key, value, checked)
        if problem:
            raise Invalid({"attributes": problem})
        checked[key] = value
    return checked


def _problem(key: str, value: str, before: dict[str, str]) -> str:
    """A sentence about this one, or nothing."""
    if not key:
        return str(_("Give the field with “%(value)s” a name.", value=value[:LONGEST_KEY]))
    if len(key) > LONGEST_KEY or len(value) > LONGEST_VALUE:
        limits = {"name": key[:LONGEST_KEY], "key": LONGEST_KEY, "value": LONGEST_VALUE}
        return str(_("“%(name)s”: at most %(key)s characters for the name and %(value)s for the value.", **limits))
    if key.casefold() in {other.casefold() for other in before}:
        return str(_("There are two fields “%(name)s”.", name=key))
    return ""


def _bear(scope: TenantScope, contact_id: UUID, tag_id: UUID) -> None:
    row = {"contact_id": contact_id, "tag_id": tag_id}
    db.session.execute(scope.insert(ContactTag, [row]).on_conflict_do_nothing())


def checked_tag_name(name: str, field: str = "tag") -> str:
    """Raises Invalid for that field."""
    name = " ".join(_clean(name).split())
    if not 1 <= len(name) <= LONGEST_TAG:
        raise Invalid({field: _("A tag has 1 to %(longest)s characters.", longest=LONGEST_TAG)})
    return name


def _checked_name(name: str) -> str:
    name = " ".join(_clean(name).split())
    if len(name) > LONGEST_NAME:
        raise Invalid({"name": _("The name is too long: at most %(longest)s characters.", longest=LONGEST_NAME)})
    return name


def _clean(text: str) -> str:
    return text.replace("\x00", "").strip()
