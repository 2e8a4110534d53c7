"""What the page shows on which a planned campaign is looked at, tried and sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from portal.clock import now
from portal.models import Campaign, CampaignState, Media, PlanState, SkipReason, Unit
from portal.pacing import Forecast
from portal.queries import campaign_checks, pacing, sending
from portal.queries.campaign_checks import Shown, Tally
from portal.queries.campaign_forecasts import forecast_campaign
from portal.queries.sending import Gates
from portal.services.plan_problems import problem_words
from portal.tenancy import TenantScope
from portal.web.campaign_cautions import Caution, Facts, list_cautions
from portal.web.campaign_outlook import ends_words, pace_words

# A number is new for so long.
NEW_FOR = timedelta(days=14)
SKIPPED = (
    SkipReason.DUPLICATE,
    SkipReason.OPTED_OUT,
    SkipReason.INVALID,
    SkipReason.WITHOUT_NUMBER,
    SkipReason.NOT_ON_WHATSAPP,
    SkipReason.EXCLUDED,
    SkipReason.ERASED,
)


@dataclass(frozen=True)
class Figure:
    """A count, what it counts, and where these lines of the ledger are listed."""

    number: int
    label: str
    link: str
    is_main: bool = False


@dataclass(frozen=True)
class Planned:
    """The check of a campaign whose ledger is there."""

    tally: Tally
    shown: Shown | None
    file: Media | None
    cautions: Sequence[Caution]
    forecast: Forecast | None
    ends: str
    pace: Sequence[str]
    was_ever_connected: bool

    @property
    def absent(self) -> int:
        """Whose numbers turned out not to be on WhatsApp."""
        return self.tally.skipped.get(SkipReason.NOT_ON_WHATSAPP, 0)


@dataclass(frozen=True)
class CheckView:
    """One draft on its page, whichever stage it is at."""

    campaign: Campaign
    unit: Unit
    planned: Planned | None
    figures: Sequence[Figure]

    @property
    def is_being_planned(self) -> bool:
        return self.campaign.state == CampaignState.DRAFT and self.campaign.plan_state == PlanState.WAITING

    @property
    def problem(self) -> str:
        """Why it cannot be sent as it is, and what to do; nothing while it is planned."""
        return problem_words(self.campaign)

    @property
    def is_looking_up(self) -> bool:
        """Whether numbers are still looked up at WhatsApp."""
        return self.campaign.number_check_at is not None and self.planned is not None

    @property
    def news(self) -> tuple[object, ...]:
        """All that changes while the page only waits."""
        campaign = self.campaign
        numbers = [figure.number for figure in self.figures]
        looked_up = self.planned.tally.looked_up if self.planned else 0
        stage = (campaign.state, campaign.plan_state, campaign.plan_done, campaign.plan_total, campaign.planned_at)
        return stage, numbers, looked_up, self.is_looking_up


def make_check(
    scope: TenantScope, campaign: Campaign, *, number: int = 1, starts_at: datetime | None = None, is_whole: bool = True
) -> CheckView:
    """Gather what the page shows, or with `is_whole` not set what its parts do, which are without cautions.

    `number` is the recipient to be shown, from 1; `starts_at` the time for which the end is worked out.
    """
    unit = campaign_checks.get_unit(scope, campaign)
    if campaign.plan_state != PlanState.DONE:
        return CheckView(campaign, unit, None, ())
    tally, gates = campaign_checks.tally(scope, campaign), sending.get_gates(scope, unit.id)
    pace = pacing.pace_of(unit)
    forecast = forecast_campaign(scope, campaign, messages=tally.pending, starts_at=starts_at or now())
    is_told = is_whole and tally.pending > 0
    planned = Planned(
        tally=tally,
        shown=campaign_checks.find_shown(scope, campaign.id, min(number, max(tally.pending, 1))),
        file=campaign_checks.find_file(scope, campaign),
        cautions=list_cautions(_facts(scope, campaign, unit, gates, tally, forecast, starts_at)) if is_told else (),
        forecast=forecast,
        ends=ends_words(forecast.finishes_at, unit.time_zone) if forecast and tally.pending else "",
        pace=pace_words(pace, pace.day_of(now())),
        was_ever_connected=gates.connection.connected_at is not None,
    )
    return CheckView(campaign, unit, planned, _figures(campaign.id, tally))


def _facts(
    scope: TenantScope,
    campaign: Campaign,
    unit: Unit,
    gates: Gates,
    tally: Tally,
    forecast: Forecast | None,
    starts_at: datetime | None,
) -> Facts:
    today = now().astimezone(ZoneInfo(unit.time_zone))
    return Facts(
        campaign=campaign,
        unit=unit,
        gates=gates,
        pace=pacing.pace_of(unit),
        tally=tally,
        crowd=campaign_checks.survey_crowd(scope, campaign, pending=tally.pending),
        forecast=forecast,
        starts_at=starts_at or now(),
        sent_today=gates.lane.campaign_count if gates.lane.campaign_day == today.date() else 0,
        is_unit_new=campaign_checks.is_unit_new(scope, unit.id, since=now() - NEW_FOR),
        overlaps=campaign_checks.list_overlaps(
            scope, campaign.id, since=today.replace(hour=0, minute=0, second=0, microsecond=0)
        ),
    )


def _figures(campaign_id: UUID, tally: Tally) -> list[Figure]:
    """Who gets it first, then whatever there is of the rest."""
    skipped = [
        Figure(number, _skip_label(reason, number), _ledger(campaign_id, reason=reason.value))
        for reason in SKIPPED
        if (number := tally.skipped.get(reason, 0))
    ]
    renumbered = ngettext("number written differently", "numbers written differently", tally.renumbered)
    told = [
        Figure(tally.renumbered, renumbered, _ledger(campaign_id, renumbered=1)),
        Figure(tally.gaps, _("with a variable without a value"), _ledger(campaign_id, gaps=1)),
    ]
    label = ngettext("gets the message", "get the message", tally.pending)
    sent = Figure(tally.pending, label, _ledger(campaign_id, rung="pending"), is_main=True)
    return [sent, *skipped, *(figure for figure in told if figure.number)]


def _skip_label(reason: SkipReason, number: int) -> str:
    """What is said below the number of those who get nothing for that reason."""
    labels = {
        SkipReason.DUPLICATE: ngettext("repeated line", "repeated lines", number),
        SkipReason.OPTED_OUT: _("opted out"),
        SkipReason.INVALID: ngettext("line that is no number", "lines that are no number", number),
        SkipReason.WITHOUT_NUMBER: _("without a number"),
        SkipReason.NOT_ON_WHATSAPP: _("not on WhatsApp"),
        SkipReason.EXCLUDED: _("left out as you chose"),
        SkipReason.ERASED: _("erased at their own request"),
    }
    return str(labels[reason])


def _ledger(campaign_id: UUID, **conditions: Any) -> str:
    return url_for("tenant.recipients.index", campaign_id=campaign_id, **conditions)
