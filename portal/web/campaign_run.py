"""What the page of one campaign shows once it was sent off, whatever became of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import format_decimal
from flask_babel import gettext as _

from portal.clock import now
from portal.models import Campaign, CampaignState, Media, SkipReason, Unit
from portal.queries import campaign_runs, campaigns, deciders, pacing, sending
from portal.queries.campaign_forecasts import forecast_campaign
from portal.queries.campaigns import Counts, Rung
from portal.tenancy import TenantScope
from portal.web.campaign_cautions import Caution
from portal.web.campaign_hindrances import Circumstances, list_hindrances, pause_caution
from portal.web.campaign_outlook import ends_words, pace_words
from portal.web.campaign_words import STANDINGS, TONES, duration_words, recheck_words, rung_words
from portal.web.moments import moment
from portal.web.variant_results import VariantResult, list_results, verdict
from portal.web.words import State, Tone

# In these it changes by itself.
ALIVE = frozenset({CampaignState.SCHEDULED, CampaignState.PROCESSING, CampaignState.PAUSED})
RETRYABLE = frozenset({CampaignState.PROCESSING, CampaignState.PAUSED, CampaignState.COMPLETED})
# Counting 100,000 recipients takes a third of a second: it is done less often than counting a few.
MANY, OFTEN_S, SELDOM_S = 20_000, 3, 15


@dataclass(frozen=True)
class Figure:
    """A rung of the ledger, and how many stand on it."""

    rung: Rung
    number: int
    label: str
    tone: str


@dataclass(frozen=True)
class Run:
    """One campaign on its page."""

    campaign: Campaign
    unit: Unit
    counts: Counts
    # How many failed ones may have another turn.
    retryable: int
    skipped: Mapping[SkipReason, int]
    opted_out: int
    results: Sequence[VariantResult]
    verdict: str
    cautions: Sequence[Caution]
    # Label -> value, in the order in which they are read.
    facts: Mapping[str, str]
    pace: Sequence[str]
    # The sentence about its end, where there is one.
    ends: str
    file: Media | None

    @property
    def state(self) -> State:
        return STANDINGS[self.campaign.state]

    @property
    def figures(self) -> list[Figure]:
        """Those rungs on which somebody stands."""
        filled = [(rung, self.counts[rung]) for rung in Rung if self.counts[rung]]
        return [Figure(rung, number, rung_words(rung, number), TONES.get(rung, "")) for rung, number in filled]

    @property
    def recheck(self) -> str:
        return recheck_words(self.campaign, self.unit.time_zone)

    @property
    def can_pause(self) -> bool:
        return self.campaign.state in (CampaignState.SCHEDULED, CampaignState.PROCESSING)

    @property
    def can_resume(self) -> bool:
        return self.campaign.state == CampaignState.PAUSED

    @property
    def can_retry(self) -> bool:
        is_in_use = self.unit.archived_at is None
        return is_in_use and self.campaign.state in RETRYABLE and self.retryable > 0

    @property
    def is_alive(self) -> bool:
        return self.campaign.state in ALIVE

    @property
    def looks_every_s(self) -> int:
        return OFTEN_S if self.counts.total <= MANY else SELDOM_S

    @property
    def news(self) -> tuple[object, ...]:
        """All that changes what the page shows."""
        counts = tuple(sorted(self.counts.by_rung.items()))
        shown = (self.campaign.state, self.cautions, self.ends, tuple(self.facts.items()), self.pace, self.recheck)
        return counts, self.retryable, self.opted_out, shown


def make_run(scope: TenantScope, campaign: Campaign) -> Run:
    """Gather what the page of a campaign that is no draft shows."""
    unit = scope.get(Unit, campaign.unit_id)
    by_variant = campaign_runs.count_by_variant(scope, campaign)
    counts = _sum(found.counts for found in by_variant.values())
    met = Circumstances(
        unit=unit,
        gates=sending.get_gates(scope, unit.id),
        pace=pacing.pace_of(unit),
        others=campaign_runs.list_others(scope, campaign) if campaign.state == CampaignState.PROCESSING else (),
    )
    cautions = _cautions(scope, campaign, met)
    rate = _rate(scope, campaign, met)
    results = list_results(campaign.variants, by_variant) if len(campaign.variants) > 1 else []
    return Run(
        campaign=campaign,
        unit=unit,
        counts=counts,
        retryable=campaigns.count_retryable(scope, campaign.id) if counts[Rung.FAILED] else 0,
        skipped=campaigns.count_skipped(scope, campaign.id, on_rung=counts[Rung.SKIPPED]),
        opted_out=sum(found.opted_out for found in by_variant.values()),
        results=results,
        verdict=verdict(results) if results else "",
        cautions=cautions,
        facts=_facts(campaign, unit, rate),
        pace=pace_words(met.pace, met.pace.day_of(now())) if campaign.state in ALIVE else (),
        ends=_ends(scope, campaign, met, counts=counts, cautions=cautions, rate=rate),
        file=campaign_runs.find_file(scope, campaign),
    )


def _sum(counts: Iterable[Counts]) -> Counts:
    total: dict[Rung, int] = {}
    for one in counts:
        for rung, number in one.by_rung.items():
            total[rung] = total.get(rung, 0) + number
    return Counts(total)


def _cautions(scope: TenantScope, campaign: Campaign, met: Circumstances) -> list[Caution]:
    if campaign.state == CampaignState.PAUSED:
        paused = deciders.find_about_campaign(scope, campaign, "campaign.paused")
        return [pause_caution(campaign, met.unit, paused)]
    return list_hindrances(met) if campaign.state == CampaignState.PROCESSING else []


def _rate(scope: TenantScope, campaign: Campaign, met: Circumstances) -> float | None:
    if campaign.state != CampaignState.PROCESSING:
        return None
    return campaign_runs.measure_rate(scope, campaign, since=met.opened_at)


def _ends(
    scope: TenantScope,
    campaign: Campaign,
    met: Circumstances,
    *,
    counts: Counts,
    cautions: Sequence[Caution],
    rate: float | None,
) -> str:
    """When the last message leaves, or would if it were resumed now."""
    if campaign.state not in ALIVE or not counts.left:
        return ""
    # What holds it up now says nothing about how fast it goes afterwards.
    is_free = campaign.state == CampaignState.PROCESSING and all(caution.tone == Tone.CALM for caution in cautions)
    gap_s = _measured_gap_s(met, rate) if is_free else None
    starts_at = campaign.scheduled_at if campaign.state == CampaignState.SCHEDULED else now()
    forecast = forecast_campaign(scope, campaign, messages=counts.left, starts_at=starts_at, gap_s=gap_s)
    if forecast is None:
        return str(_("At this pace it never ends."))
    ends = ends_words(forecast.finishes_at, met.unit.time_zone)
    if campaign.state == CampaignState.PAUSED:
        return str(_("%(ends)s, if you resume it now", ends=ends))
    return (
        ends
        if is_free or campaign.state == CampaignState.SCHEDULED
        else str(_("%(ends)s, if it goes on now", ends=ends))
    )


def _measured_gap_s(met: Circumstances, rate: float | None) -> float | None:
    """What lies between two messages of the unit, where that is more than its pace wants; None: go by the pace."""
    if not rate:
        return None
    gap_s = 60 / (rate * (1 + len(met.others)))
    return gap_s if gap_s > met.pace.mean_gap_s else None


def _facts(campaign: Campaign, unit: Unit, rate: float | None) -> dict[str, str]:
    """What is said of its times and its speed, without what is not known."""
    zone, ended_at = unit.time_zone, campaign.finished_at
    found = {
        str(_("Planned for")): _moment(campaign.scheduled_at, zone) if campaign.started_at is None else "",
        str(_("Started")): _moment(campaign.started_at, zone),
        str(_("Ended")): _moment(ended_at, zone),
        str(_("Duration")): duration_words(campaign.started_at, ended_at or now()) if campaign.started_at else "",
        str(_("Speed now")): "" if rate is None else str(_("%(rate)s a minute", rate=format_decimal(round(rate, 1)))),
    }
    return {label: value for label, value in found.items() if value}


def _moment(at: datetime | None, zone: str) -> str:
    return moment(at, zone) if at else ""
