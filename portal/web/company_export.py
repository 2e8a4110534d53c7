"""All that is kept of a company, as one file for its administrators: the only page that is left of a closed one."""

from flask import Blueprint, Response, g, render_template, stream_with_context
from flask.typing import ResponseReturnValue

from portal.clock import now
from portal.permissions import Permission
from portal.queries import tenant_data, tenants
from portal.services import tenant_export
from portal.web.access import requires
from portal.web.confirming import confirmed
from portal.web.tenant import while_closed

bp = Blueprint("company_export", __name__, url_prefix="/export")


@bp.get("")
@while_closed
@requires(Permission.MANAGE_COMPANY)
@confirmed
def show() -> ResponseReturnValue:
    return render_template(
        "company_export/show.html",
        tenant=tenants.get_own_tenant(g.scope),
        files=tenant_data.measure_files(g.scope),
        contents=tenant_export.list_contents(),
    )


@bp.post("")
@while_closed
@requires(Permission.MANAGE_COMPANY)
@confirmed
def download() -> ResponseReturnValue:
    name = f"{tenants.get_own_tenant(g.scope).slug}-{now():%Y-%m-%d}.zip"
    response = Response(stream_with_context(tenant_export.export(g.scope)), mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
