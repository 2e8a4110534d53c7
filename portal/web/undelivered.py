"""Messages that did not arrive: by group and one by one, decided one by one or many at once, and as a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from werkzeug.exceptions import BadRequest

from portal.models import CampaignState, Unit
from portal.permissions import Permission
from portal.queries import undelivered as queries
from portal.queries import unit_lists, units
from portal.queries.undelivered import PAGE, Bucket, Filter, Group, UndeliveredRow
from portal.services import exports, undelivered
from portal.services.undelivered import MOST_AT_ONCE, Decision
from portal.tenancy import TenantScope, acting_for
from portal.web import decisions, words
from portal.web.access import requires
from portal.web.api.message_answers import count_attempts
from portal.web.csv import csv_response
from portal.web.formats import contact_name, shown_phone
from portal.web.language import DEFAULT_TIME_ZONE
from portal.web.reasons import Reason, reason_in
from portal.web.render import render_news, wants_part

bp = Blueprint("undelivered", __name__)

COLUMNS = (
    _("Unit"),
    _("Person"),
    _("Phone number"),
    _("Text"),
    _("Written at"),
    _("State"),
    _("Reason"),
    _("Code"),
    _("Attempts"),
    _("Last try"),
)


@dataclass(frozen=True)
class View:
    """What the address asks for: the filter, its unit, and the fields as they were typed."""

    wanted: Filter
    unit: Unit | None
    since: date | None

    @property
    def fields(self) -> dict[str, Any]:
        """The address's own words for it."""
        unit = self.unit.slug if self.unit else None
        return {"bucket": self.wanted.bucket, "unit": unit, "reason": self.wanted.reason, "since": self.since}


@bp.get("/undelivered")
@requires(Permission.READ_MESSAGES)
def index() -> ResponseReturnValue:
    groups = queries.list_groups(g.scope)
    view = _view(g.scope, groups)
    return render_news(
        "undelivered/index.html",
        fragment="undelivered/_groups.html",
        news=groups_news(groups),
        groups=groups,
        view=view,
        is_news=wants_part(),
        **({} if wants_part() else _list(view, groups)),
    )


@bp.post("/undelivered")
@requires(Permission.SEND)
def decide() -> ResponseReturnValue:
    decision, view = _decision(), _view(g.scope, [])
    ids = _chosen(view)
    if not ids:
        flash(_("Nothing was chosen. Tick messages, or “all”, first."))
    elif len(ids) > 1 and "confirmed" not in request.form:
        return _confirm_page(decision, view, ids)
    else:
        flash(decisions.result_words(decision, undelivered.decide(g.scope, decision, ids)))
    return redirect(url_for(".index", **view.fields), code=303)


@bp.get("/undelivered.csv")
@requires(Permission.READ_MESSAGES)
def export() -> ResponseReturnValue:
    view = _view(g.scope, queries.list_groups(g.scope))
    exports.note_undelivered(g.scope, view.wanted.bucket)
    return csv_response(f"{view.wanted.bucket}-{g.tenant_slug}", COLUMNS, _table(g.scope, view.wanted))


def groups_news(groups: list[Group]) -> tuple[object, ...]:
    """All that changes what the groups show."""
    return tuple(
        (group.unit.id, group.unit.name, group.bucket, group.reason, group.count, group.oldest, group.newest)
        for group in groups
    )


def _view(scope: TenantScope, groups: list[Group]) -> View:
    """Raises NotFound for a unit that is not the person's, BadRequest for a bucket or a day that is none."""
    args = request.args
    unit = units.get_unit(scope, args["unit"]) if args.get("unit") else None
    try:
        bucket = Bucket(args["bucket"]) if args.get("bucket") else _first_bucket(groups)
        since = date.fromisoformat(args["since"]) if args.get("since") else None
    except ValueError as e:
        raise BadRequest from e
    zone = ZoneInfo(unit.time_zone if unit else DEFAULT_TIME_ZONE)
    begins_at = datetime.combine(since, time(), zone).astimezone(UTC) if since else None
    reason = (args.get("reason") or "").replace("\x00", "") or None
    return View(Filter(bucket, unit.id if unit else None, reason, begins_at), unit, since)


