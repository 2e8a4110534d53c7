"""The charts of the page of metrics: which counts each shows, and the same figures as a table and in a sentence."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from markupsafe import Markup

from portal.clock import now
from portal.counters import DATABASE_MS, INBOUND_S, Counted, Histogram
from portal.monitor.percentiles import percentile
from portal.queries import metrics
from portal.web import charts
from portal.web.charts import Line, Times
from portal.web.formats import clock_time, grouped

SHARE = 0.95
# Name of a counter -> a moment -> how often then.
Counts = Mapping[str, Mapping[datetime, int]]


@dataclass(frozen=True)
class Series:
    """What one line shows: how often something was counted, or the 95th percentile of times."""

    label: str
    look: str
    counted: str | Histogram


@dataclass(frozen=True)
class Plan:
    """A chart: what it is called, what its values are in, and its lines."""

    key: str
    title: str
    series: tuple[Series, ...]
    unit: str = ""


@dataclass(frozen=True)
class Row:
    """One step of a chart in its table."""

    time: str
    values: Sequence[str]


@dataclass(frozen=True)
class Drawn:
    """A chart on the page: the drawing, its lines in words, and the same as a table, without what is all nothing."""

    key: str
    title: str
    drawing: Markup | None
    lines: Sequence[Line]
    summary: str
    rows: Sequence[Row]


# Counted by rows of their own, and not by the processes.
LOSSES = "connection_losses"
PERCENTILE = _("95th percentile")

PLANS = (
    Plan("requests", _("Requests"), (Series(_("All answers"), "main", Counted.HTTP_REQUESTS),)),
    Plan(
        "errors",
        _("Errors"),
        (
            Series(_("Of the server (5xx)"), "bad", Counted.HTTP_5XX),
            Series(_("Of whoever asked (4xx)"), "second", Counted.HTTP_4XX),
        ),
    ),
    Plan(
        "refused",
        _("Refused and throttled"),
        (
            Series(_("401 and 403"), "main", Counted.HTTP_DENIED),
            Series(_("429"), "second", Counted.HTTP_429),
            Series(_("Unknown instances"), "third", Counted.UNKNOWN_INSTANCES),
        ),
    ),
    Plan(
        "events",
        _("Webhook events"),
        (
            Series(_("Arrived"), "main", Counted.WEBHOOKS_STORED),
            Series(_("Applied"), "second", Counted.EVENTS_APPLIED),
            Series(_("Events that failed"), "bad", Counted.EVENTS_FAILED),
        ),
    ),
    Plan(
        "sends",
        _("Sends"),
        (
            Series(_("Taken"), "main", Counted.SENDS_OK),
            Series(_("Sends that failed"), "bad", Counted.SENDS_FAILED),
            Series(_("To be tried again"), "second", Counted.SENDS_RETRIED),
        ),
    ),
    Plan("database", _("Database statements"), (Series(PERCENTILE, "main", DATABASE_MS),), "ms"),
    Plan("inbound", _("Incoming events, until they can be read"), (Series(PERCENTILE, "main", INBOUND_S),), "s"),
    Plan("losses", _("Connections lost"), (Series(_("Units that dropped"), "bad", LOSSES),)),
)


def draw_all(times: Times, marks: Sequence[datetime], zone: str) -> list[Drawn]:
    """Read what was counted in those times, and draw every chart."""
    found = dict(metrics.minutes([*_names()], times.begin, until=times.end, step=times.step))
    found[LOSSES] = _by_minute(metrics.list_losses(times.begin, times.end))
    return [_draw(plan, found, times, marks, lambda at: clock_time(at, zone)) for plan in PLANS]


def _names() -> Iterable[str]:
    for plan in PLANS:
        for series in plan.series:
            yield f"{series.counted.name}_le_" if isinstance(series.counted, Histogram) else series.counted


def _by_minute(moments: Iterable[datetime]) -> dict[datetime, int]:
    counted: dict[datetime, int] = {}
    for at in moments:
        minute = at.replace(second=0, microsecond=0)
        counted[minute] = counted.get(minute, 0) + 1
    return counted


def _draw(
    plan: Plan, found: Counts, times: Times, marks: Sequence[datetime], clock: Callable[[datetime], str]
) -> Drawn:
    lines = [Line(str(series.label), series.look, _values(series, found, times)) for series in plan.series]
    is_empty = not any(value for line in lines for value in line.values)
    return Drawn(
        key=plan.key,
        title=_title(plan),
        drawing=None if is_empty else charts.draw(_title(plan), lines, times, marks=marks, clock=clock),
        lines=lines,
        summary=_summary(plan, lines, times, clock),
        rows=[] if is_empty else _rows(plan, lines, times, clock),
    )


def _values(series: Series, found: Counts, times: Times) -> list[float | None]:
    """None for steps that have not begun, and where there was nothing to take a percentile of."""
    counted = series.counted
    if isinstance(counted, Histogram):
        by_step = _per_step({name: found[name] for name in found if name.startswith(f"{counted.name}_le_")}, times)
        return [percentile(counted, counts, SHARE) for counts in by_step]
    present = now()
    by_step = _per_step({counted: found.get(counted, {})}, times)
    return [
        float(counts.get(counted, 0)) if times.at(index) <= present else None for index, counts in enumerate(by_step)
    ]


def _per_step(found: Counts, times: Times) -> list[dict[str, int]]:
    """For each step, how often each was counted in it."""
    by_step: list[dict[str, int]] = [{} for _step in range(times.number)]
    for name, minutes in found.items():
        for minute, count in minutes.items():
            index = times.index_of(minute)
            if index is not None:
                by_step[index][name] = by_step[index].get(name, 0) + count
    return by_step


def _title(plan: Plan) -> str:
    return f"{plan.title} ({plan.unit})" if plan.unit else str(plan.title)


def _summary(plan: Plan, lines: Sequence[Line], times: Times, clock: Callable[[datetime], str]) -> str:
    """What the chart shows, in words: of its first line, with the highest value and when that was."""
    measured = [(value, index) for index, value in enumerate(lines[0].values) if value]
    if not any(value for line in lines for value in line.values):
        return str(gettext("Nothing was counted in this time."))
    if plan.unit and measured:
        highest, index = max(measured, key=lambda one: one[0])
        value = f"{_shown(highest)} {plan.unit}"
        return str(gettext("Slowest: %(value)s at %(time)s.", value=value, time=clock(times.at(index))))
    counted = [f"{line.label}: {_shown(sum(value or 0 for value in line.values))}" for line in lines]
    return " · ".join(counted)


def _rows(plan: Plan, lines: Sequence[Line], times: Times, clock: Callable[[datetime], str]) -> list[Row]:
    rows = []
    for index in range(times.number):
        values = [line.values[index] for line in lines]
        if any(values):
            shown = ["" if value is None else _shown(value) for value in values]
            rows.append(Row(clock(times.at(index)), shown))
    return rows[::-1]


def _shown(value: float) -> str:
    """Whole as a count, to a tenth as a time."""
    return grouped(round(value)) if value == round(value) or value >= 100 else f"{value:.2g}"
