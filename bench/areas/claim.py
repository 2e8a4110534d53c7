"""One claim of 50 lanes, with few and with very many messages waiting."""

import statistics
from contextlib import ExitStack
from functools import partial

from bench import claim
from bench.rounds import Figures, Measured, compare, ratios
from bench.stage import Stage, open_stage

AREA = "claim"
MEDIAN = "median ms"
CLAIMS = 30


def measure(*, is_quick: bool) -> Figures:
    rounds, sizes = (2, (10_000, 20_000)) if is_quick else (5, (10_000, 100_000, 1_000_000))
    with ExitStack() as ending:
        acts = {}
        for size in sizes:
            stage, _folder = ending.enter_context(open_stage())
            claim.fill(stage, size)
            acts[f"{size:,} waiting"] = partial(claims, stage)
        found = compare(AREA, rounds, acts)
    first, *others = acts
    return found | ratios(found, AREA, MEDIAN, [(other, first) for other in others])


def claims(stage: Stage) -> Measured:
    return {MEDIAN: statistics.median(claim.measure(stage, CLAIMS))}
