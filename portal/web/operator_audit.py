"""The log of every company and of the portal itself, for those who run it."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from portal.permissions import Permission
from portal.queries import audit as queries
from portal.queries.audit import PAGE, Kind
from portal.services import exports
from portal.services.audit import Actor
from portal.web import audit_view, audit_words
from portal.web.access import current_account, remote_address, requires
from portal.web.audit_view import Reader
from portal.web.csv import csv_response
from portal.web.language import choose_time_zone

bp = Blueprint("audit", __name__, url_prefix="/audit")


@bp.get("")
@requires(Permission.OPERATE)
def index() -> str:
    reader, tenants = _reader(), queries.list_tenants()
    view = audit_view.read_view(request.args, reader.zone, tenants=tenants)
    rows = queries.list_log(None, view.wanted, before=view.before)
    return render_template(
        "audit/operator.html",
        view=view,
        lines=audit_view.tell(rows, reader),
        older_before=rows[-1].event.id if len(rows) >= PAGE else None,
        choices=queries.list_choices(None),
        kinds=[Kind.OPERATOR, Kind.LINK, Kind.PORTAL],
        tenants=tenants,
        words=audit_words,
    )


@bp.get("/log.csv")
@requires(Permission.OPERATE)
def export() -> ResponseReturnValue:
    reader = _reader()
    view = audit_view.read_view(request.args, reader.zone, tenants=queries.list_tenants())
    exports.note_whole_log(Actor(current_account().id, remote_address()), view.fields)
    rows = queries.iterate(None, view.wanted)
    return csv_response(
        "log", (*audit_view.COLUMNS, *audit_view.OF_TENANT), audit_view.table(rows, reader, with_tenant=True)
    )


def _reader() -> Reader:
    return Reader(choose_time_zone(), current_account().allows)
