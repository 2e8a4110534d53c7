"""Campaigns of many units while everything goes wrong: nobody is lost, nobody is written to twice unmarked, and they
end when they were said to.

Web, workers and simulator are real processes. While the campaigns run, Evolution fails in many ways and is restarted,
workers are killed, and everything is paused once. `--calm` leaves that out; `--cancel` cancels everything halfway.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID

from bench import disturbance
from bench.campaign_report import report
from bench.campaign_run import Plan, Run
from bench.disturbance import SEED, Killer, Restarts, Timetable
from local.people import UNITS
from local.services import Services
from tests.running.campaigns import Verdict, organiser_of
from tests.running.stack import open_stack

FLAGS = ("--create-wait-s=0.2", "--connect-wait-s=0.2", "--first-qr-s=0.1", "--retry-initial-s=0.3")
CROWD = {"on": True, "reads": 0.8, "answers": 0.1, "optsOut": 0.01, "blocks": 0.02, "absent": 0.02, "delayS": 5}
LINKED_AT_ONCE = 4
LOOK_S = 0.25
# What takes so many times as long as it should never ends.
PATIENCE = 3
SETTLE_S = 120


def main() -> int:
    plan = _arguments()
    with _open_run(plan) as run:
        ids = _prepare(run)
        print(f"{plan.units} units linked, {plan.units * plan.recipients} recipients planned", flush=True)
        run.start(ids)
        _go_through(run)
        verdict = _settle(run)
        return report(run, verdict)


def _arguments() -> Plan:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=50)
    parser.add_argument("--recipients", type=int, default=200, help="of each unit")
    parser.add_argument("--gap", type=float, nargs=2, default=(0.7, 1.3), metavar=("MIN_S", "MAX_S"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill-every", type=float, default=5.0, metavar="S")
    parser.add_argument("--restarts", type=int, default=2, help="of Evolution")
    parser.add_argument("--pause", type=float, default=10.0, metavar="S")
    parser.add_argument("--calm", action="store_true", help="without faults, kills, restarts and the pause")
    parser.add_argument("--cancel", action="store_true", help="cancel everything halfway")
    told = parser.parse_args()
    return Plan(
        units=told.units,
        recipients=told.recipients,
        gap_s=tuple(told.gap),
        workers=told.workers,
        kill_every_s=told.kill_every,
        restarts=told.restarts,
        pause_s=told.pause,
        is_calm=told.calm,
        is_cancelled=told.cancel,
    )


@contextmanager
def _open_run(plan: Plan) -> Iterator[Run]:
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="portal-bench-")))
        folder.chmod(0o755)
        services = ending.enter_context(Services(folder / "servers"))
        database = f"portal_bench_{time.time_ns()}"
        ending.callback(services.drop_database, database)
        services.create_database(database)
        stack = ending.enter_context(
            open_stack(services, database, folder / "instance", flags=FLAGS, workers=plan.workers)
        )
        organiser = ending.enter_context(organiser_of(stack.env))
        yield Run(plan, stack, organiser, list(stack.workers))


def _prepare(run: Run) -> list[UUID]:
    """Link the units and write the ledgers; the drafts."""
    slugs = [*UNITS, *(f"unit-{number}" for number in range(len(UNITS), run.plan.units))][: run.plan.units]
    for slug in slugs[len(UNITS) :]:
        run.organiser.open_unit(slug)
    with ThreadPoolExecutor(LINKED_AT_ONCE) as pool:
        list(pool.map(lambda place: run.stack.link(slugs[place], number=f"551198888{1000 + place}"), range(len(slugs))))
    run.organiser.set_pace(*run.plan.gap_s)
    ids = []
    for place, slug in enumerate(slugs):
        numbers = [f"551197{place:03d}{1000 + number}" for number in range(run.plan.recipients)]
        ids.append(run.organiser.plan(slug, f"offer {place}", numbers))
    run.stack.rows.change("ANALYZE")
    run.stack.simulator.change_crowd(**CROWD, jitterS=4, seed=SEED)
    return ids


def _go_through(run: Run) -> None:
    """Do to the run what its plan says, until all campaigns are over or do not end."""
    plan, timetable = run.plan, Timetable()
    killer, restarts = Killer(run.workers, plan.kill_every_s), Restarts(run.stack)
    if plan.is_cancelled:
        timetable.add(plan.expected_s / 2, run.cancel)
    if not plan.is_calm:
        disturbance.let_evolution_fail(run.stack)
    if plan.is_disturbed:
        for number in range(plan.restarts):
            timetable.add(plan.expected_s * (number + 1) / (plan.restarts + 1), restarts.begin)
        timetable.add(plan.expected_s * 0.45, run.pause)
        timetable.add(plan.expected_s * 0.45 + plan.pause_s, run.resume)
    longest_s = PATIENCE * plan.expected_s + plan.pause_s
    while (timetable.entries or not run.are_over()) and time.monotonic() - timetable.began_at < longest_s:
        timetable.do_due()
        run.measure()
        if plan.is_disturbed:
            killer.kill_when_due()
        time.sleep(LOOK_S)
    restarts.wait()
    run.kills = killer.kills


def _settle(run: Run) -> Verdict:
    """Let what is in flight end, however it ends."""
    run.stack.simulator.change(faults=None)
    deadline = time.monotonic() + SETTLE_S
    while not _is_settled(run) and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    return run.judge()


def _is_settled(run: Run) -> bool:
    return run.are_over() and not run.stack.rows.busy_lanes() and not run.judge().open


if __name__ == "__main__":
    sys.exit(main())
