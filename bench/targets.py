"""What the portal is to reach, and whether it did: the table at the end of `python -m bench`."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.rounds import Figures, short

USUAL = "Against the usual build"


@dataclass(frozen=True)
class Target:
    """A figure by its name, and the least or the most that its median may be; neither: it is only told."""

    work: str
    figure: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def says(self) -> str:
        bounds = (("≥", self.at_least), ("≤", self.at_most))
        return ", ".join(f"{sign} {short(bound)}" for sign, bound in bounds if bound is not None)

    def is_met(self, median: float) -> bool:
        return (self.at_least is None or median >= self.at_least) and (self.at_most is None or median <= self.at_most)


# The clocks of the process and of the database differ by less than that.
CLOCKS_S = 0.005
OLD_MESSAGES = "usual build: messages, an old page of API: messages, an old page"
OLD_LIST = "usual build: list, an old page of list: resolved, an old page"
TARGETS = (
    Target("Receiving", "receive: portal of bare view, × webhooks/s", at_least=1.0),
    Target("Receiving", "receive: portal of bare view, × p99 ms at 200/s", at_most=2.0),
    Target("Processing", "process: relay, events/s", at_least=2_000),
    Target("Processing", "process: relay, MB of memory more, once a tenth is drained", at_most=20),
    Target("Sending", "send: relay, share of what was due", at_least=0.99),
    Target("Sending", "send: relay, p95 ms late", at_most=50),
    Target("Sending", "send: relay, p99 ms late", at_most=250),
    Target("Sending", "send: relay, smallest gap s", at_least=1 - CLOCKS_S),
    Target("Sending", "send: relay, twice or in doubt", at_most=0),
    Target("Claiming", "claim: 100,000 waiting of 10,000 waiting, × median ms", at_most=1.2),
    Target("Claiming", "claim: 1,000,000 waiting of 10,000 waiting, × median ms", at_most=1.2),
    Target("A reply", "reply: click, p95 ms", at_most=100),
    Target("Importing", "import: portal, s", at_most=5),
    Target("Importing", "import: portal, MB of memory more", at_most=20),
    Target("Pages", "pages: slowest list, p95 ms", at_most=50),
    Target("Pages", "pages: slowest thread, p95 ms", at_most=50),
    Target("Pages", "pages: slowest poll, p95 ms", at_most=5),
    Target("Pages", "pages: largest, KB", at_most=100),
    Target(USUAL, "send: relay of usual build, × messages/s", at_least=100),
    Target(USUAL, "import: portal of usual build, × rows/s", at_least=5),
    Target(USUAL, f"pages: {OLD_MESSAGES}, × median ms", at_least=10),
    Target(USUAL, f"pages: {OLD_MESSAGES}, × slowest statement ms", at_least=10),
    Target(USUAL, f"pages: {OLD_LIST}, × median ms", at_least=10),
    Target(USUAL, f"pages: {OLD_LIST}, × slowest statement ms", at_least=10),
)


def table(found: Figures) -> Iterator[str]:
    """Lines of Markdown; what was not measured says so."""
    yield "| Work | Figure | Target | Measured | |"
    yield "| --- | --- | --- | --- | --- |"
    for target in TARGETS:
        figure = found.get(target.figure)
        measured = "not measured" if figure is None else str(figure)
        verdict = "" if figure is None else "met" if target.is_met(figure.median) else "**missed**"
        what = target.figure.partition(": ")[2]
        yield f"| {target.work} | {what} | {target.says} | {measured} | {verdict} |"
