"""How the variants of a campaign compare, and whether one of them leads by more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from flask_babel import format_percent
from flask_babel import gettext as _

from portal.queries.campaign_runs import VariantCounts
from portal.queries.campaigns import Rung

# How often a lead that is none may be announced.
MOST_ERRORS = 0.05
# With fewer than so many on either side the normal distribution says nothing about a share.
FEWEST = 5


@dataclass(frozen=True)
class VariantResult:
    """One variant: how many got it, and how many of those came how far. Whoever read it also received it."""

    number: int
    text: str
    recipients: int
    sent: int
    delivered: int
    read: int
    replied: int
    opted_out: int

    def share(self, number: int) -> str:
        """Of those to whom it was sent."""
        return str(format_percent(number / self.sent, "0.#%")) if self.sent else ""


def list_results(texts: Sequence[str], found: Mapping[int | None, VariantCounts]) -> list[VariantResult]:
    """One for each variant, in their order."""
    return [_result(number, text, found.get(number)) for number, text in enumerate(texts, start=1)]


def verdict(results: Sequence[VariantResult]) -> str:
    """Who leads in answers, or else in having been read; or that nobody can tell yet."""
    for name in ("replied", "read"):
        leader = find_leader([(getattr(result, name), result.sent) for result in results])
        if leader is not None:
            return str(_LEADS[name]() % {"number": results[leader].number})
    return str(_("Too few to tell which one does better: what differs so far may be chance."))


_LEADS = {
    "replied": lambda: _("Variant %(number)s leads: it is answered more often, by more than chance."),
    "read": lambda: _("Variant %(number)s leads: it is read more often, by more than chance."),
}


def find_leader(shares: Sequence[tuple[int, int]]) -> int | None:
    """Which of these (how many, of how many) is above every other by more than chance; None: none is.

    Two-proportion z-test of the best against each other one, made stricter by the number of pairs and of questions.
    """
    if len(shares) < 2 or any(whole == 0 for _part, whole in shares):
        return None
    best = max(range(len(shares)), key=lambda index: shares[index][0] / shares[index][1])
    pairs = len(shares) * (len(shares) - 1) // 2
    least = NormalDist().inv_cdf(1 - MOST_ERRORS / (2 * pairs * len(_LEADS)))
    others = (share for index, share in enumerate(shares) if index != best)
    return best if all(_distance(shares[best], other) > least for other in others) else None


def _distance(one: tuple[int, int], other: tuple[int, int]) -> float:
    """How many standard errors lie between two shares; 0 for too few."""
    (part, whole), (other_part, other_whole) = one, other
    pooled = (part + other_part) / (whole + other_whole)
    if min(pooled, 1 - pooled) * min(whole, other_whole) < FEWEST:
        return 0.0
    return (part / whole - other_part / other_whole) / sqrt(pooled * (1 - pooled) * (1 / whole + 1 / other_whole))


def _result(number: int, text: str, found: VariantCounts | None) -> VariantResult:
    if found is None:
        return VariantResult(number, text, 0, 0, 0, 0, 0, 0)
    counts = found.counts
    replied = counts[Rung.REPLIED]
    read = counts[Rung.READ] + replied
    return VariantResult(
        number=number,
        text=text,
        recipients=counts.total - counts[Rung.SKIPPED],
        sent=counts.handed_over - counts[Rung.FAILED],
        delivered=counts[Rung.DELIVERED] + read,
        read=read,
        replied=replied,
        opted_out=found.opted_out,
    )
