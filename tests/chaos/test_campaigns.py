"""Campaigns while Evolution fails and the worker is killed: nobody is lost, nobody gets a message twice unmarked."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

import pytest

from local.people import UNITS
from portal.clock import now
from tests.running.campaigns import Organiser, Verdict, judge, organiser_of
from tests.running.stack import Stack
from tests.running.waiting import until

SEED = 20_261_129
EACH = 15
PACE = (0.3, 0.6)
USUAL_PACE = (2.0, 5.0)
FAULTS = {
    "timedOut": 0.04,
    "databaseErrorAfterSend": 0.04,
    "resetBeforeSend": 0.04,
    "resetAfterSend": 0.04,
    "webhookLost": 0.05,
    "webhookDuplicate": 0.1,
}
CROWD = {"on": True, "reads": 0.7, "answers": 0.1, "optsOut": 0.02, "blocks": 0.05, "absent": 0.02, "delayS": 0.5}
DONE_WITHIN_S = 120
# A click acts within this time, what is on the wire included.
AT_ONCE_S = 2.0
Measured = Callable[[str], None]


@pytest.fixture
def organiser(stack: Stack) -> Iterator[Organiser]:
    with organiser_of(stack.env) as organiser:
        organiser.set_pace(*PACE)
        stack.simulator.change(faults=FAULTS, seed=SEED)
        stack.simulator.change_crowd(**CROWD, jitterS=0.4, seed=SEED)
        yield organiser
        stack.simulator.change(faults=None)
        stack.simulator.change_crowd(on=False)
        organiser.set_pace(*USUAL_PACE)


@pytest.mark.timeout(300)
def test_campaigns_survive_kills_faults_a_pause_and_a_cancel(
    stack: Stack, organiser: Organiser, measured: Measured
) -> None:
    ids = plan_two_for_each_unit(organiser)
    cancelled, others = ids[0], ids[1:]
    began_at = time.monotonic()
    for campaign_id in ids:
        organiser.start(campaign_id)

    until(lambda: len(verdict(stack, ids).left) >= 2 * len(UNITS), "first messages")
    kill_worker(stack)
    pause_s = pause_and_resume(stack, organiser, ids)
    until(lambda: len(verdict(stack, [cancelled]).left) >= EACH // 3, "messages of the campaign to cancel")
    organiser.cancel(cancelled)
    cancelled_at = now()
    kill_worker(stack)
    until(lambda: are_completed(stack, others), "end of the others", within_s=DONE_WITHIN_S)

    cancel_s = seconds_after(cancelled_at, verdict(stack, [cancelled]))
    until(lambda: told(organiser, ids) == verdict(stack, ids).rungs, "counts that are those of the ledger")
    end = verdict(stack, ids)
    measured(
        f"{len(ids)} campaigns of {EACH} at {PACE[0]} to {PACE[1]} s, worker killed twice, all paused once, one"
        f" cancelled, faults {sum(stack.simulator.struck().values())}: {end.summary}; 0 lost, 0 repeated unmarked; last"
        f" message {pause_s:.2f} s after the pause and {cancel_s:.2f} s after the cancel;"
        f" {time.monotonic() - began_at:.0f} s in all (seed {SEED})"
    )
    assert len(end.lines) == len(ids) * EACH
    assert (end.open, end.lost, end.unsaid, end.repeated, end.astray) == ([], [], [], [], [])
    assert [counts.total for counts in organiser.counts(ids).values()] == [EACH] * len(ids)
    assert max(pause_s, cancel_s) <= AT_ONCE_S
    assert 0 < verdict(stack, [cancelled]).rungs["cancelled"] < EACH
    assert verdict(stack, others).rungs["cancelled"] == 0
    until(lambda: stack.rows.busy_lanes() == 0, "free lanes")


def plan_two_for_each_unit(organiser: Organiser) -> list[UUID]:
    """Two at each unit take turns; everybody is in one of them."""
    places = [(unit, number) for number in range(2) for unit in UNITS]
    return [
        organiser.plan(unit, f"offer {place}", [f"55119{place}{7_000_000 + number}" for number in range(EACH)])
        for place, (unit, _) in enumerate(places)
    ]


def verdict(stack: Stack, ids: list[UUID]) -> Verdict:
    return judge(stack.rows, stack.simulator, ids)


def told(organiser: Organiser, ids: list[UUID]) -> Counter[str]:
    """How many recipients the portal says are on each rung."""
    rungs: Counter[str] = Counter()
    for counts in organiser.counts(ids).values():
        rungs.update({str(rung): number for rung, number in counts.by_rung.items()})
    return rungs


def kill_worker(stack: Stack) -> None:
    stack.worker.kill()
    stack.worker.start()


def pause_and_resume(stack: Stack, organiser: Organiser, ids: list[UUID]) -> float:
    """Pause all, see that nothing leaves any more, go on; seconds from the last click to the last message."""
    for campaign_id in ids:
        organiser.pause(campaign_id)
    paused_at = now()
    time.sleep(AT_ONCE_S)
    before = verdict(stack, ids)
    time.sleep(2 * PACE[1])
    assert len(verdict(stack, ids).left) == len(before.left), "a message left in the pause"
    for campaign_id in ids:
        organiser.resume(campaign_id)
    return seconds_after(paused_at, before)


def seconds_after(moment: datetime, end: Verdict) -> float:
    """How long after a click the last message left; 0 for one that was gone before."""
    return max(0.0, (max(one.at for one in end.left) - moment).total_seconds())


def are_completed(stack: Stack, ids: list[UUID]) -> bool:
    return stack.rows.count("campaigns WHERE id = ANY(%s) AND state = 'completed'", ids) == len(ids)
