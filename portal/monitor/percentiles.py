"""Percentiles of times that were counted in buckets."""

from collections.abc import Mapping

from portal.counters import Histogram


def number_of(histogram: Histogram, counts: Mapping[str, int]) -> int:
    """How many values were counted."""
    return sum(counts.get(histogram.bucket(bound), 0) for bound in (*histogram.bounds, None))


def percentile(histogram: Histogram, counts: Mapping[str, int], share: float) -> float | None:
    """What that share of the values was at most, in the histogram's unit; None where nothing was counted.

    Within its bucket the value is taken to lie as far up as the share does, so it is never off by more than the
    bucket is wide. Above the highest bound nothing is known, and that bound is what comes out.
    """
    rank = share * number_of(histogram, counts)
    if not rank:
        return None
    below, lower = 0, 0.0
    for bound in histogram.bounds:
        here = counts.get(histogram.bucket(bound), 0)
        if here and below + here >= rank:
            return lower + (bound - lower) * (rank - below) / here
        below, lower = below + here, bound
    return lower
