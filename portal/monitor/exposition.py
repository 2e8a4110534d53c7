"""What Prometheus reads: every counter since the portal's first day, and how much of what there is now.

Of the whole portal, whichever process answers: no tenant is named, and no number.
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from portal.counters import DATABASE_MS, INBOUND_S, Counted, Histogram
from portal.extensions import parts
from portal.queries import metrics as queries
from portal.queries.metrics import Gauges

CONTENT_TYPE = CONTENT_TYPE_LATEST
# Name of a family -> what it counts, its label, and its counters by the label's value.
LABELLED: Mapping[str, tuple[str, str, Mapping[str, Counted]]] = {
    "portal_http_responses": (
        "Answers of the web processes, but those to watchers.",
        "class",
        {"2xx": Counted.HTTP_2XX, "3xx": Counted.HTTP_3XX, "4xx": Counted.HTTP_4XX, "5xx": Counted.HTTP_5XX},
    ),
    "portal_webhooks": (
        "Webhooks of Evolution by what became of them.",
        "outcome",
        {
            "stored": Counted.WEBHOOKS_STORED,
            "refused": Counted.WEBHOOKS_REFUSED,
            "unknown_instance": Counted.UNKNOWN_INSTANCES,
        },
    ),
    "portal_events": (
        "Events that were applied, and events that failed; of each only the first failure counts.",
        "outcome",
        {"applied": Counted.EVENTS_APPLIED, "failed": Counted.EVENTS_FAILED},
    ),
    "portal_sends": (
        "Attempts to send by how they ended; refused: taken first, and refused by WhatsApp later.",
        "outcome",
        {
            "ok": Counted.SENDS_OK,
            "failed": Counted.SENDS_FAILED,
            "unconfirmed": Counted.SENDS_UNCONFIRMED,
            "retried": Counted.SENDS_RETRIED,
            "not_possible": Counted.SENDS_NOT_POSSIBLE,
            "refused": Counted.SENDS_REFUSED,
        },
    ),
}
PLAIN: Mapping[str, tuple[str, Counted]] = {
    "portal_http_requests": ("All requests but those of watchers.", Counted.HTTP_REQUESTS),
    "portal_http_denied": ("Answers 401 and 403.", Counted.HTTP_DENIED),
    "portal_http_throttled": ("Answers 429.", Counted.HTTP_429),
    "portal_inbound_messages": ("Customers' messages but those of a history sync.", Counted.INBOUND),
    "portal_log_secrets": ("Lines of the log in which masking had left a secret or a number.", Counted.SECRETS_IN_LOGS),
    "portal_database_connection_errors": ("Connections lost or not made.", Counted.DB_CONNECTION_ERRORS),
}
# Name -> what it measures, its buckets, and how many of their unit make a second.
TIMES: Mapping[str, tuple[str, Histogram, float]] = {
    "portal_database_statement_seconds": ("How long statements take.", DATABASE_MS, 1000),
    "portal_inbound_seconds": ("From the webhook to the conversation.", INBOUND_S, 1),
}


def expose() -> bytes:
    """All of it, as Prometheus reads it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(queries.read_totals(), queries.read_gauges()))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, totals: Mapping[str, int], gauges: Gauges) -> None:
        self._totals = totals
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        for name, (text, label, counters) in LABELLED.items():
            family = CounterMetricFamily(name, text, labels=[label])
            for value, counted in counters.items():
                family.add_metric([value], self._totals.get(counted, 0))
            yield family
        for name, (text, counted) in PLAIN.items():
            yield CounterMetricFamily(name, text, value=self._totals.get(counted, 0))
        for name, (text, histogram, per_second) in TIMES.items():
            yield self._times(name, text, histogram, per_second)
        yield from _of_rows(self._gauges)

    def _times(self, name: str, text: str, histogram: Histogram, per_second: float) -> Metric:
        buckets, below = [], 0
        for bound in (*histogram.bounds, None):
            below += self._totals.get(histogram.bucket(bound), 0)
            buckets.append(("+Inf" if bound is None else str(float(bound / per_second)), below))
        seconds = self._totals.get(histogram.sum, 0) / 1000 / per_second
        return HistogramMetricFamily(name, text, buckets=buckets, sum_value=seconds)


def _of_rows(gauges: Gauges) -> Iterator[Metric]:
    yield GaugeMetricFamily("portal_waiting_events", "Stored events to apply.", value=gauges.waiting_events)
    yield GaugeMetricFamily("portal_waiting_sends", "Messages in the queues of units.", value=gauges.waiting_sends)
    yield GaugeMetricFamily("portal_open_lanes", "Units that may send.", value=gauges.open_lanes)
    yield _by("portal_workers", "Worker processes alive.", "queue", gauges.workers.items())
    yield _by("portal_units", "Units by the state of their connection.", "state", gauges.units.items())
    yield _by("portal_open_alerts", "Alerts that are not over.", "level", gauges.open_alerts.items())
    yield GaugeMetricFamily(
        "portal_look_age_seconds",
        "Since a worker looked at it all for alerts; at most an hour.",
        value=gauges.look_age_s,
    )
    running = [(parts.config.release_version, 1)]
    yield _by("portal_release_info", "What the process that answers runs.", "version", running)


def _by(name: str, text: str, label: str, numbers: Iterable[tuple[str, int]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in numbers:
        family.add_metric([str(value)], number)
    return family
