"""The operator's page of metrics: the 13 as they are now, and charts of the last hours or of a release's first one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from werkzeug.exceptions import BadRequest

from portal.clock import now
from portal.models import Release
from portal.monitor import live, thresholds
from portal.monitor.metrics import Reading
from portal.monitor.thresholds import Metric
from portal.permissions import Permission
from portal.queries import alerts, releases
from portal.web import metric_charts
from portal.web.access import requires
from portal.web.charts import Times
from portal.web.language import choose_time_zone
from portal.web.metric_words import LEVELS, MetricWords, metric_words, threshold_words, verdict_state
from portal.web.moments import span
from portal.web.render import render_news
from portal.web.words import State

KEPT = 20
USUAL_SPAN = "1h"
# What the address says -> its words, how long each step is, and how many there are.
SPANS = {
    "1h": (_("Last hour"), timedelta(minutes=1), 60),
    "6h": (_("Last 6 hours"), timedelta(minutes=5), 72),
    "24h": (_("Last 24 hours"), timedelta(minutes=20), 72),
}
# Of a release, its hour and what was before.
BEFORE, MINUTES_OF_RELEASE = timedelta(minutes=10), 70
# What was counted is written down a little later.
WRITTEN_WITHIN = timedelta(minutes=1)

bp = Blueprint("metrics", __name__, url_prefix="/metrics")


@dataclass(frozen=True)
class Choice:
    """Which times the charts show: the address's own words, and the steps."""

    span: str | None
    release: Release | None
    times: Times

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be counted in these times."""
        return self.times.end + WRITTEN_WITHIN < now()

    @property
    def fields(self) -> dict[str, str | None]:
        return {"span": self.span, "release": str(self.release.id) if self.release else None}


@dataclass(frozen=True)
class Card:
    """One metric as it is now."""

    key: str
    words: MetricWords
    state: State
    value: str
    detail: str
    thresholds: str


@bp.get("")
@requires(Permission.OPERATE)
def index() -> ResponseReturnValue:
    choice, listed, look = _choice(), releases.list_releases(KEPT), live.look_now()
    cards = [_card(reading) for reading in look.readings if reading.metric != Metric.OVERALL]
    drawn = metric_charts.draw_all(choice.times, [one.registered_at for one in listed], choose_time_zone())
    return render_news(
        "operator/metrics.html",
        fragment="operator/_metrics.html",
        news=(cards, drawn),
        choice=choice,
        cards=cards,
        verdict_state=verdict_state(look.verdict),
        window=span(live.window().total_seconds()),
        charts=drawn,
        step=span(choice.times.step.total_seconds()),
        spans={key: words for key, (words, _step, _number) in SPANS.items()},
        releases=listed,
        open_alerts=alerts.count_open(),
    )


def _choice() -> Choice:
    """Raises BadRequest for what is no id and no span, NotFound for a release that is not there."""
    named = request.args.get("release")
    if named:
        release = releases.get(_id(named))
        begin = _whole(release.registered_at, timedelta(minutes=1)) - BEFORE
        return Choice(None, release, Times(begin, timedelta(minutes=1), MINUTES_OF_RELEASE))
    chosen = request.args.get("span") or USUAL_SPAN
    if chosen not in SPANS:
        raise BadRequest
    _words, step, number = SPANS[chosen]
    return Choice(chosen, None, Times(_whole(now(), step) - (number - 1) * step, step, number))


def _id(typed: str) -> UUID:
    try:
        return UUID(typed)
    except ValueError as e:
        raise BadRequest from e


def _whole(at: datetime, step: timedelta) -> datetime:
    """The beginning of the step in which that is."""
    return datetime.fromtimestamp(at.timestamp() // step.total_seconds() * step.total_seconds(), UTC)


def _card(reading: Reading) -> Card:
    return Card(
        key=reading.metric,
        words=metric_words(reading.metric),
        state=LEVELS[reading.level],
        value=reading.value,
        detail=reading.detail,
        thresholds=threshold_words(thresholds.load()[reading.metric]),
    )
