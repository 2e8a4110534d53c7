"""The ledger of a campaign: who was chosen, and what became of each of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from werkzeug.exceptions import BadRequest

from portal.models import Campaign, SkipReason, Unit
from portal.permissions import Permission
from portal.queries import campaign_ledgers as ledgers
from portal.queries import campaign_runs, campaigns
from portal.queries.campaigns import PAGE, Counts, RecipientRow, Rung
from portal.services import exports
from portal.tenancy import TenantScope, acting_for
from portal.web import campaign_words, recipient_waits
from portal.web.access import requires
from portal.web.csv import csv_response
from portal.web.formats import contact_name, shown_phone
from portal.web.recipient_words import Standing, standing

bp = Blueprint("recipients", __name__)

COLUMNS = (
    _("Place"),
    _("Person"),
    _("Phone number"),
    _("Line of the list"),
    _("As it was written"),
    _("Variant"),
    _("State"),
    _("Reason"),
    _("Sent at"),
    _("Delivered at"),
    _("Read at"),
    _("Answered at"),
    _("Text"),
)


@dataclass(frozen=True)
class View:
    """Which lines the address asks for; `after` is where the page before ended."""

    rung: Rung | None
    reason: SkipReason | None
    is_renumbered: bool
    has_gaps: bool
    after: int

    @property
    def conditions(self) -> dict[str, Any]:
        """The same for the query."""
        return {
            "rung": self.rung,
            "reason": self.reason,
            "is_renumbered": self.is_renumbered,
            "has_gaps": self.has_gaps,
        }

    @property
    def fields(self) -> dict[str, Any]:
        """The address's own words for it."""
        marks = {"renumbered": 1 if self.is_renumbered else None, "gaps": 1 if self.has_gaps else None}
        return {"rung": self.rung, "reason": self.reason, **marks}

    @property
    def is_filtered(self) -> bool:
        return any(self.fields.values())


@bp.get("/campaigns/<uuid:campaign_id>/recipients")
@requires(Permission.READ_CAMPAIGNS)
def index(campaign_id: UUID) -> ResponseReturnValue:
    campaign, view = campaigns.get_campaign(g.scope, campaign_id), _view()
    rows = campaigns.list_recipients(g.scope, campaign_id, after=view.after, **view.conditions)
    unit = campaign_runs.units_of(g.scope, [campaign])[campaign.unit_id]
    g.time_zone = unit.time_zone
    counts = campaigns.count_recipients(g.scope, [campaign_id])[campaign_id]
    return render_template(
        "recipients/index.html",
        campaign=campaign,
        unit=unit,
        view=view,
        rows=rows,
        waits=recipient_waits.list_waits(g.scope, campaign, unit) if _is_anybody_left(counts) else (),
        standings=_standings(campaign, unit, rows),
        counts=counts,
        skipped=campaigns.count_skipped(g.scope, campaign_id, on_rung=counts[Rung.SKIPPED]),
        next_after=rows[-1].recipient.position if len(rows) >= PAGE else None,
        words=campaign_words,
    )


@bp.get("/campaigns/<uuid:campaign_id>/recipients.csv")
@requires(Permission.READ_CAMPAIGNS)
def export(campaign_id: UUID) -> ResponseReturnValue:
    campaign, view = campaigns.get_campaign(g.scope, campaign_id), _view()
    zone = ZoneInfo(campaign_runs.units_of(g.scope, [campaign])[campaign.unit_id].time_zone)
    exports.note_recipients(g.scope, campaign_id)
    return csv_response(gettext("campaign"), COLUMNS, _table(g.scope, campaign_id, view, zone))


def _is_anybody_left(counts: Counts) -> bool:
    """Whether somebody was not written to, but for those who get nothing."""
    return bool(counts.left or counts[Rung.CANCELLED])


def _standings(campaign: Campaign, unit: Unit, rows: Sequence[RecipientRow]) -> dict[int, Standing]:
    """Place -> where that line stands."""
    cancelled = recipient_waits.cancelled_words(g.scope, campaign, unit)
    return {row.recipient.position: standing(row, unit.time_zone, cancelled=cancelled) for row in rows}


def _view() -> View:
    """Raises BadRequest for what nobody can have chosen."""
    args = request.args
    try:
        return View(
            rung=Rung(args["rung"]) if args.get("rung") else None,
            reason=SkipReason(args["reason"]) if args.get("reason") else None,
            is_renumbered=args.get("renumbered") == "1",
            has_gaps=args.get("gaps") == "1",
            after=min(max(int(args.get("after") or 0), 0), ledgers.LAST_POSITION),
        )
    except ValueError as e:
        raise BadRequest from e


def _table(scope: TenantScope, campaign_id: UUID, view: View, zone: ZoneInfo) -> Iterator[tuple[object, ...]]:
    # It is read while it is sent, and the request has left the tenant by then.
    with acting_for(scope):
        for row in ledgers.iterate(scope, campaign_id, **view.conditions):
            yield _line(row, zone)


def _line(row: RecipientRow, zone: ZoneInfo) -> tuple[object, ...]:
    recipient, contact, message = row.recipient, row.contact, row.message
    found = standing(row, zone.key)
    times = (message.sent_at, message.delivered_at, message.read_at) if message else (None, None, None)
    return (
        recipient.position,
        contact_name(contact) if contact else "",
        shown_phone(contact.phone) if contact else "",
        recipient.line,
        recipient.typed,
        recipient.variant,
        found.label,
        found.reason,
        *(_spreadsheet_time(at, zone) for at in (*times, recipient.replied_at)),
        recipient.body,
    )


def _spreadsheet_time(at: datetime | None, zone: ZoneInfo) -> str:
    """By the unit's clock, in the one form that spreadsheets of every language take for a time."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if at else ""
