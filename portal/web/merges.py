"""Two contacts that are one person: choose the other one, compare what stays, merge, and take it back."""

from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from werkzeug.exceptions import BadRequest

from portal.errors import Conflict
from portal.models import Contact
from portal.permissions import Permission
from portal.queries import contacts as queries
from portal.queries import persons
from portal.queries.contacts import Filter
from portal.services import merging, parting
from portal.services.joining import united
from portal.web.access import requires

MOST_FOUND = 20

bp = Blueprint("merges", __name__)


@bp.get("/contacts/<uuid:contact_id>/merge")
@requires(Permission.MANAGE_CONTACTS)
def choose(contact_id: UUID) -> ResponseReturnValue:
    contact = queries.get_contact(g.scope, contact_id)
    if request.args.get("other"):
        return _compare_page(contact, queries.get_contact(g.scope, _id(request.args["other"])))
    search = request.args.get("q", "").replace("\x00", "").strip()
    found = queries.list_contacts(g.scope, Filter(search=search), limit=MOST_FOUND + 1) if search else []
    others = [row for row in found if row.contact.id != contact.id][:MOST_FOUND]
    return render_template("contacts/merge.html", contact=contact, search=search, others=others)


@bp.post("/contacts/<uuid:contact_id>/merge")
@requires(Permission.MANAGE_CONTACTS)
def merge(contact_id: UUID) -> ResponseReturnValue:
    contact = queries.get_contact(g.scope, contact_id)
    try:
        merging.merge_contacts(g.scope, contact.id, _id(request.form.get("other", "")))
        flash(_("The two are one contact now. You can undo it on this page."))
    except Conflict as e:
        flash(e.message)
    return redirect(url_for("tenant.contacts.show", contact_id=contact.id), code=303)


@bp.post("/contacts/merges/<uuid:merge_id>/undo")
@requires(Permission.MANAGE_CONTACTS)
def undo(merge_id: UUID) -> ResponseReturnValue:
    found = persons.find_merge(g.scope, merge_id)
    try:
        parting.undo_merge(g.scope, merge_id)
        flash(_("They are two contacts again. What came since stays with this one."))
    except Conflict as e:
        flash(e.message)
    return redirect(url_for("tenant.contacts.show", contact_id=found.kept_id), code=303)


def _compare_page(contact: Contact, other: Contact) -> str:
    kept, other = merging.in_order(contact, other)
    return render_template(
        "contacts/compare.html",
        kept=kept,
        other=other,
        is_fixed=merging.in_order(other, kept)[0] is kept,
        attributes=united(kept.attributes, other.attributes),
        tags=queries.list_tag_names(g.scope, [kept.id, other.id]),
        persons=[persons.get_person(g.scope, one) for one in (kept, other)],
    )


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as e:
        raise BadRequest from e
