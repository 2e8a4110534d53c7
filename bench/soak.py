"""Half an hour of a portal at work: do memory, connections, backlog, errors and times stay flat, and do the sums agree?

The real processes in production settings, with a gateway that stands in for Evolution and takes 50 ms: gunicorn and
one worker. It begins with a rush, after which each web process has as many connections as it ever will. Programs send
by the JSON API, and what Evolution posts comes in at the door: receipts of what was sent, and texts, pictures, own
messages, reactions and edits of all units. Ends with 1 when a curve is not flat or a sum does not agree.
"""

import argparse
import asyncio
import itertools
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.flatness import Allowed, Sum, Trend, disagreeing, times_sent, trends
from bench.living import bring_to_life, make_tokens
from bench.load import press
from bench.machine import describe, moment
from bench.serving import PRODUCTION, start_gunicorn, start_worker
from bench.soak_load import RECEIPTS, Load
from bench.soak_looks import Log, Looks
from bench.stage import Stage, open_stage

LOOK_S = 5.0
# Each of the threads of web is asked for what holds a connection as long as it takes.
RUSH_S = 5.0
# Less than the API takes of one token in a minute, so that none is refused.
SENDS_PER_TOKEN_S = 15
SETTLED_S = 120.0
UNSETTLED = (
    "SELECT (SELECT count(*) FROM webhook_events WHERE state = 'new')"
    " + (SELECT count(*) FROM messages WHERE status IN ('queued', 'sending'))"
)


@dataclass(frozen=True)
class Plan:
    minutes: float
    units: int
    sends_per_s: float
    webhooks_per_s: float

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    @property
    def allowed(self) -> dict[str, Allowed]:
        """What may grow how much in an hour: a backlog by what comes in a second, errors not at all."""
        return {
            "web, MB": Allowed(share=0.05),
            "worker, MB": Allowed(share=0.05),
            "connections": Allowed(share=0.1),
            "events waiting": Allowed(per_h=self.webhooks_per_s),
            "messages waiting": Allowed(per_h=self.sends_per_s),
            "errors": Allowed(),
            **{f"{what} {which}, ms": Allowed(share=0.5) for what in ("webhook", "late") for which in ("p50", "p95")},
        }


@dataclass(frozen=True)
class Outcome:
    looks: Looks
    load: Load
    sums: list[Sum]
    trends: list[Trend]
    trouble: list[str]

    @property
    def is_good(self) -> bool:
        return not any(disagreeing(self.sums)) and all(trend.is_flat for trend in self.trends)


def main() -> int:
    plan, folder = _read_flags()
    with open_stage() as (stage, temporary), ExitStack() as ending:
        told: dict[str, Any] = {
            "plan": asdict(plan),
            "machine": describe(stage.env["DATABASE_URL"], stage.env["REDIS_URL"]),
            "began": asdict(moment()),
        }
        outcome = run(ending, stage, temporary, plan)
    write(folder / "soak.json", told, outcome)
    show(outcome)
    return 0 if outcome.is_good else 1


def _read_flags() -> tuple[Plan, Path]:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=30.0)
    options.add_argument("--units", type=int, default=500)
    options.add_argument("--sends-per-s", type=float, default=50.0)
    options.add_argument("--webhooks-per-s", type=float, default=200.0)
    options.add_argument("--out", type=Path, default=Path("bench/results/soak"))
    given = options.parse_args()
    if given.webhooks_per_s <= len(RECEIPTS) * given.sends_per_s:
        options.error("each send brings two receipts: there must be more webhooks a second than those")
    return Plan(given.minutes, given.units, given.sends_per_s, given.webhooks_per_s), given.out


def run(ending: ExitStack, stage: Stage, folder: Path, plan: Plan) -> Outcome:
    stage.fill(units=plan.units, messages=0)
    units = bring_to_life(stage)
    tokens = make_tokens(stage, math.ceil(plan.sends_per_s / SENDS_PER_TOKEN_S))
    web_log, worker_log = folder / "web.log", folder / "worker.log"
    web = start_gunicorn(ending, stage, "wsgi:app", env=PRODUCTION, log=web_log)
    worker_pid = start_worker(ending, stage, env=PRODUCTION, log=worker_log)
    load = Load(web.port, stage.gateways[0], units, tokens, math.ceil(plan.seconds * plan.sends_per_s))
    logs = [Log(web_log), Log(worker_log)]
    looks = Looks(stage, load, {"web": web.pid, "worker": worker_pid}, logs)
    ending.callback(looks.close)
    press(web.port, _ask_for_units(tokens), seconds=RUSH_S)
    asyncio.run(_load_and_look(load, looks, plan))
    _settle(stage)
    trouble = [line for log in logs for line in log.lines]
    return Outcome(looks, load, list(count(stage, load)), trends(looks.at_s, looks.curves, plan.allowed), trouble)


