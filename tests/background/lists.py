"""Lists that a company brings, driven through all stages, and what stands in the tables afterwards."""

import io
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from portal.db import db
from portal.models import Contact, Import, ImportRow, RowKind, Tag
from portal.queries import imports as queries
from portal.services import imports
from portal.tables.columns import ColumnRole
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.background.work import work_off

# What an import may change; the imports themselves are another matter.
PEOPLE = ("contacts", "tags", "contact_tags", "import_changes", "consent_events", "conversations")


def bring(scope: TenantScope, content: str | bytes, *, name: str = "clientes.csv") -> Import:
    """An uploaded list that was read."""
    stored = content.encode() if isinstance(content, str) else content
    with acting_for(scope):
        listed = imports.begin(scope, file_name=name, content=io.BytesIO(stored))
    work_off()
    return look(scope, listed.id)


def map_as_suggested(
    scope: TenantScope, listed: Import, roles: Sequence[ColumnRole] = (), tag_names: Sequence[str] = ()
) -> None:
    suggested = [ColumnRole.from_dict(role) for role in (listed.layout or {})["suggested"]]
    with acting_for(scope):
        imports.map_columns(scope, listed.id, roles=roles or suggested, tag_names=tag_names)


def check(
    scope: TenantScope, content: str | bytes, *, roles: Sequence[ColumnRole] = (), tag_names: Sequence[str] = ()
) -> Import:
    """A list whose rows were checked."""
    listed = bring(scope, content)
    map_as_suggested(scope, listed, roles, tag_names)
    work_off()
    return look(scope, listed.id)


def import_list(
    scope: TenantScope, content: str | bytes, *, roles: Sequence[ColumnRole] = (), tag_names: Sequence[str] = ()
) -> Import:
    """A list whose people are among the contacts."""
    listed = check(scope, content, roles=roles, tag_names=tag_names)
    with acting_for(scope):
        imports.confirm(scope, listed.id)
    work_off()
    return look(scope, listed.id)


def undo(scope: TenantScope, listed: Import) -> Import:
    with acting_for(scope):
        imports.undo(scope, listed.id)
    work_off()
    return look(scope, listed.id)


def look(scope: TenantScope, import_id: UUID) -> Import:
    with acting_for(scope):
        db.session.expire_all()
        return queries.get_import(scope, import_id)


def rows_of(scope: TenantScope, listed: Import, kind: RowKind) -> list[ImportRow]:
    with acting_for(scope):
        return queries.list_rows(scope, listed.id, kind)


def contact(scope: TenantScope, phone: str) -> Contact:
    with acting_for(scope):
        found = scope.select(Contact).where(Contact.phone == phone)
        return db.session.scalars(found.execution_options(populate_existing=True)).one()


def phones(scope: TenantScope) -> list[str]:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(Contact, Contact.phone).order_by(Contact.phone)))


def tags_of(scope: TenantScope, phone: str) -> list[str]:
    query = (
        "SELECT tags.name FROM tags JOIN contact_tags ON tag_id = tags.id JOIN contacts ON contact_id = contacts.id"
        " WHERE phone = :phone AND contacts.tenant_id = :tenant_id ORDER BY 1"
    )
    with across_tenants("a test looks at the rows"):
        return list(db.session.scalars(text(query), {"phone": phone, "tenant_id": scope.tenant_id}))


def tag_names(scope: TenantScope) -> list[str]:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(Tag, Tag.name).order_by(Tag.name)))


def dump(tables: Sequence[str] = PEOPLE) -> dict[str, list[Any]]:
    """Each of these tables' rows, whole."""
    with across_tenants("a test looks at the rows"):
        return {
            table: sorted(db.session.scalars(text(f"SELECT to_jsonb(t)::text FROM {table} AS t"))) for table in tables
        }
