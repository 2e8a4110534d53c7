"""A look at the metrics as they are now: counted over the last minutes, whether there was a release or not."""

from datetime import datetime, timedelta

from portal.clock import now
from portal.extensions import parts
from portal.monitor import metrics
from portal.monitor.metrics import Look
from portal.queries.metrics import read_totals_at

SHORTEST_WINDOW = timedelta(minutes=1)
LONGEST_DISTANCE = timedelta(minutes=1)


def look_now() -> Look:
    """All metrics over the last window, from the beginning of its first minute: counts are kept by the minute."""
    since = (now() - window()).replace(second=0, microsecond=0)
    return metrics.look(since, read_totals_at(since))


def window() -> timedelta:
    """As long as the first checkpoint of a release counts."""
    return max(_first_checkpoint(), SHORTEST_WINDOW)


def slot(at: datetime) -> datetime:
    """When the look that is due at that time was due first: one a minute, or more often where checkpoints are close."""
    distance_s = min(_first_checkpoint(), LONGEST_DISTANCE).total_seconds()
    return datetime.fromtimestamp(at.timestamp() // distance_s * distance_s, at.tzinfo)


def _first_checkpoint() -> timedelta:
    return timedelta(minutes=parts.config.golive_checkpoint_minutes[0])
