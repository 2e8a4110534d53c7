"""What one claim costs with 10,000, 100,000 and 1,000,000 messages waiting, and its plan at the largest."""

import argparse
import statistics
import time

from sqlalchemy import text

from bench.stage import Stage, open_stage
from portal.clock import now
from portal.db import atomic, db
from portal.models import ABOUT_ANOTHER, CAMPAIGN_PRIORITY
from portal.outbox import lanes, owners, servers, statements
from portal.tenancy import across_tenants

UNITS = 1_000
TOGETHER = 50
ROUNDS = 60
WARM_UP_ROUNDS = 10
# As if each had been sent and had a next one.
RESET = (
    "UPDATE messages SET status = 'queued', relay_id = NULL WHERE status = 'sending'",
    "UPDATE lanes SET message_id = NULL, next_send_at = now() WHERE message_id IS NOT NULL",
)


def fill(stage: Stage, size: int) -> None:
    stage.fill(units=UNITS, messages=size // UNITS)
    stage.run("UPDATE lanes SET is_open = true, next_send_at = now()")
    stage.run("VACUUM ANALYZE")


def measure(stage: Stage, rounds: int = ROUNDS) -> list[float]:
    """Milliseconds of each claim of 50 lanes."""
    took = []
    owner_id = owners.new_owner()
    with stage.app.app_context():
        free = {server.id: TOGETHER for server in servers.list_servers()}
        for number in range(WARM_UP_ROUNDS + rounds):
            began_at = time.perf_counter()
            claimed = lanes.claim(owner_id, free=free, keeping_ids=[])
            if number >= WARM_UP_ROUNDS:
                took.append((time.perf_counter() - began_at) * 1000)
            if len(claimed) != TOGETHER:
                raise RuntimeError(f"claimed {len(claimed)} instead of {TOGETHER}")
            for statement in RESET:
                stage.run(statement)
    return took


def plan(stage: Stage) -> str:
    """How PostgreSQL takes the next messages of 50 lanes; nothing of it is kept."""
    taking = {
        "ahead_s": lanes.AHEAD_S,
        "at": now(),
        "owner_id": owners.new_owner(),
        "keeping_ids": [],
        "lid_suffix": "",
        "opted_out": "",
        "about_another": list(ABOUT_ANOTHER),
        "campaign_priority": CAMPAIGN_PRIORITY,
        "most_behind_s": lanes.MOST_BEHIND_S,
    }
    with stage.app.app_context(), across_tenants("a measurement"), atomic():
        slots = {"servers": [s.id for s in servers.list_servers()], "free": [TOGETHER], "ahead_s": lanes.AHEAD_S}
        units = list(db.session.scalars(statements.LOCK_DUE_LANES, slots))
        explained = text(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {statements.TAKE_NEXT.text}")
        lines = list(db.session.scalars(explained, {**taking, "units": units}))
        db.session.rollback()
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    flags = parser.parse_args()
    medians = []
    for size in flags.sizes:
        with open_stage() as (stage, _):
            fill(stage, size)
            took = measure(stage)
            medians.append(statistics.median(took))
            print(f"{size:>9,} waiting: claim of {TOGETHER} lanes {medians[-1]:.2f} ms, slowest {max(took):.2f} ms")
            if size == flags.sizes[-1]:
                print(plan(stage))
    print("ratio to the first: " + ", ".join(f"{median / medians[0]:.2f}" for median in medians))


if __name__ == "__main__":
    main()
