"""The log of an endpoint: what it was told, how it answered, and telling it once more."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.exceptions import BadRequest

from portal.errors import Conflict
from portal.models import DeliveryState, WebhookTopic
from portal.permissions import Permission
from portal.queries import webhook_deliveries as queries
from portal.queries.webhook_deliveries import LAST_POSITION, PAGE, DeliveryRow, EndpointRow, Filter
from portal.services import webhook_deliveries
from portal.services.webhook_deliveries import MOST_AT_ONCE
from portal.web import webhook_words
from portal.web.access import requires
from portal.web.language import choose_time_zone
from portal.web.render import render_news

bp = Blueprint("deliveries", __name__, url_prefix="/<uuid:endpoint_id>")


@dataclass(frozen=True)
class View:
    """Which deliveries the address asks for; `before` is where the page before ended."""

    state: DeliveryState | None
    topic: WebhookTopic | None
    before: int | None

    @property
    def wanted(self) -> Filter:
        return Filter(self.state, self.topic, LAST_POSITION if self.before is None else self.before - 1)

    @property
    def fields(self) -> dict[str, Any]:
        """The address's own words for it."""
        return {"state": self.state, "topic": self.topic}

    @property
    def is_filtered(self) -> bool:
        return any(self.fields.values())


@bp.get("")
@requires(Permission.MANAGE_INTEGRATIONS)
def index(endpoint_id: UUID) -> ResponseReturnValue:
    row, view = queries.get_endpoint(g.scope, endpoint_id), _view()
    deliveries = queries.list_deliveries(g.scope, endpoint_id, view.wanted)
    return render_news(
        "webhook_endpoints/show.html",
        fragment="webhook_endpoints/_log.html",
        news=_news(row, deliveries),
        row=row,
        view=view,
        state=webhook_words.endpoint_state(row, choose_time_zone()),
        deliveries=deliveries,
        older_before=deliveries[-1].delivery.position if len(deliveries) >= PAGE else None,
        failed=_count_failed(endpoint_id, view),
        words=webhook_words,
    )


@bp.get("/deliveries/<uuid:delivery_id>")
@requires(Permission.MANAGE_INTEGRATIONS)
def show(endpoint_id: UUID, delivery_id: UUID) -> str:
    return render_template(
        "webhook_endpoints/delivery.html",
        row=queries.get_endpoint(g.scope, endpoint_id),
        found=queries.get_delivery(g.scope, endpoint_id, delivery_id),
        words=webhook_words,
    )


@bp.post("/deliveries/<uuid:delivery_id>/replay")
@requires(Permission.MANAGE_INTEGRATIONS)
def replay(endpoint_id: UUID, delivery_id: UUID) -> ResponseReturnValue:
    try:
        webhook_deliveries.replay(g.scope, endpoint_id, delivery_id)
        flash(_("It is sent once more, under the same id."))
    except Conflict as e:
        flash(e.message)
    return _to_log(endpoint_id, _view())


@bp.post("/replay")
@requires(Permission.MANAGE_INTEGRATIONS)
def replay_failed(endpoint_id: UUID) -> ResponseReturnValue:
    view, up_to = _view(), _position(request.form.get("up_to")) or LAST_POSITION
    if "confirmed" not in request.form:
        return _confirm_page(endpoint_id, view, up_to)
    number = webhook_deliveries.replay_failed(g.scope, endpoint_id, topic=view.topic, up_to=up_to)
    flash(ngettext("%(num)s delivery is sent once more.", "%(num)s deliveries are sent once more.", number))
    return _to_log(endpoint_id, view)


def _view() -> View:
    """Raises BadRequest for what nobody can have chosen."""
    args = request.args
    try:
        state = DeliveryState(args["state"]) if args.get("state") else None
        topic = WebhookTopic(args["topic"]) if args.get("topic") else None
    except ValueError as e:
        raise BadRequest from e
    return View(state, topic, _position(args.get("before")))


def _position(typed: str | None) -> int | None:
    """A place in the log; nothing typed is none. Raises BadRequest."""
    if not typed:
        return None
    if not typed.isascii() or not typed.isdecimal() or len(typed) > 19 or int(typed) > LAST_POSITION:
        raise BadRequest
    return int(typed)


def _news(row: EndpointRow, deliveries: list[DeliveryRow]) -> tuple[object, ...]:
    """All that changes what the log and the state above it show."""
    endpoint = row.endpoint
    standing = (endpoint.disabled_at, endpoint.failures, endpoint.paused_until, row.waiting, row.delivered, row.failed)
    told = [
        (
            one.id,
            one.state,
            one.attempts,
            one.next_attempt_at,
            one.error_code,
            webhook_words.next_attempt(one, endpoint),
        )
        for one in (found.delivery for found in deliveries)
    ]
    return (*standing, *told)


def _count_failed(endpoint_id: UUID, view: View) -> int:
    """How many could be sent once more; counted only where those are looked at."""
    if view.state != DeliveryState.FAILED:
        return 0
    return queries.count_deliveries(g.scope, endpoint_id, Filter(DeliveryState.FAILED, view.topic))


def _confirm_page(endpoint_id: UUID, view: View, up_to: int) -> str:
    return render_template(
        "webhook_endpoints/replay.html",
        row=queries.get_endpoint(g.scope, endpoint_id),
        view=view,
        up_to=up_to,
        number=queries.count_deliveries(g.scope, endpoint_id, Filter(DeliveryState.FAILED, view.topic, up_to)),
        most=MOST_AT_ONCE,
        words=webhook_words,
    )


def _to_log(endpoint_id: UUID, view: View) -> ResponseReturnValue:
    return redirect(url_for(".index", endpoint_id=endpoint_id, **view.fields), code=303)