def _ask_for_units(tokens: Sequence[str]) -> Iterator[bytes]:
    for token in itertools.cycle(tokens):
        yield f"GET /admin/units HTTP/1.1\r\nHost: portal.test\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


async def _load_and_look(load: Load, looks: Looks, plan: Plan) -> None:
    async def look() -> None:
        began_at = time.monotonic()
        for number in range(1, int(plan.seconds / LOOK_S) + 1):
            await asyncio.sleep(began_at + number * LOOK_S - time.monotonic())
            await asyncio.to_thread(looks.look)

    await asyncio.gather(
        load.run(plan.seconds, sends_per_s=plan.sends_per_s, webhooks_per_s=plan.webhooks_per_s), look()
    )


def _settle(stage: Stage) -> None:
    """Until nothing waits any more; what then still does, the sums tell."""
    until = time.monotonic() + SETTLED_S
    while stage.count(UNSETTLED) and time.monotonic() < until:
        time.sleep(0.5)


def count(stage: Stage, load: Load) -> Iterator[Sum]:
    """What was acknowledged, beside what is there."""
    posted, accepted = load.posted, sum(load.is_accepted)
    events = "SELECT count(*) FROM webhook_events"
    messages = "SELECT count(*) FROM messages"
    yield Sum("webhooks acknowledged, and stored", posted.total(), stage.count(events))
    yield Sum("webhooks acknowledged, and applied", posted.total(), stage.count(f"{events} WHERE state = 'done'"))
    received = f"{messages} WHERE direction = 'inbound' AND kind IN ('text', 'image')"
    yield Sum("texts and pictures of customers", posted["text"] + posted["picture"], stage.count(received))
    reactions = f"{messages} WHERE direction = 'inbound' AND kind = 'reaction'"
    yield Sum("reactions", posted["reaction"], stage.count(reactions))
    yield Sum("own messages of phones", posted["own"], stage.count(f"{messages} WHERE source = 'phone'"))
    yield Sum("edits", posted["edit"], stage.count("SELECT count(*) FROM message_changes WHERE kind = 'edit'"))
    yield Sum("sends accepted, and queued", accepted, stage.count(f"{messages} WHERE source = 'api'"))
    lost, twice, unasked = times_sent(load.is_accepted, load.came)
    yield Sum("sends accepted that never came to Evolution", 0, lost)
    yield Sum("sends that came there more than once", 0, twice)
    yield Sum("sends that came there and were not accepted", 0, unasked)
    for receipt in RECEIPTS:
        yield Sum(f"sends that came there, and their {receipt}", sum(load.came), posted[receipt])
    read = f"{messages} WHERE source = 'api' AND status = 'read'"
    yield Sum("sends accepted, and shown as read", accepted, stage.count(read))
    yield Sum("repairs, of which none was due", 0, stage.count("SELECT count(*) FROM repairs"))


def write(path: Path, told: dict[str, Any], outcome: Outcome) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        **told,
        "is_good": outcome.is_good,
        "sums": [asdict(one) for one in outcome.sums],
        "trends": [{**asdict(trend), "is_flat": trend.is_flat} for trend in outcome.trends],
        "posted": outcome.load.posted,
        "refused": outcome.load.refused,
        "trouble": outcome.trouble,
        "at_s": outcome.looks.at_s,
        "curves": outcome.looks.curves,
    }
    path.write_text(json.dumps(kept, indent=1))


def show(outcome: Outcome) -> None:
    for name, values in outcome.looks.curves.items():
        print(f"{name}: first {values[0]:,.1f}, at most {max(values):,.1f}, last {values[-1]:,.1f}")
    _show_all("What was counted", outcome.sums)
    _show_all("Over the last two thirds", outcome.trends or ["too short to tell whether anything grows"])
    _show_all("Refused", [f"{what}: {number}" for what, number in outcome.load.refused.items()])
    _show_all("First lines of trouble", outcome.trouble)
    print("GOOD" if outcome.is_good else "NOT GOOD")


def _show_all(heading: str, lines: Sequence[object]) -> None:
    if lines:
        print(heading, *lines, sep="\n  ")


if __name__ == "__main__":
    sys.exit(main())
