"""The 13 metrics of a running portal, judged by their thresholds: what the watch, its pages and its alerts show."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from portal.clock import now
from portal.counters import DATABASE_MS, INBOUND_S, Counted
from portal.models import Level, Verdict
from portal.monitor import thresholds
from portal.monitor.percentiles import number_of, percentile
from portal.monitor.thresholds import Metric, Threshold
from portal.queries import metrics as queries
from portal.queries.metrics import Inflow, Outflow, age_s
from portal.queries.stuck_campaigns import STILL_FOR, list_stuck_campaigns
from portal.queue import INBOX, OUTBOX

METRICS: tuple[str, ...] = tuple(Metric)
# Where there is nothing to measure.
NOTHING = "–"
SHARE = 0.95
MOST_DECIMALS = 9
# A message that may leave and has not for so long: nothing goes out.
HELD_FOR = timedelta(minutes=5)
VERDICTS = {Level.OK: Verdict.GO, Level.WARNING: Verdict.MONITOR, Level.CRITICAL: Verdict.NO_GO}


@dataclass(frozen=True)
class Reading:
    """What one metric showed: how good that is, the value with its unit for people, and one English line of figures."""

    metric: str
    level: Level
    value: str
    detail: str


@dataclass(frozen=True)
class Look:
    """All metrics at one moment, counted since another, and what they say together."""

    at: datetime
    since: datetime
    # In the order of METRICS; the last is the verdict as a reading.
    readings: tuple[Reading, ...]
    # Of all counters at that moment: the next look counts from here.
    totals: dict[str, int]
    verdict: Verdict
    # The metrics that are not OK, with their values.
    reasons: tuple[str, ...]


def look(since: datetime, totals_before: Mapping[str, int]) -> Look:
    """Read everything now; counters count from `totals_before`, rows from `since`."""
    at, totals = now(), queries.read_totals()
    counted = {name: max(0, total - totals_before.get(name, 0)) for name, total in totals.items()}
    silent = queries.queues_without_worker()
    readings = [
        *_of_counters(counted),
        _outbound_success(counted, queries.read_outflow(HELD_FOR), has_worker=OUTBOX not in silent),
        _connection_drops(queries.count_units_that_dropped(since)),
        _inbound_flow(counted, queries.read_inflow(), has_worker=INBOX not in silent),
        _campaigns_stuck(len(list_stuck_campaigns())),
    ]
    readings.sort(key=lambda reading: METRICS.index(reading.metric))
    overall = judge(readings)
    reasons = tuple(f"{reading.metric} {reading.value}" for reading in readings if reading.level != Level.OK)
    return Look(at, since, (*readings, overall), totals, VERDICTS[overall.level], reasons)


def judge(readings: Iterable[Reading]) -> Reading:
    """What the twelve others say together: one critical is critical, and so are as many warnings as the data says."""
    levels = [reading.level for reading in readings]
    warnings, critical = levels.count(Level.WARNING), levels.count(Level.CRITICAL)
    level = Level.CRITICAL if critical else thresholds.load()[Metric.OVERALL].level_of(warnings)
    detail = f"{critical} critical, {warnings} at a warning, {len(levels) - critical - warnings} OK"
    return Reading(Metric.OVERALL, level, VERDICTS[level].value, detail)


def _of_counters(counted: Mapping[str, int]) -> list[Reading]:
    def of(name: Counted) -> int:
        return counted.get(name, 0)

    responses = f"of {of(Counted.HTTP_REQUESTS)} responses"
    return [
        _number(Metric.HTTP_5XX, of(Counted.HTTP_5XX), f"{of(Counted.HTTP_5XX)} {responses} were 5xx"),
        _number(Metric.HTTP_DENIED, of(Counted.HTTP_DENIED), f"{of(Counted.HTTP_DENIED)} {responses} were 401 or 403"),
        _number(Metric.HTTP_429, of(Counted.HTTP_429), f"{of(Counted.HTTP_429)} {responses} were 429"),
        _number(
            Metric.UNKNOWN_INSTANCES,
            of(Counted.UNKNOWN_INSTANCES),
            f"{of(Counted.UNKNOWN_INSTANCES)} webhooks named an instance that no unit has",
        ),
        _number(
            Metric.SECRETS_IN_LOGS,
            of(Counted.SECRETS_IN_LOGS),
            f"{of(Counted.SECRETS_IN_LOGS)} lines held a secret or a number that masking had left",
        ),
        _processing_errors(of(Counted.EVENTS_APPLIED), of(Counted.EVENTS_FAILED)),
        _number(
            Metric.RETRIES, of(Counted.SENDS_RETRIED), f"{of(Counted.SENDS_RETRIED)} sends went back to their queue"
        ),
        _database(counted, of(Counted.DB_CONNECTION_ERRORS)),
    ]


def _processing_errors(applied: int, failed: int) -> Reading:
    if not applied + failed:
        return _nothing(Metric.PROCESSING_ERRORS, "nothing was processed")
    share = 100 * failed / (applied + failed)
    return _rate(Metric.PROCESSING_ERRORS, share, f"{applied} events were applied, {failed} failed")


def _outbound_success(counted: Mapping[str, int], outflow: Outflow, *, has_worker: bool) -> Reading:
    """Nothing fails where nothing is tried: what cannot leave is as bad as what does not arrive."""
    reading = _share_taken(counted)
    held, why = outflow.at_paused_servers, "their server is paused"
    if not has_worker:
        held, why = outflow.waiting_units, "no worker of the outbox lives"
    if not held:
        return reading
    minutes = int(HELD_FOR.total_seconds() // 60)
    told = f"{reading.detail}; messages of {held} units could have left for {minutes} minutes, but {why}"
    return replace(reading, level=Level.CRITICAL, value=f"{reading.value}, {held} units wait", detail=told)


def _share_taken(counted: Mapping[str, int]) -> Reading:
    """A recipient who is not on WhatsApp, or opted out, is nobody's failure; a refusal that came later is one."""
    ok, failed, unconfirmed, refused = (
        counted.get(name, 0)
        for name in (Counted.SENDS_OK, Counted.SENDS_FAILED, Counted.SENDS_UNCONFIRMED, Counted.SENDS_REFUSED)
    )
    ended = ok + failed + unconfirmed
    if not ended:
        # A refusal of what was sent before the window, at the most.
        return _nothing(Metric.OUTBOUND_SUCCESS, "nothing was sent")
    share = 100 * max(0, ok - refused) / ended
    told = f"{ended} sends: {ok} taken, {failed} failed, {unconfirmed} in doubt; {refused} refused by WhatsApp later"
    return _rate(Metric.OUTBOUND_SUCCESS, share, told)


