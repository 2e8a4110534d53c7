"""The log of a company: who changed what, when, and from where."""

from collections.abc import Iterator

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue

from portal.permissions import Permission
from portal.queries import audit as queries
from portal.queries.audit import PAGE, Kind
from portal.services import exports
from portal.tenancy import TenantScope, acting_for
from portal.web import audit_view, audit_words
from portal.web.access import requires
from portal.web.audit_view import Reader, View
from portal.web.csv import csv_response
from portal.web.language import choose_time_zone

bp = Blueprint("audit", __name__, url_prefix="/audit")


@bp.get("")
@requires(Permission.READ_AUDIT)
def index() -> str:
    reader = _reader()
    view = audit_view.read_view(request.args, reader.zone)
    rows = queries.list_log(g.scope, view.wanted, before=view.before)
    return render_template(
        "audit/index.html",
        view=view,
        lines=audit_view.tell(rows, reader),
        older_before=rows[-1].event.id if len(rows) >= PAGE else None,
        choices=queries.list_choices(g.scope),
        kinds=[Kind.OPERATOR, Kind.LINK, Kind.PORTAL],
        words=audit_words,
    )


@bp.get("/log.csv")
@requires(Permission.READ_AUDIT)
def export() -> ResponseReturnValue:
    reader = _reader()
    view = audit_view.read_view(request.args, reader.zone)
    exports.note_log(g.scope, view.fields)
    return csv_response(f"log-{g.tenant_slug}", audit_view.COLUMNS, _table(g.scope, view, reader))


def _reader() -> Reader:
    """Times are by the clock of the company's first unit."""
    g.time_zone = queries.find_time_zone(g.scope) or choose_time_zone()
    return Reader(g.time_zone, g.scope.allows)


def _table(scope: TenantScope, view: View, reader: Reader) -> Iterator[tuple[object, ...]]:
    # It is read while it is sent, and the request has left the tenant by then.
    with acting_for(scope):
        yield from audit_view.table(queries.iterate(scope, view.wanted), reader)
