"""What a percentile is, when values were only counted in buckets."""

import pytest

from portal.counters import Histogram
from portal.monitor.percentiles import number_of, percentile

TIMES = Histogram("t_ms", (10, 20, 50))


def counts(*in_buckets: int) -> dict[str, int]:
    return {TIMES.bucket(bound): number for bound, number in zip((*TIMES.bounds, None), in_buckets, strict=True)}


@pytest.mark.parametrize(
    ("in_buckets", "expected"),
    [
        ((0, 0, 0, 0), None),
        ((100, 0, 0, 0), 9.5),
        ((95, 5, 0, 0), 10),
        ((90, 10, 0, 0), 15),
        ((0, 0, 10, 0), 48.5),
        ((0, 0, 1, 0), 48.5),
        ((90, 0, 0, 10), 50),
        ((0, 0, 0, 1), 50),
        ((94, 0, 6, 0), 25),
    ],
)
def test_95_percent_are_at_most_this(in_buckets: tuple[int, ...], expected: float | None) -> None:
    assert percentile(TIMES, counts(*in_buckets), 0.95) == (None if expected is None else pytest.approx(expected))


def test_other_names_do_not_count() -> None:
    found = {**counts(1, 2, 3, 4), "t_ms_sum": 900, "other_ms_le_10": 7}

    assert number_of(TIMES, found) == 10
