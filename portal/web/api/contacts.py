"""The people of a company, as far as the caller sees them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import g

from portal.permissions import Permission
from portal.queries import consent
from portal.queries import contacts as queries
from portal.queries.contacts import ContactRow, Filter
from portal.queries.conversations import Position
from portal.web.access import requires
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.contact_schemas import ContactAnswer, ContactPage, ContactsQuery, ShownContact
from portal.web.api.paging import cut

bp = ApiBlueprint(
    "contacts", title="Contacts", description="The people of a company, and what they want.", url_prefix="/contacts"
)
READ = requires(Permission.READ_MESSAGES)


@bp.call("GET", "", access=READ, operation="listContacts", query=ContactsQuery, answer=ContactPage)
def index(query: dict[str, Any]) -> dict[str, Any]:
    """List contacts, the one that was added last first.

    People, no groups. Callers who see some units only are shown who has a conversation there.
    """
    before, limit = query["cursor"].id if query["cursor"] else None, query["limit"]
    page, last = cut(_list_rows(query, before=before, limit=limit + 1), limit)
    after = Position(last.contact.created_at, last.contact.id) if last else None
    return {"items": _list_shown(page), "next": after}


@bp.call("GET", "/<uuid:contact_id>", access=READ, operation="getContact", answer=ContactAnswer)
def show(contact_id: UUID) -> ShownContact:
    """See one contact.

    One that was merged into another is answered with that one: its `id` is another.
    """
    return _list_shown(queries.list_rows(g.scope, [queries.get_contact(g.scope, contact_id)]))[0]


def _list_rows(query: dict[str, Any], *, before: UUID | None, limit: int) -> list[ContactRow]:
    tag = queries.find_tag(g.scope, query["tag"].strip()) if query["tag"] else None
    if query["tag"] and tag is None:
        # Nobody bears it, or nobody any more: to who asks again and again that is no mistake.
        return []
    wanted = Filter(search=query["search"], tag_id=tag.id if tag else None, phone=query["phone"], since=query["since"])
    return queries.list_contacts(g.scope, wanted, before=before, limit=limit)


def _list_shown(rows: Sequence[ContactRow]) -> list[ShownContact]:
    opt_ins = consent.list_opt_ins(g.scope, [row.contact.id for row in rows])
    return [ShownContact(row, opt_ins.get(row.contact.id)) for row in rows]
