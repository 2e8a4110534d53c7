"""What is measured in turn: the rounds of each figure, their median, and the ratio of two figures."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
# What one act measured, each under its name and unit, such as "CPU ms".
Measured = Mapping[str, float]


@dataclass(frozen=True)
class Figure:
    """One thing as it came out in every round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    def of(self, other: "Figure") -> "Figure":
        """How many times the other one this is, round by round: what slows the machine down slows both."""
        return Figure(tuple(mine / theirs for mine, theirs in zip(self.rounds, other.rounds, strict=True)))

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(min(self.rounds))} to {short(max(self.rounds))})"


# "area: who, what and its unit" -> figure.
Figures = dict[str, Figure]


def alternately(rounds: int, acts: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """What each act gave, round by round: in turn, and each one as often the first."""
    done: dict[str, list[T]] = {name: [] for name in acts}
    for number in range(rounds):
        for name in list(acts)[:: -1 if number % 2 else 1]:
            done[name].append(acts[name]())
    return done


def compare(area: str, rounds: int, acts: Mapping[str, Callable[[], Measured]]) -> Figures:
    """Each thing that each act measures, in turn with the others."""
    found = Figures()
    for who, done in alternately(rounds, acts).items():
        for what in done[0]:
            found[f"{area}: {who}, {what}"] = Figure(tuple(one[what] for one in done))
    return found


def ratios(found: Figures, area: str, what: str, pairs: Sequence[tuple[str, str]]) -> Figures:
    """How many times the second one the first one is, of each pair."""
    return {
        f"{area}: {who} of {peer}, × {what}": found[f"{area}: {who}, {what}"].of(found[f"{area}: {peer}, {what}"])
        for who, peer in pairs
    }


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def short(value: float) -> str:
    """Three digits, or all in front of the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
