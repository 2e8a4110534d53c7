"""What looks at the metrics mean for alerts: opened once, told again when worse, over after good looks in a row."""

from sqlalchemy import select

from portal.clock import now
from portal.db import db
from portal.models import Alert, Level, NoticeKind
from portal.monitor.metrics import Look, Reading
from portal.monitor.thresholds import Metric
from portal.queries.alerts import TEST
from portal.services.alerts import tell

SEVERITY = {Level.OK: 0, Level.WARNING: 1, Level.CRITICAL: 2}
# A metric that is bad now and then, say in every third look, is one alert and not one each time.
GOOD_LOOKS = 5


def note(look: Look) -> None:
    """Open, worsen and end alerts as the look says; in the transaction that claimed the look."""
    alerts = _open_alerts()
    for reading in look.readings:
        alert = alerts.pop(reading.metric, None)
        if alert is None:
            if _is_bad(reading) and not _is_said_by_another(reading, look):
                _open(reading)
        elif _is_bad(reading):
            _go_on(alert, reading)
        else:
            _go_well(alert, reading.value)
    for alert in alerts.values():
        # Of a metric that this version no longer has.
        _go_well(alert, alert.value)


def _open_alerts() -> dict[str, Alert]:
    # A test alert is no metric's: only whoever acknowledges it ends it.
    open_ones = select(Alert).where(Alert.recovered_at.is_(None), Alert.metric != TEST).with_for_update()
    found = db.session.scalars(open_ones.execution_options(populate_existing=True))
    return {alert.metric: alert for alert in found}


def _is_bad(reading: Reading) -> bool:
    """One or two warnings have alerts of their own, and all of them together say no more than that."""
    worst = Level.CRITICAL if reading.metric == Metric.OVERALL else Level.WARNING
    return SEVERITY[reading.level] >= SEVERITY[worst]


def _is_said_by_another(reading: Reading, look: Look) -> bool:
    """All together are critical because of one metric, which has its own alert."""
    others = (other for other in look.readings if other.metric != Metric.OVERALL)
    return reading.metric == Metric.OVERALL and any(other.level is Level.CRITICAL for other in others)


def _open(reading: Reading) -> None:
    alert = Alert(metric=reading.metric, level=reading.level, value=reading.value)
    db.session.add(alert)
    db.session.flush()
    tell(alert, NoticeKind.OPENED)


def _go_on(alert: Alert, reading: Reading) -> None:
    is_worse = SEVERITY[reading.level] > SEVERITY[alert.level]
    alert.level, alert.value, alert.good_looks = reading.level, reading.value, 0
    if is_worse:
        tell(alert, NoticeKind.WORSENED)


def _go_well(alert: Alert, value: str) -> None:
    alert.value, alert.good_looks = value, alert.good_looks + 1
    if alert.good_looks >= GOOD_LOOKS:
        alert.recovered_at = now()
        tell(alert, NoticeKind.RECOVERED)
