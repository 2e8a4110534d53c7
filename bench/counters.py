"""What counting costs the webhook door: one gunicorn that counts and one that does not, in turn."""

import argparse
import itertools
import math
import os
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from bench.door import Door
from bench.load import press
from bench.rounds import alternately
from bench.serving import Server, start_gunicorn
from bench.stage import Stage, open_stage

CASES = {"without": "no", "with": "yes"}
POSTERS = 4
WARM_UP = 400


@dataclass
class Round:
    """So many webhooks a second, and how much of a processor each took of the web process."""

    per_s: float
    cpu_ms: float


@contextmanager
def serving(stage: Stage) -> Iterator[dict[str, Server]]:
    """A web process for each case, side by side on the same database."""
    with ExitStack() as ending:
        # With a line for each request, as in production: the last look at it is a part of what counting costs.
        env = {"LOG_LEVEL": "INFO"}
        yield {
            name: start_gunicorn(ending, stage, "bench.counted_web:app", workers=1, env={**env, "BENCH_COUNTS": counts})
            for name, counts in CASES.items()
        }


def post(server: Server, door: Door, webhooks: int) -> Round:
    cpu_s = server.cpu_s()
    requests = itertools.islice(door.requests(), webhooks)
    answered = press(server.port, requests, seconds=math.inf, connections=POSTERS)
    return Round(answered.per_s, (server.cpu_s() - cpu_s) * 1000 / webhooks)


def tell(rounds: dict[str, list[Round]]) -> None:
    middle = {name: statistics.median(one.per_s for one in done) for name, done in rounds.items()}
    cpu = {name: statistics.median(one.cpu_ms for one in done) for name, done in rounds.items()}
    for name in rounds:
        print(f"{name:>8} counters: {middle[name]:6.1f} webhooks/s, {cpu[name]:.2f} ms of a processor each")
    pairs = list(zip(rounds["with"], rounds["without"], strict=True))
    ratios = sorted(counted.per_s / plain.per_s for counted, plain in pairs)
    cpu_ratios = sorted(counted.cpu_ms / plain.cpu_ms for counted, plain in pairs)
    print(f"with / without, round by round: webhooks/s {_spread(ratios)}, processor {_spread(cpu_ratios)}")


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--webhooks", type=int, default=200, help="of one round")
    options.add_argument("--rounds", type=int, default=80)
    told = options.parse_args()
    with open_stage() as (stage, _):
        stage.fill(units=1, messages=0)
        door = Door(stage)
        with serving(stage) as servers:
            for server in servers.values():
                post(server, door, WARM_UP)
            acts = {name: partial(post, server, door, told.webhooks) for name, server in servers.items()}
            rounds = alternately(told.rounds, acts)
    print(f"{told.rounds} rounds of {told.webhooks} webhooks, {POSTERS} at a time; {os.cpu_count()} processors")
    tell(rounds)


if __name__ == "__main__":
    main()
