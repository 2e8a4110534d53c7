"""Today in numbers, each with the page that lists what it counts, and by the hour as charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from flask import url_for
from flask_babel import LazyString, get_locale, lazy_gettext
from flask_babel import gettext as _
from markupsafe import Markup

from portal.clock import now
from portal.queries import conversation_lists, home
from portal.queries.conversation_lists import MOST_COUNTED, Work
from portal.queries.home import Tally
from portal.queries.undelivered import Bucket
from portal.tenancy import TenantScope
from portal.web import charts
from portal.web.charts import Line, Times
from portal.web.formats import clock_time, counted, grouped
from portal.web.metric_charts import Drawn, Row

HOURS = 24
# Each is a few KB; people look at the same one again and again.
KEPT_DRAWINGS = 200


@dataclass(frozen=True)
class Number:
    """One number, what it counts, and where that is listed."""

    key: str
    value: str
    label: str
    link: str
    is_trouble: bool = False


@dataclass(frozen=True)
class Plan:
    """A chart: its lines are numbers of a tally, by the hour."""

    key: str
    title: LazyString
    lines: tuple[tuple[str, LazyString, str], ...]


PLANS = (
    Plan(
        "talk",
        lazy_gettext("Received and sent, by the hour"),
        (("received", lazy_gettext("Messages received"), "main"), ("sent", lazy_gettext("Messages sent"), "second")),
    ),
    Plan(
        "arrived",
        lazy_gettext("What became of what was sent in that hour"),
        (
            ("delivered", lazy_gettext("Delivered to them"), "main"),
            ("read", lazy_gettext("Read by them"), "third"),
            ("failed", lazy_gettext("Did not leave"), "bad"),
        ),
    ),
)


@dataclass(frozen=True)
class Today:
    """What happened since midnight. Its hours are those of each unit's own clock."""

    zone: str
    day: date
    hours: Mapping[int, Tally]
    new_conversations: int
    waiting: int

    @property
    def news(self) -> tuple[object, ...]:
        return self.day, sorted(self.hours.items()), self.new_conversations, self.waiting

    @property
    def total(self) -> Tally:
        return Tally(
            **{field.name: sum(getattr(hour, field.name) for hour in self.hours.values()) for field in fields(Tally)}
        )

    @property
    def numbers(self) -> list[Number]:
        """Never added up: a message that was read was delivered and sent as well."""
        total, inbox = self.total, url_for("tenant.conversations.index")
        return [
            Number("received", grouped(total.received), _("messages received"), inbox),
            Number("sent", grouped(total.sent), _("messages sent"), inbox),
            Number("delivered", grouped(total.delivered), _("of these delivered"), inbox),
            Number("read", grouped(total.read), _("of these read"), inbox),
            self._trouble(Bucket.FAILED, total.failed, _("messages not sent")),
            self._trouble(Bucket.UNCONFIRMED, total.unconfirmed, _("not known whether sent")),
            Number("new", grouped(self.new_conversations), _("new conversations"), inbox),
            Number(
                "waiting",
                counted(self.waiting, most=MOST_COUNTED),
                _("conversations that nobody answers yet"),
                url_for("tenant.conversations.index", work=Work.WAITING),
            ),
        ]

    @cached_property
    def charts(self) -> list[Drawn]:
        """Only drawn when they are shown, which most polls do not."""
        return [self._draw(plan) for plan in PLANS]

    def _trouble(self, bucket: Bucket, number: int, label: str) -> Number:
        link = url_for("tenant.undelivered.index", bucket=bucket, since=self.day.isoformat())
        return Number(bucket, grouped(number), label, link, is_trouble=number > 0)

    def _draw(self, plan: Plan) -> Drawn:
        midnight = datetime.combine(self.day, datetime.min.time(), ZoneInfo(self.zone))
        times = Times(midnight, timedelta(hours=1), HOURS)
        lines = [Line(str(label), look, self._values(name, times)) for name, label, look in plan.lines]
        is_empty = not any(value for line in lines for value in line.values)
        told = [f"{line.label}: {grouped(round(sum(value or 0 for value in line.values)))}" for line in lines]
        return Drawn(
            key=plan.key,
            title=str(plan.title),
            drawing=None if is_empty else _drawn(str(plan.title), tuple(lines), times, self.zone, str(get_locale())),
            lines=lines,
            summary=_("Nothing yet today.") if is_empty else " · ".join(told),
            rows=[] if is_empty else self._rows(lines, times),
        )

    def _values(self, name: str, times: Times) -> tuple[float | None, ...]:
        """None for hours that have not begun."""
        present = now()
        return tuple(
            float(getattr(self.hours.get(hour, Tally()), name)) if times.at(hour) <= present else None
            for hour in range(times.number)
        )

    def _rows(self, lines: Sequence[Line], times: Times) -> list[Row]:
        by_hour = [(hour, [line.values[hour] for line in lines]) for hour in range(times.number)]
        return [
            Row(self._clock(times.at(hour)), [grouped(round(value or 0)) for value in values])
            for hour, values in by_hour
            if any(values)
        ]

    def _clock(self, at: datetime) -> str:
        return clock_time(at, self.zone)


def make_today(scope: TenantScope, zone: str) -> Today:
    """The day by the clock of that zone, where units are in several."""
    clocks = home.list_clocks(scope)
    return Today(
        zone=zone,
        day=now().astimezone(ZoneInfo(zone)).date(),
        hours=home.count_today(scope, clocks),
        new_conversations=home.count_new_conversations(scope, clocks),
        waiting=conversation_lists.count_work(scope).waiting,
    )


@lru_cache(maxsize=KEPT_DRAWINGS)
def _drawn(title: str, lines: tuple[Line, ...], times: Times, zone: str, language: str) -> Markup:
    """Drawing is most of the work of a page, and all that it depends on stands here: the times are worded too."""
    return charts.draw(title, lines, times, marks=(), clock=lambda at: clock_time(at, zone))
