"""Whether a curve stays flat: how fast it grows in the end, how sure that is, and how fast it might."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

# What begins grows: caches fill, pools open, threads start.
LEFT_OUT = 1 / 3
# Two standard errors: of what lies further off one would be wrong in one of twenty.
SURE = 1.96
# Fewer samples say nothing of an hour.
LEAST_SAMPLES = 24
HOUR_S = 3600


@dataclass(frozen=True)
class Allowed:
    """How much a curve may grow in an hour: an amount, or a share of its mean."""

    per_h: float = 0.0
    share: float = 0.0

    def bound(self, values: Sequence[float]) -> float:
        return max(self.per_h, self.share * statistics.fmean(values))


@dataclass(frozen=True)
class Trend:
    """Growth in an hour over the last two thirds, by least squares, give or take `margin`; it may be `bound`."""

    curve: str
    mean: float
    slope: float
    margin: float
    bound: float

    @property
    def is_flat(self) -> bool:
        """Surely no more than allowed: a curve too uneven to tell is not called flat."""
        return self.slope + self.margin <= self.bound

    def __str__(self) -> str:
        verdict = "flat" if self.is_flat else "NOT FLAT"
        growth = f"{self.slope:+,.2f} ± {self.margin:,.2f} an hour, at most {self.bound:,.2f}"
        return f"{self.curve}: mean {self.mean:,.2f}, {growth}: {verdict}"


def trends(at_s: Sequence[float], curves: Mapping[str, Sequence[float]], allowed: Mapping[str, Allowed]) -> list[Trend]:
    """Of every curve that has an allowance; none of a run that is too short to tell."""
    first = math.ceil(len(at_s) * LEFT_OUT)
    if len(at_s) - first < LEAST_SAMPLES:
        return []
    hours = [second / HOUR_S for second in at_s[first:]]
    return [_trend(name, hours, curves[name][first:], allowance) for name, allowance in allowed.items()]


def _trend(name: str, hours: Sequence[float], values: Sequence[float], allowed: Allowed) -> Trend:
    slope, intercept = statistics.linear_regression(hours, values)
    middle = statistics.fmean(hours)
    spread = sum((hour - middle) ** 2 for hour in hours)
    left = sum((value - slope * hour - intercept) ** 2 for hour, value in zip(hours, values, strict=True))
    margin = SURE * math.sqrt(left / (len(hours) - 2) / spread)
    return Trend(name, statistics.fmean(values), slope, margin, allowed.bound(values))


@dataclass(frozen=True)
class Sum:
    """Something that was counted in two places."""

    what: str
    wanted: int
    found: int

    def __str__(self) -> str:
        verdict = "" if self.wanted == self.found else "  DISAGREES"
        return f"{self.what}: {self.wanted:,}, found {self.found:,}{verdict}"


def disagreeing(sums: Sequence[Sum]) -> Iterator[Sum]:
    return (one for one in sums if one.wanted != one.found)


def times_sent(is_accepted: Sequence[int], came: Sequence[int]) -> tuple[int, int, int]:
    """Of the messages, by their numbers: accepted and never sent, sent more than once, sent and never accepted."""
    told = list(zip(is_accepted, came, strict=True))
    lost = sum(bool(accepted) and not times for accepted, times in told)
    return lost, sum(times > 1 for times in came), sum(not accepted and bool(times) for accepted, times in told)
