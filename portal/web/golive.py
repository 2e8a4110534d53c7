"""The go-live board: what a release has to show, and what its checkpoints found."""

from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal.extensions import parts
from portal.models import Release
from portal.monitor.board import make_board
from portal.permissions import Permission
from portal.queries import alerts, releases
from portal.web import golive_words
from portal.web.access import requires
from portal.web.golive_view import make_view
from portal.web.language import choose_time_zone
from portal.web.metric_words import verdict_state
from portal.web.render import render, render_news

KEPT = 20

bp = Blueprint("golive", __name__, url_prefix="/golive")


@bp.get("")
@requires(Permission.OPERATE)
def index() -> ResponseReturnValue:
    return _page(releases.current())


@bp.get("/<uuid:release_id>")
@requires(Permission.OPERATE)
def show(release_id: UUID) -> ResponseReturnValue:
    return _page(releases.get(release_id))


def _page(release: Release | None) -> ResponseReturnValue:
    open_alerts = alerts.count_open()
    if release is None:
        return render("operator/golive.html", open_alerts=open_alerts, words=golive_words)
    listed = releases.list_releases(KEPT)
    board = make_view(make_board(release), choose_time_zone(), is_current=release.id == listed[0].id)
    return render_news(
        "operator/golive.html",
        fragment="operator/_golive.html",
        news=board,
        board=board,
        releases=listed,
        open_alerts=open_alerts,
        base_url=parts.config.base_url,
        verdict_state=verdict_state,
        words=golive_words,
    )
