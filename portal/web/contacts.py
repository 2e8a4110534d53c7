"""Contacts: the list, tags for many of them, one person's page, and what people note about a person."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_babel import ngettext
from flask_wtf import FlaskForm
from werkzeug import Response
from wtforms import SelectField, StringField, TelField

from portal.errors import Invalid
from portal.models import Contact
from portal.permissions import Permission
from portal.queries import consent, message_templates, persons, unit_lists, units
from portal.queries import contacts as queries
from portal.services import contacts, tagging
from portal.services.contacts import LONGEST_KEY, LONGEST_VALUE, MOST_ATTRIBUTES
from portal.web import contact_list
from portal.web.access import requires
from portal.web.confirming import confirmed
from portal.web.csv import csv_response
from portal.web.forms import show_problems
from portal.web.language import choose_time_zone
from portal.web.recipient_words import standing
from portal.web.render import render

# So many new fields can be written down at once.
EMPTY_FIELDS = 3

bp = Blueprint("contacts", __name__)


class ContactForm(FlaskForm):  # type: ignore[misc]
    phone = TelField(_("Phone number"), description=_("With country and area code, such as +55 11 99999-0001."))
    name = StringField(_("Name"))
    tags = StringField(_("Tags"), description=_("Words by which you group people, separated by commas."))
    unit = SelectField(_("Unit"), description=_("Where you will write to this person."), validate_choice=False)


class EditForm(FlaskForm):  # type: ignore[misc]
    name = StringField(_("Name"), description=_("A name that you write here stays, whatever WhatsApp tells."))
    # Only its problems are shown: the fields themselves are pairs of any number.
    attributes = StringField()


class TagForm(FlaskForm):  # type: ignore[misc]
    tag = StringField(_("New tag"))


@bp.get("/contacts")
@requires(Permission.READ_MESSAGES)
def index() -> ResponseReturnValue:
    view = contact_list.read_view(g.scope, request.args)
    page = contact_list.page_of(g.scope, view, request.args)
    return render("contacts/index.html", fragment="contacts/_list.html", **page)


@bp.get("/contacts.csv")
@requires(Permission.MANAGE_CONTACTS)
@confirmed
def export() -> ResponseReturnValue:
    view = contact_list.read_view(g.scope, request.args)
    tagging.note_export(g.scope, view.wanted)
    lines = contact_list.table(g.scope, view.wanted, ZoneInfo(choose_time_zone()))
    return csv_response(f"contacts-{g.tenant_slug}", contact_list.COLUMNS, lines)


@bp.post("/contacts/tags")
@requires(Permission.EDIT_CONTACTS)
def tag_many() -> ResponseReturnValue:
    view = contact_list.read_view(g.scope, request.args)
    choice, name = contact_list.read_choice(view, request.form), request.form.get("tag", "")
    change = tagging.untag_contacts if request.form.get("change") == "untag" else tagging.tag_contacts
    try:
        number = change(g.scope, choice, name=name)
        flash(ngettext("%(num)s contact was changed.", "%(num)s contacts were changed.", number))
    except Invalid as e:
        page = contact_list.page_of(g.scope, view, request.args)
        return render_template("contacts/index.html", problems=e.fields, typed_tag=name, **page), 422
    return redirect(url_for(".index", **view.fields), code=303)


@bp.get("/contacts/new")
@requires(Permission.EDIT_CONTACTS)
def new() -> ResponseReturnValue:
    return _new_page(ContactForm(formdata=None, phone=request.args.get("phone")))


@bp.post("/contacts/new")
@requires(Permission.EDIT_CONTACTS)
def create() -> ResponseReturnValue:
    form = ContactForm()
    try:
        added = contacts.add_contact(
            g.scope,
            phone=form.phone.data or "",
            name=form.name.data or "",
            tags=[tag for tag in (form.tags.data or "").split(",") if tag.strip()],
            unit_id=_unit_id(form.unit.data),
        )
    except Invalid as e:
        show_problems(form, e)
        return _new_page(form, status=422)
    flash(_("The contact was added.") if added.is_new else _("This number was a contact already. Here it is."))
    return _to_person(added.contact_id)


@bp.get("/contacts/<uuid:contact_id>")
@requires(Permission.READ_MESSAGES)
def show(contact_id: UUID) -> ResponseReturnValue:
    contact = queries.get_contact(g.scope, contact_id)
    if contact.id != contact_id:
        return redirect(url_for(".show", contact_id=contact.id))
    return _person_page(contact, TagForm(formdata=None))


@bp.get("/contacts/<uuid:contact_id>/edit")
@requires(Permission.EDIT_CONTACTS)
def edit(contact_id: UUID) -> ResponseReturnValue:
    contact = queries.get_contact(g.scope, contact_id)
    return _edit_page(contact, EditForm(formdata=None, obj=contact), list(contact.attributes.items()))


@bp.post("/contacts/<uuid:contact_id>/edit")
@requires(Permission.EDIT_CONTACTS)
def save(contact_id: UUID) -> ResponseReturnValue:
    form = EditForm()
    pairs = list(zip(request.form.getlist("key"), request.form.getlist("value"), strict=False))
    try:
        kept_id = contacts.edit_contact(g.scope, contact_id, name=form.name.data or "", attributes=pairs)
    except Invalid as e:
        show_problems(form, e)
        return _edit_page(queries.get_contact(g.scope, contact_id), form, pairs, status=422)
    return _to_person(kept_id)


@bp.post("/contacts/<uuid:contact_id>/tags")
@requires(Permission.EDIT_CONTACTS)
def tag(contact_id: UUID) -> ResponseReturnValue:
    form = TagForm()
    try:
        return _to_person(contacts.add_tag(g.scope, contact_id, name=form.tag.data or ""))
    except Invalid as e:
        show_problems(form, e)
        return _person_page(queries.get_contact(g.scope, contact_id), form, status=422)


@bp.post("/contacts/<uuid:contact_id>/tags/<uuid:tag_id>/remove")
@requires(Permission.EDIT_CONTACTS)
def untag(contact_id: UUID, tag_id: UUID) -> ResponseReturnValue:
    return _to_person(contacts.remove_tag(g.scope, contact_id, tag_id))


def _person_page(contact: Contact, form: TagForm, *, status: int = 200) -> ResponseReturnValue:
    page = render_template(
        "contacts/show.html",
        contact=contact,
        person=persons.get_person(g.scope, contact),
        consent_events=consent.list_events(g.scope, contact.id),
        offered=unit_lists.list_offered(g.scope),
        tags=queries.list_tags(g.scope),
        templates=message_templates.list_names(g.scope),
        form=form,
        standing=standing,
    )
    return page, status


def _edit_page(
    contact: Contact, form: EditForm, pairs: list[tuple[str, str]], *, status: int = 200
) -> ResponseReturnValue:
    empty = [("", "")] * min(EMPTY_FIELDS, max(0, MOST_ATTRIBUTES - len(pairs)))
    limits = {"longest_key": LONGEST_KEY, "longest_value": LONGEST_VALUE}
    return render_template("contacts/edit.html", contact=contact, form=form, pairs=pairs + empty, **limits), status


def _new_page(form: ContactForm, *, status: int = 200) -> ResponseReturnValue:
    own_units = units.list_names(g.scope)
    form.unit.choices = [(str(unit.id), unit.name) for unit in own_units]
    if g.scope.unit_ids is None:
        # Who sees all contacts needs no conversation to see this one.
        del form.unit
    return render_template("contacts/new.html", form=form, tags=queries.list_tags(g.scope)), status


def _unit_id(text: Any) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _to_person(contact_id: UUID) -> Response:
    return redirect(url_for(".show", contact_id=contact_id), code=303)