def _first_bucket(groups: list[Group]) -> Bucket:
    filled = {group.bucket for group in groups}
    return next((bucket for bucket in Bucket if bucket in filled), Bucket.FAILED)


def _list(view: View, groups: list[Group]) -> dict[str, Any]:
    rows = queries.list_undelivered(g.scope, view.wanted, before=_before())
    bucket = view.wanted.bucket
    return {
        "rows": rows,
        "older_before": rows[-1].message.id if len(rows) >= PAGE else None,
        "total": queries.count(g.scope, view.wanted),
        "most": MOST_AT_ONCE,
        "offered": unit_lists.list_offered(g.scope),
        "reasons": _reasons(bucket, groups),
        "choices": decisions.choices_in(bucket, g.scope),
        "is_filtered": bool(view.unit or view.since or view.wanted.reason),
    }


def _reasons(bucket: Bucket, groups: list[Group]) -> dict[str, Reason]:
    """Code -> words, of those that the bucket holds."""
    codes = {group.reason for group in groups if group.bucket == bucket and group.reason}
    return {code: reason_in(bucket, code) for code in sorted(codes)}


def _before() -> UUID | None:
    try:
        return UUID(request.args["before"]) if request.args.get("before") else None
    except ValueError as e:
        raise BadRequest from e


def _decision() -> Decision:
    try:
        return Decision(request.form.get("decision", ""))
    except ValueError as e:
        raise BadRequest from e


def _chosen(view: View) -> list[UUID]:
    """The messages that were ticked, or all of the filter; after the question, exactly those it was about."""
    if "every" in request.form:
        return queries.list_ids(g.scope, view.wanted, limit=MOST_AT_ONCE)
    try:
        ids = [UUID(id_) for field in request.form.getlist("ids") for id_ in field.split()]
    except ValueError as e:
        raise BadRequest from e
    return list(dict.fromkeys(ids))


def _confirm_page(decision: Decision, view: View, ids: Sequence[UUID]) -> str:
    stopped = queries.list_stopped(g.scope, ids) if decision in undelivered.SENDING else {}
    by_unit = queries.count_by_unit(g.scope, [id_ for id_ in ids if id_ not in stopped])
    cancelled = sum(state == CampaignState.CANCELLED for state in stopped.values())
    is_every = "every" in request.form
    return render_template(
        "undelivered/confirm.html",
        choice=decisions.CHOICES[decision],
        consequences=[
            *(decisions.consequence(decision, unit, number) for unit, number in by_unit),
            *(f"{told}." for told in decisions.stopped_words(len(stopped) - cancelled, cancelled)),
        ],
        ids=ids,
        view=view,
        total=queries.count(g.scope, view.wanted) if is_every else len(ids),
        most=MOST_AT_ONCE,
    )


def _table(scope: TenantScope, wanted: Filter) -> Iterator[tuple[object, ...]]:
    # It is read while it is sent, and the request has left the tenant by then.
    with acting_for(scope):
        for row in queries.iterate(scope, wanted):
            yield _line(row, wanted.bucket)


def _line(row: UndeliveredRow, bucket: Bucket) -> tuple[object, ...]:
    message, zone = row.message, ZoneInfo(row.unit.time_zone)
    tried_at = message.last_retry_at or message.sending_at
    return (
        row.unit.name,
        contact_name(row.contact),
        shown_phone(row.contact.phone),
        words.text_of(message) or words.kind_words(message.kind),
        _spreadsheet_time(message.occurred_at, zone),
        words.rung(message).label,
        reason_in(bucket, message.error_code),
        message.error_code,
        count_attempts(message),
        _spreadsheet_time(tried_at, zone),
    )


def _spreadsheet_time(at: datetime | None, zone: ZoneInfo) -> str:
    """By the unit's clock, in the one form that spreadsheets of every language take for a time."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if at else ""
