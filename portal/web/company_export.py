"""All that is kept of a company, as one file for its administrators: the only page that is left of a closed one."""

import threading
from collections.abc import Callable, Iterator
from uuid import UUID

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
COME_AGAIN_AFTER_S = 60


class DownloadRoom:
    """So many companies may download here at once, each of them once.

    A download keeps one of the eight threads of a web process for as long as its reader likes.
    """

    def __init__(self, seats: int) -> None:
        self._seats = seats
        self._door = threading.Lock()
        self._inside: set[UUID] = set()

    def let_in(self, tenant_id: UUID, begin: Callable[[], Iterator[bytes]]) -> Iterator[bytes] | None:
        """What `begin` makes, which gives the seat back when it ends or nobody reads on. None: there is no seat."""
        with self._door:
            if tenant_id in self._inside or len(self._inside) >= self._seats:
                return None
            self._inside.add(tenant_id)
        seated = self._sit(tenant_id, begin)
        # Only a generator that has begun does what is in its `finally`, whatever becomes of it.
        next(seated)
        return seated

    def _sit(self, tenant_id: UUID, begin: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
        try:
            pieces = begin()
            yield b""
            yield from pieces
        finally:
            self._inside.discard(tenant_id)


downloads = DownloadRoom(seats=2)


@bp.get("")
@while_closed
@requires(Permission.MANAGE_COMPANY)
@confirmed
def show() -> ResponseReturnValue:
    return _page()


@bp.post("")
@while_closed
@requires(Permission.MANAGE_COMPANY)
@confirmed
def download() -> ResponseReturnValue:
    name = f"{tenants.get_own_tenant(g.scope).slug}-{now():%Y-%m-%d}.zip"
    pieces = downloads.let_in(g.scope.tenant_id, lambda: tenant_export.export(g.scope))
    if pieces is None:
        return _page(is_full=True), 429, {"Retry-After": str(COME_AGAIN_AFTER_S)}
    response = Response(stream_with_context(pieces), mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _page(*, is_full: bool = False) -> str:
    return render_template(
        "company_export/show.html",
        tenant=tenants.get_own_tenant(g.scope),
        files=tenant_data.measure_files(g.scope),
        contents=tenant_export.list_contents(),
        is_full=is_full,
    )
