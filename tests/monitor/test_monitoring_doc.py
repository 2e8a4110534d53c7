"""The guide to monitoring says what the portal measures: the thresholds, and the series that Prometheus reads."""

import re
from pathlib import Path

import pytest

from portal.counters import DATABASE_MS, INBOUND_S
from portal.monitor import exposition, thresholds
from portal.monitor.thresholds import Limit, Metric

DOC = (Path(__file__).parent.parent.parent / "docs" / "golive" / "monitoring.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| .+ \| (.+) \| (.+) \|$", re.MULTILINE)
THE_METRICS = DOC[DOC.index("## The 13 metrics") : DOC.index("The last is the verdict")]


def written(limit: Limit, unit: str) -> str:
    return f"{limit} {unit}".replace("<=", "≤").replace(">=", "≥").strip()


@pytest.mark.parametrize("metric", Metric)
def test_thresholds_are_those_of_the_data(metric: Metric) -> None:
    told = {found[1]: (found[2], found[3]) for found in ROW.finditer(THE_METRICS)}
    threshold = thresholds.load()[metric]

    assert told[metric] == (written(threshold.ok, threshold.unit), written(threshold.critical, threshold.unit))


def test_all_metrics_are_told_in_their_order() -> None:
    assert [found[1] for found in ROW.finditer(THE_METRICS)] == list(Metric)


def test_what_to_do_is_told_for_each_but_the_verdict() -> None:
    what_to_do = DOC[DOC.index("## When one is not OK") : DOC.index("## Prometheus")]

    assert {metric for metric in Metric if f"`{metric}`" not in what_to_do} == {Metric.OVERALL}


def test_every_series_is_told() -> None:
    counters = {f"{name}_total" for name in (*exposition.LABELLED, *exposition.PLAIN)}
    told = set(re.findall(r"`(portal_\w+)", DOC))

    assert counters | set(exposition.TIMES) <= told


def test_borders_lie_at_bounds_of_buckets() -> None:
    """Or a percentile could say little about which side of one it lies on."""
    found = thresholds.load()
    borders = {
        DATABASE_MS: {found[Metric.DATABASE].ok.value, found[Metric.DATABASE].critical.value},
        INBOUND_S: {found[Metric.INBOUND_FLOW].ok.value, found[Metric.INBOUND_FLOW].critical.value},
    }

    assert [histogram.name for histogram, values in borders.items() if not values <= set(histogram.bounds)] == []