def _database(counted: Mapping[str, int], errors: int) -> Reading:
    p95, statements = percentile(DATABASE_MS, counted, SHARE), number_of(DATABASE_MS, counted)
    told = f"p95 of {statements} statements, {errors} connection errors"
    if p95 is None and not errors:
        return _nothing(Metric.DATABASE, "nothing was asked of the database")
    threshold = thresholds.load()[Metric.DATABASE]
    level = Level.CRITICAL if errors else threshold.level_of(p95 or 0)
    value = NOTHING if p95 is None else f"{_short(p95, threshold)} {threshold.unit}"
    return Reading(Metric.DATABASE, level, f"{value}, {errors} errors" if errors else value, told)


def _connection_drops(units: int) -> Reading:
    return _number(Metric.CONNECTION_DROPS, units, f"{units} units lost their connection twice or more")


def _inbound_flow(counted: Mapping[str, int], inflow: Inflow, *, has_worker: bool) -> Reading:
    """Without a worker nothing that comes in is understood, whether something waits by now or not."""
    reading = _freshness(counted, inflow)
    if has_worker:
        return reading
    told = f"{reading.detail}; no worker of the inbox lives"
    return replace(reading, level=Level.CRITICAL, value=f"{reading.value}, no worker", detail=told)


def _freshness(counted: Mapping[str, int], inflow: Inflow) -> Reading:
    threshold = thresholds.load()[Metric.INBOUND_FLOW]
    p95, waiting_s = percentile(INBOUND_S, counted, SHARE), age_s(inflow.oldest_waiting_at)
    heard_s = age_s(inflow.last_heard_at)
    told = [
        "nothing came in"
        if p95 is None
        else f"p95 {_short(p95, threshold)} s over {number_of(INBOUND_S, counted)} events",
        "nothing waits" if waiting_s is None else f"the oldest waits for {waiting_s:.0f} s",
        "no unit was ever heard" if heard_s is None else f"the last event is {heard_s:.0f} s old",
    ]
    if p95 is None and waiting_s is None:
        return _nothing(Metric.INBOUND_FLOW, ", ".join(told))
    slowest_s = max(p95 or 0, waiting_s or 0)
    value = f"{_short(slowest_s, threshold)} {threshold.unit}"
    return Reading(Metric.INBOUND_FLOW, threshold.level_of(slowest_s), value, ", ".join(told))


def _campaigns_stuck(campaigns: int) -> Reading:
    minutes = int(STILL_FOR.total_seconds() // 60)
    return _number(
        Metric.CAMPAIGNS_STUCK, campaigns, f"{campaigns} campaigns could send and have not for {minutes} minutes"
    )


def _number(metric: Metric, number: int, detail: str) -> Reading:
    return Reading(metric, thresholds.load()[metric].level_of(number), str(number), detail)


def _rate(metric: Metric, share: float, detail: str) -> Reading:
    threshold = thresholds.load()[metric]
    return Reading(metric, threshold.level_of(share), f"{_short(share, threshold)} {threshold.unit}", detail)


def _short(value: float, threshold: Threshold) -> str:
    """In three digits, or as many as it takes to be judged like the value itself."""
    whole = len(str(int(value))) if value >= 1 else 0
    for decimals in range(max(0, 3 - whole), MOST_DECIMALS):
        if threshold.level_of(round(value, decimals)) == threshold.level_of(value):
            return f"{round(value, decimals):.15g}"
    return f"{value:.15g}"


def _nothing(metric: Metric, detail: str) -> Reading:
    return Reading(metric, Level.OK, NOTHING, detail)
